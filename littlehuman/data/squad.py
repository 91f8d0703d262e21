"""Reader of SQuAD v1: flattens the release's nested json to the form of the hub's copy (`rajpurkar/squad`).

In, an article of the release (or a flat row of the hub, which passes unchanged):
    {"title": "Tide_mills", "paragraphs": [{"context": "The mill at Orwen turned until 1957.",
      "qas": [{"id": "q1", "question": "Which mill?", "answers": [{"text": "Orwen", "answer_start": 12}]}]}]}
Out: {"id": "q1", "title": "Tide_mills", "context": "The mill ...", "question": "Which mill?",
      "answers": {"text": ["Orwen"], "answer_start": [12]}}
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per question; questions without an answer have empty lists."""
    for paragraph, question in questions(source, split):
        if paragraph is question:
            yield question
            continue
        where = source.where(split)
        answers = require(question, "answers", where)
        yield {
            "id": require(question, "id", where),
            "title": paragraph.get("title"),
            "context": require(paragraph, "context", where),
            "question": require(question, "question", where),
            "answers": {key: [answer.get(key) for answer in answers] for key in ("text", "answer_start")},
        }


def questions(source: Source, split: str) -> Iterator[tuple[Row, Row]]:
    """Pairs (paragraph with the article's title, question) of a release; (row, row) where rows are flat."""
    where = source.where(split)
    for row in source.rows(split):
        if "paragraphs" not in row:
            yield row, row
            continue
        for paragraph in row["paragraphs"]:
            for question in require(paragraph, "qas", where):
                yield {"title": row.get("title"), **paragraph}, question
