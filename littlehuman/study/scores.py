"""Scores of training runs by what they were trained on: from a table of the user's own, or from a study.

In: a CSV with the columns n_synthetic, n_human, score and optionally seed (one row per run, any order and case,
separated by commas, semicolons or tabs; other columns ignored), or a study folder. Out: one `ScoredRuns` per series; a
CSV is one series.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError, did_you_mean
from littlehuman.formatting import csv_value

if TYPE_CHECKING:
    import pandas as pd

    from littlehuman.study.series import Series

COUNTS = ("n_synthetic", "n_human")
COLUMNS = (*COUNTS, "score")
SIZES = 3  # numbers of points of one kind from which a curve over them says something
SEED = "seed"  # optional in a CSV: any label of a repetition
EXAMPLE = "a first line `n_synthetic,n_human,score`, then one line per training run, e.g. `5000,200,0.83`"
MOST = 1e12  # points in a set: above, it is a slip of the pen
_SHOWN = 40  # characters of a wrong value
_OUTLYING = 20  # times the median score


def csv_cells(path: Path) -> Iterator[list[tuple[int, str, str]]]:
    """For every row that is not blank: (row as a spreadsheet counts, column, text) of each column, the seed's last.

    Raises:
        DataError: for a file that is absent, is no CSV, or lacks a column.
    """
    lines = iter(_lines(path))
    header = [cell.strip() for cell in next(lines, [])]
    if not any(header):
        raise DataError(f"{path}: the first line is empty\nTry: {EXAMPLE}")
    seeded = SEED in (cell.lower() for cell in header)
    places = {column: _place(path, column, header) for column in (*COLUMNS, *([SEED] if seeded else []))}
    for row, line in enumerate(lines, start=2):
        if any(cell.strip() for cell in line):
            yield [(row, column, line[place].strip() if place < len(line) else "") for column, place in places.items()]


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file or study folder\nTry: a CSV with {EXAMPLE}; or a folder multirun/STUDY"
        )
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is no UTF-8 text\nTry: save the sheet as CSV (UTF-8)") from None
    if not text.strip():
        raise DataError(f"{path}: the file is empty\nTry: {EXAMPLE}")
    lines = max((_split(path, text, separator) for separator in ",;\t"), key=_known_columns)
    swallowed = next((cell for cell in lines[-1] if "\n" in cell), None) if text.count('"') % 2 else None
    if swallowed is not None:
        what = f"a quotation mark opens before {_cut(swallowed)} and is never closed"
        raise DataError(f"{path}: row {len(lines)}: {what}\nTry: delete it, or close it")
    return lines


def _split(path: Path, text: str, separator: str) -> list[list[str]]:
    limit = csv.field_size_limit(max(len(text), 1))  # a note of any length is none of our business
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [[csv_value(cell) for cell in row] for row in rows]
    except csv.Error as error:
        raise DataError(f"{path}: this is no CSV ({error})\nTry: save the sheet as CSV (UTF-8)") from None
    finally:
        csv.field_size_limit(limit)


def _known_columns(lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many of the three columns a separator finds in the first line; then, how many columns."""
    header = [cell.strip().lower() for cell in lines[0]]
    return sum(column in header for column in COLUMNS), len(header)


def _place(path: Path, column: str, header: Sequence[str]) -> int:
    names = [cell.lower() for cell in header]
    if names.count(column) == 1:
        return names.index(column)
    has = ", ".join(cell or "(no name)" for cell in header)
    if column in names:
        raise DataError(
            f"{path}: column {column!r} stands there {names.count(column)} times (the file has: {has})"
            "\nTry: keep one of them"
        )
    near = did_you_mean(column, header)
    raise DataError(
        f"{path}: no column {column!r}; the file has: {has}"
        + (f"; {near}" if near.startswith("did") else "")
        + f"\nTry: rename the column to {column}; needed are {', '.join(COLUMNS)}"
    )


def csv_number(path: Path, row: int, column: str, text: str) -> float:
    """A cell as a number.

    Raises:
        DataError: one sentence on what is wrong with it, and what is probably meant.
    """
    where = f"{path}: row {row}, column {column}: "
    try:
        value = float(text)
    except ValueError:
        what = f"{_cut(text)} is not a number" if text else "the cell is blank"
        raise DataError(f"{where}{what}\nTry: {_mend(column, text)}, or delete the row") from None
    if not math.isfinite(value):
        raise DataError(f"{where}{text!r} is not a number to count with\nTry: put the number there, or delete the row")
    if column in COUNTS and (value < 0 or value != int(value)):
        raise DataError(f"{where}{text} is no count of training points\nTry: a whole number, 0 or more")
    if column in COUNTS and value > MOST:
        raise DataError(
            f"{where}{text} is more than {MOST:,.0f} training points\nTry: the number of points in the training set"
        )
    return value


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _mend(column: str, text: str) -> str:
    """How the number is probably meant."""
    if "\n" in text:
        return "look for a stray quotation mark: the cell goes on over several lines"
    if re.fullmatch(r"[+-]?\d*,\d+", text) and (column == "score" or not re.fullmatch(r"[1-9]\d{0,2},\d{3}", text)):
        return f"{text.replace(',', '.')}, not {text}: with a decimal point"
    if re.fullmatch(r"\d{1,3}([ ,.'\u2019\u00a0\u202f]\d{3})+", text):
        return f"{re.sub(r'[^0-9]', '', text)}, without thousands separators"
    if text.endswith("%"):
        return "the number alone, on one scale in all rows, without the percent sign"
    return "digits with a decimal point, such as 5000 or 0.83"


