"""Mode collapse: texts that come again and again, and openings that most texts share.

In: twins, and human texts of the same number. A text is collapsed where it comes more often than any human text could
explain; an opening (the first three words) is fixed where far more twins than human texts begin with one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from littlehuman.audit.encoding import Encoder
from littlehuman.records import Example

LEAST = 3  # times that a text comes, to be collapsed
OPENING = 3  # words


@dataclass(frozen=True)
class Repeated:
    """Texts that are repeated, as (id of the first point with it, points with it), the most frequent first."""

    rows: int
    distinct: int
    collapsed: tuple[tuple[str, int], ...]
    human_distinct: int
    human_rows: int
    human_most: int  # points of the most frequent human text

    @property
    def count(self) -> int:
        """Points whose text is collapsed."""
        return sum(count for _, count in self.collapsed)


@dataclass(frozen=True)
class Opening:
    """The most frequent opening of the twins: its first point, its counts on both sides, and the human maximum."""

    first: str
    count: int
    rows: int
    human: int
    human_most: int
    human_rows: int


def repeated(twins: Sequence[Example], human: Sequence[Example], encoder: Encoder) -> Repeated:
    """Texts of the twins that come more than twice as often as the most frequent human text, and at least 3 times."""
    ours, theirs = (_groups(points, encoder) for points in (twins, human))
    most = max((len(ids) for ids in theirs.values()), default=0)
    limit = max(LEAST, 2 * most + (most > 1))
    found = sorted(((ids[0], len(ids)) for ids in ours.values() if len(ids) >= limit), key=lambda one: -one[1])
    return Repeated(len(twins), len(ours), tuple(found), len(theirs), len(human), most)


def opening(twins: Sequence[Example], human: Sequence[Example], encoder: Encoder) -> Opening | None:
    """The opening that most twins share; None without twins of three words."""
    ours, theirs = (Counter(_openings(points, encoder)) for points in (twins, human))
    if not ours:
        return None
    words, count = ours.most_common(1)[0]
    first = next(e.id for e in twins if _opening(e, encoder) == words)
    return Opening(first, count, len(twins), theirs[words], max(theirs.values(), default=0), len(human))


def _groups(points: Sequence[Example], encoder: Encoder) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for example in points:
        found.setdefault(encoder.key(example.text), []).append(example.id)
    return found


def _openings(points: Sequence[Example], encoder: Encoder) -> list[bytes]:
    return [key for key in (_opening(example, encoder) for example in points) if key]


def _opening(example: Example, encoder: Encoder) -> bytes:
    """The first three words; empty for a shorter text."""
    key = encoder.key(example.text)[: 4 * OPENING]  # four bytes a word
    return key if len(key) == 4 * OPENING else b""
