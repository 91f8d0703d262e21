"""What a sweep needs of its launcher: one job each, run in parts in its own folder, log and Hydra config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from omegaconf import DictConfig

from littlehuman.execution.job import Job

Part: TypeAlias = Callable[[DictConfig, Path], Job]


class Host(Protocol):
    """The launcher's interface to one job."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of the job (`hydra.job.env_set`)."""

    @property
    def progress(self) -> bool:
        """Whether to show progress bars."""

    def known_folder(self) -> Path | None:
        """The run folder; None where Hydra cannot compose the job."""

    def composed(self) -> DictConfig | None:
        """The configuration of the job; None where Hydra cannot compose it, which `run_part` reports."""

    def take_result(self) -> bool:
        """Take over the result of a cell that another process of this command computed; whether there is one."""

    def is_shown(self) -> bool:
        """Show a cell that is complete already, without Hydra's set-up of a job; whether it was."""

    def run_part(self, part: Part) -> Job | None:
        """Run a part of the job with its Hydra config, folder and log; None when the part raised an error."""
