"""JSON and JSON lines as rows, and what is said of a document that is no list of rows: its layout and its reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from littlehuman.data.remarks import Remarks
from littlehuman.data.rows import Row
from littlehuman.errors import DataError

DATA = "data"
MAX_LISTED = 6
_PLURALS = {
    "dict": "objects",
    "str": "texts",
    "int": "numbers",
    "float": "numbers",
    "bool": "booleans",
    "NoneType": "nulls",
}


def read_document(path: Path) -> Any:
    """A whole json file.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def read_lines(path: Path) -> Iterator[Row]:
    """The objects of a file of JSON lines."""
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


def read(path: Path, inside: str | None, remarks: Remarks) -> Iterator[Row]:
    """The rows of a JSON document: a list of objects, or the one list of objects that a document has.

    Args:
        path: the file.
        inside: where the rows are in the document, a dotted path (`dataset.rows`).
        remarks: notes a list of rows that no setting named.

    Raises:
        DataError: with what the document is, and the reader or setting that fits.
    """
    text = path.read_text("utf-8-sig")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise
        yield from read_lines(path)  # JSON lines in a file named .json are common
        return
    yield from _rows(part_of(document, inside, path), path, remarks)


def part_of(document: Any, inside: str | None, path: Path) -> Any:
    """The part of a document that the dotted path `inside` names; the whole document without one."""
    for key in inside.split(".") if inside else ():
        if not isinstance(document, Mapping) or key not in document:
            raise DataError(f"{path}: no '{key}' for dataset.rows={inside}; it is {described(document)}")
        document = document[key]
    return document


def _rows(document: Any, path: Path, remarks: Remarks) -> Sequence[Row]:
    rows = document.get(DATA) if isinstance(document, Mapping) else document
    if _is_rows(rows):
        return list(rows)
    lists = [key for key, part in document.items() if part and _is_rows(part)] if isinstance(document, Mapping) else []
    if len(lists) == 1 and _has_no_other_rows(document, lists[0]):
        remarks.add(f"documents have their rows under '{lists[0]}'", path.name)
        return list(document[lists[0]])
    wanted = f"must be a list of objects, or an object with such a list under '{DATA}'"
    mend = fitting_reader(document)
    raise DataError(f"{path}: {wanted}; it is {described(document)}" + (f"\nTry: {mend}" if mend else ""))


def _has_no_other_rows(document: Mapping[str, Any], key: str) -> bool:
    """Whether nothing beside the list could be rows too: only scalars and short descriptions stand there."""
    return not any(_is_keyed(part) for other, part in document.items() if other != key)


def _is_rows(value: Any) -> TypeGuard[list[Row]]:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_keyed(value: Any) -> TypeGuard[Mapping[str, Mapping[str, Any]]]:
    """Whether a value is an object of objects that are alike: they have a key in common."""
    if not isinstance(value, Mapping) or not all(isinstance(part, Mapping) for part in value.values()):
        return False
    return bool(value) and bool(set.intersection(*(set(part) for part in value.values())))


def is_by_column(document: Any) -> bool:
    """Whether a document has its values by column: pandas' `orient` columns, list or split."""
    if not isinstance(document, Mapping) or not document:
        return False
    parts = list(document.values())
    if is_split(document):
        return True
    if all(isinstance(part, list) for part in parts):
        scalar = not any(_is_rows(part) for part in parts)
        return scalar and len({len(part) for part in parts}) == 1
    same_keys = _is_keyed(document) and all(part.keys() == parts[0].keys() for part in parts)
    numbered = same_keys and bool(parts[0]) and all(str(key).isdigit() for key in parts[0])
    return numbered and not any(isinstance(value, Mapping) for part in parts for value in part.values())


def is_split(document: Mapping[str, Any]) -> bool:
    """Whether it is pandas' `orient="split"`: names under `columns`, lists of values under `data`."""
    columns, data = document.get("columns"), document.get(DATA)
    return isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data)


def fitting_reader(document: Any) -> str:
    """The setting that reads a document that is no list of objects; empty where there is none."""
    if is_by_column(document):
        return "dataset.reader=by_column"
    if _is_keyed(document):
        return "dataset.reader=by_id"
    if not isinstance(document, Mapping):
        numbered = isinstance(document, list) and bool(document) and all(isinstance(row, list) for row in document)
        return "a csv file of these rows, with dataset.csv.header=false" if numbered else ""
    return " or ".join(list(_places(document))[:MAX_LISTED])


def _places(document: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Settings that read the parts of a document that are rows, or objects by id, at any depth."""
    for key, part in document.items():
        if part and _is_rows(part):
            yield f"dataset.rows={above}{key}"
        elif isinstance(part, Mapping) and _is_keyed(part) and len(part) > 1:
            yield f"dataset.rows={above}{key} dataset.reader=by_id"
        elif isinstance(part, Mapping):
            yield from _places(part, f"{above}{key}.")


def described(value: Any) -> str:
    """What a JSON value is, in words: kinds, numbers and names."""
    if isinstance(value, Mapping):
        if is_by_column(value):
            return f"an object of columns ({_listed(value['columns'] if is_split(value) else value)}), as pandas writes"
        if _is_keyed(value) and len(value) > 1:
            return f"an object of {len(value):,} objects by key ({_listed(value)})"
        parts = [f"'{key}' ({_kind(part)})" for key, part in list(value.items())[:MAX_LISTED]]
        return f"an object with {', '.join(parts) or 'nothing'}{', ...' * (len(value) > MAX_LISTED)}"
    return _kind(value)


def _kind(value: Any) -> str:
    if isinstance(value, list):
        kinds = [type(item).__name__ for item in value]
        names = dict.fromkeys(_PLURALS.get(kind, f"{kind}s") for kind in kinds)
        return f"a list of {len(value):,} {' and '.join(names) or 'items'}"
    return f"an object of {len(value):,}" if isinstance(value, Mapping) else f"a single {type(value).__name__}"


def _listed(names: Any) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:MAX_LISTED]) + ", ..." * (len(listed) > MAX_LISTED)
