"""Reader of CoQA: the first question of each story, the only one that does not depend on earlier turns.

In, a story of the release
    {"id": "s1", "story": "Pim the goat ate the map.", "questions": [{"turn_id": 1, "input_text": "Who ate it?"}, ...],
     "answers": [{"turn_id": 1, "input_text": "Pim"}, ...],
     "additional_answers": {"0": [{"turn_id": 1, "input_text": "the goat"}, ...], ...}}
or a row of the hub (`stanfordnlp/coqa`), which has neither id nor additional answers:
    {"story": "Pim ...", "questions": ["Who ate it?", ...], "answers": {"input_text": ["Pim", ...], ...}}
Out: {"id": "s1", "story": "Pim ...", "question": "Who ate it?", "answer": "Pim", "answers": ["Pim", "the goat"]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source
from littlehuman.errors import DataError


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per story: `answer` is that of the conversation, `answers` adds those of other annotators."""
    where = source.where(split)
    for row in source.rows(split):
        answer = _first(require(row, "answers", where), where)
        others = [_first(turns, where) for turns in (row.get("additional_answers") or {}).values()]
        yield {
            "id": row.get("id"),
            "story": require(row, "story", where),
            "question": _first(require(row, "questions", where), where),
            "answer": answer,
            "answers": [answer, *others],
        }


def _first(turns: Any, where: str) -> str:
    """The text of turn 1, in either layout."""
    if isinstance(turns, Mapping):
        turns = require(turns, "input_text", where)
    if not turns:
        return ""
    if isinstance(turns[0], str):
        return turns[0]
    by_number = {turn.get("turn_id"): turn for turn in turns}
    if 1 not in by_number:
        raise DataError(f"{where}: a story has no turn 1, only {', '.join(map(str, by_number))}")
    return str(require(by_number[1], "input_text", where))
