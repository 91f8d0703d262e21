"""One study, one model, all answers: what a human point is worth, which kind is cheaper, what to buy or to run instead.

In: the runs of one series with their seeds. Out: a `StudyModel`. Price and plan are summaries of the same draws: where
the price says that human points win, no plan for the same money and reach prefers the synthetic points that they stand
for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from littlehuman.economics import (
    allocation,
    human_alone,
    human_worth,
    identification,
    paper_equivalent,
    price_verdict,
    response,
)
from littlehuman.economics.allocation import Allocation, TargetCost, Terms
from littlehuman.economics.human_worth import HumanWorth
from littlehuman.economics.identification import Cell
from littlehuman.economics.paper_equivalent import PaperEquivalent
from littlehuman.economics.price_verdict import PriceVerdict
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array, Index
from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.study.scores import SIZES


@dataclass(frozen=True, eq=False)
class StudyModel:
    """Runs [n] of one series: numbers of points, score, and seed (any labels; None: not known).

    Runs on no points at all must be left out before.
    """

    n_synthetic: Array
    n_human: Array
    score: Array
    seed: Index | None = None

    @property
    def obstacle(self) -> Reason | None:
        """Why these runs cannot answer; None where they can."""
        return identification.obstacle(self.n_synthetic, self.n_human)

    @property
    def human_alone(self) -> bool:
        """Whether the runs have human points alone, and enough of them for a curve over their number."""
        enough = len(self.score) >= identification.FEWEST_RUNS and len(np.unique(self.n_human)) >= SIZES
        return enough and not np.any(self.n_synthetic > 0)

    @property
    def plannable(self) -> Reason | None:
        """Why these runs carry no plan; None where they do, as human points alone do for human points."""
        if not self.human_alone:
            return self.obstacle
        missed = human_alone.misfits(self.n_human, self.score, self.seed, self.purchases)
        return Reason(Kind.MISFITS) if missed else None

    @property
    def caveats(self) -> tuple[Reason, ...]:
        """What must stand beside every answer: about seeds and mixed runs."""
        seeds = None if self.seed is None else len(np.unique(self.seed))
        kind = Kind.NO_SEEDS if seeds is None else {1: Kind.ONE_SEED, 2: Kind.TWO_SEEDS}.get(seeds)
        mixed = self.human_alone or bool(np.any((self.n_synthetic > 0) & (self.n_human > 0)))
        return tuple(Reason(each) for each in (kind, None if mixed else Kind.NO_MIXED_RUNS) if each is not None)

    @cached_property
    def response(self) -> Response:
        """The fitted model, whether or not it can answer."""
        return response.fit(self.n_synthetic, self.n_human, self.score, self.seed)

    @cached_property
    def purchases(self) -> Response:
        """The model from which a purchase is read: of human points alone where there is nothing else.

        Raises:
            DataError: where the layout cannot answer (see `plannable`).
        """
        if self.human_alone:
            return human_alone.fit_alone(self.n_human, self.score, self.seed)
        self._require()
        return self.response

    @property
    def human_points(self) -> float:
        """The number of human points that most runs had beside synthetic ones; the smallest of several such."""
        beside = self.n_human[(self.n_human > 0) & (self.n_synthetic > 0)]
        values, counts = np.unique(beside if len(beside) else self.n_human[self.n_human > 0], return_counts=True)
        return float(values[counts.argmax()])

    def mend(self, most: float | None = None) -> tuple[Cell, Cell]:
        """The two cells that would tell most; `most` points are what the data carries."""
        model = self.response if len(self.score) >= identification.FEWEST_RUNS else None
        return identification.mend(model, self.n_synthetic, self.n_human, most)

    def worth(self, at: float | None = None, human_points: float | None = None) -> HumanWorth:
        """What a human point is worth beside `at` synthetic ones (None: the most of the study).

        Raises:
            ConfigError: for an `at` outside the study.
            DataError: where the layout cannot answer (see `obstacle`).
        """
        self._require()
        return human_worth.worth_at(self.response, self._size(at), human_points or self.human_points)

    def price(self, human_price: float, synthetic_price: float, at: float | None = None) -> PriceVerdict:
        """Which kind is the better buy beside `at` synthetic points; raises as `worth` does."""
        return price_verdict.price_verdict(self.worth(at), human_price, synthetic_price)

    def plan(self, terms: Terms, budget: float, reach: float = 1.0) -> Allocation:
        """The best design for a sum, within `reach` times the tried numbers of points.

        Raises:
            DataError: where the layout cannot answer (see `plannable`).
        """
        return allocation.allocate(
            self.purchases, allocation.bounds_of(self.n_synthetic, self.n_human, reach), terms, budget
        )

    def cost_of(self, terms: Terms, target: float, reach: float = 1.0) -> TargetCost:
        """The cheapest design that reaches a score; raises as `plan` does."""
        return allocation.cheapest_for(
            self.purchases, allocation.bounds_of(self.n_synthetic, self.n_human, reach), terms, target
        )

    def paper(self, human_points: float | None = None) -> PaperEquivalent | None:
        """The paper's Table 3 for these runs; None where it is not defined."""
        h = human_points or (self.human_points if np.any(self.n_human > 0) else 0.0)
        return paper_equivalent.paper_equivalent(self.n_synthetic, self.n_human, self.score, h) if h else None

    def _size(self, at: float | None) -> float:
        alone = self.n_synthetic[self.n_synthetic > 0]
        low, high = float(alone.min()), float(alone.max())
        if at is None:
            return high
        if not low <= at <= high:
            problem = Problem(
                f"at={at:g}", f"lies outside the study, whose runs have {low:,.0f} to {high:,.0f} synthetic points"
            )
            raise ConfigError([problem], f"--at {low if at < low else high:.0f}")
        return float(at)

    @property
    def refusal(self) -> str:
        """The obstacle in words with the two cells that mend it; empty where there is none."""
        reason = self.obstacle
        if reason is None:
            return ""
        cells = " and ".join(f"n_synthetic={cell.n_synthetic} with n_human={cell.n_human}" for cell in self.mend())
        return f"{sentence(reason)}\nTry: add runs at {cells}, three seeds each"

    def _require(self) -> None:
        if refusal := self.refusal:
            raise DataError(refusal)
