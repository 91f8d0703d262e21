"""Reader of SQuAD v1: flattens the release's nested json to the form of the hub's copy (`rajpurkar/squad`).

In, an article of the release (or a flat row of the hub, which passes unchanged):
    {"title": "Tide_mills", "paragraphs": [{"context": "The mill at Orwen turned until 1957.",
      "qas": [{"id": "q1", "question": "Which mill?", "answers": [{"text": "Orwen", "answer_start": 12}]}]}]}
Out: {"id": "q1", "title": "Tide_mills", "context": "The mill ...", "question": "Which mill?",
      "answers": {"text": ["Orwen"], "answer_start": [12]}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per question; questions without an answer have empty lists."""
    return questions(source, split, _row)


def questions(source: Source, split: str, flat: Callable[[Row, Row, str], Row]) -> Iterator[Row]:
    """The rows of a release: `flat(paragraph with the article's title, question, place)`; rows that are flat as is."""
    where = source.where(split)
    for row in source.rows(split):
        if "paragraphs" not in row:
            yield row
            continue
        for paragraph in row["paragraphs"]:
            for question in require(paragraph, "qas", where):
                yield flat({"title": row.get("title"), **paragraph}, question, where)


def _row(paragraph: Row, question: Row, where: str) -> Row:
    answers = require(question, "answers", where)
    return {
        "id": require(question, "id", where),
        "title": paragraph.get("title"),
        "context": require(paragraph, "context", where),
        "question": require(question, "question", where),
        "answers": {key: [answer.get(key) for answer in answers] for key in ("text", "answer_start")},
    }
