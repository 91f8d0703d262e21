"""ROPES: the release's nested json, made flat as the hub's copy is (`allenai/ropes`).

In, an entry of the release (or a flat row of the hub, which passes unchanged):
    {"paragraphs": [{"background": "Salt lowers the melting point of ice.",
      "situation": "Ib salted the steps; Una did not.",
      "qas": [{"id": "31", "question": "Whose steps froze first?", "answers": [{"text": "Una's"}]}]}]}
Out: {"id": "31", "background": "Salt ...", "situation": "Ib ...", "question": "Whose ...",
      "answers": {"text": ["Una's"]}}
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.rows import Row, need
from littlehuman.data.source import Source
from littlehuman.data.squad import questions


def read(source: Source, split: str) -> Iterator[Row]:
    """One row a question. The public test split has no answers: such rows keep an empty list."""
    for paragraph, question in questions(source, split):
        if paragraph is question:
            yield question
            continue
        where = source.where(split)
        yield {
            "id": need(question, "id", where),
            "background": need(paragraph, "background", where),
            "situation": need(paragraph, "situation", where),
            "question": need(question, "question", where),
            "answers": {"text": [need(answer, "text", where) for answer in question.get("answers") or []]},
        }
