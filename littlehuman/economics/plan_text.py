"""What has to be said beside the numbers of a plan, in sentences.

In: a `Plan`, and the runs that it rests on. Out: its findings, bad news first.


[folded] A plan in words and as JSON.

In: a `Plan`. Out: the block that the command line prints, and JSON values.


[folded] How a plan's numbers are written with their intervals.

In: estimates of a surface, and costs. Out: short texts.

"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman import formatting
from littlehuman.economics import diagnostics
from littlehuman.economics.optimize import TargetCost
from littlehuman.economics.plan_types import highest_score
from littlehuman.economics.surface import ScoreEstimate
from littlehuman.study.scores import ScoredRuns

if TYPE_CHECKING:
    from littlehuman.economics.marginal_gain import MarginalGain
    from littlehuman.economics.optimize import Purchase
    from littlehuman.economics.plan_types import PurchasePlan
    from littlehuman.economics.surface_shapes import Array


def estimate(e: ScoreEstimate) -> str:
    """`0.812 [0.801, 0.823]`."""
    return formatting.score(e.value, e.low, e.high)


def small(e: ScoreEstimate) -> str:
    """`+0.012 [+0.001, +0.023]`."""
    return f"{e.value:+.2g} [{e.low:+.2g}, {e.high:+.2g}]"


def cost(of: TargetCost) -> str:
    """`120.00 [100.00, out of reach]`."""
    low, high = (f"{x:,.2f}" if x is not None else "out of reach" for x in (of.low, of.high))
    return f"{of.value:,.2f} [{low}, {high}]"


def text(plan: PurchasePlan) -> str:
    """The block that the command line prints."""
    question = plan.question
    asked = [f"for {question.budget:,.2f}"] if question.budget is not None else []
    asked += [f"for a score of {question.target:g}"] if question.target is not None else []
    runs = f"{plan.runs} run{'s' * (plan.runs != 1)}" + (f", protocol {plan.protocol}" if plan.protocol else "")
    lines = [
        f"{plan.name}: what to buy {' and '.join(asked)}",
        f"  {runs}; a human label costs {question.human_price:g}, a synthetic point {question.synthetic_price:g}",
    ]
    lines += list(_of_choice(plan)) if plan.choice else ["No plan."]
    lines += [f"- {finding[0].upper()}{finding[1:]}." for finding in plan.findings]
    if plan.next_cells:
        lines += [
            "Run next:" if plan.choice is None else "To check it, run:",
            *(cell.text() for cell in plan.next_cells),
        ]
    return "\n".join([*lines, "Note: " + "; ".join(plan.notes) + "."])


def _of_choice(plan: PurchasePlan) -> Iterator[str]:
    assert plan.choice and plan.surface and plan.human and plan.synthetic
    yield f"Plan       {_bill(plan.choice.best)}"
    if plan.choice.runner_up and plan.choice.sure is not None:
        yield f"Runner-up  {_bill(plan.choice.runner_up)}"
        yield f"           the plan is better in {plan.choice.sure:.0%} of {plan.surface.draws.rate.size} bootstrap draws"
    if plan.target_cost:
        yield f"Target     {plan.question.target:g} costs {cost(plan.target_cost)}"
    for name, gain in (("human label", plan.human), ("synthetic point", plan.synthetic)):
        yield f"One more   {name}: {small(gain.per_point)}; for 1.00 more spent on such: {small(gain.per_unit)}"
    chosen = plan.surface.chosen
    parameters = ", ".join(f"{name} = {value:.4g}" for name, value in chosen.parameters.items())
    yield f"Surface    {chosen.name}: score = {chosen.formula}; {parameters} (AICc weight {chosen.weight:.2f})"


def _bill(purchase: Purchase) -> str:
    return f"{purchase}, cost {purchase.cost:,.2f}: score {estimate(purchase.score)}"


def as_json(plan: PurchasePlan) -> dict[str, Any]:
    """The plan as JSON values, null where something does not exist."""
    choice, surface, question = plan.choice, plan.surface, plan.question
    best = choice.best.as_json() | {"unspent": plan.unspent} if choice else None
    return {
        "name": plan.name,
        "protocol": plan.protocol or None,
        "runs": plan.runs,
        "human_price": question.human_price,
        "synthetic_price": question.synthetic_price,
        "budget": question.budget,
        "target": question.target,
        "reach": {"factor": question.reach}
        | ({"n_human": plan.reach.human, "n_synthetic": plan.reach.synthetic} if plan.reach else {}),
        "plan": best,
        "runner_up": choice.runner_up.as_json() if choice and choice.runner_up else None,
        "sure": choice.sure if choice else None,
        "too_close": choice.too_close if choice else None,
        "target_cost": plan.target_cost.as_json() if plan.target_cost else None,
        "best_within_reach": plan.within_reach.as_json() if plan.within_reach else None,
        "cheapest_within_reach": plan.cheapest.as_json() if plan.cheapest else None,
        "one_more": {"human": plan.human.as_json(), "synthetic": plan.synthetic.as_json()}
        if plan.human and plan.synthetic
        else None,
        "surface": surface.chosen.as_json() | {"residual_sd": surface.residual_sd} if surface else None,
        "candidates": [candidate.as_json() for candidate in surface.candidates] if surface else [],
        "next_cells": [cell.as_json() for cell in plan.next_cells],
        "findings": list(plan.findings),
        "notes": list(plan.notes),
    }


_GAP = 4.0  # neighbouring tried numbers that lie further apart than this factor leave room for other shapes


def findings_of_plan(plan: PurchasePlan, scored: ScoredRuns) -> Iterator[str]:
    """All of them."""
    yield from _of_target(plan)
    if plan.choice is None or plan.surface is None:
        yield from _out_of_reach(plan)
        return
    yield from _of_gains(plan)
    yield from diagnostics.diagnostics(plan.surface, scored, plan.choice.best)
    yield from _of_scale(plan, scored)
    if plan.choice.too_close and plan.choice.runner_up:
        yield f"the plan and the runner-up are too close to tell apart; {_easier(plan)}"
    yield from _of_unspent(plan)
    yield from _of_gaps(plan, scored)


def _of_target(plan: PurchasePlan) -> Iterator[str]:
    target, budget, best = plan.question.target, plan.question.budget, plan.within_reach
    if target is None or best is None:
        return
    if plan.target_cost is None:
        gets = f"the best of them, {best}, costs {best.cost:,.2f} and gets {estimate(best.score)}"
        yield f"no mixture within reach gets to a score of {target:g}; {gets}"
    elif budget is not None and plan.target_cost.value > budget:
        yield f"the budget does not reach a score of {target:g}: that would cost {cost(plan.target_cost)}"
    elif plan.buys_the_cheapest:
        yield f"the smallest mixture these runs speak of already gets there: what a score of {target:g} costs at least, they cannot say"
    if plan.target_cost and plan.target_cost.unreachable > 0.025:
        yield f"in {plan.target_cost.unreachable:.0%} of the draws no mixture within reach gets to {target:g}"


def _out_of_reach(plan: PurchasePlan) -> Iterator[str]:
    if plan.question.budget is not None and plan.reach is not None:
        reach = plan.reach
        yield (
            f"{plan.question.budget:,.2f} buys no mixture that these runs can speak of: they reach from {reach.human[0]:,} human "
            f"and {reach.synthetic[0]:,} synthetic points on, at least {reach.total:,} together"
        )


def _of_gains(plan: PurchasePlan) -> Iterator[str]:
    human, synthetic, reach, cheapest = plan.human, plan.synthetic, plan.reach, plan.cheapest
    if human is None or synthetic is None or reach is None or cheapest is None:
        return
    no_reason = "these runs give no reason to spend more"
    if max(human.tried.high, synthetic.tried.high) <= 0:
        yield f"neither kind of points is shown to help ({_change('synthetic', synthetic)}; {_change('human', human)}): {no_reason}"
    else:
        yield from _of_gain("synthetic", synthetic, human.shown, "human labels only", reach.synthetic[0])
        yield from _of_gain("human", human, synthetic.shown, "synthetic points only", reach.human[0])
        if not (human.shown or synthetic.shown):
            yield f"neither kind of points is known to raise the score: {no_reason}"
    if human.shown or synthetic.shown:
        return
    gets = f"the cheapest mixture, {cheapest} for {cheapest.cost:,.2f}, gets {estimate(cheapest.score)}"
    yield "the plan is the cheapest mixture these runs speak of" if plan.buys_the_cheapest else gets


def _of_gain(kind: str, gain: MarginalGain, other_helps: bool, without: str, fewest: int) -> Iterator[str]:
    """What one kind brings; to buy the other one instead is advised only where that is known to help."""
    if gain.shown:
        return
    if gain.tried.high > 0:
        yield f"no gain from {kind} points can be shown: {_change(kind, gain)}"
        return
    goods = without if fewest == 0 else f"no more {kind} points than the fewest tried"
    advice = f": buy {goods}" if other_helps or fewest else ""
    yield f"{kind} points do not help here ({_change(kind, gain)}){advice}"


def _change(kind: str, gain: MarginalGain) -> str:
    return f"from {gain.span[0]:,} to {gain.span[1]:,} {kind} points the score changes by {small(gain.tried)}"


def _of_scale(plan: PurchasePlan, scored: ScoredRuns) -> Iterator[str]:
    if plan.best and plan.best.score.high > highest_score(scored):
        yield f"the surface rises above {highest_score(scored):g}, which no score can: at this size it does not hold"


def _easier(plan: PurchasePlan) -> str:
    assert plan.choice and plan.choice.runner_up
    easier, other = plan.choice.easier, plan.choice.best
    if easier is plan.choice.cheapest:
        return f"the cheapest mixture, {easier} for {easier.cost:,.2f}, is easier than both"
    other = plan.choice.runner_up if easier is other else other
    cheaper = other.cost - easier.cost > 0.01 * other.cost
    return f"the {'cheaper' if cheaper else 'simpler'} of the two is {easier} for {easier.cost:,.2f}"


def _of_unspent(plan: PurchasePlan) -> Iterator[str]:
    if plan.unspent is None or plan.best is None or plan.reach is None or plan.aims_at_target:
        return
    if plan.unspent < max(
        0.01 * (plan.question.budget or 0), min(plan.question.synthetic_price, plan.question.human_price)
    ):
        return
    yield f"{plan.unspent:,.2f} of the budget stays unspent: {_why_unspent(plan, plan.unspent)}"


def _why_unspent(plan: PurchasePlan, unspent: float) -> str:
    """For each kind of points, why the plan has not more of it; "limit" only where every kind that still helps is at its own."""
    assert plan.best and plan.reach and plan.human and plan.synthetic
    most = f"{plan.reach.human[1]:,} human, {plan.reach.synthetic[1]:,} synthetic points"
    beyond = f"nothing is proposed beyond what these runs speak of ({most})"
    kinds = (
        ("human", plan.human, plan.best.n_human >= plan.reach.human[1], plan.question.human_price),
        ("synthetic", plan.synthetic, plan.best.n_synthetic >= plan.reach.synthetic[1], plan.question.synthetic_price),
    )
    if all(gain.per_point.value <= 0 for _, gain, _, _ in kinds):
        return "more points of either kind do not help"
    limits, others = [], []
    for kind, gain, at_limit, price in kinds:
        if gain.per_point.value <= 0:
            others.append(f"more {kind} points do not help")
        elif at_limit:
            limits.append(f"{kind} points are at their limit ({beyond})")
        elif price > unspent:
            others.append(f"one more {kind} point costs more than that")
        else:
            return "more points bring nothing"
    return beyond if len(limits) == len(kinds) else " and ".join([*limits, *others])


def _of_gaps(plan: PurchasePlan, scored: ScoredRuns) -> Iterator[str]:
    if (
        not np.any((scored.n_human > 0) & (scored.n_synthetic > 0))
        and plan.best
        and plan.best.n_human
        and plan.best.n_synthetic
    ):
        yield "no run has both human and synthetic points: how they add up is an assumption of the surface"
    for kind, tried, n in _bought(plan, scored):
        below, above = tried[tried < n], tried[tried > n]
        if n in tried or not len(below) or not len(above) or above.min() <= _GAP * max(below.max(), 1):
            continue
        between = f"{int(below.max()):,} and {int(above.min()):,} {kind} points"
        yield f"no run lies between {between}: what {n:,} bring is read off the shape alone"


def _bought(plan: PurchasePlan, scored: ScoredRuns) -> Iterator[tuple[str, Array, int]]:
    if plan.best:
        yield "human", np.unique(scored.n_human), plan.best.n_human
        yield "synthetic", np.unique(scored.n_synthetic), plan.best.n_synthetic
