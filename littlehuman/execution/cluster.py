"""A sweep that the jobs of a cluster compute: submitted, watched, submitted again where one was lost, cancelled with
the command.

In: a job for each worker, the cells' folders, and a scheduler (`slurm`, `ray_jobs`). Out: why jobs did not come to
their end. The jobs share the cells by the claims of the run folders, so that those of a lost job are computed by
others, whatever the scheduler does.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from littlehuman.errors import ConfigError, Problem
from littlehuman.execution.worker_job import WorkerJob
from littlehuman.runs import status
from littlehuman.runs.artifacts import RESULT

log = logging.getLogger(__name__)

POLL_S = (0.5, 15.0)  # first and longest time between two looks: a tenth of the time that went by
SAID_S = 30.0  # least time between two lines about the progress, where there is no bar
GRACE_S = 30.0  # after the last cell, for the jobs to end by themselves; those that still wait are cancelled
VISIBLE_S = 60.0  # the longest that a network file system was seen to hide a file of another machine


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        why: what kept it from its end; empty where it came to it.
        lost: whether that was its node, its time or its memory, and not an error that would come again.
    """

    why: str = ""
    lost: bool = False


class Scheduler(Protocol):
    """What runs the jobs."""

    name: str

    def submit(self, jobs: Sequence[WorkerJob]) -> list[str]:
        """Submit jobs; return the scheduler's name for each.

        Raises:
            ConfigError: when it refuses them.
        """

    def ended(self, ids: Collection[str]) -> Mapping[str, Ended]:
        """Those of the jobs that have ended."""

    def waiting(self) -> str:
        """Why jobs have not started yet, in the scheduler's words; empty where none waits, or it is not known."""

    def cancel(self, ids: Collection[str]) -> None:
        """End jobs, and forget those that wait."""


def count_of_jobs(cells: int, group: int) -> int:
    """The jobs for this many open cells, `launch.group` cells each.

    Raises:
        ConfigError: when the group is below 1.
    """
    if group < 1:
        raise ConfigError(
            [Problem(f"launch.group={group}", "is the number of cells per job: 1 or more")], "launch.group=8"
        )
    return -(-cells // group)


def is_open(cell: Path) -> bool:
    """Whether a cell is neither complete nor known to fail."""
    return not (cell / RESULT).is_file() and not status.is_failure(cell)


def compute(scheduler: Scheduler, jobs: Sequence[WorkerJob], cells: Sequence[Path], *, show: bool) -> list[str]:
    """Have jobs compute cells, and wait for them.

    Args:
        show: whether to show a progress bar, where the output is a terminal.

    Returns:
        Why jobs did not come to their end. A cell that is still open afterwards has been lost with them.

    Raises:
        ConfigError: when the scheduler refuses the jobs.
    """
    watch = _Watch(scheduler, cells)
    try:
        watch.submit(jobs)
        with _Progress(len(cells), show=show) as progress:
            while watch.running:
                time.sleep(min(max(POLL_S[0], watch.seconds / 10), POLL_S[1]))
                watch.look()
                progress.tell(watch)
        if not watch.reasons:
            _wait_until_visible(cells)
    except BaseException:
        watch.cancel()
        raise
    return watch.reasons


class _Watch:
    """The jobs of a command and what became of them."""

    def __init__(self, scheduler: Scheduler, cells: Sequence[Path]) -> None:
        self.scheduler, self.reasons = scheduler, list[str]()
        self.running: dict[str, WorkerJob] = {}
        self.open = list(cells)
        self._repeated: set[int] = set()
        self._started = time.monotonic()
        self._settled: float | None = None  # when no cell was open any more

    @property
    def seconds(self) -> float:
        """Since the jobs were submitted."""
        return time.monotonic() - self._started

    def submit(self, jobs: Sequence[WorkerJob]) -> None:
        """Submit jobs, and note them as running."""
        ids = self.scheduler.submit(jobs)
        self.running |= dict(zip(ids, jobs, strict=True))
        log.info("%s: %s %s submitted", self.scheduler.name, _jobs(len(jobs)), _listed(ids))

    def look(self) -> None:
        """See which jobs ended and which cells are open; repeat what was lost, once."""
        ended = self.scheduler.ended(list(self.running))
        self.open = [cell for cell in self.open if is_open(cell)]
        for name, end in ended.items():
            self._note(name, self.running.pop(name), end)
        if self.open:
            self._settled = None
        elif self._settled is None:
            self._settled = time.monotonic()
        elif time.monotonic() - self._settled > GRACE_S:
            self.cancel()

    def cancel(self) -> None:
        """End what runs."""
        if self.running:
            log.info("%s: %s cancelled", self.scheduler.name, _jobs(len(self.running)))
            self.scheduler.cancel(list(self.running))
            self.running = {}

    def _note(self, name: str, job: WorkerJob, end: Ended) -> None:
        if not end.why:
            return
        if end.lost and self.open and job.rank not in self._repeated:
            self._repeated.add(job.rank)
            log.warning("job %s was lost (%s); it is submitted once more", name, end.why)
            self.submit([job])
        else:
            self.reasons.append(f"job {name}: {end.why}")
            log.warning("%s", self.reasons[-1])


class _Progress:
    """How many cells are complete: a bar in a terminal, else a line now and then."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar = tqdm(total=total, desc="cells", unit="cell", smoothing=0, disable=None if show else True)
        self._said = (0.0, 0, "")

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tell(self, watch: _Watch) -> None:
        """Show the state of a sweep."""
        total = int(self._bar.total)
        done, waits = total - len(watch.open), watch.scheduler.waiting()
        self._bar.set_postfix_str(f"{_jobs(len(watch.running))}{waits and f', waiting: {waits}'}", refresh=False)
        self._bar.update(done - self._bar.n)
        when, before, reason = self._said
        if (done > before and watch.seconds - when > SAID_S) or (waits and waits != reason):
            self._said = (watch.seconds, done, waits)
            log.info("%d of %d runs computed%s", done, total, f"; jobs wait: {waits}" if waits else "")


def _wait_until_visible(cells: Sequence[Path]) -> None:
    """Wait for results that jobs on other machines have written, and this one's file system may not show yet."""
    until = time.monotonic() + VISIBLE_S
    while (hidden := [cell for cell in cells if is_open(cell)]) and time.monotonic() < until:
        for cell in hidden:
            with suppress(OSError):
                os.listdir(cell)  # has the file system ask its server
        time.sleep(POLL_S[0])


def _jobs(count: int) -> str:
    return f"{count} job{'s' * (count != 1)}"


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:4]) + f" ... {ids[-1]}" * (len(ids) > 4)
