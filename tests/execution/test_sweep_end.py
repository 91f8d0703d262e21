"""What a sweep prints at its end: a short table, the next command, and each reason for a missing run once."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from study_factory import write_study

from littlehuman import run
from littlehuman.execution import sweep_table
from littlehuman.runs.status import IncompleteCell


def test_a_sweep_ends_with_a_row_per_condition_and_the_next_command(tmp_path: Path) -> None:
    study = write_study(tmp_path / "curve", fractions=(0.0, 1.0), seeds=(0, 1), items=50)
    *lines, following = sweep_table.lines(study)
    assert lines[1].startswith("curve: 4 complete runs (cells of the study)")
    header, *rows = lines[2:]
    assert "human points" in header and "accuracy (%)" in header and len(rows) == 2
    assert rows[0].split()[:4] == ["0", "5000", "0", "2"] and " to " in rows[0]
    assert shlex.split(following.partition("   (")[0])[-2:] == ["report", str(study)]


def test_a_long_table_is_cut_and_says_how_much_is_left(tmp_path: Path) -> None:
    study = write_study(tmp_path, fractions=(0.0,), seeds=(0,), sizes=tuple(range(10, 310, 20)), items=8)
    lines = sweep_table.lines(study)
    assert f"... and 3 more rows, in {study / 'table.md'}" in lines[-2] and len(lines) == 3 + sweep_table.ROWS + 2


def test_a_reason_that_many_runs_share_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    lost = [
        IncompleteCell(f"multirun/a/cell{n}", "in stage data: no column 'text'", mend="rename it") for n in range(20)
    ]
    run._print_missing([*lost, IncompleteCell("multirun/b", "n_train=-1 must be 0 or more", True, False)])
    said = capsys.readouterr().err
    assert said.count("no column") == 1 and said.count("rename it") == 1 and said.count("multirun/a/cell") == run.NAMED
    assert "20 runs (cells) not complete" in said and "1 run (cell) cannot be computed as asked" in said
