"""What a plan is made of: mixtures to buy, compared with each other.

In: a fitted surface, prices, and a budget or a target. Out: the best mixture, the runner-up, how
sure the difference is, and the cost of a target with its interval.


[folded] What a sum of money buys, and what a score costs.

In: prices, how far the runs reach, and a fitted surface. Out: the mixtures on a budget line, and
the cheapest way to a target score, for the fitted surface and for each of its draws.

"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from littlehuman.economics.surface import ScoreEstimate, Surface
from littlehuman.economics.surface_shapes import Array, Counts, Numbers, Shapes

MOST_LEVELS = 200
_LEVELS = 80  # of each of two spacings; round numbers, the limits and the kink come on top
_ROUND = np.outer(10 ** np.arange(9), [1, 2, 5]).ravel()
_DIFFERENT = 1.5  # human points of two mixtures differ when their ratio is at least this
_SHORT = 1e-9  # 625 labels for 500 must not become 624 by rounding


@dataclass(frozen=True, slots=True)
class Prices:
    """What one human label and one synthetic point cost, in the user's currency."""

    human: float
    synthetic: float

    def cost(self, n_synthetic: Numbers, n_human: Numbers) -> Array:
        """Cost of mixtures."""
        return np.asarray(n_human * self.human + n_synthetic * self.synthetic, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SearchBounds:
    """Between which numbers of points the runs allow a prediction, ends included; `total` is the least sum of both."""

    synthetic: tuple[int, int]
    human: tuple[int, int]
    total: int

    def least_synthetic(self, n_human: Numbers) -> Array:
        """The fewest synthetic points [m] that may stand beside these human ones [m]."""
        return np.asarray(np.maximum(self.synthetic[0], self.total - np.asarray(n_human)), dtype=np.float64)


def search_bounds(n_synthetic: Array, n_human: Array, factor: float) -> SearchBounds:
    """From the smallest tried numbers divided by `factor` (zero only where it was tried) to the largest times `factor`."""
    sides = [(math.ceil(n.min() / factor), math.floor(n.max() * factor)) for n in (n_synthetic, n_human)]
    return SearchBounds(sides[0], sides[1], max(1, math.ceil((n_synthetic + n_human).min() / factor)))


def levels(low: int, high: int, also: Iterable[float] = ()) -> Counts:
    """At most 200 whole numbers from `low` to `high`: all, or the ends, those of `also`, and rounded numbers between."""
    if high - low < MOST_LEVELS:
        return np.arange(low, high + 1)
    spaced = np.concatenate([np.linspace(low, high, _LEVELS), np.geomspace(max(low, 1), high, _LEVELS)])
    rounded = [_two_digits(x) for x in spaced]
    every = np.array([low, high, *also, *_ROUND, *rounded], dtype=np.int64)
    return np.asarray(np.unique(every[(every >= low) & (every <= high)]))


def budget_line(budget: float, prices: Prices, reach: SearchBounds) -> tuple[Counts, Counts]:
    """Synthetic and human points [m] of the mixtures that a budget buys: the rest after the labels goes into synthetic points.

    All numbers of human points are also offered with the fewest synthetic ones, for where more of those do harm or nothing.
    Empty where the budget buys nothing within reach.
    """
    most = min(_whole(budget / prices.human), reach.human[1])
    if most < reach.human[0]:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    kink = (budget - reach.synthetic[1] * prices.synthetic) / prices.human  # with fewer labels money is left over
    human = levels(reach.human[0], most, [min(max(kink, 0), most), min(max(kink + 1, 0), most)])
    rest = np.floor((budget - human * prices.human) / prices.synthetic + _SHORT)
    synthetic = np.clip(rest, 0, reach.synthetic[1]).astype(np.int64)
    fewest = np.minimum(reach.least_synthetic(human).astype(np.int64), synthetic)
    human, synthetic = np.append(human, human), np.append(synthetic, fewest)
    within = synthetic >= reach.least_synthetic(human)
    return synthetic[within], human[within]


def cheapest(shapes: Shapes, human: Counts, target: float, prices: Prices, reach: SearchBounds) -> tuple[Array, Array]:
    """Fewest synthetic points and the cost [m, D] at which `human` [m] points reach a target; inf where it lies beyond reach."""
    needed = np.ceil(shapes.least_synthetic(human, reach.least_synthetic(human), target) - _SHORT)
    needed[needed > reach.synthetic[1]] = np.inf
    return needed, prices.cost(needed, human[:, None])


def highest(surface: Surface, reach: SearchBounds) -> tuple[int, int]:
    """The mixture within reach, whatever it costs, with the highest predicted score; of equal ones the smallest."""
    human = levels(*reach.human)
    low = reach.least_synthetic(human)
    synthetic = np.concatenate([low, np.full(len(human), float(reach.synthetic[1]))])
    both = np.concatenate([human, human])
    order = np.lexsort((synthetic + both, -surface.values(synthetic, both).round(9)))
    within = order[synthetic[order] <= reach.synthetic[1]]
    return int(synthetic[within[0]]), int(both[within[0]])


def least(prices: Prices, reach: SearchBounds) -> tuple[int, int]:
    """The cheapest mixture within reach, (n_synthetic, n_human), whatever its score."""
    kink = reach.total - reach.synthetic[0]  # with more human points no synthetic one is spared any more
    human = np.unique(np.clip([reach.human[0], kink, reach.human[1]], *reach.human))
    synthetic = reach.least_synthetic(human)
    place = int(prices.cost(synthetic, human).argmin())
    return int(synthetic[place]), int(human[place])


def different(synthetic: Counts, human: Counts, best: tuple[int, int], smallest: float) -> NDArray[np.bool_]:
    """Which mixtures [m] differ materially from `best` (n_synthetic, n_human): 1.5 times the human points, or pure where it is not.

    Numbers of human points below `smallest` count as equal.
    """
    size, own = np.maximum(human, smallest), max(best[1], smallest)
    pure = np.where(human == 0, 1, np.where(synthetic == 0, 2, 0))
    of_best = 1 if best[1] == 0 else 2 if best[0] == 0 else 0
    return np.asarray((np.maximum(size / own, own / size) >= _DIFFERENT) | ((pure > 0) & (pure != of_best)))


def _whole(x: float) -> int:
    return math.floor(x + _SHORT * max(1.0, x))


def _two_digits(x: float) -> int:
    step = int(10 ** max(math.floor(math.log10(max(x, 1))) - 1, 0))
    return round(x / step) * step


_FEW = 0.02  # of the most human points within reach: fewer than this are no other plan than none
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Purchase:
    """A mixture, what it costs, and the mean score over seeds that is predicted for it."""

    n_human: int
    n_synthetic: int
    cost: float
    score: ScoreEstimate

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "n_human": self.n_human,
            "n_synthetic": self.n_synthetic,
            "cost": self.cost,
            "score": self.score.as_json(),
        }

    def __str__(self) -> str:
        names = {"human": self.n_human, "synthetic": self.n_synthetic}
        points = "point" if (self.n_synthetic or self.n_human) == 1 else "points"
        return " + ".join(f"{n:,} {name}" for name, n in names.items() if n) + f" {points}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The best mixture, the best that differs materially, and in which share of the draws the first is better.

    `cheapest` is the cheapest mixture within reach, where neither kind of points is known to raise the score.
    """

    best: Purchase
    runner_up: Purchase | None
    sure: float | None
    cheapest: Purchase | None = None

    @property
    def too_close(self) -> bool:
        """Whether the two cannot be told apart."""
        return self.sure is not None and self.sure < SURE

    @property
    def easier(self) -> Purchase:
        """`cheapest`, where there is one; else the cheaper of the two; at equal cost (within 1 %) the pure, then the less human one."""
        if self.cheapest is not None:
            return self.cheapest
        if self.runner_up is None:
            return self.best
        one, other = self.best, self.runner_up
        if abs(one.cost - other.cost) > 0.01 * max(one.cost, other.cost):
            return min(one, other, key=lambda p: p.cost)
        return min(one, other, key=lambda p: (p.n_human > 0 and p.n_synthetic > 0, p.n_human))


@dataclass(frozen=True, slots=True)
class TargetCost:
    """What a target costs: `low` and `high` over the draws, None where they do not reach it; `unreachable` is their share."""

    value: float
    low: float | None
    high: float | None
    unreachable: float

    def as_json(self) -> dict[str, float | None]:
        """All fields."""
        return {"value": self.value, "low": self.low, "high": self.high, "unreachable": self.unreachable}


def buy(surface: Surface, n_synthetic: int, n_human: int, prices: Prices) -> Purchase:
    """A mixture with its cost and its predicted score."""
    cost = float(prices.cost(np.array(float(n_synthetic)), np.array(float(n_human))))
    return Purchase(int(n_human), int(n_synthetic), cost, surface.estimate(n_synthetic, n_human))


def of_budget(surface: Surface, budget: float, prices: Prices, reach: SearchBounds) -> Choice | None:
    """The mixture on the budget line with the highest predicted score; None where the line is out of reach."""
    synthetic, human = budget_line(budget, prices, reach)
    if not len(human):
        return None
    scores = surface.values(synthetic, human)
    best = int(np.lexsort((prices.cost(synthetic, human), -scores.round(9)))[0])  # of equal scores the cheapest
    return _against_others(surface, buy(surface, int(synthetic[best]), int(human[best]), prices), budget, prices, reach)


def of_target(surface: Surface, target: float, prices: Prices, reach: SearchBounds) -> tuple[Choice, TargetCost] | None:
    """The cheapest mixture whose predicted score reaches a target; None where none within reach does.

    The runner-up is the best other mixture for the same money.
    """
    human = levels(*reach.human)
    needed, cost = (x[:, 0] for x in cheapest(surface.best, human, target, prices, reach))
    best = int(cost.argmin())
    if not np.isfinite(cost[best]):
        return None
    chosen = buy(surface, int(needed[best]), int(human[best]), prices)
    drawn = cheapest(surface.draws, human, target, prices, reach)[1].min(axis=0)
    return _against_others(surface, chosen, chosen.cost, prices, reach), _target_cost(chosen.cost, drawn)


def _against_others(surface: Surface, chosen: Purchase, budget: float, prices: Prices, reach: SearchBounds) -> Choice:
    """The mixture, and the best materially different one on the budget line, compared within each draw."""
    synthetic, human = budget_line(budget, prices, reach)
    other = different(synthetic, human, (chosen.n_synthetic, chosen.n_human), max(_FEW * reach.human[1], 1.0))
    if not other.any():
        return Choice(chosen, None, None)
    synthetic, human = synthetic[other], human[other]
    second = int(surface.values(synthetic, human).argmax())
    runner_up = buy(surface, int(synthetic[second]), int(human[second]), prices)
    drawn = surface.draws.score(
        np.array([chosen.n_synthetic, runner_up.n_synthetic], dtype=np.float64),
        np.array([chosen.n_human, runner_up.n_human], dtype=np.float64),
    )
    return Choice(chosen, runner_up, _share(drawn[0] - drawn[1]))


def _target_cost(value: float, drawn: Array) -> TargetCost:
    tails = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")  # no mean of a cost and infinity
    low, high = (float(x) if np.isfinite(x) else None for x in tails)
    return TargetCost(value, low, high, float(np.mean(~np.isfinite(drawn))))


def _share(difference: Array) -> float:
    """Share of the draws above zero; equal ones count half."""
    return float(np.mean(difference > 0) + np.mean(difference == 0) / 2)
