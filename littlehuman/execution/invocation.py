"""Hydra callback: at the start of a command, its ledger, how many jobs will share its spending limit, and whether the
data has points enough for them; at the end of a sweep, its table.

`conf/config.yaml` names it. It runs in the process of the command line, before the first job; the jobs find the ledger
through the environment, whichever launcher starts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from littlehuman.execution.workers import Worker

ONE_MACHINE = (
    "sequential",
    "basic",
    "fused",
    "joblib",
    "submitit_local",
)  # launchers whose jobs run where the command was typed


CLUSTERS = ("slurm", "ray")  # split the limit among their jobs, when they know how many there are
# Launchers that look at their cells themselves, by the configurations that they compose
OWN = ("sequential", "fused", *CLUSTERS)


class OpenLedger(Callback):
    """Writes the ledger of the command; refuses a sweep that the data is too small for; prints a sweep's table."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """One job."""
        from littlehuman.generation import ledger

        ledger.begin(jobs=1, split="")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep."""
        from littlehuman.execution import workers
        from littlehuman.generation import ledger, spending

        jobs = jobs_of(config)
        launcher = str(config.hydra.runtime.choices.get("hydra/launcher"))
        split = _split(launcher, worker := workers.current())
        of_study = bool(split) or launcher in CLUSTERS
        before = spending.paid_in_study(Path(str(config.hydra.sweep.dir))) if of_study else 0.0
        if jobs and launcher not in OWN:
            _refuse_unfillable(config, jobs)
        if worker.can_join and not worker.is_main:
            ledger.wait_until_begun()
        else:
            ledger.begin(None if jobs is None else len(jobs), split, before)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """The table of the sweep's study, and the next command."""
        from littlehuman.execution import sweep_table
        from littlehuman.formatting import plain_text

        for line in sweep_table.lines(Path(str(config.hydra.sweep.dir))):
            print(plain_text(line))


def _split(launcher: str, worker: Worker) -> str:
    """Why the spending limit is split among the cells beforehand; empty where the processes share a ledger."""
    if launcher not in (*ONE_MACHINE, *CLUSTERS):
        return f"hydra/launcher={launcher} may use several machines"
    if not worker.on_one_machine:
        return f"the cells are computed by {worker.size} workers, which may be on several machines"
    return ""


def _refuse_unfillable(config: DictConfig, jobs: list[list[str]]) -> None:
    """End the command where one of its cells that are not complete wants more points than there are."""
    from littlehuman.execution import grid, mending

    with mending.refusing_the_command(Path(str(config.hydra.sweep.dir))):
        grid.check(_incomplete(config, jobs))


def _incomplete(config: DictConfig, jobs: list[list[str]]) -> Iterator[DictConfig]:
    from hydra.core.global_hydra import GlobalHydra

    from littlehuman.runs.artifacts import RESULT

    if GlobalHydra.instance().hydra is None:  # no command line started this
        return
    loader = GlobalHydra.instance().config_loader()
    for overrides in jobs:
        with suppress(Exception):  # what cannot be composed is Hydra's to report
            job = loader.load_sweep_config(config, overrides)
            if not Path(str(job.hydra.sweep.dir), str(job.hydra.sweep.subdir), RESULT).is_file():
                yield job


def jobs_of(config: DictConfig) -> list[list[str]] | None:
    """The overrides of each job of a sweep; None for another sweeper than Hydra's own, or where it cannot be known."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    if not str(sweeper.get("_target_")).endswith(".BasicSweeper"):
        return None
    words = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    try:
        overrides = OverridesParser.create().parse_overrides([*words, *config.hydra.overrides.task])
        return BasicSweeper.split_arguments(overrides, None)[0]
    except Exception:  # such as glob(), which needs the config files; the sweeper itself reports a wrong override
        return None
