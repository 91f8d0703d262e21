"""The Hydra launchers `sequential` (the default) and `fused`: from a multirun's overrides to its `JobReturn`s.

`littlehuman.execution` decides which jobs are computed when, trained together, or waited for. Here each part of a job
is run by Hydra's own `run_job`, so that its folder, `.hydra/`, `run.log`, `HydraConfig` and callbacks are those of any
other launcher. Hydra imports every plugin whenever it starts: nothing heavy may be imported here.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

if TYPE_CHECKING:
    from hydra._internal.callbacks import Callbacks

    from littlehuman.execution.hosts import Host as HostOfJob
    from littlehuman.execution.job import Job

log = logging.getLogger(__name__)


@dataclass
class SequentialLauncherConf:
    """No options.

    No string annotations in this file: Hydra runs it before it is in `sys.modules`, where dataclasses looks them up.
    """

    _target_: str = "hydra_plugins.littlehuman_fused.launcher.SequentialLauncher"


@dataclass
class FusedLauncherConf:
    """The options of the launcher."""

    _target_: str = "hydra_plugins.littlehuman_fused.launcher.FusedLauncher"
    ahead: int = 256  # most cells that are prepared before training; each holds its points and its claim


OWN_CALLBACK = "littlehuman"  # in conf/config.yaml: called once a command, not for each job

for name, node in {"sequential": SequentialLauncherConf, "fused": FusedLauncherConf}.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="littlehuman")


class SequentialLauncher(Launcher):
    """Runs the jobs of a multirun one after another in this process, and shares them with equal multiruns."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store the context and the configuration.

        The task function is not used: it waits where another process computes its cell, and a sweep computes others
        meanwhile. Both take the steps of `littlehuman.execution.job.Job`.
        """
        self.context, self.config = hydra_context, config

    how = "one after another"
    most = 1  # cells that a process of several takes at a time

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compute the cells. A job that fails is recorded in its own folder and stops no other."""
        from littlehuman.execution import mending, pool

        hosts = self.hosts(job_overrides, initial_job_idx, self.how)
        left = self.incomplete(hosts)
        with mending.refusing_the_command(Path(str(self.config.hydra.sweep.dir))):
            processes = pool.processes(left)
            if processes > 1:
                log.info("in %d processes; a cell is computed by one of them", processes)
                pool.sweep(left, self, processes)
        if processes == 1:
            self.compute(left)
        return [host.returned for host in hosts]

    def compute(self, hosts: "Sequence[HostOfJob]", *, wait: bool = True) -> "list[HostOfJob]":
        """Compute cells in this process; return those of other processes, where they are not waited for."""
        from littlehuman.execution import sequential

        return sequential.sweep(hosts, wait=wait)

    def hosts(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int, how: str) -> "list[Host]":
        """One host for each job."""
        self.prepare(initial_job_idx + len(job_overrides))
        log.info("%d run%s (cells of a study), %s", len(job_overrides), "s" * (len(job_overrides) != 1), how)
        return [Host(self, overrides, initial_job_idx + index) for index, overrides in enumerate(job_overrides)]

    def prepare(self, count: int) -> None:
        """Hydra's own set-up of a launch of `count` jobs."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        self.count = count

    def incomplete(self, hosts: "Sequence[Host]") -> "list[Host]":
        """Show the cells that are complete; return the others, unless the data has too few points for one of them."""
        from littlehuman.execution import grid, mending

        left = [host for host in hosts if not host.is_shown()]
        with mending.refusing_the_command(Path(str(self.config.hydra.sweep.dir))):
            grid.check(config for host in left if (config := host.composed()))
        return left


class FusedLauncher(SequentialLauncher):
    """Runs the jobs of a multirun in this process, and trains many of them at a time."""

    how = "trained together where they share a model"

    def __init__(self, ahead: int) -> None:
        self.ahead = self.most = ahead

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """As the base class's.

        Raises:
            ConfigError: when `ahead` is below 1.
        """
        from littlehuman.errors import ConfigError, Problem

        if self.ahead < 1:
            raise ConfigError([Problem(f"hydra.launcher.ahead={self.ahead}", "must be 1 or more")])
        return super().launch(job_overrides, initial_job_idx)

    def compute(self, hosts: "Sequence[HostOfJob]", *, wait: bool = True) -> "list[HostOfJob]":
        """As the base class's."""
        from littlehuman.execution import fused

        return fused.sweep(hosts, self.ahead, wait=wait)


