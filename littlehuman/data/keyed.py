"""Readers of JSON documents that are no list of rows: objects by id, and values by column.

In, `by_id`: {"q1": {"question": "Who ate it?", "answer": "Pim"}, ...}, also pandas' `orient="index"`
Out: {"id": "q1", "question": "Who ate it?", "answer": "Pim"}
In, `by_column`, pandas' orient="columns", "list" or "split":
    {"question": {"0": "Who ate it?"}, "answer": {"0": "Pim"}}, {"question": ["Who ate it?"], "answer": ["Pim"]}
    {"columns": ["question", "answer"], "index": [0], "data": [["Who ate it?", "Pim"]]}
Out: {"question": "Who ate it?", "answer": "Pim"}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.data.json_files import described, is_by_column, is_split, part_of, read_document
from littlehuman.data.rows import Row
from littlehuman.data.source import Source
from littlehuman.errors import DataError


def read_by_id(source: Source, split: str) -> Iterator[Row]:
    """One row per key, which is its `id` unless the object has one."""
    for path, document in _documents(source, split):
        if not isinstance(document, Mapping) or not all(isinstance(part, Mapping) for part in document.values()):
            raise DataError(f"{path}: dataset.reader=by_id reads an object of objects; it is {described(document)}")
        yield from ({"id": key, **part} for key, part in document.items())


def read_by_column(source: Source, split: str) -> Iterator[Row]:
    """One row per position."""
    for path, document in _documents(source, split):
        if not is_by_column(document):
            raise DataError(f"{path}: dataset.reader=by_column reads columns of values; it is {described(document)}")
        names, table = _columns(document)
        for number, values in enumerate(table, 1):
            if len(values) != len(names):
                raise DataError(f"{path}: row {number} of data has {len(values)} values for {len(names)} columns")
            yield dict(zip(names, values, strict=True))


def _columns(document: Mapping[str, Any]) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """The names and the rows; columns that are objects are joined by key, in whatever order each has its keys."""
    if is_split(document):
        return document["columns"], document["data"]
    parts = list(document.values())
    columns = [part if isinstance(part, list) else [part[key] for key in parts[0]] for part in parts]
    return list(document), zip(*columns, strict=True)


def _documents(source: Source, split: str) -> Iterator[tuple[Path, Any]]:
    paths = source.files.get(split, ())
    if not paths:
        raise DataError(
            f"{source.where(split)}: dataset.reader=by_id and by_column read JSON files, given by dataset.path"
        )
    for path in paths:
        yield path, part_of(read_document(path), source.options.rows, path)
