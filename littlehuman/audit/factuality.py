"""Factuality: the share of twins whose label or answer is right, as a judge says, corrected for the judge's errors.

The judge (of `littlehuman.filters`: a model that scores, or a round trip) sees a sample of the twins, as many human
points, and the same human points with a wrong label or answer. What it says of these two gives its sensitivity and
specificity, and the share that it passes becomes an estimate of the true one (Rogan and Gladen 1978, American Journal
of Epidemiology 107), with an interval by the delta method. Human labels count as right. Without a judge it is
"not measured".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from littlehuman.audit.sets import AuditSets, sample
from littlehuman.records import Example, Synthetic
from littlehuman.rejections import RejectionKind

NOT_MEASURED = "not measured"
_Z = 1.959964
UNREAD = (
    RejectionKind.JUDGE_UNREADABLE,
    RejectionKind.JUDGE_WITHOUT_SCORE,
    RejectionKind.ROUND_TRIP_UNREADABLE,
)
Ask = Callable[[Sequence[Synthetic]], Mapping[str, RejectionKind]]  # points -> id -> why the judge rejects it


@dataclass(frozen=True)
class Passed:
    """Points that the judge passes, of those whose verdict could be read, and those whose could not."""

    count: int
    read: int
    unread: int

    @property
    def share(self) -> float:
        """Share that is passed, of those that could be read."""
        return self.count / self.read if self.read else 0.0


def factuality(sets: AuditSets, ask: Ask, size: int) -> dict[str, Any]:
    """Ask the judge, and correct the share of twins that it passes.

    Args:
        sets: the points.
        ask: asks the judge about points, and returns those that it rejects.
        size: how many twins, human points and wrong points it sees, each.
    """
    human = sample(sets.reference, size)
    points = {"synthetic": sample(sets.synthetic, size), "human": human, "wrong": _wrong(human, sets.has_classes)}
    found = {name: _passed(side, ask) for name, side in points.items()}
    return {name: vars(one) for name, one in found.items()} | {"share_right": corrected(*found.values())}


def corrected(synthetic: Passed, human: Passed, wrong: Passed) -> dict[str, float] | dict[str, str]:
    """Share of right twins with a 95 % interval; what is lacking where it cannot be told."""
    sides = (synthetic, human, wrong)
    if not all(side.read for side in sides):
        return {NOT_MEASURED: "no verdict on one of the three samples could be read"}
    apart = human.share - wrong.share  # sensitivity + specificity - 1
    if apart <= 0:
        return {NOT_MEASURED: "the judge passes wrong points as often as human ones"}
    value = (synthetic.share - wrong.share) / apart
    variances = [max(side.share * (1 - side.share), 0.25 / (side.read + 4)) / side.read for side in sides]
    slopes = (1 / apart, value / apart, (1 - value) / apart)
    spread = _Z * math.sqrt(sum(slope**2 * variance for slope, variance in zip(slopes, variances, strict=True)))
    return {
        "value": round(min(max(value, 0.0), 1.0), 4),
        "low": round(min(max(value - spread, 0.0), 1.0), 4),
        "high": round(min(max(value + spread, 0.0), 1.0), 4),
    }


def _passed(points: Sequence[Example], ask: Ask) -> Passed:
    rejected = ask([Synthetic(e.id, e.evidence, e.text, e.target, "") for e in points]) if points else {}
    unread = sum(kind in UNREAD for kind in rejected.values())
    return Passed(len(points) - len(rejected), len(points) - unread, unread)


def _wrong(points: Sequence[Example], has_classes: bool) -> list[Example]:
    """The points with another class, or with the answer of another point."""
    targets = list(dict.fromkeys(example.target for example in points))
    if len({target.casefold() for target in targets}) < 2:
        return []
    order = targets if has_classes else [example.target for example in points]
    return [replace(e, targets=(_other(e.target, order, at),)) for at, e in enumerate(points)]


def _other(target: str, order: Sequence[str], at: int) -> str:
    """The next of the targets that is another one."""
    return next(name for name in (*order[at % len(order) :], *order) if name.casefold() != target.casefold())