class Host:
    """One job of the sweep, run in parts: preparation and scoring, or again after another process had its cell."""

    def __init__(self, launcher: SequentialLauncher, overrides: Sequence[str], number: int) -> None:
        self.returned = JobReturn()
        self._launcher, self.overrides, self.number = launcher, overrides, number
        self.ended = False

    def is_shown(self) -> bool:
        """Show a cell that is complete already, without Hydra's set-up of a job; whether it was.

        With callbacks of the user's, which Hydra calls for each job, there is no way around that set-up.
        """
        try:
            if set(self._launcher.config.hydra.get("callbacks") or ()) - {OWN_CALLBACK}:
                return False
            return self._is_shown() or self._is_known_to_fail()
        except Exception:  # `run_part` meets it again, and reports it
            return False

    def take_result(self) -> bool:
        """Take over the result of a cell that another process of this command computed; whether there is one."""
        self._return(None)
        return self.known_folder() is not None and self._is_shown(silent=True)

    def collect(self, reasons: str) -> None:
        """Show what a job of a cluster computed, or report the cell as lost, for `reasons`, unless the job did so."""
        from littlehuman import cli
        from littlehuman.runs import status

        self._return(None)
        folder = self.known_folder()
        if folder and self._is_shown(already=False):
            status.withdraw(folder)
        elif not (folder and status.is_reported(folder)):
            mend = cli.whole_command("Try: the same command again")
            cell = folder or Path(" ".join(self.overrides))
            status.report_incomplete(cell, reasons or "no job computed it", mend=mend)

    def _is_known_to_fail(self) -> bool:
        """Whether another worker of this command has told why the cell fails."""
        from littlehuman.execution import workers
        from littlehuman.runs import status

        folder = self.known_folder() if workers.current().size > 1 else None
        if folder and status.is_failure(folder):
            self.ended = True
            self._return(None)
        return self.ended

    def _is_shown(self, *, already: bool = True, silent: bool = False) -> bool:
        from littlehuman.execution.job import Job

        job = Job(Path(str(self._config.hydra.sweep.dir), str(self._config.hydra.sweep.subdir)))
        if job.show_named(already=already, silent=silent):
            self.ended = True
            self._return(job.score)
            return True
        return False

    def _return(self, score: float | None) -> None:
        self.returned = JobReturn(self.overrides, self.composed(), status=JobStatus.COMPLETED)
        self.returned.return_value = score

    def run_part(self, part: "Callable[[DictConfig, Path], Job]") -> "Job | None":
        """Run a part of the job by `run_job`; None when it raised.

        An error in the part is told by Hydra at the end of the sweep. One of Hydra's own, around it (a config that
        cannot be composed, a folder that cannot be made, a full disk), is reported as the cell's; the sweep goes on.
        """
        job = None

        def task(config: DictConfig) -> float | None:
            nonlocal job
            self.ended = True  # in case the part raises
            job = part(config, Path(HydraConfig.get().runtime.output_dir))
            self.ended = job.ended
            return job.score

        try:
            self._run(task)
        except Exception as error:
            self._report(error)
            return None
        return job if self.returned.status is JobStatus.COMPLETED else None

    def _run(self, task: TaskFunction) -> None:
        first = self.returned.status is JobStatus.UNKNOWN
        if first:
            place = f"run {self.number + 1} of {self._launcher.count}"
            log.info("%s: %s", place, " ".join(filter_overrides(self.overrides)))
        callbacks = _Callbacks(self, self._launcher.context.callbacks)
        try:
            self.returned = run_job(
                hydra_context=replace(self._launcher.context, callbacks=cast("Callbacks", callbacks)),
                task_function=task,
                config=self._config,
                # Later parts use the folder of the first one: data that its name depends on may have been edited.
                job_dir_key="hydra.sweep.dir" if first else "hydra.runtime.output_dir",
                job_subdir_key="hydra.sweep.subdir" if first else None,
            )
        finally:
            configure_log(self._launcher.config.hydra.hydra_logging, self._launcher.config.hydra.verbose)

    def _report(self, error: Exception) -> None:
        """Report the cell as not complete, by its overrides where its folder is not known."""
        from littlehuman.execution.mending import of_hydra

        of_hydra(error, self.known_folder(), filter_overrides(self.overrides))
        self._return(None)  # Hydra would end with a traceback

    def known_folder(self) -> Path | None:
        """The run folder; None where Hydra cannot compose the job."""
        try:
            return Path(str(self._config.hydra.sweep.dir), str(self._config.hydra.sweep.subdir))
        except Exception:
            return None

    def composed(self) -> DictConfig | None:
        """The configuration of the job; None where Hydra cannot compose it, which `run_part` reports."""
        try:
            return self._config
        except Exception:
            return None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of `hydra.job.env_set`."""
        return {str(key): str(value) for key, value in self._config.hydra.job.env_set.items()}

    @property
    def progress(self) -> bool:
        """Whether progress bars are shown."""
        from littlehuman.execution import workers

        return bool(self._config.launch.progress) and not workers.is_quiet()

    def __reduce__(self) -> "tuple[type[Host], tuple[SequentialLauncher, Sequence[str], int]]":
        return Host, (self._launcher, self.overrides, self.number)  # without the composed configuration

    @cached_property
    def _config(self) -> DictConfig:
        launcher = self._launcher
        config = launcher.context.config_loader.load_sweep_config(launcher.config, list(self.overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = self.number
        return config


class _Callbacks:
    """Hydra's callbacks, called once at the start and once at the end of a job that is run in several parts."""

    def __init__(self, host: Host, callbacks: "Callbacks") -> None:
        self._host, self._callbacks = host, callbacks

    def on_job_start(self, **job: Any) -> None:
        """Pass on the first call."""
        if self._host.returned.status is JobStatus.UNKNOWN:
            self._callbacks.on_job_start(**job)

    def on_job_end(self, **job: Any) -> None:
        """Pass on the last call."""
        if self._host.ended:
            self._callbacks.on_job_end(**job)
