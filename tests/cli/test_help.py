"""What the command line shows without computing anything: help, version, configuration."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CONF, ROOT, Cli, python

import littlehuman

HEAVY = ("torch", "transformers", "datasets", "openai", "peft", "accelerate", "pandas")


SHOWN = (["--cfg", "job"], ["--info", "defaults-tree"], ["hydra/launcher=fused", "--cfg", "hydra"], ["--help"])
LIGHT = f"""
import sys, time
from littlehuman.run import cli
for arguments in {SHOWN!r}:
    sys.argv, began = ["littlehuman", *arguments], time.process_time()
    cli()
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    print("\\nLOADED", loaded, time.process_time() - began)
"""


def test_help_is_fast(tmp_path: Path) -> None:
    ended = python("-c", LIGHT, cwd=tmp_path)
    assert ended.code == 0, ended.text
    found = re.findall(r"^LOADED (.*) ([\d.]+)$", ended.out, re.MULTILINE)
    assert [loaded for loaded, _ in found] == ["[]"] * len(SHOWN), ended.text
    # seconds of the processor, as this machine may be busy; what was loaded is the real check
    assert all(float(seconds) < 10 for _, seconds in found)


def test_the_version_is_that_of_littlehuman(cli: Cli) -> None:
    ended = cli("--version")
    assert (ended.code, ended.out) == (0, f"littlehuman {littlehuman.__version__}\n")


def test_help_names_every_group_and_every_option(cli: Cli) -> None:
    ended = cli("--help")
    assert ended.code == 0
    for file in CONF.glob("*/*.yaml"):
        line = next(line for line in ended.out.splitlines() if line.startswith(f"{file.parent.name}: "))
        assert file.stem in line.replace(",", "").split()
    for key in (
        "synth_frac",
        "n_train",
        "n_test",
        "seed",
        "study",
        "human_budget",
        "extra_human",
        "synthetic",
        "test_dataset",
    ):
        assert key in ended.out


@pytest.mark.parametrize(
    "arguments", [["--cfg", "job"], ["--cfg", "job", "--resolve"], ["--info", "searchpath"]], ids=" ".join
)
def test_the_configuration_can_be_shown_without_leaving_a_folder(
    arguments: list[str], cli: Cli, multirun: Path
) -> None:
    ended = cli(*arguments)
    assert ended.code == 0 and not multirun.exists()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["run", "plan"])
def test_a_reader_that_leaves_early_is_no_error(module: str, tmp_path: Path) -> None:
    arguments = {
        "run": ["--help"],
        "plan": [str(_scores(tmp_path)), "--budget=100", "--human-price=1", "--synthetic-price=0.1"],
    }[module]
    command = shlex.join([sys.executable, "-m", f"littlehuman.{module}", *arguments])
    done = subprocess.run(
        f"({command}; echo code $? >&2) | true", shell=True, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.stderr == "code 0\n"


def _scores(folder: Path) -> Path:
    rows = [
        f"{synthetic},{human},{0.5 + human / 1e4 + synthetic / 1e5}"
        for synthetic in (0, 500, 1000)
        for human in (100, 200)
    ]
    (folder / "scores.csv").write_text("\n".join(["n_synthetic,n_human,score", *rows]) + "\n")
    return folder / "scores.csv"
