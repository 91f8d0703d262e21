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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from littlehuman import cli, pipeline
from littlehuman.config import test_dataset
from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.execution import summary
from littlehuman.runs import status
from littlehuman.runs.artifacts import STATUS, result_of_cell
from littlehuman.schema import DatasetConfig
from littlehuman.study import table

if TYPE_CHECKING:
    from littlehuman.training.types import Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")
Inputs: TypeAlias = tuple[RunConfig, Path, status.RunStatus, DatasetConfig | None]  # what the pipeline takes


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
        self._book: status.RunStatus

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done with it."""
        return self.state in ENDS

    def run(self, config: DictConfig) -> float | None:
        """Compute the cell from beginning to end; its score, or None when it is not complete."""
        if (inputs := self._opened(config)) and (result := self._attempt(partial(pipeline.run, *inputs))):
            self._complete(result)
        return self.score

    def prepare(self, config: DictConfig) -> None:
        """Do all that comes before the training; the job stays open when it is ready for that."""
        if inputs := self._opened(config):
            self.prepared = self._attempt(partial(pipeline.prepare, *inputs))

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
            if isinstance(error, ConfigError) and self._book.stage_name == status.START:
                status.refuse(self.folder, error, attempted=self._book.again)
            if self.folder.exists():
                table.update(self.folder)
        finally:
            self._release()

    def abandon(self, error: BaseException) -> None:
        """Note in `status.json` alone that the sweep was ended by an error before it came to this cell."""
        self.state = State.failed
        self._book.failed(error)
        self._release()

    def _opened(self, config: DictConfig) -> Inputs | None:
        """Take the folder's lock and read the config.

        None when there is nothing to do: the cell is complete or computed elsewhere, or its config is refused.
        """
        with ExitStack() as lock:
            try:
                lock.enter_context(FileLock(self.folder / ".lock", timeout=0))
            except Timeout:
                log.error("%s is being computed by another process; this one leaves it alone", self.folder)
                status.report_incomplete(self.folder, "is being computed by another process")
                self.state = State.elsewhere
                return None
            hydra = HydraConfig.get()
            try:
                test_dataset.require_multirun(hydra)
                typed, test_from = test_dataset.cell(config, hydra)
                result = result_of_cell(self.folder, run_id(typed, test_from))
            except ConfigError as error:
                self._refuse(error)
                return None
            if result:
                status.settle(self.folder)
                log.info("already complete: %s", self.folder)
                self._show(result)
                return None
            self._book = status.RunStatus(self.folder)
            self._book.note_knobs(identity_values(typed, test_from))
            self._lock = lock.pop_all()
        self.state = State.open
        return typed, self.folder, self._book, test_from

    def _refuse(self, error: ConfigError) -> None:
        """Tell of a config that makes no cell; what the folder holds stays as it is."""
        self.state = State.failed
        log.error("%s: %s", type(error).__name__, error)
        status.refuse(self.folder, error, attempted=(self.folder / STATUS).is_file())

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
            table.update(self.folder)
        hydra = HydraConfig.get()
        own = cli.config_dir(hydra.runtime.config_sources)
        print(
            summary.run_summary(
                result,
                self.folder,
                single=hydra.mode is RunMode.RUN,
                overrides=test_dataset.typed(hydra.overrides.task),
                own=own,
            )
        )

    def _release(self) -> None:
        self.prepared = None
        self._training.close()
        self._lock.close()
