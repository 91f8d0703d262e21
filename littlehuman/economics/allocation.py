"""Which design to buy: a constrained search over the response model, with the budget line as frontier.

In: the response model, prices, and what limits a purchase. Out: the affordable design (n_synthetic, n_human) with the
highest predicted score, its interval, the runner-up, and the best score for every budget. Nothing beyond the tried
numbers of points times a stated factor is considered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from littlehuman.economics.human_worth import estimate
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array, Bool
from littlehuman.stats.interval import LEVEL, Interval

_LEVELS = 24  # of each of two spacings, for each kind of points
_ALONE = 300  # where there is one kind alone
_SEARCH = 500  # draws that the search looks at; the answer takes all
_BUDGETS = 16
_TOLD_APART = 0.8  # share of the draws from which one design counts as better than another
_DIFFERENT = 1.5  # numbers of human points that differ by less are no other design


@dataclass(frozen=True, slots=True)
class Terms:
    """What a purchase costs and what limits it.

    `human_price`, `synthetic_price` per point (the second None: no synthetic points are bought); `owned_human` labels
    that cost nothing any more; `evidence` texts at hand, each of which carries one point, human or synthetic (None: no
    limit).
    """

    human_price: float
    synthetic_price: float | None
    owned_human: int = 0
    evidence: int | None = None

    def cost(self, n_synthetic: Array, n_human: Array) -> Array:
        """Cost of designs."""
        return np.asarray(
            np.maximum(n_human - self.owned_human, 0) * self.human_price + n_synthetic * (self.synthetic_price or 0.0)
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which numbers of points a score is predicted; `factor`: how far beyond what was tried."""

    synthetic: tuple[int, int]
    human: tuple[int, int]
    least_total: int
    factor: float


@dataclass(frozen=True, slots=True)
class Purchase:
    """A design, what it costs, and its predicted mean score over seeds."""

    n_synthetic: int
    n_human: int
    cost: float
    score: Interval

    def __str__(self) -> str:
        if not self.n_synthetic:
            return f"{self.n_human:,} human points alone"
        return f"{self.n_human:,} human + {self.n_synthetic:,} synthetic points"

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "n_synthetic": self.n_synthetic,
            "n_human": self.n_human,
            "cost": self.cost,
            "score": self.score.as_json(),
        }


@dataclass(frozen=True, slots=True)
class TargetCost:
    """The cheapest design that reaches a score: None where none within reach does.

    `cost` is over the draws; `unreached` is the share of them in which no design reaches it. `cost.high` inf: so
    many draws do not reach the target that no upper end can be named.
    """

    target: float
    best: Purchase | None
    cost: Interval
    unreached: float

    def as_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        best = self.best.as_json() if self.best else None
        return {"target": self.target, "best": best, "cost": self.cost.as_json(), "unreached": self.unreached}


@dataclass(frozen=True, slots=True)
class Allocation:
    """The answer: `best` None where nothing within reach can be paid.

    `sure` is the share of the draws that prefer it to `runner_up`.
    """

    best: Purchase | None
    runner_up: Purchase | None
    sure: float | None
    curve: tuple[Purchase, ...]
    bounds: Bounds
    reasons: tuple[Reason, ...]


def bounds_of(n_synthetic: Array, n_human: Array, factor: float = 1.0) -> Bounds:
    """From the least tried numbers over `factor` (0 only where it was tried) to the most times `factor`."""
    ends = [(int(np.ceil(n.min() / factor)), int(np.floor(n.max() * factor))) for n in (n_synthetic, n_human)]
    return Bounds(ends[0], ends[1], max(1, int(np.ceil((n_synthetic + n_human).min() / factor))), factor)


def allocate(response: Response, bounds: Bounds, terms: Terms, budget: float, *, budgets: int = _BUDGETS) -> Allocation:
    """The best design for a sum of money, and for sums below and above it (`budgets` of them; 0: no curve)."""
    s, h = designs(bounds, terms, budget)
    cost = terms.cost(s, h)
    affordable = cost <= budget * (1 + 1e-9)
    middle, thin = _predicted(response, s, h)
    place = _best(middle, cost, affordable)
    if place is None:
        cheapest = {"budget": budget} | ({"cheapest": float(cost.min())} if len(cost) else {})
        return Allocation(None, None, None, (), bounds, (Reason(Kind.NOTHING_AFFORDABLE, cheapest),))
    best = _purchase(response, float(s[place]), float(h[place]), terms)
    second = _best(middle, cost, affordable & _different(s, h, place, bounds))
    runner_up = None if second is None else _purchase(response, float(s[second]), float(h[second]), terms)
    sure = (
        None
        if second is None
        else float(np.mean(thin[place] > thin[second]) + np.mean(thin[place] == thin[second]) / 2)
    )
    sums = np.geomspace(max(float(cost.min()), 1e-3 * float(cost.max())), float(cost.max()), budgets)
    places = [_best(middle, cost, cost <= each * (1 + 1e-9)) for each in sums]
    curve = tuple(_purchase(response, float(s[i]), float(h[i]), terms) for i in dict.fromkeys(places) if i is not None)
    return Allocation(
        best, runner_up, sure, curve, bounds, tuple(_reasons(best, runner_up, sure, bounds, terms, response))
    )