@dataclass(frozen=True, eq=False)
class ScoredRuns:
    """Runs of one series: float arrays [runs] of equal length; `notes` are sentences that a reader must know.

    `source` is the file, or the study and its series, for messages; `protocol` that of a study's runs. `seed` numbers
    the repetitions (None: not known). Of a study also: `owned_human`, the most human labels of any run, and
    `synthetic_usd`, what a twin cost.
    """

    name: str
    n_synthetic: NDArray[np.float64]
    n_human: NDArray[np.float64]
    score: NDArray[np.float64]
    metric: str = "score"
    notes: tuple[str, ...] = ()
    source: str = ""
    protocol: str = ""
    seed: NDArray[np.intp] | None = None
    owned_human: int = 0
    synthetic_usd: float | None = None

    @property
    def place(self) -> str:
        """Where the runs are from, for messages."""
        return self.source or self.name


def read_scores(path: str | Path, series: str | None = None) -> list[ScoredRuns]:
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
        raise DataError(
            f"{path}: there is no series {series!r}; {did_you_mean(series, (scored.name for scored in found))}"
        )
    return chosen


def _of_csv(path: Path) -> ScoredRuns:
    """One series, named as the file is."""
    cells = list(csv_cells(path))
    if not cells:
        raise DataError(f"{path}: there are no rows under the header\nTry: {EXAMPLE}")
    table = np.array([[csv_number(path, *cell) for cell in row[: len(COLUMNS)]] for row in cells], dtype=np.float64)
    notes = _of_scales([row[0][0] for row in cells], table[:, 2])
    seed = _codes([_label(path, *row[-1]) for row in cells]) if len(cells[0]) > len(COLUMNS) else None
    return ScoredRuns(path.name, table[:, 0], table[:, 1], table[:, 2], notes=notes, source=str(path), seed=seed)


def _label(path: Path, row: int, column: str, text: str) -> str:
    """A seed as it stands in the table: with seeds in some rows only, it is not known which runs belong together."""
    if not text:
        mend = f"give every row a {column}, or delete the column"
        raise DataError(f"{path}: row {row}, column {column}: the cell is blank\nTry: {mend}")
    return text


def _codes(labels: Sequence[object]) -> NDArray[np.intp]:
    return np.unique(np.array(labels), return_inverse=True)[1].astype(np.intp)


def _of_scales(rows: Sequence[int], score: NDArray[np.float64]) -> tuple[str, ...]:
    """A sentence where one score looks like percent among shares."""
    most, middle = float(score.max()), float(np.median(score))
    if score.min() < 0 or most <= 1 or 1 < middle <= most <= _OUTLYING * middle:
        return ()
    others = "most scores lie in 0..1" if middle <= 1 else f"half of the scores are {middle:g} or less"
    return (f"row {rows[int(score.argmax())]} is {most:g}, {others}: percent and shares mixed?",)


def _of_study(path: Path) -> list[ScoredRuns]:
    """One series per curve of a study, from its finished cells."""
    from littlehuman.study import load, series  # pandas comes with them

    cells = load.load(path)
    found = [of_series(path, one) for one in series.split(cells)]
    if not found:
        if (cells["state"] == "done").any():
            what = "no complete cell has a trained model (method=annotator trains none)"
            raise DataError(f"{path}: {what}\nTry: cells of method=finetune in this study")
        none = (
            "the only cell of this study is not"
            if len(cells) == 1
            else f"none of the {len(cells)} cells of this study is"
        )
        raise DataError(f"{path}: {none} finished\nTry: the sweep's command again")
    return found


def of_series(path: Path, series: Series) -> ScoredRuns:
    """The complete runs of one series of the study `path`."""
    cells = series.complete
    n_synthetic, n_human, score = (cells[column].to_numpy(dtype=np.float64) for column in COLUMNS)
    shown = cells["human_in_prompts"].to_numpy(dtype=np.float64)[(n_synthetic > 0) & (n_human == 0)]
    most, absent = int(np.nan_to_num(shown).max(initial=0)), len(series.cells) - len(cells)
    notes = []
    if most:
        notes.append(
            f"the prompts behind the synthetic-only runs showed up to {most} human-labelled points: "
            "their curve is not free of human data"
        )
    if absent:
        notes.append(
            f"{absent} of {len(series.cells)} cells {'is' if absent == 1 else 'are'} not complete and did not count"
        )
    return ScoredRuns(
        series.name,
        n_synthetic,
        n_human,
        score,
        series.metric,
        tuple(notes),
        f"{path}, series {series.name}",
        series.protocol,
        _codes(cells["seed"].to_list()),
        _owned(cells),
        _twin_price(cells),
    )


def _owned(cells: pd.DataFrame) -> int:
    """The most human labels of any run, in its training set and its prompts."""
    columns = [_numbers(cells, name) for name in ("n_human", "human_labels") if name in cells]
    return int(np.nan_to_num(columns).max(initial=0))


def _numbers(cells: pd.DataFrame, column: str) -> NDArray[np.float64]:
    import pandas as pd

    return np.asarray(pd.to_numeric(cells[column]), dtype=np.float64)


def _twin_price(cells: pd.DataFrame) -> float | None:
    """What a synthetic point cost in US dollars, paid now or before.

    None where nothing was paid, such as for a local model.
    """
    points = float(_numbers(cells, "n_synthetic").sum())
    usd = float(sum(np.nan_to_num(_numbers(cells, name)).sum() for name in ("usd", "usd_saved") if name in cells))
    return usd / points if usd > 0 and points > 0 else None
