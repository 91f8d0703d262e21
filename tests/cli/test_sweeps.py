"""Sweeps: cells that fail, cells that are refused, the same command again, two commands at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runs import HUMAN, QUICK, run_folder, table_rows
from conftest import ROOT, TINY, Cli, Ended, python

from littlehuman.store import read_json


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Two cells that can be computed and two that cannot, as one command of its own process."""
    root = tmp_path_factory.mktemp("swept")
    command = (
        "-m",
        "littlehuman.run",
        "-m",
        *HUMAN,
        "dataset=fieldnotes_fv",
        "seed=0,1",
        "n_train=10",
        "human_budget=all,3",
    )
    return root, python(*command, LITTLEHUMAN_MULTIRUN=str(root))


@pytest.mark.slow
def test_a_sweep_completes_around_cells_that_fail(swept: tuple[Path, Ended]) -> None:
    root, ended = swept
    assert ended.code == 1, ended.text
    assert len(list((root / "default").glob("*/result.json"))) == 2
    for seed in (0, 1):
        words = (*HUMAN, "dataset=fieldnotes_fv", f"seed={seed}", "n_train=10", "human_budget=3")
        assert ended.err.count(str(run_folder(root, *words))) == 1
    assert ended.text.count("more than the budget allows") == 1 and ended.err.count("Try: ") == 1
    assert "2 runs (cells) cannot be computed as asked; change the values that are named above." in ended.err
    assert "Traceback" not in ended.text


@pytest.mark.slow
def test_table_is_complete_after_a_failure(swept: tuple[Path, Ended]) -> None:
    root, _ = swept
    table = table_rows(root / "default")
    assert sorted(row["state"] for row in table.values()) == ["done", "done", "failed", "failed"]
    assert set(table) == {folder.parent.name for folder in (root / "default").glob("*/status.json")}
    for row in table.values():
        assert row["seed"] in "01" and row["human_budget"] == ("3" if row["state"] == "failed" else "all")
        assert bool(row["error"]) == (row["state"] == "failed") == (row["accuracy"] == "")
    assert "| failed |" in (root / "default" / "table.md").read_text()


def test_the_same_sweep_again_computes_only_what_is_missing(cli: Cli, multirun: Path) -> None:
    root = multirun
    assert cli("-m", *HUMAN, "dataset=fieldnotes_fv", "seed=0,1", "n_train=10").code == 0
    before = {path: path.stat().st_mtime_ns for path in root.rglob("result.json")}
    set_up = {file: file.stat().st_mtime_ns for folder in before for file in folder.parent.glob(".hydra/*.yaml")}
    ended = cli("-m", *HUMAN, "dataset=fieldnotes_fv", "seed=0,1", "n_train=10", "human_budget=all,3")
    assert ended.code == 1 and ended.text.count("already complete") == 2, ended.text
    assert ended.out.count("not complete: ") == 2 and ended.text.count("more than the budget allows") == 1
    assert {path: path.stat().st_mtime_ns for path in root.rglob("result.json")} == before
    # Hydra's set-up of a job, which writes these, costs more than all the rest of a cell that is complete.
    assert set_up and {path: path.stat().st_mtime_ns for path in set_up} == set_up
    # A single run of one of the cells is the same folder, whatever it is called and wherever it computes.
    single = cli(*HUMAN, "dataset=fieldnotes_fv", "seed=1", "n_train=10", "synth_frac=0.0", "launch.micro_batch=2")
    assert single.code == 0 and "already complete" in single.out
    assert {path: path.stat().st_mtime_ns for path in root.rglob("result.json")} == before


def test_a_sweep_names_cells_whose_config_is_refused(cli: Cli, multirun: Path) -> None:
    ended = cli("-m", *HUMAN, "synth_frac=0,1.5", "n_train=4", "human_budget=1")
    assert ended.code == 1 and ended.err.count("NOT COMPLETE") == 1
    assert "REFUSED  synth_frac=1.5 must be between 0 and 1" in ended.err and "the same command" not in ended.err
    assert len(table_rows(multirun / "default")) == 1


