"""SQuAD v1: the release's nested json, made flat as the hub's copy is (`rajpurkar/squad`).

In, an article of the release (or a flat row of the hub, which passes unchanged):
    {"title": "Tide_mills", "paragraphs": [{"context": "The mill at Orwen turned until 1957.",
      "qas": [{"id": "q1", "question": "Which mill?", "answers": [{"text": "Orwen", "answer_start": 12}]}]}]}
Out: {"id": "q1", "title": "Tide_mills", "context": "The mill ...", "question": "Which mill?",
      "answers": {"text": ["Orwen"], "answer_start": [12]}}
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.rows import Row, need
from littlehuman.data.source import Source


def read(source: Source, split: str) -> Iterator[Row]:
    """One row a question; questions without answer keep empty lists."""
    for paragraph, question in questions(source, split):
        if paragraph is question:
            yield question
            continue
        where = source.where(split)
        answers = need(question, "answers", where)
        yield {
            "id": need(question, "id", where),
            "title": paragraph.get("title"),
            "context": need(paragraph, "context", where),
            "question": need(question, "question", where),
            "answers": {key: [answer.get(key) for answer in answers] for key in ("text", "answer_start")},
        }


def questions(source: Source, split: str) -> Iterator[tuple[Row, Row]]:
    """(paragraph with its article's title, question) of a release; (row, row) where rows are flat."""
    where = source.where(split)
    for row in source.rows(split):
        if "paragraphs" not in row:
            yield row, row
            continue
        for paragraph in row["paragraphs"]:
            for question in need(paragraph, "qas", where):
                yield {"title": row.get("title"), **paragraph}, question
