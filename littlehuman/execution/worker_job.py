"""A job of a cluster: one worker of a sweep, as it is pickled where the command was typed and called on its node."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from littlehuman.execution import workers
from littlehuman.generation import ledger

_TAKEN_ALONG = ("LITTLEHUMAN_", "HF_", "TRANSFORMERS_")  # variables that say where things are, and how
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD")  # never written into a job's file


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_TAKEN_ALONG) and not _SECRET.search(name) and name != ledger.SHARE
    }


@dataclass(frozen=True)
class WorkerJob:
    """Worker `rank` of `size` that share the cells of a sweep by claims.

    Attributes:
        sweep: computes what is open of all cells; it can be pickled.
        folder: the working folder.
        environment: variables of the command that are set in the job.
    """

    rank: int
    size: int
    sweep: Callable[[], None]
    folder: str = field(default_factory=os.getcwd)
    environment: dict[str, str] = field(default_factory=_environment)

    def __call__(self) -> None:
        """Compute."""
        os.chdir(self.folder)
        os.environ |= self.environment
        os.environ[workers.VARIABLE] = f"{self.rank}/{self.size}"
        os.environ[ledger.SHARE] = str(self.rank)
        self.sweep()
