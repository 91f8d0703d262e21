"""Leftovers of killed commands are removed by the next one, and nothing else is; tables cost a sweep little."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from littlehuman.runs import leftovers
from littlehuman.store import INVOCATION, process_name, write_json, write_text
from littlehuman.study import table

DEAD = process_name().replace(str(os.getpid()), "4194305")


def _made(path: Path, age: float) -> None:
    then = time.time() - age
    os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [
        (f".invocation-{DEAD}-0a1b2c3d", 100, False),
        (f".invocation-{DEAD}-0a1b2c3d", 1, True),  # its process may just have ended
        (f".invocation-{process_name()}-0a1b2c3d", 100, True),
        (".invocation-othernode-12-0a1b2c3d", 100, True),
        (".invocation-0123456789abcdef0123456789abcdef", 8 * 86_400, False),  # of older versions
        (".tmpx1y2z3", 2 * 86_400, False),
        (".tmpx1y2z3", 100, True),
        ("refused-esc", 100, False),
        ("default", 8 * 86_400, True),
        (".mine", 8 * 86_400, True),
    ],
    ids=range(10),  # names hold the number of this process, and test processes must agree on ids
)
def test_only_what_an_ended_command_left_is_removed(name: str, age: float, stays: bool, tmp_path: Path) -> None:
    write_text(tmp_path / name / "multirun.yaml", "x")
    _made(tmp_path / name, age)
    leftovers.sweep(tmp_path)
    assert (tmp_path / name).exists() == stays


def test_a_refused_study_with_work_in_it_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "refused-mine" / "cell" / "result.json", "{}")
    _made(tmp_path / "refused-mine", 100)
    leftovers.sweep(tmp_path)
    assert (tmp_path / "refused-mine" / "cell" / "result.json").exists()


def test_half_written_files_are_removed_when_nobody_writes_them_any_more(tmp_path: Path) -> None:
    drafts = (".result.json.abcd1234", ".predictions.jsonl.x_y_z_12", f".lock-2.{'0f' * 16}", ".tmpabc")
    kept = (".lock", ".lock-2", "result.json", ".hydra", ".training.safetensors", ".env.local", "notes.tmp")
    for name in (*drafts, *kept):
        (tmp_path / name).write_text("x")
        _made(tmp_path / name, 100)
    (tmp_path / ".table.csv.abcd1234").write_text("just being written")
    leftovers.sweep_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, ".table.csv.abcd1234"}


def test_a_table_is_written_now_and_then_and_at_the_end_of_the_command(
    multirun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports, study = tmp_path / "reports", multirun / "study"
    monkeypatch.setenv(INVOCATION, str(reports))
    written: list[Path] = []
    real = table.write
    monkeypatch.setattr(table, "write", lambda place: (written.append(place), real(place))[1])
    for number in range(50):
        write_json(study / f"cell-{number:02}" / "status.json", {"state": "failed", "reason": "no rows"})
        table.update(study / f"cell-{number:02}")
    assert len(written) < 5  # a few seconds at most
    table.write_due(reports)
    assert (study / "table.csv").read_text().count("no rows") == 50


def test_a_row_is_read_again_when_its_files_changed(tmp_path: Path) -> None:
    for reason in ("no rows", "no column"):
        write_json(tmp_path / "cell" / "status.json", {"state": "failed", "reason": reason})
        table.write(tmp_path)
        assert reason in (tmp_path / "table.csv").read_text()
