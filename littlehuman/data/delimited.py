"""Delimited text (csv, tsv) as rows. It is read by the csv module, not as a data frame, which would read an answer
'None' or 'NA' as missing. What is odd but readable is counted in `Remarks`; what would lose rows is refused.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from littlehuman.data.dialect import Dialect, dialect_of
from littlehuman.data.remarks import Remarks
from littlehuman.data.rows import Row, looks_like_data
from littlehuman.errors import DataError
from littlehuman.schema import CsvConfig

FIELD_LIMIT = 2**31 - 1  # characters; Python's default of 131,072 is less than one long document
NO_HEADER = "dataset.csv.header=false, with columns by number (dataset.columns.text=2)"
QUOTED = "dataset.csv.quoting=minimal"
SHORT = "rows have fewer cells than the header; the missing ones are read as empty"
SPREAD = (
    "cells hold a line break and the delimiter: right for texts of several lines, wrong where a stray quote swallowed "
    "rows; then dataset.csv.quoting=none"
)
ENCLOSED = f"cells are enclosed in quotes, which are read as part of the text; if a CSV writer put them there: {QUOTED}"


def read(path: Path, config: CsvConfig, remarks: Remarks) -> Iterator[Row]:
    """The rows of a file, lazily.

    Raises:
        DataError: with the file, the line and the setting that may read it.
    """
    csv.field_size_limit(FIELD_LIMIT)
    dialect = dialect_of(path, config)
    with path.open(encoding=dialect.encoding, newline="") as handle:
        for _ in range(dialect.lines_before):
            next(handle)
        table = dialect.records(handle)
        start, before = 1 + dialect.lines_before, ""
        try:
            names: list[str] = []
            for record in table:
                if not names and record:
                    names = _names(record, dialect, path)
                    if dialect.header:
                        record = []
                if record:
                    yield _row(record, names, _Place(path, start, dialect, before), remarks)
                    before = record[-1]
                start = table.line_num + 1 + dialect.lines_before
        except csv.Error as error:
            raise DataError(_unreadable(path, start, dialect, error)) from error


class _Place:
    """The line where a row begins, how it is read, and the last cell of the row before."""

    def __init__(self, path: Path, line: int, dialect: Dialect, before: str) -> None:
        self.path, self.line, self.dialect, self.before = path, line, dialect, before

    def __str__(self) -> str:
        return f"{self.path.name} line {self.line}"


def _names(first: Sequence[str], dialect: Dialect, path: Path) -> list[str]:
    if not dialect.header:
        return [str(number) for number in range(1, len(first) + 1)]
    if dialect.quoting == "none" and any(_enclosed(name) for name in first):
        raise DataError(f"{path}: the header has names in quotes: {', '.join(first)}\nTry: {QUOTED}")
    repeated = [name for name, count in Counter(first).items() if count > 1]
    if repeated:
        hint = f"\nTry: {NO_HEADER}" if looks_like_data(first) else ""
        raise DataError(f"{path}: the header names '{repeated[0]}' twice{hint}")
    return list(first)


def _row(record: list[str], names: list[str], place: _Place, remarks: Remarks) -> Row:
    dialect = place.dialect
    if len(record) > len(names):
        raise DataError(
            f"{place.path}: line {place.line} has more cells than the header ({len(record)}, not {len(names)}); "
            f"a quote may be missing{_other_quoting(place.path, dialect)}"
        )
    if len(record) < len(names):
        if dialect.quoting == "none" and (_opens(record[-1]) or (_opens(place.before) and record[0].endswith('"'))):
            raise DataError(
                f"{place.path}: line {place.line} has {len(record)} of {len(names)} cells, and a cell in quotes seems "
                f"to go on over a line break\nTry: {QUOTED}, if a CSV writer wrote it; else that row corrected"
            )
        remarks.add(SHORT, str(place))
    for cell in record:
        if dialect.quoting != "none" and "\n" in cell and dialect.delimiter in cell:
            remarks.add(SPREAD, str(place))
        elif dialect.quoting == "none" and _enclosed(cell):
            remarks.add(ENCLOSED, str(place))
    return dict(zip(names, record + [""] * (len(names) - len(record)), strict=True))


def _opens(cell: str) -> bool:
    return cell.startswith('"') and not _enclosed(cell)


def _enclosed(cell: str) -> bool:
    """Whether a CSV writer may have put the cell into quotes: the quotes inside are doubled."""
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _unreadable(path: Path, line: int, dialect: Dialect, error: csv.Error) -> str:
    return f"{path}: the row at line {line} cannot be read: {error}{_other_quoting(path, dialect)}"


def _other_quoting(path: Path, dialect: Dialect) -> str:
    """The setting that may read the file, as a second line."""
    if dialect.quoting == "none":
        return f"\nTry: {QUOTED}" if _has(path, dialect, '"') else ""
    escaped = dialect.quoting != "backslash" and _has(path, dialect, r'\\"')
    tries = ['dataset.csv.quoting=backslash, where \\" is a quote inside a cell'] if escaped else []
    tries += ["dataset.csv.quoting=none, where quotes are part of the text"] if _has(path, dialect, '"') else []
    return f"\nTry: {'; or '.join(tries)}" if tries else ""


def _has(path: Path, dialect: Dialect, pattern: str) -> Any:
    return re.search(pattern, path.read_text(dialect.encoding, errors="replace"))
