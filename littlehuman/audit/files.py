"""Audit of tables that belong to no study: training, test and synthetic rows of csv, jsonl, json or parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from littlehuman.audit.sets import AuditSets
from littlehuman.errors import DataError
from littlehuman.records import Example

COLUMNS = {  # what a column is called where it is not named
    "text": ("text", "claim", "question", "hypothesis", "sentence", "title"),
    "evidence": ("evidence", "context", "premise", "abstract", "passage", "background"),
    "target": ("target", "label", "answer", "answers.text", "gold", "category", "class", "verdict"),
}
_MOST_CLASSES, _SHARE = 100, 0.1


@dataclass(frozen=True)
class FileColumns:
    """Names of the columns; None: the first of `COLUMNS` that the file has. Dotted paths and several (a,b) are fine."""

    text: str | None = None
    evidence: str | None = None
    target: str | None = None


def sets_of_files(
    train: Sequence[Path], test: Sequence[Path], synthetic: Sequence[Path], columns: FileColumns
) -> AuditSets:
    """The rows of the files.

    Raises:
        DataError: for a file that cannot be read or has no rows, or a column that it does not have.
    """
    sides = [list(_points(paths, columns)) for paths in (train, test, synthetic)]
    targets = [example.target for side in sides for example in side]
    classes = set(targets)
    has_classes = "" not in classes and len(classes) <= min(_MOST_CLASSES, max(2, _SHARE * len(targets)))
    human, tested, twins = map(tuple, sides)
    parts = (columns.evidence or "").split(",")
    return AuditSets(human, twins, tested, human, has_classes, columns=tuple(parts) if len(parts) > 1 else ())


def _points(paths: Sequence[Path], columns: FileColumns) -> Iterator[Example]:
    """The rows of all files of a side; where ids repeat, each row is still a point of its own."""
    seen: set[str] = set()
    for path in paths:
        for number, (given, point) in enumerate(_rows(path, columns), 1):
            names = (given, f"{path.name}:{number}", f"{path}:{number}")
            name = next((name for name in names if name and name not in seen), f"{path}:{number} ({len(seen)})")
            seen.add(name)
            yield replace(point, id=name)


def _rows(path: Path, columns: FileColumns) -> Iterator[tuple[str, Example]]:
    from littlehuman.data.files import read_rows
    from littlehuman.data.rows import column_texts

    if not path.is_file():
        raise DataError(f"{path}: is no file\nTry: a csv, jsonl, json or parquet file")
    names: dict[str, list[str]] = {}
    number = 0
    for number, row in enumerate(read_rows(path), 1):
        names = names or {kind: _column(kind, columns, row, path) for kind in COLUMNS}
        found = {
            kind: [
                "\n".join(column_texts(row, name, str(path), f"--{kind} NAME", f"row {number}: ")) for name in listed
            ]
            for kind, listed in names.items()
        }
        parts = tuple(found["evidence"]) if len(found["evidence"]) > 1 else ()
        target = "\n".join(found["target"])
        text, evidence = "\n".join(found["text"]), "\n".join(filter(None, found["evidence"]))
        yield str(row.get("id") or ""), Example("", evidence, text, (target,), parts=parts)
    if not number:
        raise DataError(f"{path}: holds no rows")


def _column(kind: str, columns: FileColumns, row: object, path: Path) -> list[str]:
    """The columns of one kind; only a text must be there."""
    named: str | None = getattr(columns, kind)
    if named:
        return named.split(",")
    known = {str(name).casefold(): str(name) for name in row} if isinstance(row, dict) else {}
    for name in COLUMNS[kind]:
        first, _, rest = name.partition(".")
        if first in known:
            return [f"{known[first]}.{rest}" if rest else known[first]]
    if kind == "text":
        listed = ", ".join(known.values())
        raise DataError(f"{path}: which column has the texts is not clear; there is: {listed}\nTry: --text NAME")
    return []
