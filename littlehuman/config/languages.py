"""Version of the scoring of free answers: part of a run id where earlier versions scored the same answers otherwise.

Answers in other scripts than Latin were scored by the rules of English, and filters compared them so. Local text files
alone are looked at: the texts of a parquet file or of the hub are not known before a run.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from littlehuman.languages import foreign_share
from littlehuman.store import visible_files

VERSION = 2
FILES, BYTES = 8, 100_000  # that are looked at: files of a folder, the beginning of each
MANY = 0.2  # share of letters that are not Latin, from which on texts are not English
_TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # how JSON may write a letter


def scoring_version(path: Path) -> int | None:
    """`VERSION` for data with many letters that are not Latin, else None; also where the path cannot be read."""
    try:
        files = [file for file in visible_files(path) if file.suffix.lower() in _TEXT][:FILES]
        stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
        return VERSION if _is_foreign(stamps) else None
    except OSError:
        return None


@cache  # a run's id is asked for several times
def _is_foreign(files: tuple[tuple[Path, int, int], ...]) -> bool:
    return any(foreign_share(_beginning(file)) >= MANY for file, _, _ in files)


def _beginning(file: Path) -> str:
    with file.open("rb") as handle:
        text = handle.read(BYTES).decode("utf-8", "ignore")
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
