"""Sweeps as jobs of a cluster: repeated once where lost, cancelled with the command; what is missing is told."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest
from cli_runs import HUMAN, QUICK, table_rows
from conftest import Cli

from littlehuman.errors import ConfigError
from littlehuman.execution import cluster, workers
from littlehuman.execution.cluster import Ended
from littlehuman.execution.worker_job import WorkerJob
from littlehuman.generation import ledger
from littlehuman.runs import status
from littlehuman.store import INVOCATION, write_json

SLURM, RAY = "hydra/launcher=slurm", "hydra/launcher=ray"


class Pretended:
    """A scheduler whose jobs end as a script says: `happens` is called at each look, and returns which end, and how."""

    name = "test"

    def __init__(self, happens: Callable[[list[str]], dict[str, Ended]]) -> None:
        self.happens = happens
        self.submitted: list[tuple[str, int]] = []
        self.cancelled: list[str] = []

    def submit(self, jobs: Sequence[WorkerJob]) -> list[str]:
        names = [str(len(self.submitted) + index) for index in range(len(jobs))]
        self.submitted += [(name, job.rank) for name, job in zip(names, jobs, strict=True)]
        return names

    def ended(self, ids: Collection[str]) -> dict[str, Ended]:
        return self.happens(list(ids))

    def waiting(self) -> str:
        return ""

    def cancel(self, ids: Collection[str]) -> None:
        self.cancelled += ids


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "POLL_S", (0.0, 0.0))
    monkeypatch.setattr(cluster, "VISIBLE_S", 0.0)
    monkeypatch.setenv(INVOCATION, str(tmp_path / "command"))


def jobs(count: int) -> list[WorkerJob]:
    return [WorkerJob(rank, count, print) for rank in range(count)]


def cells(folder: Path, count: int) -> list[Path]:
    return [folder / f"cell{number}" for number in range(count)]


def computed(cell: Path) -> None:
    write_json(cell / "result.json", {"id": "x"})


def compute(scheduler: Pretended, count: int, folders: list[Path]) -> list[str]:
    return cluster.compute(scheduler, jobs(count), folders, show=False)


def test_jobs_that_end_well_are_not_repeated(tmp_path: Path) -> None:
    folders = cells(tmp_path, 4)

    def happens(ids: list[str]) -> dict[str, Ended]:
        for cell in folders:
            computed(cell)
        return dict.fromkeys(ids, Ended())

    scheduler = Pretended(happens)
    assert compute(scheduler, 2, folders) == [] and scheduler.submitted == [("0", 0), ("1", 1)]


def test_a_lost_job_is_submitted_once_more_and_then_told(tmp_path: Path) -> None:
    scheduler = Pretended(lambda ids: {ids[0]: Ended("its node is gone", lost=True)})
    reasons = compute(scheduler, 2, cells(tmp_path, 4))
    assert sorted(rank for _, rank in scheduler.submitted) == [0, 0, 1, 1]
    assert len(reasons) == 2 and all("its node is gone" in reason for reason in reasons)


def test_a_lost_job_is_not_repeated_when_others_have_computed_its_cells(tmp_path: Path) -> None:
    folders = cells(tmp_path, 2)
    for cell in folders:
        computed(cell)
    scheduler = Pretended(lambda ids: {ids[0]: Ended("its node is gone", lost=True)})
    compute(scheduler, 2, folders)
    assert len(scheduler.submitted) == 2


def test_a_job_that_failed_would_fail_again_and_is_not_repeated(tmp_path: Path) -> None:
    scheduler = Pretended(lambda ids: dict.fromkeys(ids, Ended("ImportError: no module")))
    reasons = compute(scheduler, 1, cells(tmp_path, 1))
    assert len(scheduler.submitted) == 1 and "ImportError: no module" in reasons[0]


def test_jobs_that_still_wait_are_cancelled_when_no_cell_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "GRACE_S", 0.0)
    folders = cells(tmp_path, 2)
    computed(folders[0])
    status.report_incomplete(folders[1], "in stage data: no column")  # a failure: nobody can compute it
    scheduler = Pretended(lambda ids: {})
    assert compute(scheduler, 3, folders) == [] and scheduler.cancelled == ["0", "1", "2"]


def test_a_cell_whose_process_was_interrupted_is_still_open(tmp_path: Path) -> None:
    (cell,) = cells(tmp_path, 1)
    run = status.RunStatus(cell)
    run.failed(KeyboardInterrupt())
    assert cluster.is_open(cell) and status.is_reported(cell)
    run.failed(ValueError("no"))
    assert not cluster.is_open(cell)
    status.withdraw(cell)
    assert status.collect(tmp_path / "command") == []


def test_ctrl_c_cancels_all_jobs(tmp_path: Path) -> None:
    def happens(ids: list[str]) -> dict[str, Ended]:
        raise KeyboardInterrupt

    scheduler = Pretended(happens)
    with pytest.raises(KeyboardInterrupt):
        compute(scheduler, 2, cells(tmp_path, 2))
    assert scheduler.cancelled == ["0", "1"]


def test_a_job_is_its_worker_and_takes_no_secret_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"HF_TOKEN": "secret", "OPENAI_API_KEY": "secret", "LITTLEHUMAN_CACHE": "/shared"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(workers.VARIABLE, "")
    monkeypatch.setenv(ledger.SHARE, "")
    job = WorkerJob(1, 4, _note_worker, folder=str(tmp_path))
    stored = pickle.dumps(job)
    assert b"secret" not in stored and b"/shared" in stored
    monkeypatch.chdir(tmp_path)
    pickle.loads(stored)()
    assert (tmp_path / "worker").read_text() == "1/4"


def _note_worker() -> None:
    here = workers.current()
    Path("worker").write_text(f"{here.rank}/{here.size}")


def test_each_job_has_an_even_share_of_the_limit_which_a_repeated_job_does_not_get_anew() -> None:
    with pytest.MonkeyPatch.context() as patch:
        ledger.begin(16, "")
        ledger.split(4)
        for share in ("0", "0", "3"):
            patch.setenv(ledger.SHARE, share)
            command = ledger.command()
            assert command and command.shares == 4
            own = ledger.SharedLedger(command.folder)
            own.settle(0.0, 0.02)
        assert own.spent == pytest.approx(0.02)
        patch.setenv(ledger.SHARE, "0")
        first = ledger.command()
        assert first and not ledger.SharedLedger(first.folder).reserve(0.0, 0.02, 0.05)  # two attempts spent 0.04


def test_the_number_of_jobs_follows_from_the_cells_per_job() -> None:
    assert [cluster.count_of_jobs(cells, 8) for cells in (1, 8, 9, 17)] == [1, 1, 2, 3]
    with pytest.raises(ConfigError, match="launch.group=0"):
        cluster.count_of_jobs(4, 0)


# The commands


def test_without_slurm_the_launcher_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = cli("-m", SLURM, *QUICK, "seed=0,1")
    assert ended.code == 1 and "this machine has no sbatch" in ended.err and "Traceback" not in ended.text
    assert "hydra/launcher=fused" in ended.err.partition("Try: ")[2]


@pytest.mark.parametrize(("launcher", "package"), [(SLURM, "submitit"), (RAY, "ray")])
def test_without_its_package_the_launcher_says_what_to_install(
    launcher: str, package: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\nexit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    ended = cli("-m", launcher, *QUICK, "seed=0,1")
    assert ended.code == 1 and f"needs {package}, which is not installed" in ended.err
    assert f"Try: pip install {package}" in ended.err and "Traceback" not in ended.text


def test_a_group_of_no_cells_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("littlehuman.execution.slurm.Slurm", lambda *_: Pretended(lambda ids: {}))
    ended = cli("-m", SLURM, *QUICK, "launch.group=0")
    assert ended.code == 1 and "launch.group=0  is the number of cells per job" in ended.err
    assert "launch.group=8" in ended.err


class InThisProcess(Pretended):
    """Runs its first two jobs at once, one after the other, as copies made by pickle; the others are lost."""

    def __init__(self) -> None:
        super().__init__(lambda ids: {name: Ended() if name in self.ran else Ended("gone", lost=True) for name in ids})
        self.ran: list[str] = []

    def submit(self, jobs: Sequence[WorkerJob]) -> list[str]:
        names = super().submit(jobs)
        if not self.ran:
            self.ran = names[:2]
            for job in jobs[:2]:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv(workers.VARIABLE, "")
                    patch.setenv(ledger.SHARE, "")
                    pickle.loads(pickle.dumps(job))()
        return names


@pytest.mark.slow
def test_workers_compute_each_cell_once_and_the_command_shows_them(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = InThisProcess()
    monkeypatch.setattr("littlehuman.execution.slurm.Slurm", lambda *_: scheduler)
    words = ("-m", SLURM, *HUMAN, "dataset=fieldnotes_fv", "n_train=10", "launch.group=1", "seed=0,1")
    ended = cli(*words, "human_budget=all,3")
    assert (multirun / "default" / "table.csv").exists(), ended.text
    rows = table_rows(multirun / "default")
    assert sorted(row["state"] for row in rows.values()) == ["done", "done", "failed", "failed"], ended.text
    assert len(scheduler.submitted) == 4 and ended.code == 1
    assert ended.text.count("(why is told at the end)") == 2  # the second worker leaves alone what failed in the first
    assert ended.out.count(": accuracy ") >= 2 and "2 complete runs" in ended.out
    again = cli(*words)
    assert again.code == 0 and again.text.count("already complete") == 2 and len(scheduler.submitted) == 4


def test_cells_that_no_job_computed_are_named_with_the_reason(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Pretended(lambda ids: {name: Ended("left the queue without a result", lost=True) for name in ids})
    monkeypatch.setattr("littlehuman.execution.slurm.Slurm", lambda *_: gone)
    with caplog.at_level(logging.WARNING):
        ended = cli("-m", SLURM, *QUICK, "seed=0,1")
    assert ended.code == 1 and len(gone.submitted) == 2 and "submitted once more" in ended.text + caplog.text
    assert "job 1: left the queue without a result" in ended.err and "2 runs (cells) not complete" in ended.err
    assert "hydra/launcher=slurm" in ended.err.partition("Try: ")[2]
