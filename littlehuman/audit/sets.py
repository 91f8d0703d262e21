"""What an audit looks at: the points of a training set by origin, and the points beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from littlehuman.records import Example, Mixture, Origin
from littlehuman.seeding import ordering


@dataclass(frozen=True)
class AuditSets:
    """The points of one audit.

    `pool` are the human points that twins may copy, their own originals among them (same id). `has_classes`: targets
    are classes; `new_texts`: twins have texts of their own (an annotator's keep the human ones); `columns`: names of
    the evidence's columns, where it is joined of several.
    """

    human: tuple[Example, ...]
    synthetic: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    pool: tuple[Example, ...] = ()
    has_classes: bool = False
    new_texts: bool = True
    columns: tuple[str, ...] = ()

    @property
    def originals(self) -> tuple[Example, ...]:
        """The human point of each twin that has one, in the order of the twins."""
        by_id = {example.id: example for example in self.pool}
        return tuple(by_id[twin.id] for twin in self.synthetic if twin.id in by_id)

    @property
    def reference(self) -> tuple[Example, ...]:
        """Human texts to compare twins with: their originals; all human points where twins have none."""
        originals = self.originals
        return originals if len(originals) == len(self.synthetic) else self.pool or self.human


def of_mixture(
    mixture: Mixture,
    pool: Sequence[Example],
    test: Sequence[Example],
    *,
    has_classes: bool,
    new_texts: bool,
    columns: Sequence[str] = (),
) -> AuditSets:
    """The sets of a cell (arguments as in `AuditSets`)."""
    by_origin = {origin: [p.example for p in mixture.points if p.origin is origin] for origin in Origin}
    return AuditSets(
        human=tuple(by_origin[Origin.HUMAN]),
        synthetic=tuple(by_origin[Origin.SYNTHETIC]),
        test=tuple(test),
        pool=tuple(pool),
        has_classes=has_classes,
        new_texts=new_texts,
        columns=tuple(columns),
    )


def sample(points: Sequence[Example], most: int) -> list[Example]:
    """At most so many points, chosen by their ids: another audit of the same points chooses the same ones."""
    by_id = {example.id: example for example in points}
    return [by_id[i] for i in ordering(by_id, 0, "who is looked at in an audit")[:most]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two points that have something in common; `like` is their Jaccard similarity, 1 for the same words."""

    left: str
    right: str
    like: float = 1.0
    same_label: bool = True
    origin: str = ""

    def as_json(self) -> list[object]:
        """`[left, right, similarity, same label, origin]`."""
        return [self.left, self.right, round(self.like, 4), self.same_label, self.origin]
