"""Hydra callback: at the start of a command, its ledger, and how many jobs will share its spending limit.

`conf/config.yaml` names it. It runs in the process of the command line, before the first job; the jobs find the ledger
through the environment, whichever launcher starts them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

ONE_MACHINE = (
    "sequential",
    "basic",
    "fused",
    "joblib",
    "submitit_local",
)  # launchers whose jobs run where the command was typed


class OpenLedger(Callback):
    """Writes the ledger of the command."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """One job."""
        from littlehuman.generation import ledger

        ledger.begin(jobs=1, split="")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep."""
        from littlehuman.generation import ledger, spending

        launcher = str(config.hydra.runtime.choices.get("hydra/launcher"))
        split = "" if launcher in ONE_MACHINE else f"hydra/launcher={launcher} may use several machines"
        before = spending.paid_in_study(Path(str(config.hydra.sweep.dir))) if split else 0.0
        ledger.begin(count_jobs(config), split, before)


def count_jobs(config: DictConfig) -> int | None:
    """The number of jobs of a sweep; None for another sweeper than Hydra's own, or where it cannot be known."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    if not str(sweeper.get("_target_")).endswith(".BasicSweeper"):
        return None
    words = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    try:
        overrides = OverridesParser.create().parse_overrides([*words, *config.hydra.overrides.task])
        return sum(map(len, BasicSweeper.split_arguments(overrides, None)))
    except Exception:  # such as glob(), which needs the config files; the sweeper itself reports a wrong override
        return None
