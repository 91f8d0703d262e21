"""How long to wait before a request is made again.

In: the headers of a refusal, or how often a request was tried. Out: seconds.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_S, GROWTH, LONGEST_S = 0.5, 2.5, 30.0  # five retries together wait at least 24 s: a server has time to start anew


def backoff(times: int, longest_s: float = LONGEST_S) -> float:
    """Seconds before try number `times` + 1: 0.5, 1.25, 3.1, 7.8, ... less up to a quarter, by chance.

    Chance keeps requests that failed together from coming back together; it touches no result, so it needs no seed.
    """
    return min(FIRST_S * GROWTH ** min(times - 1, 20), longest_s) * random.uniform(0.75, 1.0)


def asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (`retry-after-ms`; `retry-after` in seconds or as an HTTP date, RFC 9110).

    None where it says nothing, or nothing that can be followed (no number, a moment that is past).
    """
    found = _number(headers.get("retry-after-ms"), 1000)
    if found is None:
        found = _number(headers.get("retry-after"), 1)
    if found is None:
        found = _until(headers.get("retry-after"), headers.get("date"))
    return found if found is not None and found > 0 else None


def _number(value: str | None, divisor: int) -> float | None:
    try:
        seconds = float(value or "") / divisor
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(value: str | None, server_time: str | None) -> float | None:
    """From the server's own time where it tells it: its clock may differ from ours."""
    then = _moment(value)
    return None if then is None else then - (_moment(server_time) or time.time())


def _moment(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, TypeError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
