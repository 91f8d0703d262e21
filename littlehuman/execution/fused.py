"""A sweep whose cells are trained together: `python -m littlehuman.run -m hydra/launcher=fused ...`.

In: the jobs of a multirun, each with a host that runs parts of it in its own folder, log and Hydra
config. Out: the folders that the jobs would have left one by one. All cells are prepared first
(data, twins, mixture), those that can share a frozen base are trained together, and each is scored
and written as soon as it is trained: an interruption loses what is in training and nothing else.


[folded] The progress of a sweep whose cells are computed together.

In: the states of its jobs as they change. Out: one bar over all cells, with how they ended and when
the last one may.

"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hydra.core.utils import env_override
from omegaconf import DictConfig
from tqdm import tqdm

from littlehuman.execution.job import ENDS, Job, State
from littlehuman.schema import LaunchConfig
from littlehuman.study import table

if TYPE_CHECKING:
    from littlehuman.training.types import Cell, Outcome


class SweepProgress:
    """One bar over all cells: how they ended, and when the last one may."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar = tqdm(total=total, desc="cells", unit="cell", smoothing=0, disable=not show)
        self._states: Counter[str] = Counter()

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def count(self, state: State) -> None:
        """A cell is in this state now."""
        over = state in ENDS
        if state is not State.new:
            self._states[state if over else "prepared"] += 1
        self._bar.set_postfix(self._states, refresh=not over)
        self._bar.update(over)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Cells that end in here, and the time of it, are no part of the estimate, which is about training."""
        before, started = self._bar.n, time.time()
        yield
        del self._states["prepared"]
        if not self._bar.disable:
            self._bar.initial += self._bar.n - before
            self._bar.start_t += time.time() - started


Part: TypeAlias = Callable[[DictConfig, Path], Job]


class Host(Protocol):
    """The launcher's side of one job."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables that the job asks for."""

    @property
    def progress(self) -> bool:
        """Whether bars are wanted."""

    def within(self, part: Part) -> Job | None:
        """Run a part of the job, given its config and folder, in its own surroundings; None when the part raised."""


def sweep(hosts: Sequence[Host], ahead: int) -> None:
    """Compute the cells of a sweep, `ahead` of them at most prepared at a time."""
    left = list(hosts)
    with SweepProgress(len(left), show=any(host.progress for host in left[:1])) as bar:
        while left:
            left = [*_wave(left[:ahead], bar), *left[ahead:]]


def _wave(hosts: Sequence[Host], bar: SweepProgress) -> list[Host]:
    """Prepare, train and finish; return the hosts whose cell another host of the wave has: by then it may be complete."""
    ready: dict[Path, PreparedJob] = {}
    again = []
    try:
        with bar.preparing():
            for host in hosts:
                job = host.within(partial(_prepared, ready))
                if job and job.state is State.new:
                    again.append(host)
                elif job and job.state is State.open:
                    ready[job.folder] = PreparedJob(host, job, bar)
                bar.count(job.state if job else State.failed)
        for group in _groups(ready.values()):
            _train(group)
    except BaseException as error:
        _abandon([cell.job for cell in ready.values() if not cell.job.over], error)
        raise
    return again


def _prepared(ready: Container[Path], config: DictConfig, folder: Path) -> Job:
    job = Job(folder)
    if folder not in ready:
        job.prepare(config)
    return job


@dataclass(frozen=True)
class PreparedJob:
    """A cell from its preparation to its end."""

    host: Host
    job: Job
    bar: SweepProgress

    @property
    def cell(self) -> Cell:
        """What is trained."""
        assert self.job.prepared
        return self.job.prepared.cell

    @property
    def launch(self) -> LaunchConfig:
        """Where and how."""
        assert self.job.prepared
        return self.job.prepared.config.launch

    def finish(self, outcome: Outcome | BaseException, kept: LogBuffer) -> None:
        """Score the cell, or record why there is nothing to score; a cell that has ended stays as it is."""
        if self.job.over:
            return

        def part(config: DictConfig, folder: Path) -> Job:
            kept.write()
            self.job.finish(outcome)
            return self.job

        self.host.within(part)
        self.bar.count(self.job.state)


def _groups(cells: Iterable[PreparedJob]) -> list[list[PreparedJob]]:
    """The cells by what they can share; one for which that cannot be told fails alone."""
    from littlehuman.training.types import group_key

    groups: dict[Hashable, list[PreparedJob]] = {}
    for ready in cells:
        try:
            ready.job.join_training()
            key = (group_key(ready.cell), ready.launch, frozenset(ready.host.environment.items()))
        except Exception as error:
            ready.finish(error, LogBuffer())
        else:
            groups.setdefault(key, []).append(ready)
    return list(groups.values())


def _train(group: Sequence[PreparedJob]) -> None:
    """Train the cells on one base; each is finished as soon as it is tested."""
    from littlehuman.training.fit import fit

    kept = LogBuffer()
    try:
        with env_override(dict(group[0].host.environment)), kept.listening():
            fit(
                [ready.cell for ready in group],
                group[0].launch,
                lambda index, outcome: group[index].finish(outcome, kept),
            )
    except Exception as error:  # of the whole group, such as absent weights
        for ready in group:
            ready.finish(error, kept)


def _abandon(jobs: Sequence[Job], error: BaseException) -> None:
    """The sweep ends here: its open cells say so. Whoever pressed Ctrl-C waits for this, so the table is written once."""
    for job in jobs:
        job.abandon(error)
    for folder in {job.folder.parent: job.folder for job in jobs}.values():
        table.update(folder)


class LogBuffer(logging.Handler):
    """Keeps what training says, which many cells share, for the log of each."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep what is said in here."""
        loggers = [logging.getLogger(name) for name in ("littlehuman.training", "littlehuman.models")]
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self)

    def write(self) -> None:
        """Write it to the log files of the job that is at work (the screen has shown it already)."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                for record in self.records:
                    handler.handle(record)
