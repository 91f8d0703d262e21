"""The data inside a written `report.html`, for tests of what a report says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DATA = re.compile(r'<script type="application/json" id="littlehuman-data">(.*?)</script>', re.DOTALL)


def data_of(study: Path) -> dict[str, Any]:
    """What the one-file page of a study holds."""
    (text,) = _DATA.findall((study / "report.html").read_text("utf-8"))
    found: dict[str, Any] = json.loads(text)
    return found


def document_of(study: Path) -> dict[str, Any]:
    """Its document."""
    found: dict[str, Any] = data_of(study)["document"]
    return found


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for own in value.values():
            yield from texts_of(own)
    elif isinstance(value, list):
        for own in value:
            yield from texts_of(own)


def rows_of(document: dict[str, Any]) -> list[list[str]]:
    """The rows of all tables."""
    curves = [curve["table"] for curve in (*document["curves"], *document["controls"])]
    sections = [table for view in document["sections"].values() for section in view for table in section["tables"]]
    return [row for table in (*curves, *sections) for row in table["rows"]]


def titles_of(document: dict[str, Any]) -> set[str]:
    """The titles of all sections."""
    return {section["title"] for view in document["sections"].values() for section in view}
