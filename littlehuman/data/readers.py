"""The dataset readers, by the name that `dataset.reader` has.

A reader is a function from a `Source` and a split to flat rows, whose columns the dataset's YAML names. A new format is
one file with such a function, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from littlehuman.data import coqa, fairytaleqa, fever, fieldnotes, keyed, qaconv, ropes, squad
from littlehuman.data.rows import Row
from littlehuman.data.source import Source

Reader = Callable[[Source, str], Iterator[Row]]


def read_table_rows(source: Source, split: str) -> Iterator[Row]:
    """The reader of plain tables: rows unchanged."""
    return source.rows(split)


READERS: Mapping[str, Reader] = {
    "table": read_table_rows,
    "by_id": keyed.read_by_id,
    "by_column": keyed.read_by_column,
    "fever": fever.read,
    "squad": squad.read,
    "ropes": ropes.read,
    "coqa": coqa.read,
    "qaconv": qaconv.read,
    "fairytaleqa": fairytaleqa.read,
    "fieldnotes_qa": fieldnotes.read_questions,
    "fieldnotes_fv": fieldnotes.read_claims,
}
