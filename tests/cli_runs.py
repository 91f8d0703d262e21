"""What the tests of the command line have in common: quick runs, and where they write."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from conftest import ROOT, TINY, Ended, claims, compose, write_csv

from littlehuman.config.identity import cell_name
from littlehuman.config.run_config import RunConfig

COLUMNS = ("evidence", "text", "target")
HUMAN = (*TINY, "synth_frac=0")  # no twin is needed
QUICK = (*HUMAN, "dataset=fieldnotes_fv", "n_train=4")


def table_rows(study: Path) -> dict[str, dict[str, str]]:
    """The rows of a study's `table.csv`, by cell."""
    with (study / "table.csv").open(encoding="utf-8", newline="") as handle:
        return {row["cell"]: row for row in csv.DictReader(handle)}


def run_folder(multirun: Path, *overrides: str) -> Path:
    """The folder of a command's only cell."""
    config: RunConfig = compose(*overrides)
    return multirun / config.study / cell_name(config)


def no_result(multirun: Path) -> bool:
    """Whether no run is complete."""
    return not list(multirun.rglob("result.json"))


def claims_csv(folder: Path, columns: tuple[str, ...] = COLUMNS, label: str = "supported") -> str:
    """A table of 20 claims, one of them with the label `label`."""
    rows = claims(20)
    rows[0][2] = label
    return str(write_csv(folder / "claims.csv", columns, rows))


def console_script(folder: Path) -> Path:
    """An executable `littlehuman` as pip makes it from `[project.scripts]` of this checkout's pyproject.toml."""
    target = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]["littlehuman"]
    module, _, function = target.partition(":")
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "littlehuman"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
        f"if __name__ == '__main__':\n    sys.exit({function}())\n"
    )
    script.chmod(0o755)
    return script


def typed(line: str, scripts: Path, cwd: Path = ROOT, **environment: str) -> Ended:
    """A line typed into bash, where PATH has `scripts` and then the folder of this interpreter."""
    path = os.pathsep.join([str(scripts), str(Path(sys.executable).parent), os.environ["PATH"]])
    code = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", line],
        cwd=cwd,
        env={**os.environ, "PATH": path, "PYTHONPATH": code, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
