"""Scores of training runs by what they were trained on: from a table of the user's own, or from a study.

In: a CSV with the columns n_synthetic, n_human and score (one row per run, any order, other
columns ignored), or a study folder. Out: one `Scored` per series; a CSV is one series.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("n_synthetic", "n_human")
COLUMNS = (*COUNTS, "score")
_EXAMPLE = "a first line `n_synthetic,n_human,score`, then one line per training run, e.g. `5000,200,0.83`"


@dataclass(frozen=True, eq=False)
class Scored:
    """Runs of one series: float arrays [runs] of equal length; `notes` are sentences that a reader must know."""

    name: str
    n_synthetic: NDArray[np.float64]
    n_human: NDArray[np.float64]
    score: NDArray[np.float64]
    metric: str = "score"
    notes: tuple[str, ...] = ()


def read_scores(path: str | Path, series: str | None = None) -> list[Scored]:
    """Read a CSV (one series) or a study folder (one per dataset, model, ...; `series` picks one by name).

    Raises:
        DataError: for a file that is absent or has another layout (column, row and value are named), for a
            study without a finished cell, and for a series that is not there.
    """
    path = Path(path).expanduser()
    found = _of_study(path) if path.is_dir() else [_of_csv(path)]
    if series is None:
        return found
    chosen = [scored for scored in found if scored.name == series]
    if not chosen:
        raise DataError(f"{path}: there is no series {series!r}; {did_you_mean(series, (scored.name for scored in found))}")
    return chosen


def _of_csv(path: Path) -> Scored:
    """One series, named as the file is."""
    rows = [[_number(path, *cell) for cell in row] for row in _cells(path)]
    if not rows:
        raise DataError(f"{path}: there are no rows under the header\nTry: {_EXAMPLE}")
    table = np.array(rows, dtype=np.float64)
    return Scored(path.name, table[:, 0], table[:, 1], table[:, 2])


def _cells(path: Path) -> Iterator[list[tuple[int, str, str]]]:
    """For every row that is not blank: (row number as a spreadsheet counts, column, text) of the three columns."""
    lines = iter(_lines(path))
    header = [cell.strip() for cell in next(lines, [])]
    if not any(header):
        raise DataError(f"{path}: the first line is empty\nTry: {_EXAMPLE}")
    places = {column: _place(path, column, header) for column in COLUMNS}
    for row, line in enumerate(lines, start=2):
        if any(cell.strip() for cell in line):
            yield [(row, column, line[place].strip() if place < len(line) else "") for column, place in places.items()]


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file or study folder\nTry: a CSV with {_EXAMPLE}; or a folder multirun/STUDY")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is no UTF-8 text\nTry: save the sheet as CSV (UTF-8)") from None
    if not text.strip():
        raise DataError(f"{path}: the file is empty\nTry: {_EXAMPLE}")
    first = text.split("\n", 1)[0]
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count)))


def _place(path: Path, column: str, header: Sequence[str]) -> int:
    if header.count(column) == 1:
        return header.index(column)
    has = ", ".join(cell or "(no name)" for cell in header)
    if column in header:
        raise DataError(f"{path}: column {column!r} stands there {header.count(column)} times (the file has: {has})\nTry: keep one of them")
    near = did_you_mean(column, header)
    raise DataError(
        f"{path}: no column {column!r}; the file has: {has}"
        + (f"; {near}" if near.startswith("did") else "")
        + f"\nTry: rename the column to {column}; needed are {', '.join(COLUMNS)}"
    )


def _number(path: Path, row: int, column: str, text: str) -> float:
    """A cell as a number, or one sentence on what is wrong with it."""
    where = f"{path}: row {row}, column {column}: "
    try:
        value = float(text)
    except ValueError:
        told = f"{text!r} is not a number" if text else "the cell is blank"
        raise DataError(f"{where}{told}\nTry: digits with a decimal point, such as 5000 or 0.83, or delete the row") from None
    if not math.isfinite(value):
        raise DataError(f"{where}{text!r} is not a number to count with\nTry: put the number there, or delete the row")
    if column in COUNTS and (value < 0 or value != int(value)):
        raise DataError(f"{where}{text} is no count of training points\nTry: a whole number, 0 or more")
    return value


def _of_study(path: Path) -> list[Scored]:
    """One series per curve of a study, from its finished cells."""
    from littlehuman import results
    from littlehuman.study import series  # pandas comes with them

    frame = results.load(path)
    found = [_of_cells(one.name, one.metric, one.complete) for one in series.split(frame)]
    if not found:
        raise DataError(f"{path}: none of the {len(frame)} cells of this study is finished\nTry: the sweep's command again")
    return found


def _of_cells(name: str, metric: str, cells: pd.DataFrame) -> Scored:
    n_synthetic, n_human, score = (cells[column].to_numpy(dtype=np.float64) for column in COLUMNS)
    shown = cells["human_in_prompts"].to_numpy(dtype=np.float64)[(n_synthetic > 0) & (n_human == 0)]
    most = int(np.nan_to_num(shown).max(initial=0))
    note = f"the prompts behind the synthetic-only runs showed up to {most} human-labelled points: their curve is not free of human data"
    return Scored(name, n_synthetic, n_human, score, metric, (note,) if most else ())
