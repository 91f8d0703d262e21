"""The rows of a csv, tsv, jsonl, json or parquet file as dicts, lazily and without conversion.

CSV is read by the csv module, not as a data frame, which would read an answer 'None' or 'NA' as missing.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from littlehuman.data.rows import Row
from littlehuman.errors import DataError

FIELD_LIMIT = 2**31 - 1  # characters; Python's default of 131,072 is less than one long document


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file. A json file is a list of rows, or an object with such a list under `data`.

    Raises:
        DataError: with the file, and the line if known.
    """
    read = _FORMATS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path}: '{path.suffix}' is no known kind of table; known are {', '.join(FILE_TYPES)}")
    try:
        yield from read(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (ValueError, OSError, RecursionError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def read_document(path: Path) -> Any:
    """A whole json file.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(FIELD_LIMIT)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        first = handle.readline()
        handle.seek(0)
        # strict: otherwise an unclosed quote would silently swallow the rest of the file
        table = csv.DictReader(handle, delimiter=max(",\t;", key=first.count), restval="", strict=True)
        repeated = [name for name, count in Counter(table.fieldnames or []).items() if count > 1]
        if repeated:
            raise DataError(f"{path}: the header names '{repeated[0]}' twice")
        for row in table:
            if None in row:
                raise DataError(f"{path}: line {table.line_num} has more cells than the header; a quote may be missing")
            yield row


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                yield _object(line, f"{path}: line {number}")


def _object(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no json: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is no json object but a {type(row).__name__}")
    return row


def _json(path: Path) -> Iterator[Row]:
    text = path.read_text("utf-8-sig")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise
        yield from _jsonl(path)  # JSON lines in a file named .json are common
        return
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: must be a list of objects, or an object with such a list under 'data'")
    yield from rows


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=256):
            yield from batch.to_pylist()


_FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
}
FILE_TYPES = tuple(_FORMATS)
