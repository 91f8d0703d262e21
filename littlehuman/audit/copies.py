"""Twins whose text is that of another human point than their own: any point, whether their prompt showed it or not.

Human points resemble each other too: `background` counts the human originals of the twins whose text is that of
another human point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from littlehuman.audit.encoding import Encoder
from littlehuman.audit.matching import Matcher
from littlehuman.audit.sets import AuditSets, Pair
from littlehuman.records import Example


@dataclass(frozen=True)
class Copies:
    """Twin id -> the human point that its text repeats, word for word (`same`) or nearly (`near`)."""

    rows: int
    same: Mapping[str, Pair]
    near: Mapping[str, Pair]

    @property
    def count(self) -> int:
        """Points that repeat another one."""
        return len(self.same) + len(self.near)


def copies(sets: AuditSets, encoder: Encoder | None = None) -> tuple[Copies, Copies]:
    """The twins that repeat another human point than their own, and beside them the same for their originals."""
    encoder = encoder or Encoder()
    found = [_copies(points, sets, encoder) for points in (sets.synthetic, sets.reference)]
    return found[0], found[1]


def _copies(points: Sequence[Example], sets: AuditSets, encoder: Encoder) -> Copies:
    match = Matcher(points, sets.pool, encoder, has_classes=sets.has_classes, left_out=lambda a, b: a.id == b.id)
    texts = match.sides(lambda example: example.text)
    pairs = []
    for rows in (match.same(texts), match.near_duplicates(texts)):
        closest = (match.closest(row, others, "human") for row, others in rows.items())
        pairs.append({pair.left: pair for pair in closest if pair})
    same, near = pairs
    return Copies(len(points), same, {i: pair for i, pair in near.items() if i not in same})
