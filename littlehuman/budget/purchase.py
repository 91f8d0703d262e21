"""What a plan is made of: mixtures to buy, compared with each other.

In: a fitted surface, prices, and a budget or a target. Out: the best mixture, the runner-up, how
sure the difference is, and the cost of a target with its interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from littlehuman.budget.buying import Prices, Reach, cheapest, different, levels, line
from littlehuman.budget.shapes import Array
from littlehuman.budget.surface import Estimate, Surface

_FEW = 0.02  # of the most human points within reach: fewer than this are no other plan than none
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Purchase:
    """A mixture, what it costs, and the mean score over seeds that is predicted for it."""

    n_human: int
    n_synthetic: int
    cost: float
    score: Estimate

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {"n_human": self.n_human, "n_synthetic": self.n_synthetic, "cost": self.cost, "score": self.score.as_json()}

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


def of_budget(surface: Surface, budget: float, prices: Prices, reach: Reach) -> Choice | None:
    """The mixture on the budget line with the highest predicted score; None where the line is out of reach."""
    synthetic, human = line(budget, prices, reach)
    if not len(human):
        return None
    scores = surface.values(synthetic, human)
    best = int(np.lexsort((prices.cost(synthetic, human), -scores.round(9)))[0])  # of equal scores the cheapest
    return _against_others(surface, buy(surface, int(synthetic[best]), int(human[best]), prices), budget, prices, reach)


def of_target(surface: Surface, target: float, prices: Prices, reach: Reach) -> tuple[Choice, TargetCost] | None:
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


def _against_others(surface: Surface, chosen: Purchase, budget: float, prices: Prices, reach: Reach) -> Choice:
    """The mixture, and the best materially different one on the budget line, compared within each draw."""
    synthetic, human = line(budget, prices, reach)
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
