"""Formats of printed answers, reports and figures: scores in 0..1, counts, p values, estimates, addresses.

None and NaN are missing values. `one_line` and `plain_text` make texts of strangers (servers, datasets) safe to print.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

NOTHING = "–"
# Terminal control (ECMA-48): strings up to their end (OSC, DCS, SOS, PM, APC), sequences (CSI), other escapes.
# A string without an end is dropped up to the end of its line, as far as 4096 characters.
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]?"
    r"|\x1b[ -/]{0,16}[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")  # C0 and C1 but for tabs and line ends
_DIRECTIONS = re.compile(r"[\u202a-\u202e]")  # embeddings and overrides: they reorder what follows
_ISOLATES = re.compile(r"[\u2066-\u2069]")
_FORMULA = re.compile("'*[=+@\t\r\uff1d\uff0b\uff0d\uff20-]")  # the last four: full width
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TEXTS = 2**14  # that are kept as formatted: a table of a large study is written again and again
_TO_SPACE = re.compile(r"[\t\n\r\x85\u2028\u2029]+")


def absent(value: object) -> bool:
    """Whether a value is missing: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def without_password(text: str) -> str:
    """An address, or a command line with some, without their passwords (which may contain an @).

    The name of a variable that holds one (`${oc.env:NAME}`) stays.
    """
    return re.sub(r"//(?![^/\s:@]*:\$\{[^}]*\}@)[^/\s]*@", "//***@", text)


def without_folder(weights: str) -> str:
    """A hub id or package unchanged; of a local path only the last part."""
    return Path(weights).name if weights.startswith(("/", "~", ".")) or "\\" in weights else weights


def plain_text(text: str) -> str:
    """A text without escape sequences, control characters and overrides of the writing direction.

    Tabs, line ends and all letters stay, and the marks and isolates of scripts from right to left.
    """
    if text.isascii() and text.isprintable():
        return text
    return _DIRECTIONS.sub("", _CONTROLS.sub("", _ESCAPE_SEQUENCE.sub("", text)))


def one_line(text: str) -> str:
    """`plain_text` on one line: for names, labels and reasons in logs, tables and errors. Isolates go too."""
    return _ISOLATES.sub("", plain_text(_TO_SPACE.sub(" ", text)))


@lru_cache(maxsize=_TEXTS)
def markdown_text(text: str) -> str:
    """A name or reason of a stranger within a line or table cell of Markdown: no markup, HTML, link or new cell."""
    return re.sub(r"([\\`*|<>\[\]~])|(?<!\w)_|_(?!\w)", lambda mark: f"\\{mark[0]}", one_line(text))


def csv_cell(value: object) -> object:
    """A value for a CSV that people open in a spreadsheet: a text that would be a formula has a ' before it.

    `csv_value` takes it off again. Numbers stay as they are, also those in texts.
    """
    return _csv_text(value) if isinstance(value, str) else value


@lru_cache(maxsize=_TEXTS)
def _csv_text(text: str) -> str:
    text = plain_text(text)
    return f"'{text}" if _is_formula(text) else text


def csv_value(cell: str) -> str:
    """The text of a cell that `csv_cell` wrote."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def percent(value: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """A score or a share of 0..1 in percent, without the percent sign: 0.8321 is `83.2`."""
    if value is None or absent(value):
        return NOTHING
    rounded = round(100 * float(value), digits) + 0.0  # + 0.0: no negative zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}"


def interval(value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """A score with its interval, in percent: `83.2 [81.0, 85.4]`; the bare value where there is no interval."""
    middle = percent(value, signed=signed)
    if absent(low) or absent(high):
        return middle
    return f"{middle} [{percent(low, signed=signed)}, {percent(high, signed=signed)}]"


def p_value(p: float | None) -> str:
    """A p value with two or three digits: `0.013`, `< 0.001`."""
    if p is None or absent(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def count(value: float | None) -> str:
    """A count: `4,875`; a mean of counts keeps one decimal."""
    if value is None or absent(value):
        return NOTHING
    whole = float(value).is_integer()
    return f"{int(value):,}" if whole else f"{value:,.1f}"


def score(value: float, low: float, high: float) -> str:
    """A score in 0..1 with its interval: `0.812 [0.801, 0.823]`."""
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def size(value: float | None, without_end: str = "infinitely many") -> str:
    """An estimated number of points, or a ratio of two: `17,672`, `84.5`; None is infinity."""
    if value is None:
        return without_end
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def share(fraction: float) -> str:
    """A fraction in percent, without rounding: 0.975 is `97.5 %`."""
    return f"{100 * fraction:.6g} %"


def span(low: float, high: float) -> str:
    """A range of counts: `3`, or `3 to 5`."""
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def named(metric: str) -> str:
    """The name of a metric for readers: `squad_f1` is `squad f1`."""
    return metric.replace("_", " ")


def shortened(cause: object, most: int = 300) -> str:
    """The reason of a failure, cut for a table; the cell's `status.json` has all of it."""
    text = NOTHING if absent(cause) else str(cause)
    return text if len(text) <= most else f"{text[:most]} ... (all of it in status.json)"


def first_of(words: Sequence[str], most: int) -> str:
    """`a, b`, and where there are more than `most` words `a, b and 3 more`."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