def cheapest_for(response: Response, bounds: Bounds, terms: Terms, target: float) -> TargetCost:
    """The cheapest design whose median predicted score reaches a target, and what the target costs over the draws."""
    s, h = designs(bounds, terms, float(terms.cost(np.array(bounds.synthetic[1]), np.array(bounds.human[1]))))
    cost = terms.cost(s, h)
    middle, thin = _predicted(response, s, h)
    reaching = np.flatnonzero(middle >= target)
    best = None if not len(reaching) else reaching[np.argmin(cost[reaching])]
    drawn = np.min(np.where(thin >= target, cost[:, None], np.inf), axis=0)
    low, high = (float(x) for x in np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf"))
    interval = Interval(np.inf if best is None else float(cost[best]), low, high)
    bought = None if best is None else _purchase(response, float(s[best]), float(h[best]), terms)
    return TargetCost(target, bought, interval, float(np.mean(np.isinf(drawn))))


def designs(bounds: Bounds, terms: Terms, budget: float) -> tuple[Array, Array]:
    """Designs within reach, n_synthetic and n_human [m].

    A grid within the bounds, and for every number of human points what is left of the budget in synthetic ones.
    """
    only = bounds.synthetic[1] == 0
    human = _levels(
        *bounds.human, [terms.owned_human, terms.owned_human + budget / terms.human_price], _ALONE if only else _LEVELS
    )
    price = terms.synthetic_price or math.inf
    synthetic = _levels(*bounds.synthetic, [budget / price])
    s, h = (x.ravel() for x in np.meshgrid(synthetic, human))
    rest = np.floor((budget - terms.cost(np.zeros_like(human), human)) / price + 1e-9)
    carried = np.inf if terms.evidence is None else terms.evidence - human
    line = np.clip(np.minimum(rest, carried), None, bounds.synthetic[1])
    s, h = np.concatenate([s, line]), np.concatenate([h, human])
    within = (s >= bounds.synthetic[0]) & (s + h >= bounds.least_total) & (s + h <= (terms.evidence or np.inf))
    both = np.unique(np.stack([s[within], h[within]]), axis=1)
    return both[0], both[1]


def _levels(low: int, high: int, also: list[float], count: int = _LEVELS) -> Array:
    every = np.concatenate(
        [[low, high], np.linspace(low, high, count), np.geomspace(max(low, 1), max(high, 1), count), also]
    )
    return np.unique(np.floor(every[(every >= low) & (every <= high)] + 1e-9))


def _predicted(response: Response, s: Array, h: Array) -> tuple[Array, Array]:
    """Medians [m] of the draws, and the draws [m, D] themselves, thinned."""
    thin = response.thinned(_SEARCH).score(s, h)
    return np.median(thin, axis=1), thin


def _best(middle: Array, cost: Array, allowed: Bool) -> int | None:
    """Of equal scores the cheapest."""
    if not np.any(allowed):
        return None
    order = np.lexsort((cost, -middle.round(9)))
    return int(order[allowed[order]][0])


def _different(s: Array, h: Array, best: int, bounds: Bounds) -> Bool:
    smallest = max(0.02 * bounds.human[1], 1.0)
    size, own = np.maximum(h, smallest), max(float(h[best]), smallest)
    pure = (h == 0) != (h[best] == 0)
    return np.asarray((np.maximum(size / own, own / size) >= _DIFFERENT) | pure | ((s == 0) != (s[best] == 0)))


def _purchase(response: Response, s: float, h: float, terms: Terms) -> Purchase:
    return Purchase(int(s), int(h), float(terms.cost(np.array(s), np.array(h))), estimate(response.score(s, h)[0]))


def _reasons(
    best: Purchase, runner_up: Purchase | None, sure: float | None, bounds: Bounds, terms: Terms, response: Response
) -> Iterator[Reason]:
    tried = response.scale
    if best.n_synthetic > tried.most_synthetic or best.n_human > tried.most_human:
        yield Reason(
            Kind.EXTRAPOLATED, {"n_synthetic": best.n_synthetic, "n_human": best.n_human, "factor": bounds.factor}
        )
    if terms.evidence is not None and best.n_synthetic + best.n_human >= terms.evidence:
        yield Reason(Kind.EVIDENCE_BINDS, {"evidence": terms.evidence})
    if runner_up is not None and sure is not None and sure < _TOLD_APART:
        yield Reason(
            Kind.RUNNER_UP_AS_GOOD, {"share": sure, "n_synthetic": runner_up.n_synthetic, "n_human": runner_up.n_human}
        )