@pytest.mark.parametrize(
    ("typo", "launcher"),
    [
        ("+synthfrac=1", []),
        pytest.param("synth_frac=1.5", [], marks=pytest.mark.slow),
        pytest.param("+synthfrac=1", ["hydra/launcher=fused"], marks=pytest.mark.slow),
        pytest.param("synth_frac=1.5", ["hydra/launcher=fused"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_typo_does_not_stay_in_the_study(typo: str, launcher: list[str], cli: Cli, multirun: Path) -> None:
    refused = cli("-m", *launcher, *QUICK, typo)
    assert refused.code == 1 and "REFUSED" in refused.err and "Traceback" not in refused.text
    assert {path.name for path in (multirun / "default").iterdir()} == {"multirun.yaml"}
    assert cli(*QUICK).code == 0 and cli("-m", *QUICK, typo).code == 1
    assert [row["state"] for row in table_rows(multirun / "default").values()] == ["done"]
    assert len([path for path in (multirun / "default").iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_a_failure_that_may_pass_and_a_refusal_are_told_apart(cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    (folder / "predictions.jsonl").mkdir(parents=True)  # a folder stands where the file shall be
    ended = cli("-m", *QUICK, "seed=0,-1", "+training.foo=1")
    assert ended.err.splitlines()[-1].startswith("2 cell(s) cannot be computed as asked")
    ended = cli("-m", *QUICK, "n_train=4,-1")
    assert ended.err.splitlines()[-2:] == [
        "1 cell(s) not complete; the same command repeats only what is missing.",
        "1 cell(s) cannot be computed as asked; change the values that are named above.",
    ]


def test_an_experiment_without_its_grid_is_refused_with_the_command_that_was_meant(cli: Cli, multirun: Path) -> None:
    whole = cli("experiment=zoom", *QUICK, "seed=1")  # synth_frac stands in QUICK: nothing is left to the grid
    assert whole.code == 0 and len(table_rows(multirun / "zoom")) == 1
    shutil.rmtree(multirun / "zoom")
    ended = cli("experiment=zoom", *TINY, "dataset=fieldnotes_fv", "n_train=4", "seed=1")
    assert ended.code == 1 and "experiment=zoom is a grid over synth_frac, " in ended.err, ended.text
    meant = f"Try: littlehuman -m experiment=zoom {' '.join(TINY)} dataset=fieldnotes_fv n_train=4 seed=1"
    assert meant in ended.err and not (multirun / "zoom").exists()


def _started(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "littlehuman.run", "-m", *words]
    environment = {**os.environ, "LITTLEHUMAN_MULTIRUN": str(root)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_runs_never_collide(tmp_path: Path) -> None:
    """Two commands of the same second; one cell belongs to both."""
    running = [_started(tmp_path, *QUICK, f"seed={seeds}") for seeds in ("0,1", "0,2")]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert sum("already complete" in text for text in said) == 1, said
    table = table_rows(tmp_path / "default")
    assert sorted((row["seed"], row["state"]) for row in table.values()) == [
        ("0", "done"),
        ("1", "done"),
        ("2", "done"),
    ]
    assert len(list((tmp_path / "default").glob("*/result.json"))) == 3


@pytest.mark.slow  # four processes
def test_four_identical_sweeps_share_the_cells_and_one_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    running = [_started(tmp_path, *QUICK, "seed=range(6)") for _ in range(4)]
    while not list((tmp_path / "default").glob("*/status.json")):
        time.sleep(0.05)
    (first, *_) = (read_json(path)["pid"] for path in (tmp_path / "default").glob("*/status.json"))
    os.kill(first, signal.SIGKILL)
    said = {process.pid: process.communicate(timeout=300)[0] for process in running}
    assert {process.pid: process.returncode for process in running} == {
        process.pid: -signal.SIGKILL if process.pid == first else 0 for process in running
    }, said
    computed = sum(text.count("training set: ") for pid, text in said.items() if pid != first)
    assert computed + said[first].count("accuracy") == 6  # each once, but for what the killed one was at
    assert {row["state"] for row in table_rows(tmp_path / "default").values()} == {"done"}
    assert len(table_rows(tmp_path / "default")) == 6
