"""Which reader fits a row that the reader `table` cannot read: nested rows of the releases that littlehuman knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from littlehuman.data.rows import Row

_READ_AS = {  # reader -> the columns that its rows have
    "squad": "dataset.columns.evidence=context dataset.columns.text=question dataset.columns.target=answers.text",
    "ropes": "'dataset.columns.evidence=[background, situation]' dataset.columns.text=question "
    "dataset.columns.target=answers.text",
    "coqa": "dataset.columns.evidence=story dataset.columns.text=question dataset.columns.target=answers",
    "qaconv": "dataset.columns.evidence=dialog dataset.columns.text=question dataset.columns.target=answers",
}


def fitting_reader(row: Row) -> str:
    """The overrides that read rows of this layout, one point per question; empty for an unknown layout."""
    name = _reader_of(row)
    return f"dataset.reader={name} {_READ_AS[name]}" if name else ""


def _reader_of(row: Row) -> str:
    paragraph = _first(row.get("paragraphs"))
    if isinstance(paragraph, Mapping) and "qas" in paragraph:
        return "ropes" if "background" in paragraph else "squad" if "context" in paragraph else ""
    if {"story", "questions", "answers"} <= row.keys():
        return "coqa"
    return "qaconv" if {"article_segment_id", "question"} <= row.keys() else ""


def questions_in(row: Row, column: str) -> int:
    """How many texts a column holds because its path goes through lists of objects; 0 where it goes through none.

    Each is a point of its own: joined, they would be one.
    """
    parts = [column] if column in row else column.split(".")
    return _count(row, parts, False)


def _count(value: Any, parts: list[str], through_list: bool) -> int:
    if isinstance(value, list | tuple):
        objects = through_list or any(isinstance(item, Mapping) for item in value)
        return sum(_count(item, parts, objects) for item in value) if objects else 0
    if isinstance(value, Mapping) and parts:
        return _count(value.get(parts[0]), parts[1:], through_list)
    return int(through_list and value is not None)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else None
