"""A command that wants more training points than there are: refused once, with the command that works."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from cli_runs import QUICK, table_rows
from conftest import TINY, Cli, claims, write_csv

LABELS = "dataset.labels={supported: supported, unsupported: unsupported}"


def table(folder: Path, count: int = 50) -> tuple[str, ...]:
    file = write_csv(folder / "claims.csv", ("evidence", "text", "target"), claims(count))
    return ("dataset=table", f"dataset.path={file}", LABELS, *TINY)


def tried(text: str) -> list[str]:
    """The words of the command that a message suggests."""
    (line,) = (line for line in text.splitlines() if line.startswith("Try: "))
    return shlex.split(line.removeprefix("Try: littlehuman"))


@pytest.mark.parametrize(
    "launcher", ["sequential", *(pytest.param(name, marks=pytest.mark.slow) for name in ("basic", "fused"))]
)
def test_a_grid_that_cannot_be_filled_is_refused_once_before_the_first_cell(
    launcher: str, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    words = ("-m", *table(tmp_path), "synth_frac=0", "n_train=4,50,60", f"hydra/launcher={launcher}")
    ended = cli(*words)
    assert ended.code == 1 and not list(multirun.rglob("status.json")), ended.text
    assert not (multirun / "default").exists()
    assert ended.text.count("n_train=50,60  table has 40 usable training points") == 1
    assert tried(ended.err) == [word.replace("4,50,60", "4,40") for word in words]


def test_the_human_points_beside_a_size_count_too(cli: Cli, tmp_path: Path) -> None:
    ended = cli("-m", *table(tmp_path), "synth_frac=0", "n_train=10,40", "extra_human=0,5")
    assert ended.code == 1 and "n_train=40 + extra_human=5  table has 40 usable" in ended.err, ended.text
    assert "n_train=10,35" in tried(ended.err) and "extra_human=0,5" in tried(ended.err)
    none = cli(*table(tmp_path), "synth_frac=0", "n_train=4", "extra_human=90")
    assert {"n_train=4", "extra_human=0"} <= set(tried(none.err))


def test_a_single_run_is_refused_with_its_own_command_and_that_command_runs(
    cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    ended = cli(*table(tmp_path, 20), "synth_frac=0", "n_train=500", "training.epochs=1")
    assert ended.code == 1 and not list(multirun.rglob("status.json")), ended.text
    again = cli(*tried(ended.err))
    assert again.code == 0 and {"n_train=16", "training.epochs=1"} <= set(tried(ended.err)), again.text


def test_complete_cells_are_not_asked_for_their_points_and_other_failures_stay_with_their_cell(
    cli: Cli, multirun: Path
) -> None:
    assert cli(*QUICK).code == 0
    ended = cli("-m", *QUICK, "human_budget=all,3")
    assert ended.code == 1 and "already complete" in ended.out and "more than the budget allows" in ended.err
    assert len(table_rows(multirun / "default")) == 2
