"""Several processes of one command, for real: torchrun, `launch.processes`, workers that know nothing of each other.

The table is that of an undisturbed process, each cell is computed once, and what a killed process had is finished.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_runs import HUMAN, table_rows
from conftest import ROOT, Ended

from littlehuman.runs.claims import NAME, holder_of
from littlehuman.store import read_json

pytestmark = pytest.mark.slow
CELLS = 16
CELL = (*HUMAN, "dataset=fieldnotes_fv")
SWEEP = ("-m", "hydra/launcher=fused", *CELL, "n_train=4,6", "seed=0,1,2,3,4,5,6,7", "study=grid")
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node")
LIMIT_S = 1200.0  # against hanging alone


def _start(multirun: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "LITTLEHUMAN_MULTIRUN": str(multirun), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=LIMIT_S)
    return Ended(process.returncode, out, err)


def _run(multirun: Path, *words: str, **environment: str) -> Ended:
    return _ended(_start(multirun, *words, **environment))


def _table(multirun: Path) -> dict[str, dict[str, str]]:
    """The table of the study without times."""
    return {
        cell: {key: value for key, value in row.items() if key != "seconds"}
        for cell, row in table_rows(multirun / "grid").items()
    }


def _computed_once(multirun: Path) -> bool:
    """Whether no cell was claimed twice: a second claim has a number in its name."""
    cells = [file.parent for file in (multirun / "grid").glob("*/result.json")]
    return len(cells) == CELLS and all([f.name for f in cell.glob(f"{NAME}*")] == [NAME] for cell in cells)


def _computed_by(multirun: Path) -> set[int]:
    """The processes that computed the cells."""
    return {int(read_json(file)["pid"]) for file in (multirun / "grid").glob(f"*/{NAME}*")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    multirun = tmp_path_factory.mktemp("undisturbed")
    ended = _run(multirun, "-m", "littlehuman.run", *SWEEP)
    assert ended.code == 0, ended.text
    return _table(multirun)


@pytest.mark.parametrize("size", [2, 4])
def test_the_processes_of_torchrun_divide_the_cells_of_a_sweep(
    size: int, tmp_path: Path, undisturbed: dict[str, dict[str, str]]
) -> None:
    ended = _run(tmp_path, *TORCHRUN, str(size), "-m", "littlehuman.run", *SWEEP)
    assert ended.code == 0, ended.text
    assert _table(tmp_path) == undisturbed and _computed_once(tmp_path)
    assert len(_computed_by(tmp_path)) == size
    assert ended.out.count("grid: 16 complete runs") == 1  # one of them prints
    assert all(ended.out.count(f"{cell}: accuracy") == 1 for cell in undisturbed)
    assert not list(tmp_path.glob(".invocation-*"))


def test_launch_processes_divides_the_cells_of_a_sweep_and_survives_a_kill(
    tmp_path: Path, undisturbed: dict[str, dict[str, str]]
) -> None:
    command = _start(tmp_path, "-m", "littlehuman.run", *SWEEP, "launch.processes=2")
    victim = next(_holders(tmp_path, command, lambda pid: pid != command.pid))
    os.kill(victim, signal.SIGKILL)
    ended = _ended(command)
    assert ended.code == 0, ended.text
    assert _table(tmp_path) == undisturbed
    assert command.pid not in _computed_by(tmp_path) and len(_computed_by(tmp_path)) >= 2
    assert all(ended.out.count(f"{cell}: accuracy") <= 1 for cell in undisturbed)


def test_a_worker_finishes_the_cells_of_another_that_was_killed(
    tmp_path: Path, undisturbed: dict[str, dict[str, str]]
) -> None:
    """Two commands on one machine, without anything around them."""
    commands = [_start(tmp_path, "-m", "littlehuman.run", *SWEEP, LITTLEHUMAN_WORKER=f"{rank}/2") for rank in range(2)]
    os.kill(next(_holders(tmp_path, commands[1], lambda pid: pid == commands[1].pid)), signal.SIGKILL)
    assert _ended(commands[1]).code == -signal.SIGKILL
    ended = _ended(commands[0])
    assert ended.code == 0, ended.text
    assert _table(tmp_path) == undisturbed


def test_torchrun_after_the_kill_of_a_worker_finishes_what_is_missing(
    tmp_path: Path, undisturbed: dict[str, dict[str, str]]
) -> None:
    words = (*TORCHRUN, "2", "-m", "littlehuman.run", *SWEEP)
    command = _start(tmp_path, *words)
    os.kill(next(_holders(tmp_path, command, lambda pid: pid != command.pid)), signal.SIGKILL)
    assert _ended(command).code != 0  # torchrun ends the others
    again = _run(tmp_path, *words)
    assert again.code == 0, again.text
    assert _table(tmp_path) == undisturbed


def _holders(multirun: Path, command: subprocess.Popen[str], is_wanted: Callable[[int], bool]) -> Iterator[int]:
    """Processes that train cells, as soon as one cell is complete."""
    while command.poll() is None:
        time.sleep(0.02)
        grid = multirun / "grid"
        if not list(grid.glob("*/result.json")):
            continue
        for file in grid.glob("*/status.json"):
            holder = holder_of(file.parent)
            if holder and is_wanted(holder.pid) and read_json(file).get("state") == "running":
                yield holder.pid
    pytest.fail(f"ended before it could be disturbed: {command.communicate()}")


# A single run


def test_one_training_is_divided_among_the_processes_of_torchrun(tmp_path: Path) -> None:
    """The same results as alone; the second time nothing is computed, and all end."""
    run = ("-m", "littlehuman.run", *CELL, "n_train=12", "study=grid")
    alone, joined = tmp_path / "alone", tmp_path / "joined"
    assert _run(alone, *run).code == 0
    for text in ("tiny fine-tuned on fieldnotes_fv", "already complete"):
        ended = _run(joined, *TORCHRUN, "2", *run, "launch.processes=3")
        assert ended.code == 0 and ended.out.count(text) == 1, ended.text
    results = [read_json(next(multirun.glob("grid/*/result.json"))) for multirun in (alone, joined)]
    assert [result["environment"]["processes"] for result in results] == [1, 2]
    assert results[0]["scores"] == results[1]["scores"]


# The second process of a run fails in its training; the first one would wait for it.
FAILS = """
import os
from littlehuman import run
from littlehuman.errors import DataError
from littlehuman.training import launched

def fit_cells(*_):
    raise DataError("row 7 cannot be read on this machine")

if os.environ["RANK"] == "1":
    launched.fit_cells = fit_cells
run.cli()
"""


def test_an_error_of_a_joining_process_is_told_once_and_ends_all(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(FAILS)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ended = _run(tmp_path, *TORCHRUN, "2", str(script), *CELL, "n_train=12", "study=grid", PYTHONPATH=path)
    assert ended.code != 0 and ended.err.count("row 7 cannot be read on this machine") == 1, ended.text
    (status,) = (tmp_path / "grid").glob("*/status.json")
    assert read_json(status)["reason"] == "row 7 cannot be read on this machine"


def test_a_refusal_is_told_once_and_ends_all(tmp_path: Path) -> None:
    ended = _run(tmp_path, *TORCHRUN, "2", "-m", "littlehuman.run", "-m", "seed=0,1", "n_trian=4")
    assert ended.code != 0 and ended.err.count("n_trian=4") >= 1
    assert ended.err.count("ConfigError: ") == 1, ended.text
