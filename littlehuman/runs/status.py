"""The status of a run: `status.json` in its folder, with state (running, done, failed), stage, error and times.

A run that was killed stays `running` in its file and has no `result.json`: a study tells it as stopped (whether its
process lives is known to `runs/claims.py`), and the same command computes it again. Cells that are not complete are
also reported to the process of the command line, which lists them at the end; a refused config is reported there only,
because it makes no cell.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.runs import claims, leftovers, process
from littlehuman.runs.artifacts import STATUS
from littlehuman.store import INVOCATION, digest, in_a_study, read_json, write_json

START = "start"  # the stage in which the config is validated
_WITHOUT_WORK = {STATUS, ".hydra", "run.log"}  # files of a job that was refused before it did anything


class RunStatus:
    """Writes `status.json` of one run, and times its stages (`seconds`).

    With a claim, each stage begins only while the cell is this process's (else `ClaimLost`), and the file of a cell
    that was taken over is left to its new owner.
    """

    def __init__(self, folder: Path, claim: claims.Claim | None = None) -> None:
        self.folder, self.is_retry = folder, (folder / STATUS).is_file()
        self.claim = claim
        self.seconds: dict[str, float] = {}
        self._status: dict[str, Any] = {
            "state": "running",
            "stage": START,
            "started": _now(),
            "pid": os.getpid(),
            "host": process.host(),
        }
        self._write()

    @property
    def stage_name(self) -> str:
        """The current stage, or the one that failed."""
        return str(self._status["stage"])

    def note_knobs(self, knobs: Mapping[str, Any]) -> None:
        """Write the configuration values, for the table's row of the cell even if it fails."""
        self._status["knobs"] = dict(knobs)
        self._write()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Set and time a stage.

        Raises:
            ClaimLost: when another process took the cell over.
        """
        self.require_claim()
        self._status["stage"] = name
        self._write()
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)

    def require_claim(self) -> None:
        """Check that the cell is still this process's.

        Raises:
            ClaimLost: when another process took it over.
        """
        if self.claim:
            self.claim.require()

    def done(self) -> None:
        """Mark the run complete, after `result.json` is written."""
        self._status |= {"state": "done", "stage": "end"}
        self._write()

    def failed(self, error: BaseException) -> None:
        """Mark the run failed, and report it."""
        text = "\n".join(map(cli.whole_command, str(error).split("\n"))) if str(error).strip() else type(error).__name__
        line = error.one_line if isinstance(error, LittlehumanError) else _one_line(error)
        self._status |= {"state": "failed", "reason": line, "error": text, "error_type": type(error).__name__}
        with suppress(OSError):  # the disk may be full: the report below names the cell all the same
            self._write()
        report_incomplete(
            self.folder,
            f"in stage {self.stage_name}: {line}",
            asks_for_change=isinstance(error, ConfigError),
            mend=mend_of(error),
            interrupted=not isinstance(error, Exception),
        )

    def _write(self) -> None:
        if not (self.claim and self.claim.lost):
            write_json(self.folder / STATUS, {**self._status, "updated": _now()})


@dataclass(frozen=True, slots=True)
class IncompleteCell:
    """A cell that is not complete, or a refused config (`is_cell` is false).

    `asks_for_change`: the same command would fail again. `mend`: what to try, as lines, where the error says so.
    `interrupted`: its process was ended, which says nothing about the cell.
    """

    folder: str
    reason: str
    asks_for_change: bool = False
    is_cell: bool = True
    mend: str = ""
    interrupted: bool = False


_unwritten: list[IncompleteCell] = []  # reports of this process that the disk did not take


def report_incomplete(
    folder: Path,
    reason: str,
    *,
    asks_for_change: bool = False,
    is_cell: bool = True,
    mend: str = "",
    interrupted: bool = False,
) -> None:
    """Report an incomplete cell to the process of the command line, if there is one."""
    if reports := os.environ.get(INVOCATION):
        cell = IncompleteCell(str(folder), reason, asks_for_change, is_cell, mend, interrupted)
        try:
            write_json(_report_of(folder, reports), asdict(cell))
        except OSError:
            _unwritten.append(cell)


def _report_of(folder: Path, reports: str) -> Path:
    return Path(reports) / f"{digest(str(folder))}.json"


def is_reported(folder: Path) -> bool:
    """Whether a process of this command reported that it did not complete the cell."""
    reports = os.environ.get(INVOCATION)
    return bool(reports) and _report_of(folder, reports or "").is_file()


def is_failure(folder: Path) -> bool:
    """Whether a process of this command reported why the cell fails: computing it again would fail alike."""
    return is_reported(folder) and not read_json(_report_of(folder, os.environ[INVOCATION])).get("interrupted")


def withdraw(folder: Path) -> None:
    """Remove the report on a cell that another process has completed."""
    if is_reported(folder):
        _report_of(folder, os.environ[INVOCATION]).unlink(missing_ok=True)


def collect(reports: Path) -> list[IncompleteCell]:
    """The incomplete cells that were reported, sorted by folder; `reports` is removed."""
    cells = [IncompleteCell(**entry) for path in reports.glob("*.json") if (entry := read_json(path))]
    cells += _unwritten
    _unwritten.clear()
    shutil.rmtree(reports, ignore_errors=True)
    return sorted(cells, key=lambda cell: cell.folder)


def report_refused(folder: Path, error: ConfigError, *, attempted: bool) -> None:
    """Report a refused config, and remove its folder if it has no work, so that a typo leaves nothing in the study.

    Args:
        folder: the run folder; one outside of `multirun/` is kept.
        error: why the config is refused.
        attempted: whether the folder is that of an earlier attempt, which is kept.
    """
    report_incomplete(folder, error.one_line, asks_for_change=True, is_cell=False, mend=mend_of(error))
    if in_a_study(folder) and not attempted and _is_without_work(folder):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            if folder.parent.name.startswith(leftovers.REFUSED) and leftovers.is_without_work(folder.parent):
                shutil.rmtree(folder.parent)
            folder.parent.rmdir()  # the study, if it is empty now


def _is_without_work(folder: Path) -> bool:
    return all(path.name in _WITHOUT_WORK or claims.is_claim(path.name) for path in folder.iterdir())


def mark_done(folder: Path) -> None:
    """Correct the status of a complete run that was killed after `result.json` and before its last status."""
    status = read_json(folder / STATUS)
    if status.get("state") != "done":
        write_json(folder / STATUS, {**status, "state": "done", "stage": "end", "updated": _now()})


def mend_of(error: BaseException) -> str:
    """What an error says below its first line, with whole commands for what to try; empty where it is one line."""
    return "\n".join(map(cli.whole_command, error.rest.split("\n"))) if isinstance(error, LittlehumanError) else ""


def _one_line(error: BaseException) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
