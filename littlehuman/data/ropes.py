"""Reader of ROPES: flattens the release's nested json to the form of the hub's copy (`allenai/ropes`).

In, an entry of the release (or a flat row of the hub, which passes unchanged):
    {"paragraphs": [{"background": "Salt lowers the melting point of ice.",
      "situation": "Ib salted the steps; Una did not.",
      "qas": [{"id": "31", "question": "Whose steps froze first?", "answers": [{"text": "Una's"}]}]}]}
Out: {"id": "31", "background": "Salt ...", "situation": "Ib ...", "question": "Whose ...",
      "answers": {"text": ["Una's"]}}
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source
from littlehuman.data.squad import questions


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per question. The public test split has no answers: its rows have an empty list."""
    return questions(source, split, _row)


def _row(paragraph: Row, question: Row, where: str) -> Row:
    return {
        "id": require(question, "id", where),
        "background": require(paragraph, "background", where),
        "situation": require(paragraph, "situation", where),
        "question": require(question, "question", where),
        "answers": {"text": [require(answer, "text", where) for answer in question.get("answers") or []]},
    }
