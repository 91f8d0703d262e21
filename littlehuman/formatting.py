"""Formats of printed answers, reports and figures: scores in 0..1, counts, p values, estimates, addresses.

None and NaN are missing values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

NOTHING = "–"


def absent(value: object) -> bool:
    """Whether a value is missing: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def without_password(text: str) -> str:
    """An address, or a command line with some, without their passwords (which may contain an @)."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


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


def equals(p: float) -> str:
    """A p value in a sentence: `p = 0.013`, `p < 0.001`."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


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


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
