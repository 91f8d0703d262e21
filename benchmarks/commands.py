"""Commands as users start them: one process each, timed from outside. A command that fails is an error."""

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
        """Seconds of training and evaluation, from the result."""
        return float(self.result["seconds"]["training"] + self.result["seconds"]["evaluation"])


@dataclass(frozen=True)
class Done:
    """Wall seconds of a command, and its cells in the order in which they finished."""

    seconds: float
    cells: tuple[CellDone, ...]


def littlehuman(*arguments: str) -> Done:
    """`python -m littlehuman.run ...` with its own results folder."""
    with tempfile.TemporaryDirectory() as own:
        root = Path(own)
        seconds = python("-m", "littlehuman.run", *arguments, LITTLEHUMAN_MULTIRUN=str(root))
        cells = (CellDone(read_json(path), path.stat().st_mtime) for path in root.rglob("result.json"))
        return Done(seconds, tuple(sorted(cells, key=lambda cell: cell.written)))


def python(*arguments: str, **environment: str) -> float:
    """Wall seconds of a Python process.

    Raises:
        RuntimeError: with the end of its output, when it failed.
    """
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
        )
    return seconds
