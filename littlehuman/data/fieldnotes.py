"""Reader of Fieldnotes, the small dataset of this project (CC0), with which everything runs without a download.

In, `fieldnotes/passages.jsonl`, one passage per line with its split:
    {"id": "place-01", "split": "train", "topic": "harbour", "passage": "The ferry to Ost leaves at six.",
     "questions": [{"question": "When does the ferry leave?", "answer": "six"}],
     "claims": [{"claim": "The ferry to Ost goes at six.", "label": "supported"}]}
Out, by task: {"id": "place-01-q1", "passage": ..., "question": ..., "answer": ...}
          or: {"id": "place-01-c1", "passage": ..., "claim": ..., "label": ...}
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source


def read_questions(source: Source, split: str) -> Iterator[Row]:
    """One row per question."""
    return _items(source, split, "questions", "q")


def read_claims(source: Source, split: str) -> Iterator[Row]:
    """One row per claim."""
    return _items(source, split, "claims", "c")


def _items(source: Source, split: str, kind: str, letter: str) -> Iterator[Row]:
    where = source.where(split)
    for row in source.rows(split):
        if require(row, "split", where) != split:
            continue
        name, passage = require(row, "id", where), require(row, "passage", where)
        for number, item in enumerate(require(row, kind, where), 1):
            yield {"id": f"{name}-{letter}{number}", "topic": row.get("topic"), "passage": passage, **item}
