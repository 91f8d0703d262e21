"""What a run is doing, and how it ended: `status.json` in its folder.

In: stages as they begin, and the end. Out: `state` (running, done, failed), stage, error, times.
A run that was killed stays `running` and has no `result.json`: the next one computes it again.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from littlehuman.store import read_json, write_json

STATUS = "status.json"
INVOCATION = "LITTLEHUMAN_INVOCATION"  # set by the command line, so that it finds its cells again


class Journal:
    """Keeps `status.json` of one run and the seconds of its stages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self._status: dict[str, Any] = {
            "state": "running",
            "stage": "start",
            "started": _now(),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "invocation": os.environ.get(INVOCATION, ""),
        }
        self._write()

    @property
    def stage_name(self) -> str:
        """The stage that is running, or that failed."""
        return str(self._status["stage"])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name what runs inside and time it."""
        self._status["stage"] = name
        self._write()
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)

    def done(self) -> None:
        """The run is complete; `result.json` stands already."""
        self._status |= {"state": "done", "stage": "end"}
        self._write()

    def failed(self, error: BaseException, text: str) -> None:
        """The run ended with an error; `text` is what a reader should see."""
        self._status |= {"state": "failed", "error": text, "error_type": type(error).__name__}
        self._write()

    def _write(self) -> None:
        write_json(self.folder / STATUS, {**self._status, "updated": _now()})


def failures(root: Path, invocation: str) -> list[tuple[Path, dict[str, Any]]]:
    """Cells under `root` that failed in one invocation of the command line, with their status."""
    cells = sorted(root.glob(f"*/*/{STATUS}"))
    read = ((path.parent, read_json(path)) for path in cells)
    return [(folder, status) for folder, status in read if status.get("invocation") == invocation and status.get("state") == "failed"]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
