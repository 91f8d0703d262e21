"""A fused sweep, whose cells are trained together: `python -m littlehuman.run -m hydra/launcher=fused ...`.

All cells are prepared first (data, twins, mixture). Those that can share a frozen base model are trained together, and
each is scored and written as soon as it is trained: an interruption loses only what is in training. The run folders are
the same as without fusing. Hydra's side is `hydra_plugins/littlehuman_fused`, whose `Host` runs each part of a job in
the job's own folder, log and Hydra config.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import env_override
from omegaconf import DictConfig
from tqdm import tqdm

from littlehuman.execution import workers
from littlehuman.execution.hosts import Host
from littlehuman.execution.job import END_STATES, Job, State
from littlehuman.execution.sharing import Elsewhere, Wait
from littlehuman.schema import LaunchConfig
from littlehuman.study import table

if TYPE_CHECKING:
    from littlehuman.training.types import Cell, Outcome


def sweep(hosts: Sequence[Host], ahead: int, *, wait: bool = True) -> list[Host]:
    """Compute the cells of a sweep, with at most `ahead` prepared cells at a time; return those left.

    Of several workers each begins at its own place and prepares its share at a time. Cells of other processes are
    waited for at the end, when this process holds no claim; without `wait` they are left.
    """
    worker = workers.current()
    left, elsewhere, waiting = worker.from_own_start(hosts), dict[int, tuple[Host, Elsewhere]](), Wait()
    with SweepProgress(len(left), show=any(host.progress for host in left[:1])) as bar:
        while left or (elsewhere and wait):
            if not left:
                for key in waiting.for_settled({key: cell for key, (_, cell) in elsewhere.items()}):
                    host, cell = elsewhere.pop(key)
                    left += [] if _failed(host, cell.failure, bar) else [host]
            now = min(ahead, worker.share(len(left)))
            again, taken = _compute(left[:now], bar)
            left = [*again, *left[now:]]
            elsewhere |= {id(host): (host, cell) for host, cell in taken}
    return [host for host, _ in elsewhere.values()]


def _failed(host: Host, failure: str, bar: SweepProgress) -> bool:
    """Note the failure of a cell in another process, if there is one; whether there is."""

    def part(_: DictConfig, folder: Path) -> Job:
        job = Job(folder)
        job.fail_elsewhere(failure)
        return job

    if failure:
        host.run_part(part)
        bar.count(State.failed)
    return bool(failure)


def _compute(hosts: Sequence[Host], bar: SweepProgress) -> tuple[list[Host], list[tuple[Host, Elsewhere]]]:
    """Prepare, train and finish cells.

    Returns:
        The hosts to try again, because another of these hosts has their cell; those whose cell another process has.
    """
    ready: dict[Path, PreparedJob] = {}
    duplicates, elsewhere = [], []
    try:
        with bar.preparing():
            for host in hosts:
                if host.is_shown():
                    bar.count(State.done)
                    continue
                job = host.run_part(partial(_prepare_once, ready))
                if job and job.state is State.new:
                    duplicates.append(host)
                elif job and job.state is State.elsewhere:
                    elsewhere.append((host, Elsewhere.of(job.folder)))
                elif job and job.state is State.open:
                    ready[job.folder] = PreparedJob(host, job, bar)
                bar.count(job.state if job else State.failed)
        for group in _groups(cell for cell in ready.values() if not cell.finish_labelled()):
            _train(group)
        lost = [cell for cell in ready.values() if cell.job.state is State.elsewhere]
        elsewhere += [(cell.host, Elsewhere.of(cell.job.folder)) for cell in lost]
    except BaseException as error:
        _abandon([cell.job for cell in ready.values() if not cell.job.ended], error)
        raise
    return duplicates, elsewhere


def _prepare_once(ready: Container[Path], config: DictConfig, folder: Path) -> Job:
    job = Job(folder)
    if folder not in ready:
        job.prepare(config)
    return job


@dataclass(frozen=True)
class PreparedJob:
    """A cell that is ready for training, with its host."""

    host: Host
    job: Job
    bar: SweepProgress

    @property
    def cell(self) -> Cell:
        """The cell as training takes it."""
        assert self.job.prepared
        return self.job.prepared.cell

    @property
    def launch(self) -> LaunchConfig:
        """Its hardware options."""
        assert self.job.prepared
        return self.job.prepared.config.launch

    def finish_labelled(self) -> bool:
        """Finish a cell whose test points the prompt model has labelled: it is not trained; whether it is one."""
        assert self.job.prepared
        if self.job.prepared.labelled:
            self.finish(self.job.prepared.labelled, LogBuffer())
            return True
        return False

    def finish(self, outcome: Outcome | BaseException, logs: LogBuffer) -> None:
        """Score the cell, or record the error; a cell that has ended is not changed."""
        if self.job.ended:
            return

        def part(config: DictConfig, folder: Path) -> Job:
            logs.write()
            self.job.finish(outcome)
            return self.job

        self.host.run_part(part)
        self.bar.count(self.job.state)


def _groups(cells: Iterable[PreparedJob]) -> list[list[PreparedJob]]:
    """Groups of cells that can be trained together; an error in finding a cell's group is that cell's own."""
    from littlehuman.training.types import group_key

    groups: dict[Hashable, list[PreparedJob]] = {}
    for ready in cells:
        try:
            ready.job.start_training()
            key = (group_key(ready.cell), ready.launch, frozenset(ready.host.environment.items()))
        except Exception as error:
            ready.finish(error, LogBuffer())
        else:
            groups.setdefault(key, []).append(ready)
    return list(groups.values())


def _train(group: Sequence[PreparedJob]) -> None:
    """Train the cells on one base model; each is finished as soon as it is evaluated."""
    from littlehuman.training.fit import fit

    logs = LogBuffer()
    try:
        with env_override(dict(group[0].host.environment)), logs.attached():
            fit(
                [ready.cell for ready in group],
                group[0].launch,
                lambda index, outcome: group[index].finish(outcome, logs),
            )
    except Exception as error:  # of the whole group, such as missing weights
        for ready in group:
            ready.finish(error, logs)


def _abandon(jobs: Sequence[Job], error: BaseException) -> None:
    """Record the error in all open cells. The table is written only once, as the user may wait after Ctrl-C."""
    for job in jobs:
        job.abandon(error)
    for folder in {job.folder.parent: job.folder for job in jobs}.values():
        table.update(folder)


class LogBuffer(logging.Handler):
    """Buffers the log records of a training that many cells share, for the log file of each."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer a record."""
        self.records.append(record)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Buffer the records of training and models while the context is open."""
        loggers = [logging.getLogger(name) for name in ("littlehuman.training", "littlehuman.models")]
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self)

    def write(self) -> None:
        """Write the records to the log file of the current job (the console has shown them already)."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                for record in self.records:
                    handler.handle(record)


class SweepProgress:
    """A progress bar over the cells of the sweep, with counts by state and the estimated time left."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar = tqdm(total=total, desc="cells", unit="cell", smoothing=0, disable=None if show else True)
        self._states: Counter[str] = Counter()

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def count(self, state: State) -> None:
        """Count a cell that has reached this state."""
        ended = state in END_STATES
        if state not in (State.new, State.elsewhere):
            self._states[state if ended else "prepared"] += 1
        self._bar.set_postfix(self._states, refresh=not ended)
        self._bar.update(ended)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Exclude cells that end while the context is open, and its time, from the estimate, which is for training."""
        before, started = self._bar.n, time.time()
        yield
        del self._states["prepared"]
        if not self._bar.disable:
            self._bar.initial += self._bar.n - before
            self._bar.start_t += time.time() - started
