"""What is asked of a plan, and whether it can be answered at all.

In: prices, a budget, a target score, the factor to look beyond the runs. Out: a `Question`, or one
error that lists all that is wrong with it.

"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from littlehuman.economics import plan_text, price_options
from littlehuman.economics.marginal_gain import MarginalGain
from littlehuman.economics.next_runs import NextCell
from littlehuman.economics.optimize import Choice, Purchase, SearchBounds, TargetCost
from littlehuman.economics.surface import Surface
from littlehuman.errors import ConfigError, Problem
from littlehuman.study.scores import ScoredRuns

MOST_REACH = 1_000  # times the largest tried numbers: no surface holds there any more


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is asked: prices per point, and a sum, a score or both."""

    human_price: float
    synthetic_price: float
    budget: float | None = None
    target: float | None = None
    reach: float = 2.0


def check_request(question: PlanRequest, scored: ScoredRuns) -> None:
    """Refuse a question that makes no sense for these runs.

    Raises:
        ConfigError: for a price, budget, target or reach that cannot be; all of them at once.
    """
    problems = price_options.problems(question.human_price, question.synthetic_price)
    if question.budget is not None and not 0 < question.budget < math.inf:
        problems.append(Problem(f"budget={question.budget:g}", "must be a number above 0"))
    if not 1 <= question.reach <= MOST_REACH:
        problems.append(
            Problem(f"reach={question.reach:g}", f"must be from 1 to {MOST_REACH:,} (times the largest tried numbers)")
        )
    if question.budget is None and question.target is None:
        problems.append(Problem("budget, target", "give one of them, or both"))
    limit = highest_score(scored)
    if question.target is not None and not 0 < question.target <= limit:
        problems.append(
            Problem(
                f"target={question.target:g}", f"must be above 0 and at most {limit:g}, as the scores of these runs are"
            )
        )
    if problems:
        raise ConfigError(problems)


def highest_score(scored: ScoredRuns) -> float:
    """The highest score that can be: 1, or 100 where the runs were scored in percent; infinity for other scales."""
    most = float(scored.score.max(initial=0))
    return next((limit for limit in (1.0, 100.0) if most <= limit), float("inf"))


NOTES = (
    "every synthetic point needs an unlabelled evidence text of its own",
    "human labels that are only shown in prompts are not counted",
    "the prices are yours; nothing here checks them",
)


@dataclass(frozen=True, slots=True, eq=False)
class PurchasePlan:
    """The answer for one series: `choice` is None where the runs or the money do not allow one; `findings` say why.

    `within_reach` and `cheapest` are the mixtures with the highest score and with the least cost, whatever the question.
    """

    name: str
    runs: int
    question: PlanRequest
    findings: tuple[str, ...]
    next_cells: tuple[NextCell, ...]
    choice: Choice | None = None
    surface: Surface | None = None
    reach: SearchBounds | None = None
    target_cost: TargetCost | None = None
    within_reach: Purchase | None = None
    cheapest: Purchase | None = None
    human: MarginalGain | None = None
    synthetic: MarginalGain | None = None
    notes: tuple[str, ...] = NOTES
    protocol: str = ""

    @property
    def best(self) -> Purchase | None:
        """The mixture to buy."""
        return self.choice.best if self.choice else None

    @property
    def unspent(self) -> float | None:
        """What the plan leaves of the budget."""
        if self.question.budget is None or self.best is None:
            return None
        return self.question.budget - self.best.cost

    @property
    def aims_at_target(self) -> bool:
        """Whether the plan is the cheapest way to the target, and not the best that the budget buys."""
        return self.target_cost is not None and (
            self.question.budget is None or self.target_cost.value <= self.question.budget
        )

    @property
    def buys_the_cheapest(self) -> bool:
        """Whether the plan is the cheapest mixture that the runs can speak of."""
        return self.best is not None and self.best == self.cheapest

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values; null where something does not exist."""
        return plan_text.as_json(self)

    def text(self) -> str:
        """A short block to read."""
        return plan_text.text(self)
