"""The dialect of delimited text: delimiter, quoting, header, encoding; given by `dataset.csv`, or known from the file.

`.tsv` files, and other text with tabs, have no quoting unless it is asked for: a quote is part of the text, as in the
files of GLUE. In a `.csv` the delimiter is the one under which all rows are as wide as the header (quotes heeded).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from littlehuman.errors import DataError, Problem, did_you_mean
from littlehuman.schema import CsvConfig

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
_NAMES = {**DELIMITERS, "space": " ", "\\t": "\t"}
QUOTINGS: dict[str, dict[str, Any]] = {  # -> options of csv.reader
    "minimal": {},
    "all": {},
    "backslash": {"doublequote": False, "escapechar": "\\"},
    "none": {"quoting": csv.QUOTE_NONE},
}
SAMPLE_ROWS, SAMPLE_LINES = 200, 5000
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is read."""

    delimiter: str
    quoting: str
    header: bool
    encoding: str
    lines_before: int = 0  # a first line `sep=;`, which Excel writes and reads

    def records(self, lines: Iterator[str]) -> Any:
        """The `csv.reader` of this dialect. Strict: an unclosed quote would silently swallow the rest of the file."""
        return csv.reader(lines, delimiter=self.delimiter, strict=True, **QUOTINGS[self.quoting])


def problems(config: CsvConfig) -> Iterator[Problem]:
    """Problems of `dataset.csv`, without reading data."""
    if config.delimiter is not None and len(_NAMES.get(config.delimiter, config.delimiter)) != 1:
        known = ", ".join(name for name in _NAMES if name.isalpha())
        yield Problem(f"dataset.csv.delimiter={config.delimiter!r}", f"must be one character, or its name: {known}")
    if config.quoting is not None and config.quoting not in QUOTINGS:
        what = f"is no quoting; {did_you_mean(config.quoting, QUOTINGS)}"
        yield Problem(f"dataset.csv.quoting={config.quoting}", what)
    try:
        "a".encode(config.encoding or "utf-8")
    except LookupError:
        yield Problem(f"dataset.csv.encoding={config.encoding}", "is no encoding; try utf-8, cp1252 or utf-16")


def dialect_of(path: Path, config: CsvConfig) -> Dialect:
    """The dialect of a file.

    Raises:
        DataError: when two delimiters fit equally, or the file is UTF-16 without `dataset.csv.encoding`.
    """
    encoding = config.encoding or "utf-8"
    if config.encoding is None:
        with path.open("rb") as handle:
            if handle.read(2) in BYTE_ORDER_MARKS:
                raise DataError(f"{path}: not UTF-8 but UTF-16\nTry: dataset.csv.encoding=utf-16")
    encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    with path.open(encoding=encoding, newline="", errors="replace") as handle:
        first = handle.readline()
    said = _said_delimiter(first)
    if said:
        delimiter = said
    elif config.delimiter is not None:
        delimiter = _NAMES.get(config.delimiter, config.delimiter)
    elif path.suffix.lower() == ".tsv":
        delimiter = "\t"
    else:
        delimiter = _only_delimiter(first) or _delimiter(path, config.quoting or "minimal", encoding)
    unquoted = path.suffix.lower() != ".csv" and delimiter == "\t"
    quoting = config.quoting or ("none" if unquoted else "minimal")
    return Dialect(delimiter, quoting, config.header is not False, encoding, int(bool(said)))


def _said_delimiter(first: str) -> str:
    """The delimiter of a first line `sep=;`; empty where there is none."""
    found = re.fullmatch(r"sep=([^\w\s]|\t)\s*", first)
    return found[1] if found else ""


def _only_delimiter(first: str) -> str:
    """The delimiter of a header without quotes that has a single kind of them; then no other row need be looked at."""
    found = [delimiter for delimiter in DELIMITERS.values() if delimiter in first]
    return found[0] if len(found) == 1 and '"' not in first else ""


def _delimiter(path: Path, quoting: str, encoding: str) -> str:
    """The delimiter that most rows agree with, then the one of most columns; a comma where there is one column."""
    found: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS.values():
        rows = _sample(path, Dialect(delimiter, quoting, True, encoding))
        if rows and len(rows[0]) > 1:
            found[delimiter] = (sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0]))
    if not found:
        return ","
    best = [delimiter for delimiter, fit in found.items() if fit == max(found.values())]
    if len(best) > 1:
        names = [name for name, character in DELIMITERS.items() if character in best]
        tries = " or ".join(f"dataset.csv.delimiter={name}" for name in names)
        raise DataError(f"{path}: may be separated by {' or by '.join(names)}\nTry: {tries}")
    return best[0]


def _sample(path: Path, dialect: Dialect) -> list[list[str]]:
    """The first rows under a dialect, up to the first that it cannot read."""
    rows: list[list[str]] = []
    with path.open(encoding=dialect.encoding, newline="", errors="replace") as handle:
        try:
            for row in islice(dialect.records(islice(handle, SAMPLE_LINES)), SAMPLE_ROWS):
                rows += [row] if row else []
        except csv.Error:
            rows.append([])  # fits no header: another delimiter is the better one
    return rows
