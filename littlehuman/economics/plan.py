"""What to buy for a sum, or for a score: a plan from the runs of one series, or the reason why there is none.

In: `ScoredRuns` and a `PlanRequest`. Out: a `PurchasePlan`: the best design with its interval, the runner-up, a curve
over the budget, and the cells to run next. Prices and plans are summaries of the draws of one `StudyModel`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from littlehuman.economics import next_runs, plan_text, price_options
from littlehuman.economics.allocation import Allocation, Purchase, TargetCost, Terms, bounds_of
from littlehuman.economics.identification import SEEDS
from littlehuman.economics.next_runs import NextCell
from littlehuman.economics.price import model_of, untrained_note
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.study_model import StudyModel
from littlehuman.errors import ConfigError, Problem
from littlehuman.formatting import size
from littlehuman.stats.interval import LEVEL
from littlehuman.study.scores import ScoredRuns

REACH, MOST_REACH = 2.0, 1_000  # times the largest tried numbers; beyond the second no curve holds any more
NOTES = (
    "every synthetic point needs an unlabelled evidence text of its own",
    "human labels that are only shown in prompts are not counted",
)
_ALONE = "these runs say nothing about synthetic points (experiment=joint does)"
_GIVEN = "the prices are yours; nothing here checks them"
_MEASURED = (
    "the price of a synthetic point is what those of this study cost, in US dollars; "
    "that of a human label is yours, and nothing here checks it"
)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is asked: a sum, a score or both, under terms.

    Nothing is proposed beyond `reach` times the tried numbers of points.
    """

    terms: Terms
    budget: float | None = None
    target: float | None = None
    reach: float = REACH


