"""Reader of QAConv V1.1: questions about a segment of a conversation; the segments are in a separate file.

In, the unzipped release: `trn.json`, `val.json`, `tst.json` and `article_segment.json`:
    [{"id": "trn-0", "article_segment_id": "mail-4", "question": "Who books the room?", "answers": ["Ana"], ...}]
    {"mail-4": {"seg_dialog": [{"id": "mail-4-0", "speaker": "Ana", "text": "I book it."}, ...], ...}}
Out: {"id": "trn-0", "dialog": "Ana: I book it.\\n...", "question": "Who books the room?", "answers": ["Ana"]}

Unanswerable questions have an empty list of answers; `table.py` drops and counts them.
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.data.json_files import read_document
from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source
from littlehuman.errors import DataError

SEGMENTS = "article_segment.json"


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per question, with its segment as 'speaker: text' lines."""
    if split not in source.files:
        raise DataError(
            f"{source.where(split)}: qaconv is read from its release. Try: dataset.path=DIR, with {SEGMENTS}"
        )
    path = source.files[split][0].parent / SEGMENTS
    segments = read_document(path)
    where = source.where(split)
    for row in source.rows(split):
        segment = require(segments, require(row, "article_segment_id", where), str(path))
        yield {
            "id": require(row, "id", where),
            "dialog": dialog(segment, str(path)),
            "question": require(row, "question", where),
            "answers": require(row, "answers", where),
        }


def dialog(segment: Row, where: str) -> str:
    """A segment as text: one line per turn."""
    turns = require(segment, "seg_dialog", where)
    return "\n".join(f"{require(turn, 'speaker', where)}: {require(turn, 'text', where)}" for turn in turns)
