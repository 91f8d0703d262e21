"""The rows of a csv, tsv, jsonl, json, parquet or arrow file as dicts, lazily and without conversion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from littlehuman.data import arrow_files, delimited, json_files
from littlehuman.data.remarks import Remarks
from littlehuman.data.rows import Row
from littlehuman.errors import DataError
from littlehuman.schema import CsvConfig

FILE_TYPES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".arrow")
TEXT_TYPES = (".txt", ".data", ".dat", ".text")  # tables only where `dataset.csv.delimiter` says so
MENDS = {  # other kinds of file -> what to do with them
    **dict.fromkeys(TEXT_TYPES, "dataset.csv.delimiter=tab (or comma, semicolon, pipe), if it is a table"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst", ".tar"), "the file unpacked"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "the table saved as csv, in UTF-8"),
    **dict.fromkeys((".ndjson", ".jsonlines"), "the same file named .jsonl"),
    **dict.fromkeys((".pkl", ".pickle", ".feather", ".h5"), "the table saved as parquet (pandas: to_parquet)"),
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read: `dataset.csv`, `dataset.rows`; odd but readable things are counted in `remarks`."""

    csv: CsvConfig = field(default_factory=CsvConfig)
    rows: str | None = None
    remarks: Remarks = field(default_factory=Remarks)

    def reads(self, path: Path) -> bool:
        """Whether a file's name is that of a table."""
        suffix = path.suffix.lower()
        return suffix in FILE_TYPES or (self.csv.delimiter is not None and suffix in TEXT_TYPES)


def read_rows(path: Path, options: ReadOptions | None = None) -> Iterator[Row]:
    """The rows of a file. A json file is a list of rows, or an object with such a list.

    Raises:
        DataError: with the file, and the line if known.
    """
    options = options or ReadOptions()
    try:
        yield from _read(path, options)
    except UnicodeError as error:
        raise DataError(_not_encoded(path, options.csv.encoding or "utf-8")) from error
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _read(path: Path, options: ReadOptions) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return json_files.read_lines(path)
    if suffix == ".json":
        return json_files.read(path, options.rows, options.remarks)
    if suffix == ".parquet":
        return arrow_files.read_parquet(path)
    if suffix == ".arrow":
        return arrow_files.read_arrow(path)
    if suffix in (".csv", ".tsv") or options.csv.delimiter is not None:
        return delimited.read(path, options.csv, options.remarks)
    mend = f"\nTry: {MENDS[suffix]}" if suffix in MENDS else ""
    raise DataError(f"{path}: '{suffix}' is no known kind of table; known are {', '.join(FILE_TYPES)}{mend}")


def _not_encoded(path: Path, encoding: str) -> str:
    """The first line that is not in the encoding."""
    with path.open("rb") as handle:
        line = next((number for number, line in enumerate(handle, 1) if not _is_encoded(line, encoding)), 1)
    name = "UTF-8" if encoding == "utf-8" else encoding
    other = "; or dataset.csv.encoding=cp1252 (or another)" if path.suffix.lower() not in (".json", ".jsonl") else ""
    return f"{path}: line {line} is not {name}\nTry: the file saved as UTF-8{other}"


def _is_encoded(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeError:
        return False
    return True