@dataclass(frozen=True, slots=True, eq=False)
class PurchasePlan:
    """The answer for one series: `best` is None where the runs or the money do not allow one; `findings` say why.

    `allocation` is what the budget buys, `target_cost` what the target costs; None where it was not asked or cannot be
    said.
    """

    name: str
    runs: int
    question: PlanRequest
    findings: tuple[str, ...]
    next_cells: tuple[NextCell, ...]
    allocation: Allocation | None = None
    target_cost: TargetCost | None = None
    obstacle: Reason | None = None
    notes: tuple[str, ...] = ()
    protocol: str = ""

    @property
    def aims_at_target(self) -> bool:
        """Whether the plan is the cheapest way to the target, and not the best that the budget buys."""
        found, budget = self.target_cost, self.question.budget
        return found is not None and found.best is not None and (budget is None or found.best.cost <= budget)

    @property
    def best(self) -> Purchase | None:
        """The design to buy."""
        if self.aims_at_target and self.target_cost is not None:
            return self.target_cost.best
        return self.allocation.best if self.allocation else None

    @property
    def runner_up(self) -> Purchase | None:
        """Another design for the same budget."""
        return self.allocation.runner_up if self.allocation and not self.aims_at_target else None

    @property
    def unspent(self) -> float | None:
        """What the plan leaves of the budget."""
        return None if self.question.budget is None or self.best is None else self.question.budget - self.best.cost

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values; null where something does not exist."""
        return plan_text.as_json(self)

    def text(self) -> str:
        """A short block to read."""
        return plan_text.text(self)


def plan_of_scores(scored: ScoredRuns, question: PlanRequest) -> PurchasePlan:
    """Plan a purchase from the runs of one series.

    With a target the plan is the cheapest design that reaches it, as long as a budget, where one is given, allows it;
    otherwise it is the design of that sum with the highest predicted score.

    Raises:
        ConfigError: for a price, budget, target, reach or number of points that makes no sense; all of them at once.
        DataError: where no run was trained on anything.
    """
    model = model_of(scored)
    _check(question, scored, model)
    prices = _MEASURED if question.terms.synthetic_price == scored.synthetic_usd else _GIVEN
    notes = (_ALONE, _GIVEN) if model.human_alone else (*NOTES, prices)
    notes = (*notes, *scored.notes, *untrained_note(scored))
    if (obstacle := model.plannable) is not None:
        cells = () if model.human_alone else next_runs.mending(model.mend(question.terms.evidence))
        findings = (f"too little is known for a plan: {sentence(obstacle)}",)
        plan = PurchasePlan(scored.name, len(scored.score), question, findings, cells, obstacle=obstacle)
    else:
        plan = _planned(scored, question, model)
    return replace(plan, notes=notes, protocol=scored.protocol)


def _planned(scored: ScoredRuns, question: PlanRequest, model: StudyModel) -> PurchasePlan:
    allocation = None if question.budget is None else model.plan(question.terms, question.budget, question.reach)
    target = None if question.target is None else model.cost_of(question.terms, question.target, question.reach)
    plan = PurchasePlan(scored.name, len(scored.score), question, (), (), allocation, target)
    findings = (*_findings(plan, scored), *(sentence(reason) for reason in model.caveats))
    return replace(plan, findings=findings, next_cells=_checks(plan, model))


def _findings(plan: PurchasePlan, scored: ScoredRuns) -> Iterator[str]:
    """What stands beside the numbers."""
    target, cost = plan.question.target, plan.target_cost
    if target is not None and cost is not None:
        if cost.best is None:
            yield f"no design within reach gets to a score of {target:g}"
        elif not plan.aims_at_target:
            yield f"the budget does not reach a score of {target:g}: that would cost {cost.best.cost:,.2f}"
        if cost.unreached > (1 - LEVEL) / 2:
            yield f"in {cost.unreached:.0%} of the draws no design within reach gets to {target:g}"
    if plan.allocation is not None and not plan.aims_at_target:
        yield from (sentence(reason) for reason in plan.allocation.reasons)
        yield from _of_unspent(plan, plan.allocation)
    if plan.best is not None and plan.best.score.high > highest_score(scored):
        yield f"the curve rises above {highest_score(scored):g}, which no score can: at this size it does not hold"


def _of_unspent(plan: PurchasePlan, allocation: Allocation) -> Iterator[str]:
    terms, bounds = plan.question.terms, allocation.bounds
    if plan.unspent is None or plan.unspent < max(
        0.01 * (plan.question.budget or 0), min(terms.human_price, terms.synthetic_price or math.inf)
    ):
        return
    most = f"at most {size(bounds.human[1])} human and {size(bounds.synthetic[1])} synthetic points"
    most = most if bounds.synthetic[1] else f"at most {size(bounds.human[1])} human points"
    unspent = f"{plan.unspent:,.2f} of the budget stays unspent: no design within reach scores higher"
    yield f"{unspent} ({most}, --reach {bounds.factor:g})"


def _checks(plan: PurchasePlan, model: StudyModel) -> tuple[NextCell, ...]:
    """The runs that would test the plan, where they train on no more points than were had before."""
    most = int((model.n_synthetic + model.n_human).max())
    reasons = () if plan.allocation is None else plan.allocation.reasons
    close = any(reason.kind is Kind.RUNNER_UP_AS_GOOD for reason in reasons)
    asked = [
        (plan.best, "to see whether the plan holds"),
        (plan.runner_up if close else None, "to tell it from the plan"),
    ]
    cells = [NextCell(p.n_synthetic, p.n_human, SEEDS, why) for p, why in asked if p is not None]
    return tuple(cell for cell in cells if 0 < cell.n_synthetic + cell.n_human <= most)


def highest_score(scored: ScoredRuns) -> float:
    """The highest score that can be: 1, or 100 where the runs were scored in percent; infinity for other scales."""
    most = float(scored.score.max(initial=0))
    return next((limit for limit in (1.0, 100.0) if most <= limit), math.inf)


def _check(question: PlanRequest, scored: ScoredRuns, model: StudyModel) -> None:
    terms = question.terms
    synthetic = terms.synthetic_price if model.n_synthetic.any() else 1.0
    problems = price_options.problems(terms.human_price, synthetic)
    if question.budget is not None and not 0 < question.budget < math.inf:
        problems.append(Problem(f"budget={question.budget:g}", "must be a number above 0"))
    if question.budget is None and question.target is None:
        problems.append(Problem("budget, target", "give one of them, or both"))
    limit = highest_score(scored)
    if question.target is not None and not 0 < question.target <= limit:
        range_ = f"must be above 0 and at most {limit:g}, as the scores of these runs are"
        problems.append(Problem(f"target={question.target:g}", range_))
    if not 1 <= question.reach <= MOST_REACH:
        problems.append(
            Problem(f"reach={question.reach:g}", f"must be from 1 to {MOST_REACH:,} (times the largest tried numbers)")
        )
    elif terms.evidence is not None:
        problems += _of_evidence(terms.evidence, model, question.reach)
    if terms.owned_human < 0:
        problems.append(Problem(f"owned-human={terms.owned_human}", "must be 0 or more"))
    if problems:
        raise ConfigError(problems)


def _of_evidence(evidence: int, model: StudyModel, reach: float) -> Sequence[Problem]:
    fewest = bounds_of(model.n_synthetic, model.n_human, reach).least_total
    fits = evidence >= fewest
    return (
        []
        if fits
        else [Problem(f"evidence={evidence}", f"must be at least {fewest}: these runs speak of no smaller design")]
    )
