"""What a run is doing, and how it ended: `status.json` in its folder.

In: stages as they begin, and the end. Out: `state` (running, done, failed), stage, error, knobs,
times. A run that was killed stays `running` and has no `result.json`: the next one computes it
again. Cells that did not complete are also told to the command line, which may be another process;
a config that is refused is told there alone, for it is no cell.

"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.runs.artifacts import STATUS
from littlehuman.store import digest, in_a_study, read_json, write_json

START = "start"  # the stage in which a config is read and checked
INVOCATION = (
    "LITTLEHUMAN_INVOCATION"  # set by the command line: a folder in which its cells say why they are not complete
)
_BEFORE_ANY_WORK = {STATUS, ".lock", ".hydra", "run.log"}  # what a job leaves that did nothing


class RunStatus:
    """Keeps `status.json` of one run and the seconds of its stages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.again = folder, (folder / STATUS).is_file()
        self.seconds: dict[str, float] = {}
        self._status: dict[str, Any] = {
            "state": "running",
            "stage": START,
            "started": _now(),
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        self._write()

    @property
    def stage_name(self) -> str:
        """The stage that is running, or that failed."""
        return str(self._status["stage"])

    def note_knobs(self, knobs: Mapping[str, Any]) -> None:
        """What the cell is about (the scientific config), so that a table can place it even when it fails."""
        self._status["knobs"] = dict(knobs)
        self._write()

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

    def failed(self, error: BaseException) -> None:
        """The run ended with an error."""
        text = str(error) if str(error).strip() else type(error).__name__
        line = error.one_line if isinstance(error, LittlehumanError) else _one_line(error)
        self._status |= {"state": "failed", "reason": line, "error": text, "error_type": type(error).__name__}
        self._write()
        report_incomplete(
            self.folder, f"in stage {self.stage_name}: {line}", asks_for_change=isinstance(error, ConfigError)
        )

    def _write(self) -> None:
        write_json(self.folder / STATUS, {**self._status, "updated": _now()})


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that is not complete, or a config that is refused: then there is no cell.

    `asks_for_change`: the same command again would come to the same end.
    """

    folder: str
    reason: str
    asks_for_change: bool = False
    is_cell: bool = True


def report_incomplete(folder: Path, reason: str, *, asks_for_change: bool = False, is_cell: bool = True) -> None:
    """Tell the command line that a cell is not complete; without a command line nobody is told."""
    if ledger := os.environ.get(INVOCATION):
        write_json(
            Path(ledger) / f"{digest(str(folder))}.json", asdict(Missing(str(folder), reason, asks_for_change, is_cell))
        )


def collect(ledger: Path) -> list[Missing]:
    """What is not complete, by folder; the ledger is removed."""
    entries = [read_json(path) for path in ledger.glob("*.json")]
    shutil.rmtree(ledger, ignore_errors=True)
    return sorted((Missing(**entry) for entry in entries if entry), key=lambda missing: missing.folder)


def refuse(folder: Path, error: ConfigError, *, attempted: bool) -> None:
    """Tell of a config that is refused; its folder goes where it holds no work, so that a typo does not stay in the study.

    Args:
        folder: the run folder; one outside of the results is the user's own, and stays.
        error: why it is refused.
        attempted: the folder tells of an earlier attempt, and stays.
    """
    report_incomplete(folder, error.one_line, asks_for_change=True, is_cell=False)
    if in_a_study(folder) and not attempted and {path.name for path in folder.iterdir()} <= _BEFORE_ANY_WORK:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # where it was the study's only one


def _one_line(error: BaseException) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def settle(folder: Path) -> None:
    """Say `done` of a complete run that was killed just before it could say so itself."""
    status = read_json(folder / STATUS)
    if status.get("state") != "done":
        write_json(folder / STATUS, {**status, "state": "done", "stage": "end", "updated": _now()})


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
