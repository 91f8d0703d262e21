"""`report.md`: the document of a study as plain text, for terminals, issues and readers without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from littlehuman.formatting import markdown_text, one_line
from littlehuman.reporting.tables import ReportTable
from littlehuman.webpage.document import VIEWS

_TITLES = {
    "curves": "Replacement curves",
    "price": "Trade-off and price",
    "data": "Data",
    "audit": "Audit",
    "runs": "Runs",
    "methods": "How it was computed",
}


def report(document: Mapping[str, Any]) -> str:
    """The whole report."""
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(doc: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"# {markdown_text(doc['study'])}", "", f"**{markdown_text(doc['answer'])}**", "")
    if doc["findings"]:
        yield from ("## In short", "", *_bullets(doc["findings"]))
    yield from (f"- {markdown_text(name)}: {markdown_text(value)}" for name, value in doc["facts"])
    yield ""
    for view in VIEWS[1:]:
        yield from (f"## {_TITLES[view]}", "")
        yield from _drawn(doc, view)
        for section in doc["sections"][view]:
            yield from _section(section, doc["commands"])
    yield from ("## Commands", "")
    yield from (f"- {name}: `{one_line(line)}`" for name, line in doc["commands"].items())


def _drawn(doc: Mapping[str, Any], view: str) -> Iterator[str]:
    """What the page draws, as tables and text."""
    if view == "curves":
        for curve in (*doc["learning"], *doc["curves"], *doc["controls"]):
            yield from (
                f"### {markdown_text(curve['table']['title'] or curve['name'])}",
                "",
                markdown_text(curve["answer"]),
                "",
            )
            yield from (_table(curve["table"]), *_bullets(curve["problems"]), *_bullets(curve["notes"]))
    elif view == "price":
        for one in doc["tradeoffs"]:
            why = f"{one['name']}: what human points are worth cannot be told: {one['why']}."
            yield from (_fenced(one["text"]) if one["text"] else markdown_text(why), "")
        yield from (line for plan in doc["plans"] for line in (_fenced(plan["text"]), ""))
    elif view == "methods":
        yield from _bullets(doc["methods"])


def _section(section: Mapping[str, Any], commands: Mapping[str, str]) -> Iterator[str]:
    yield from (f"### {markdown_text(section['title'])}", "")
    yield from _bullets(section["problems"])
    for table in section["tables"]:
        yield from ([f"{markdown_text(table['title'])}", ""] if table["title"] else [])
        yield _table(table)
    if section["note"]:
        yield from (markdown_text(section["note"]), "")
    if section.get("command"):
        yield from (f"Try: `{one_line(commands[section['command']])}`", "")


def _table(table: Mapping[str, Any]) -> str:
    return ReportTable(tuple(table["header"]), tuple(tuple(row) for row in table["rows"])).markdown()


def _bullets(texts: Sequence[str]) -> list[str]:
    return [*(f"- {markdown_text(text)}" for text in texts), ""] if texts else []


def _fenced(text: str) -> str:
    return f"```\n{text.replace('```', chr(39) * 3)}\n```"
