"""The life of one job around the pipeline: its folder's lock, its journal, its error, its row of the table.

In: the run folder and the composed config. Out: a folder that says how the job ended, and the
headline score. A single job runs from beginning to end; a fused sweep calls the same steps apart.
A failure inside a step is the cell's own: it is recorded and told, and only interruptions pass on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from littlehuman import config as configs
from littlehuman import journal, pipeline, results, summary
from littlehuman.config import RunConfig
from littlehuman.errors import LittlehumanError
from littlehuman.groups import DatasetConfig
from littlehuman.identity import scientific
from littlehuman.other_dataset import other_dataset
from littlehuman.store import read_json
from littlehuman.study import table

if TYPE_CHECKING:
    from littlehuman.training.cells import Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")


class State(StrEnum):
    """Where a job stands."""

    new = "new"
    open = "open"  # the folder is locked, and the cell is not complete yet
    done = "done"
    failed = "failed"
    elsewhere = "elsewhere"  # another process computes it


ENDS = (State.done, State.failed, State.elsewhere)


class Job:
    """One cell in its folder.

    `state` says where it stands, `score` is its headline once it is done, `prepared` is there
    between `prepare` and the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State.new
        self.score: float | None = None
        self.prepared: pipeline.Prepared | None = None
        self._lock, self._training = ExitStack(), ExitStack()  # both are left when the job ends
        self._book: journal.Journal

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done with it."""
        return self.state in ENDS

    def run(self, config: DictConfig) -> float | None:
        """Compute the cell from beginning to end; its score, or None when it is not complete."""
        if self._opened() and (result := self._attempt(lambda: pipeline.run(*self._inputs(config)))):
            self._complete(result)
        return self.score

    def prepare(self, config: DictConfig) -> None:
        """Do all that comes before the training; the job stays open when it is ready for that."""
        if self._opened():
            self.prepared = self._attempt(lambda: pipeline.prepare(*self._inputs(config)))

    def join_training(self) -> None:
        """The training that the cell shares with others begins."""
        self._training.enter_context(self._book.stage("training"))

    def finish(self, outcome: Outcome | BaseException) -> None:
        """Score what came of the training; an error is recorded as the cell's own."""
        if isinstance(outcome, BaseException):
            return self.fail(outcome)
        self._training.close()
        prepared = self.prepared
        assert prepared is not None
        if result := self._attempt(lambda: pipeline.finish(prepared, outcome, self._book)):
            self._complete(result)

    def fail(self, error: BaseException) -> None:
        """Record an error. Hydra 1.3 leaves no trace of a failed job: the log and `status.json` are written here."""
        self.state = State.failed
        try:
            if isinstance(error, LittlehumanError):
                log.error("%s: %s", type(error).__name__, error)
            elif isinstance(error, KeyboardInterrupt):
                log.error("interrupted in stage %s", self._book.stage_name)
            else:
                log.error("failed in stage %s", self._book.stage_name, exc_info=error)
            self._book.failed(error)
            table.write(self.folder.parent)
        finally:
            self._release()

    def abandon(self, error: BaseException) -> None:
        """Note in `status.json` alone that the sweep was ended by an error before it came to this cell."""
        self.state = State.failed
        self._book.failed(error)
        self._release()

    def _opened(self) -> bool:
        """Take the folder's lock; False when there is nothing to do: the cell is complete, or computed elsewhere."""
        with ExitStack() as lock:
            try:
                lock.enter_context(FileLock(self.folder / ".lock", timeout=0))
            except Timeout:
                log.error("%s is being computed by another process; this one leaves it alone", self.folder)
                journal.tell(self.folder, "is being computed by another process")
                self.state = State.elsewhere
                return False
            if results.is_complete(self.folder):
                journal.settle(self.folder)
                log.info("already complete: %s", self.folder)
                self._show(read_json(self.folder / results.RESULT))
                return False
            self._book = journal.Journal(self.folder)
            self._lock = lock.pop_all()
        self.state = State.open
        return True

    def _inputs(self, config: DictConfig) -> tuple[RunConfig, Path, journal.Journal, DatasetConfig | None]:
        typed = configs.from_hydra(config)
        self._book.note_knobs(scientific(typed))
        conf = [Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file"]
        test_from = other_dataset(typed.test_dataset, typed.test_path, typed.task.name, conf) if typed.test_dataset else None
        return typed, self.folder, self._book, test_from

    def _attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise
            return None

    def _complete(self, result: Mapping[str, Any]) -> None:
        try:
            self._book.done()
            self._show(result)
        finally:
            self._release()

    def _show(self, result: Mapping[str, Any]) -> None:
        self.state = State.done
        self.score = float(result["scores"][result["headline"]]["value"])
        if not table.is_current(self.folder):
            table.write(self.folder.parent)
        hydra = HydraConfig.get()
        print(summary.of_run(result, self.folder, single=hydra.mode is RunMode.RUN, overrides=hydra.overrides.task))

    def _release(self) -> None:
        self.prepared = None
        self._training.close()
        self._lock.close()
