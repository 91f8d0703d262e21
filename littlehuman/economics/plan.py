"""How a plan is made: from the runs of one series to what to buy, or to the reason why that cannot be said.

In: `Scored` runs, prices, and a budget, a target score, or both. Out: a `Plan`.

"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from littlehuman.economics import diagnostics, marginal_gain, next_runs, optimize, plan_text, surface
from littlehuman.economics.next_runs import NextCell
from littlehuman.economics.optimize import (
    Choice,
    Prices,
    Purchase,
    SearchBounds,
    TargetCost,
    highest,
    least,
    search_bounds,
)
from littlehuman.economics.plan_text import estimate
from littlehuman.economics.plan_types import NOTES, PlanRequest, PurchasePlan, check_request
from littlehuman.economics.surface import Surface
from littlehuman.errors import DataError
from littlehuman.study.scores import ScoredRuns

_FEWEST_RUNS = 6


def plan_of_scores(
    scored: ScoredRuns,
    human_price: float,
    synthetic_price: float,
    budget: float | None = None,
    target: float | None = None,
    reach: float = 2.0,
) -> PurchasePlan:
    """Plan a purchase from the runs of one series.

    With a target the plan is the cheapest mixture that reaches it, as long as a budget, where one is
    given, allows it; otherwise the plan is the mixture of that sum with the highest predicted score.

    Args:
        scored: the runs.
        human_price: of one human label, in any currency.
        synthetic_price: of one synthetic point, in the same currency.
        budget: the sum to spend at most.
        target: the score to reach, on the scale of the runs' scores.
        reach: nothing is proposed beyond this factor of the largest tried numbers of points.

    Raises:
        ConfigError: for a price, budget, target or reach that makes no sense.
    """
    question = PlanRequest(human_price, synthetic_price, budget, target, reach)
    check_request(question, scored)
    trained = scored.n_synthetic + scored.n_human > 0  # a logarithm has no zero
    runs = replace(scored, **{name: getattr(scored, name)[trained] for name in ("n_synthetic", "n_human", "score")})
    return _with_notes(_thin(runs, question) or _planned(runs, question), scored, int((~trained).sum()))


def _thin(scored: ScoredRuns, question: PlanRequest) -> PurchasePlan | None:
    """A refusal, when the runs are too few or too alike for any surface."""
    reasons = []
    if len(scored.score) < _FEWEST_RUNS:
        runs = "is 1 run" if len(scored.score) == 1 else f"are {len(scored.score)} runs"
        reasons.append(f"there {runs}, at least {_FEWEST_RUNS} are needed")
    for name, numbers in (("human", scored.n_human), ("synthetic", scored.n_synthetic)):
        tried = sorted(set(numbers.astype(int).tolist()))
        if len(tried) < 2:
            reasons.append(f"only one number of {name} points was tried{f' ({tried[0]:,})' if tried else ''}")
    return _refusal(scored, question, reasons) if reasons else None


def _refusal(
    scored: ScoredRuns, question: PlanRequest, reasons: Sequence[str], surface: Surface | None = None
) -> PurchasePlan:
    said = tuple(f"too little is known for a plan: {reason}" for reason in reasons)
    return PurchasePlan(
        scored.name, len(scored.score), question, said, next_runs.missing_cells(scored), surface=surface
    )


def _planned(scored: ScoredRuns, question: PlanRequest) -> PurchasePlan:
    try:
        fitted = surface.fit(scored.n_synthetic, scored.n_human, scored.score)
    except DataError as error:
        return _refusal(scored, question, [f"no surface can be fitted ({error})"])
    prices = Prices(question.human_price, question.synthetic_price)
    reach = search_bounds(scored.n_synthetic, scored.n_human, question.reach)
    if (
        diagnostics.ceiling(scored) is not None
    ):  # no shape has a ceiling: beyond the runs it would promise what is not there
        reach = replace(reach, synthetic=(reach.synthetic[0], int(scored.n_synthetic.max())))
    most = optimize.buy(fitted, *highest(fitted, reach), prices)
    choice, cost = _choice(fitted, question, prices, reach)
    cheapest = optimize.buy(fitted, *least(prices, reach), prices)
    plan = PurchasePlan(scored.name, len(scored.score), question, (), (), choice, fitted, reach, cost, most, cheapest)
    spread = float(scored.score.max() - scored.score.min())
    shown = choice.best if choice else most
    if shown.score.width > spread:
        width = f"the predicted score of {shown}, {estimate(shown.score)}, is less certain than all scores differ ({spread:.3f})"
        return _refusal(scored, question, [width], fitted)
    if choice:
        human, synthetic = marginal_gain.gains(fitted, choice.best, prices, scored.n_synthetic, scored.n_human)
        plan = _with_easier(replace(plan, human=human, synthetic=synthetic), choice, cheapest)
    return replace(plan, findings=tuple(plan_text.findings_of_plan(plan, scored)), next_cells=_checks(plan, scored))


def _with_easier(plan: PurchasePlan, choice: Choice, cheapest: Purchase) -> PurchasePlan:
    """Where neither kind of points is known to help, a budget need not be spent: the cheapest mixture competes too."""
    helps = any(kind is not None and kind.shown for kind in (plan.human, plan.synthetic))
    if helps or plan.aims_at_target or cheapest in (choice.best, choice.runner_up):
        return plan
    return replace(plan, choice=replace(choice, cheapest=cheapest))


def _choice(
    surface: Surface, question: PlanRequest, prices: Prices, reach: SearchBounds
) -> tuple[Choice | None, TargetCost | None]:
    reached = optimize.of_target(surface, question.target, prices, reach) if question.target is not None else None
    cost = reached[1] if reached else None
    if reached and (question.budget is None or reached[0].best.cost <= question.budget):
        return reached[0], cost
    return (optimize.of_budget(surface, question.budget, prices, reach) if question.budget is not None else None), cost


def _checks(plan: PurchasePlan, scored: ScoredRuns) -> tuple[NextCell, ...]:
    """The runs that would test the plan, where they train on no more points than were had before."""
    most = int((scored.n_synthetic + scored.n_human).max())
    if plan.choice is None:
        question = plan.question
        return (
            next_runs.affordable(question.budget, question.human_price, question.synthetic_price, most)
            if question.budget is not None
            else ()
        )
    bought = [(plan.choice.best, "to see whether the plan holds")]
    if plan.choice.runner_up and plan.choice.too_close:
        bought.append((plan.choice.runner_up, "to tell it from the plan"))
    if plan.choice.cheapest:
        bought.append((plan.choice.cheapest, "the cheapest mixture, to see whether more points bring anything"))
    cells = [next_runs.NextCell(p.n_synthetic, p.n_human, next_runs.SEEDS, why) for p, why in bought]
    return tuple(cell for cell in cells if cell.n_synthetic + cell.n_human <= most)


def _with_notes(plan: PurchasePlan, scored: ScoredRuns, untrained: int) -> PurchasePlan:
    some = (
        "1 run without any training points is"
        if untrained == 1
        else f"{untrained} runs without any training points are"
    )
    left = (f"{some} left out: the surfaces are logarithms",) if untrained else ()
    return replace(plan, notes=(*NOTES, *scored.notes, *left), protocol=scored.protocol)
