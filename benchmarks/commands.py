"""The command line as its users start it: a process each, timed from outside.

In: arguments. Out: wall seconds, and the results that the command left. A command that fails is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.store import read_json


@dataclass(frozen=True)
class CellDone:
    """A cell's result, and when it was written (seconds since the epoch)."""

    result: dict[str, Any]
    written: float

    @property
    def computing(self) -> float:
        """Seconds of training and evaluation, as the cell tells them."""
        return float(self.result["seconds"]["training"] + self.result["seconds"]["evaluation"])


@dataclass(frozen=True)
class Done:
    """Wall seconds of a command, and its cells in the order in which they were done."""

    seconds: float
    cells: tuple[CellDone, ...]


def littlehuman(*arguments: str) -> Done:
    """`python -m littlehuman.run ...` in a folder of results of its own."""
    with tempfile.TemporaryDirectory() as own:
        root = Path(own)
        seconds = python("-m", "littlehuman.run", *arguments, LITTLEHUMAN_MULTIRUN=str(root))
        cells = (CellDone(read_json(path), path.stat().st_mtime) for path in root.rglob("result.json"))
        return Done(seconds, tuple(sorted(cells, key=lambda cell: cell.written)))


def python(*arguments: str, **environment: str) -> float:
    """Wall seconds of a Python of its own.

    Raises:
        RuntimeError: with the end of what it said, when it failed.
    """
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
        )
    return seconds
