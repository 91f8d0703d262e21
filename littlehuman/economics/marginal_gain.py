"""What more points of one kind bring.

In: a fitted surface, a mixture, prices, and the numbers that were tried. Out: a `Gain` for human and
one for synthetic points: for the next point, for the next unit of money, and over all that was tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from littlehuman.economics.optimize import Prices, Purchase
from littlehuman.economics.surface import ScoreEstimate, Surface, estimate_score
from littlehuman.economics.surface_shapes import Array


@dataclass(frozen=True, slots=True)
class MarginalGain:
    """What more points of one kind bring: the next one at the plan, those that the next unit of money buys, all that were tried.

    `tried`: change of the score between the smallest and the largest number that was tried (`span`),
    with the plan's number of the other kind, as far as that was tried too.
    """

    per_point: ScoreEstimate
    per_unit: ScoreEstimate
    tried: ScoreEstimate
    span: tuple[int, int]

    @property
    def shown(self) -> bool:
        """Whether points of this kind are known to raise the score."""
        return self.tried.low > 0

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        estimates = {"per_point": self.per_point, "per_unit": self.per_unit, "tried": self.tried}
        return {name: e.as_json() for name, e in estimates.items()} | {"span": list(self.span)}


def gains(
    surface: Surface, at: Purchase, prices: Prices, n_synthetic: Array, n_human: Array
) -> tuple[MarginalGain, MarginalGain]:
    """What more human, and what more synthetic points bring, at a plan; the arrays [n] are what was tried."""
    s, h = float(at.n_synthetic), float(at.n_human)
    beside_s, beside_h = (float(np.clip(n, tried.min(), tried.max())) for n, tried in ((s, n_synthetic), (h, n_human)))
    from_h, from_s = _span(n_human, beside_s), _span(n_synthetic, beside_h)
    worth_h, worth_s = _for_one(prices.human, n_human), _for_one(prices.synthetic, n_synthetic)
    human = MarginalGain(
        _difference(surface, (s, h), (s, h + 1)),
        _difference(surface, (s, h), (s, h + worth_h), worth_h * prices.human),
        _difference(surface, (beside_s, from_h[0]), (beside_s, from_h[1])),
        from_h,
    )
    synthetic = MarginalGain(
        _difference(surface, (s, h), (s + 1, h)),
        _difference(surface, (s, h), (s + worth_s, h), worth_s * prices.synthetic),
        _difference(surface, (from_s[0], beside_h), (from_s[1], beside_h)),
        from_s,
    )
    return human, synthetic


def _for_one(price: float, tried: Array) -> float:
    """How many points one unit of money buys: at least one, and no more than were tried."""
    return float(np.clip(1 / price, 1.0, tried.max()))


def _span(tried: Array, beside: float) -> tuple[int, int]:
    """Smallest and largest number that was tried; without points of the other kind a training set of none does not count."""
    numbers = tried if beside > 0 else tried[tried > 0]
    return int(numbers.min()), int(numbers.max())


def _difference(
    surface: Surface, at: tuple[float, float], then: tuple[float, float], per: float = 1.0
) -> ScoreEstimate:
    """Change of the score from one mixture (n_synthetic, n_human) to another over `per`, paired within draws."""
    s, h = (np.array(pair, dtype=np.float64) for pair in zip(at, then, strict=True))
    values, drawn = surface.values(s, h), surface.draws.score(s, h)
    return estimate_score((values[1] - values[0]) / per, (drawn[1] - drawn[0]) / per)
