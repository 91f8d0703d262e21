"""`launch.processes=N` for a sweep: cells are divided among processes, and survive the death of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pool_cells import FileCell, Launcher

from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.execution import pool


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cells that were failed with the cause, by name."""
    found: dict[str, str] = {}

    class Noted:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def fail_lost(self, _: Any, error: LittlehumanError) -> None:
            found[self.folder.name] = str(error)

    monkeypatch.setattr(pool, "Job", Noted)
    return found


def _cells(folder: Path, *deadly: int) -> list[FileCell]:
    cells = [FileCell(folder / f"cell{index}", times) for index, times in enumerate(deadly)]
    for cell in cells:
        cell.folder.mkdir()
    return cells


def test_a_process_that_is_killed_takes_no_other_cell_with_it(
    tmp_path: Path, failures: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One cell kills each process that has it: it is handed out once more, and failed with the cause."""
    cells = _cells(tmp_path, 9, 0, 0, 0, 0)
    pool.sweep(cells, Launcher(), 2)
    deadly, *others = cells
    assert all(cell.take_result() and len(cell.begun_by()) == 1 for cell in others)
    assert sorted(capsys.readouterr().out.split()) == [cell.folder.name for cell in others]  # each is printed once
    assert len(deadly.begun_by()) == 2 and list(failures) == ["cell0"]
    assert "2 processes that computed this cell ended; the last one was killed (SIGKILL" in failures["cell0"]


@pytest.mark.slow  # processes that start and do nothing else
def test_cells_that_died_with_a_process_are_computed_by_another(tmp_path: Path, failures: dict[str, str]) -> None:
    cells = _cells(tmp_path, 0, 1, 0, 0, 1, 0, 0, 0)
    pool.sweep(cells, Launcher(), 3)
    assert all(cell.take_result() for cell in cells) and not failures
    assert [len(cell.begun_by()) for cell in cells] == [1, 2, 1, 1, 2, 1, 1, 1]


def test_a_single_cell_is_divided_by_its_training_and_not_by_the_pool(tmp_path: Path) -> None:
    assert pool.processes(_cells(tmp_path, 0)) == 1
    assert pool.processes([FileCell(tmp_path)] * 2) == 2


def test_a_process_that_trains_alone_starts_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_QUIET", "1")  # of a pool
    assert pool.processes([FileCell(tmp_path)] * 2) == 1
    monkeypatch.delenv("LITTLEHUMAN_QUIET")
    monkeypatch.setenv("LITTLEHUMAN_WORKER", "0/2")
    assert pool.processes([FileCell(tmp_path)] * 2) == 1


def test_more_processes_than_gpus_are_refused_before_any_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cells = [FileCell(tmp_path, launch={"processes": 3, "device": "auto"})] * 4
    with pytest.raises(ConfigError, match=r"launch.processes=3 +this machine has 2 CUDA.*\nTry: launch.processes=2"):
        pool.processes(cells)
    cells = [FileCell(tmp_path, launch={"processes": 2, "device": "cuda:1"})] * 2
    with pytest.raises(ConfigError, match="launch.device=cuda:1 +names one device for 2 processes"):
        pool.processes(cells)
