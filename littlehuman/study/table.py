"""`table.csv` and `table.md` of a study: one row per cell.

In: the run folders. Out: both files, rewritten from the folders. In a sweep they are rewritten now and then, so that
writing takes a small part of its time however large the study is, and once more at the end of the command.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from littlehuman.formatting import csv_cell, markdown_text
from littlehuman.runs.artifacts import GROUPS, NUMBERS, RESULT, STATUS, rows
from littlehuman.runs.leftovers import sweep_drafts
from littlehuman.store import INVOCATION, digest, in_a_study, write_text

log = logging.getLogger(__name__)

LOCK = ".table.lock"
PAUSE_S = 2.0  # least time between two updates in one process
SHARE = 0.05  # of a sweep's time that may go into updates
_DUE = ".study"  # ending of the files in the command's folder that name studies whose table is to be written
_next: dict[Path, float] = {}  # study -> when this process may write its table again


def update(folder: Path) -> None:
    """Rewrite the table of the study that a run folder lies in; with `hydra.run.dir=...` it may lie in none.

    Within a command (`littlehuman run`) a table that was written a moment ago is left for `write_due`.
    """
    if not in_a_study(folder):
        return
    study, reports = folder.parent, os.environ.get(INVOCATION)
    if reports and time.monotonic() < _next.get(study, 0.0) and _noted(study, Path(reports)):
        return
    started = time.monotonic()
    try:
        write(study)
    except OSError as error:  # the cells are what counts, and the table can be made of them at any time
        log.warning("%s: cannot be written (%s); the cells are complete without it", study / "table.csv", error)
    now = time.monotonic()
    _next[study] = now + max(PAUSE_S, (now - started) / SHARE)


def write_due(reports: Path) -> None:
    """Write the tables that `update` left, here or in a process of the same command; called at the command's end."""
    for note in list(reports.glob(f"*{_DUE}")):
        with suppress(OSError, ValueError):
            study = Path(note.read_text("utf-8"))
            if study.is_dir():
                write(study)


def write(study: Path) -> Path:
    """Rewrite `table.csv` and `table.md` from the run folders; return the CSV's path."""
    with _locked(study / LOCK):  # else a slow writer could put an older table over a newer one
        sweep_drafts(study)
        table = rows(study)
        columns = _columns(table)
        head = _csv_line(columns)
        write_text(study / "table.csv", head + "".join(_lines_of("csv", study, table, columns, _csv_row)))
        write_text(study / "table.md", markdown(table, study))
    return study / "table.csv"


def _noted(study: Path, reports: Path) -> bool:
    """Note that a study's table is to be written at the end of the command; False where the note cannot be made."""
    note = reports / f"{digest(str(study))}{_DUE}"
    try:
        if not note.exists():
            write_text(note, str(study))
    except OSError:
        return False
    return True


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """A file lock, or none where it cannot be had: the table can be written again at any time."""
    lock = FileLock(file, timeout=60)
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_current(folder: Path) -> bool:
    """Whether the study's table is newer than this run folder, so that a repeated sweep need not write it again."""
    table = folder.parent / "table.csv"
    try:
        return all(table.stat().st_mtime_ns > (folder / name).stat().st_mtime_ns for name in (STATUS, RESULT))
    except OSError:
        return False


def markdown(table: Sequence[Mapping[str, Any]], study: Path | None = None) -> str:
    """The table for reading: knobs that differ between cells, and each score with its interval.

    `study`: whose lines are kept for the next time.
    """
    metrics = [column for column in _columns(table) if column.endswith("_low")]
    differing = [k for k in (*GROUPS, *NUMBERS) if k != "protocol" and differs(k, table)]
    columns = ["cell", "state", "protocol", *differing, "n_human", "n_synthetic", *metrics]
    header = [markdown_text(column.removesuffix("_low")) for column in columns]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += _lines_of("md", study, table, columns, _markdown_row)
    problems = [
        f"\n{markdown_text(str(row['cell']))}: {markdown_text(str(row['error']))}\n"
        for row in table
        if row.get("error")
    ]
    return "\n".join(lines) + "\n" + "".join(problems)


_kept: dict[tuple[str, Path | None], tuple[list[str], dict[str, tuple[Mapping[str, Any], str]]]] = {}


def _lines_of(
    kind: str,
    study: Path | None,
    table: Sequence[Mapping[str, Any]],
    columns: list[str],
    line: Callable[[Mapping[str, Any], Sequence[str]], str],
) -> list[str]:
    """A line per row. Those of the last time are taken again where row and columns are the same: of 3,000 cells one or
    two have changed.
    """
    before, known = _kept.get((kind, study), ([], {}))
    known = known if before == columns else {}
    new: dict[str, tuple[Mapping[str, Any], str]] = {}
    for row in table:
        old = known.get(row["cell"])
        new[row["cell"]] = old if old and old[0] == row else (row, line(row, columns))
    if study is not None:
        _kept[kind, study] = columns, new
    return [text for _, text in new.values()]


def _csv_row(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    return _csv_line([row.get(column) for column in columns])  # None: an empty cell


def _csv_line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(csv_cell, values))
    return text.getvalue()


def _markdown_row(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    cells = [
        _interval(row, column.removesuffix("_low"))
        if column.endswith("_low")
        else markdown_text(str(row.get(column, "")))
        for column in columns
    ]
    return "| " + " | ".join(cells) + " |"


def differs(column: str, table: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column has several values, as texts."""
    values = (row[column] for row in table if column in row)
    first = next(values, None)
    return any(value is not first and str(value) != str(first) for value in values)


def _columns(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows, in the order of their first use; most rows have the same ones."""
    return list(dict.fromkeys(column for columns in dict.fromkeys(map(tuple, table)) for column in columns))


def _interval(row: Mapping[str, Any], metric: str) -> str:
    if row.get(metric, "") == "":
        return ""
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"
