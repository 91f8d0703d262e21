"""One Hydra job: the pipeline inside the claim of its run folder, with status, error log and row of the table.

`Job.attempt` computes a cell from start to end, and leaves one that another process computes; `Job.run` waits for it. A
fused sweep calls the same steps apart: `prepare`, `start_training`, `finish`. An error in a step is recorded as the
cell's own and reported; only interruptions are raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from littlehuman import cli, pipeline
from littlehuman.config import test_dataset
from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, DataError, LittlehumanError
from littlehuman.execution import grid, mending, placement, summary, workers
from littlehuman.execution.sharing import Elsewhere, Wait
from littlehuman.formatting import plain_text
from littlehuman.runs import claims, digests, leftovers, status
from littlehuman.runs.artifacts import STATUS, read_result, result_of_cell
from littlehuman.schema import DatasetConfig
from littlehuman.study import table

if TYPE_CHECKING:
    from littlehuman.training.types import Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")
Inputs: TypeAlias = tuple[RunConfig, Path, status.RunStatus, DatasetConfig | None]  # arguments of the pipeline


class State(StrEnum):
    """The state of a job."""

    new = "new"
    open = "open"  # the cell is claimed, and not complete
    elsewhere = "elsewhere"  # another process computes the cell
    done = "done"
    failed = "failed"


END_STATES = (State.done, State.failed)


class Job:
    """One cell in its folder.

    `score` is the headline score of a job that is done. `prepared` is set between `prepare` and the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State.new
        self.score: float | None = None
        self.prepared: pipeline.PreparedCell | None = None
        self._claim, self._training = ExitStack(), ExitStack()  # claim and training stage, closed at the end
        self._status: status.RunStatus

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state in END_STATES

    def run(self, config: DictConfig) -> float | None:
        """Compute the cell, or wait for the process that does; return its headline score, None when not complete."""
        wait, failure = Wait(), ""
        while not failure and self.attempt(config) is State.elsewhere:
            cell = Elsewhere.of(self.folder)
            wait.for_settled({self.folder: cell})
            failure = cell.failure
        if failure:
            self.fail_elsewhere(failure)
        return self.score

    def attempt(self, config: DictConfig) -> State:
        """Compute the cell unless another process does; return the state that it came to."""
        if (inputs := self._open(config)) and (result := self._attempt(partial(pipeline.run, *inputs))):
            self._complete(result)
        return self.state

    def prepare(self, config: DictConfig) -> None:
        """Run all steps before the training; the job is open afterwards if they succeeded."""
        if inputs := self._open(config):
            self.prepared = self._attempt(partial(pipeline.prepare, *inputs))

    def start_training(self) -> None:
        """Start the stage of a training that the cell shares with others."""
        self._training.enter_context(self._status.stage("training"))

    def finish(self, outcome: Outcome | BaseException) -> None:
        """Score the outcome of the training; an error is recorded as the cell's own."""
        if isinstance(outcome, BaseException):
            return self.fail(outcome)
        self._training.close()
        prepared = self.prepared
        assert prepared is not None
        if result := self._attempt(lambda: pipeline.finish(prepared, outcome, self._status)):
            self._complete(result)

    def fail(self, error: BaseException) -> None:
        """Record an error in log, status and table: Hydra 1.3 leaves no trace of a failed job."""
        if isinstance(error, claims.ClaimLost):
            return self._leave(error)
        self.state = State.failed
        try:
            if isinstance(error, LittlehumanError):
                self._log_error(error)
            elif isinstance(error, KeyboardInterrupt):
                log.error("interrupted in stage %s", self._status.stage_name)
            else:
                log.error("failed in stage %s", self._status.stage_name, exc_info=error)
            self._status.failed(error)
            if isinstance(error, ConfigError) and self._status.stage_name == status.START:
                status.report_refused(self.folder, error, attempted=self._status.is_retry)
            if self.folder.exists():
                table.update(self.folder)
        finally:
            self._release()

    def _leave(self, error: claims.ClaimLost) -> None:
        """Leave the cell, and its status, to the process that took it over."""
        self.state = State.elsewhere
        log.warning("%s %s", self.folder, error)
        self._release()

    def fail_elsewhere(self, reason: str) -> None:
        """Report that the process that had the cell could not complete it."""
        self.state = State.failed
        log.error("%s %s", self.folder, reason)
        status.report_incomplete(self.folder, reason)

    def fail_lost(self, config: DictConfig, error: LittlehumanError) -> None:
        """Record why the processes that computed the cell ended."""
        if self._open(config):
            self.fail(error)

    def abandon(self, error: BaseException) -> None:
        """Record, in `status.json` only, the error that ended the sweep before this cell."""
        self.state = State.failed
        self._status.failed(error)
        self._release()

    def _open(self, config: DictConfig) -> Inputs | None:
        """Validate the config and claim the cell.

        None when there is nothing to do: the cell is complete, another process computes it, or its config is refused.
        """
        hydra = HydraConfig.get()
        try:
            test_dataset.require_multirun(hydra)
            cell, test_from = test_dataset.cell_configs(config, hydra)
            cell = replace(cell, launch=placement.of_this_process(cell.launch, workers.current()))
            if self._is_complete(cell, test_from):
                return None
            grid.check_cells([cell])
            claim = claims.take(self.folder)
            if claim is None:
                self.state = State.elsewhere
                return None
            with ExitStack() as held:
                held.callback(claim.release)
                if self._is_complete(cell, test_from):  # in the moment before the claim
                    return None
                leftovers.sweep_drafts(self.folder)
                self._status = status.RunStatus(self.folder, claim)
                self._status.note_knobs(identity_values(cell, test_from))
                self._claim = held.pop_all()
        except ConfigError as error:
            self._refuse(error)
            return None
        except (DataError, OSError) as error:
            self._cannot_begin(error)
            return None
        self.state = State.open
        return cell, self.folder, self._status, test_from

    def _is_complete(self, cell: RunConfig, test_from: DatasetConfig | None) -> bool:
        """Show the result of a cell that is complete; whether it is."""
        result = result_of_cell(self.folder, run_id(cell, test_from))
        if result:
            self._show_complete(result)
            self._show(result, already=True)
        return bool(result)

    def _refuse(self, error: ConfigError) -> None:
        """Report a config that makes no cell; the folder's files are not changed."""
        self.state = State.failed
        self._log_error(error)
        status.report_refused(self.folder, error, attempted=(self.folder / STATUS).is_file())

    def _cannot_begin(self, error: DataError | OSError) -> None:
        """Report a file that stands in the way of a cell; none is changed."""
        self.state = State.failed
        self._log_error(error)
        known = isinstance(error, DataError)
        reason = error.one_line if isinstance(error, DataError) else mending.sentence(error)
        status.report_incomplete(self.folder, reason, asks_for_change=known, mend=status.mend_of(error))

    def _log_error(self, error: Exception) -> None:
        """Note an error in the log file of the run; the command tells it at its end, a sweep also that there is one."""
        log.error("%s", _said(error), extra=cli.IN_FILE_ONLY)
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            log.warning("not complete: %s (why is told at the end)", self.folder.name)

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
            self._status.done()
            self._count(result)
            self._show(result)
        finally:
            self._release()

    def show_named(self, *, already: bool = True, silent: bool = False) -> bool:
        """Show the result of a sweep's cell that is complete, where its folder's name has its id; whether it was.

        `already`: it was complete before this command.

        Hydra's set-up of a job costs more than all the rest of a cell that is complete. What is not whole is left to
        `attempt`, which says what is wrong.
        """
        result = read_result(self.folder)
        whole = result and not digests.faults(self.folder, result, deep=False)
        if whole and self.folder.name.endswith(f"-{result['id']}"):
            self._show_complete(result)
        if self.state is State.done and not silent:
            print(summary.one_line(result, self.folder, already=already))
        return self.state is State.done

    def _show_complete(self, result: Mapping[str, Any]) -> None:
        status.mark_done(self.folder)
        self._count(result)

    def _count(self, result: Mapping[str, Any]) -> None:
        self.state = State.done
        self.score = float(result["scores"][result["headline"]]["value"])
        if not table.is_current(self.folder):
            table.update(self.folder)

    def _show(self, result: Mapping[str, Any], *, already: bool = False) -> None:
        hydra = HydraConfig.get()
        text = summary.run_summary(
            result,
            self.folder,
            single=hydra.mode is RunMode.RUN,
            overrides=test_dataset.override_words(hydra.overrides.task),
            config_dir=cli.config_dir(hydra.runtime.config_sources),
            already=already,
        )
        print(plain_text(text))

    def _release(self) -> None:
        self.prepared = None
        self._training.close()
        self._claim.close()


def _said(error: Exception) -> str:
    return cli.said(error) if isinstance(error, LittlehumanError) else f"{type(error).__name__}: {error}"
