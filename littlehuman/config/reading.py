"""Version of the reading of a local dataset: part of a run id where earlier versions read the same files wrongly.

Files that were read rightly have no version, so that their runs keep their ids.
"""

from __future__ import annotations

import re
from pathlib import Path

from littlehuman.schema import DatasetConfig
from littlehuman.store import visible_files

VERSION = 2
FOOTER_BYTES = 8  # at the end of a parquet file: length of its metadata, and the magic bytes
_NAN = re.compile(rb"[:\[,]\s*NaN\s*[,}\]]")


def reading_version(config: DatasetConfig, path: Path) -> int | None:
    """`VERSION` for tsv files with quotes (they swallowed rows), for parquet files whose classes have names where no
    `dataset.labels` maps their numbers (these were the classes), and for JSON with NaN (it was a text); else None.
    """
    return VERSION if any(_is_read_anew(file, config) for file in visible_files(path)) else None


def _is_read_anew(file: Path, config: DatasetConfig) -> bool:
    kind = file.suffix.lower()
    if kind == ".tsv":
        return config.csv.quoting is None and b'"' in file.read_bytes()
    if kind in (".json", ".jsonl"):
        return _NAN.search(file.read_bytes()) is not None
    return kind == ".parquet" and not config.labels and b"ClassLabel" in _parquet_metadata(file)


def _parquet_metadata(file: Path) -> bytes:
    with file.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - FOOTER_BYTES))
        length = int.from_bytes(handle.read(4), "little")
        handle.seek(max(0, size - FOOTER_BYTES - length))
        return handle.read(length)
