"""The studies that the server shows: folders with run folders below one root, by name.

A name counts only where the root has a folder of that name with cells in it; so no path of a request is ever opened.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from littlehuman.errors import DataError
from littlehuman.runs.artifacts import STATUS, rows
from littlehuman.store import digest
from littlehuman.webpage import cells

DESIGN = "next.json"  # `study.look_design.FILE`, which changes what is said; that module would load pandas
FRESH_S = 0.9  # how long a look at a folder holds


@dataclass(frozen=True)
class Look:
    """A study as one look found it; `stamp` of complete cells and design, `mark` of everything that is shown live."""

    name: str
    folder: Path
    rows: list[dict[str, Any]]
    stamp: str
    progress: dict[str, Any]
    at: float

    @property
    def mark(self) -> str:
        """Changes with the state of any cell, and with the stage of one that runs."""
        shown = {key: value for key, value in self.progress.items() if key not in ("at", "eta_s")}
        return f"{self.stamp} {shown}"


@dataclass
class Studies:
    """The studies below `root`; `only` one of them where the user named a study."""

    root: Path
    only: str | None = None
    _looks: dict[str, Look] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Names of the folders that have cells."""
        if self.only is not None:
            return [self.only]
        return sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir() and has_cells(Path(entry.path)))

    def look(self, name: str) -> Look | None:
        """How a study is now (at most `FRESH_S` old); None where there is none of this name."""
        now, known = time.monotonic(), self._looks.get(name)
        if known is not None and now - known.at < FRESH_S:
            return known
        if name not in self.names():
            return None
        folder = self.root / name
        found = rows(folder)
        progress = cells.progress(folder, found)
        stamp = digest([cells.stamp(found), _modified(folder / DESIGN)])
        look = self._looks[name] = Look(name, folder, found, stamp, progress, time.monotonic())
        return look

    def cell(self, name: str, cell: str) -> Path | None:
        """The folder of a cell that a study lists."""
        look = self.look(name)
        return look.folder / cell if look and any(row["cell"] == cell for row in look.rows) else None


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def has_cells(folder: Path) -> bool:
    """Whether a folder is a study."""
    try:
        return any((Path(entry.path) / STATUS).is_file() for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return False


def studies_at(place: Path) -> Studies:
    """The studies of a folder of all results, or the one study that was named. A study without cells may come later.

    Raises:
        DataError: where there is no such folder.
    """
    if not place.is_dir():
        raise DataError(f"{place}: is no folder\nTry: a folder multirun/STUDY, or multirun itself")
    place = place.resolve()
    if (place / STATUS).is_file() and has_cells(place.parent):
        place = place.parent  # a cell was named
    return Studies(place.parent, place.name) if has_cells(place) else Studies(place)
