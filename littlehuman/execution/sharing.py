"""Cells of a sweep that another process computes: waited for, and taken over where that process has ended.

In: the run folders whose claim (`runs/claims.py`) another process holds. Out: those that are complete or free by now.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from littlehuman.runs import claims
from littlehuman.runs.artifacts import RESULT, STATUS
from littlehuman.runs.claims import Holder
from littlehuman.store import read_json

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_S = (0.2, 2.0)  # first and longest time between two looks
_INTERRUPTIONS = ("KeyboardInterrupt", "SystemExit", "GeneratorExit", "ClaimLost")  # say nothing about the cell


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A cell that another process computes; `holder` None where it ended in the moment of the look."""

    folder: Path
    holder: Holder | None

    @classmethod
    def of(cls, folder: Path) -> Elsewhere:
        """The cell of a run folder whose claim could not be taken."""
        return cls(folder, claims.holder_of(folder))

    @property
    def is_settled(self) -> bool:
        """Whether the cell is complete, or its claim is free."""
        return (self.folder / RESULT).is_file() or claims.is_free(self.folder)

    @property
    def failure(self) -> str:
        """Why that process could not complete the cell, where it said so; computing it again would fail alike."""
        status = read_json(self.folder / STATUS)
        same = self.holder is not None and (status.get("pid"), status.get("host")) == (
            self.holder.pid,
            self.holder.host,
        )
        if not same or status.get("state") != "failed" or status.get("error_type") in _INTERRUPTIONS:
            return ""
        return f"failed in {self.holder}: {status.get('reason', 'it did not say why')}"


class Wait:
    """Sleeps until a cell is settled, with growing intervals, and logs once for whom."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def for_settled(self, cells: Mapping[T, Elsewhere]) -> list[T]:
        """Those of `cells` that are settled; at least one. Sleeps until there is one."""
        seconds = POLL_S[0]
        while not (settled := [key for key, cell in cells.items() if cell.is_settled]):
            self._say(list(cells.values()))
            time.sleep(seconds)
            seconds = min(seconds * 1.5, POLL_S[1])
        return settled

    def _say(self, cells: list[Elsewhere]) -> None:
        holders = sorted({str(cell.holder or "another process") for cell in cells})
        if not set(holders) <= self._said:
            self._said |= set(holders)
            what = cells[0].folder if len(cells) == 1 else f"{len(cells)} cells (first: {cells[0].folder})"
            log.info("waiting for %s, computed by %s", what, ", ".join(holders))
