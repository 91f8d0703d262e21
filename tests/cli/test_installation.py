"""The command as it is installed: the console script, and the package from a wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, python

from littlehuman import __main__ as entry


def test_the_console_script_is_the_entry_point() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    script = EntryPoint("littlehuman", scripts["littlehuman"], "console_scripts")
    assert set(scripts) == {"littlehuman"} and script.load() is entry.main


@pytest.mark.slow
@pytest.mark.parametrize("marks", [pytest.param("", marks=[] if find_spec("hatchling") else pytest.mark.slow)])
def test_cli_from_wheel(marks: str, tmp_path: Path) -> None:
    """Where hatchling is not installed pip must fetch it, which may need a network: then this is a slow test."""
    pip = ("-m", "pip", "--disable-pip-version-check", "-q")
    environment = {**os.environ, "PYTHONPATH": ""}
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    commands = (
        ["wheel", "--no-deps", *isolation, "-w", str(tmp_path / "dist"), str(ROOT)],
        ["install", "--no-deps", "--target", str(tmp_path / "site")],
    )
    for command in commands:
        wheels = [str(wheel) for wheel in (tmp_path / "dist").glob("*.whl")] if command[0] == "install" else []
        done = subprocess.run(
            [sys.executable, *pip, *command, *wheels], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    elsewhere = {"cwd": tmp_path, "PYTHONPATH": str(tmp_path / "site")}
    where = python("-c", "import littlehuman.run as r; print(r.conf_folder())", **elsewhere)  # type: ignore[arg-type]
    assert where.out.strip() == str(tmp_path / "site" / "littlehuman" / "conf")
    script = str(tmp_path / "site" / "bin" / "littlehuman")  # as pip wrote it
    for arguments, said in ((["--help"], "export"), (["--cfg", "job"], "fieldnotes_qa")):
        ended = python(script, *arguments, **elsewhere)  # type: ignore[arg-type]
        assert ended.code == 0 and said in ended.out, ended.text
    for arguments in (["--help"], ["--cfg", "job"]):
        ended = python("-m", "littlehuman.run", *arguments, **elsewhere)  # type: ignore[arg-type]
        assert ended.code == 0 and "fieldnotes_qa" in ended.out, ended.text
    assert (tmp_path / "site" / "hydra_plugins" / "littlehuman_fused" / "launcher.py").is_file()
    together = python("-m", "littlehuman.run", "-m", "hydra/launcher=fused", "n_train=90000", "seed=0,1", **elsewhere)  # type: ignore[arg-type]
    assert together.text.count("usable training points") == 1 and "trained together" in together.out, together.text
    found = python("-m", "littlehuman.run", "n_train=90000", **elsewhere)  # type: ignore[arg-type]
    assert re.search(r"fieldnotes_qa has [1-9]\d+ usable training points", found.out), found.text
