"""A plan in words and as JSON.

In: a `Plan`. Out: its findings as sentences, the block that the command line prints, and JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman.budget.surface import Estimate

if TYPE_CHECKING:
    from littlehuman.budget.planning import Plan
    from littlehuman.budget.purchase import Gain, Purchase
    from littlehuman.study.scored import Scored

_GAP = 4.0  # neighbouring tried numbers that lie further apart than this factor leave room for other shapes


def estimate(e: Estimate, digits: int = 3) -> str:
    """`0.812 [0.801, 0.823]`."""
    return f"{e.value:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]"


def _small(e: Estimate) -> str:
    return f"{e.value:+.2g} [{e.low:+.2g}, {e.high:+.2g}]"


def findings(plan: Plan, scored: Scored) -> Iterator[str]:
    """What has to be said beside the numbers: bad news first."""
    yield from _of_target(plan)
    if plan.choice is None:
        yield from _out_of_reach(plan)
        return
    yield from _of_gain("synthetic", plan.synthetic, "human", plan.reach.synthetic[0] if plan.reach else 0)
    yield from _of_gain("human", plan.human, "synthetic", plan.reach.human[0] if plan.reach else 0)
    if plan.human and plan.synthetic and max(plan.human.tried.low, plan.synthetic.tried.low) <= 0:
        yield "neither kind of points is known to raise the score: these runs give no reason to spend more"
    yield from _of_scale(plan, scored)
    if plan.choice.too_close and plan.choice.runner_up:
        yield f"the plan and the runner-up are too close to tell apart; the {_easier(plan)}"
    yield from _of_unspent(plan)
    yield from _of_gaps(plan, scored)


def _of_target(plan: Plan) -> Iterator[str]:
    target, budget, best = plan.question.target, plan.question.budget, plan.within_reach
    if target is None or best is None:
        return
    if plan.target_cost is None:
        gets = f"the best of them, {best}, costs {best.cost:,.2f} and gets {estimate(best.score)}"
        yield f"no mixture within reach gets to a score of {target:g}; {gets}"
    elif budget is not None and plan.target_cost.value > budget:
        yield f"the budget does not reach a score of {target:g}: that would cost {_cost(plan)}"
    if plan.target_cost and plan.target_cost.unreachable > 0.025:
        yield f"in {plan.target_cost.unreachable:.0%} of the draws no mixture within reach gets to {target:g}"


def _out_of_reach(plan: Plan) -> Iterator[str]:
    if plan.question.budget is not None and plan.reach is not None:
        reach = plan.reach
        yield (
            f"{plan.question.budget:,.2f} buys no mixture that these runs can speak of: they reach from {reach.human[0]:,} human "
            f"and {reach.synthetic[0]:,} synthetic points on, at least {reach.total:,} together"
        )


def _of_gain(kind: str, gain: Gain | None, other: str, fewest: int) -> Iterator[str]:
    if gain is None or gain.tried.low > 0:
        return
    change = f"from {gain.span[0]:,} to {gain.span[1]:,} of them the score changes by {_small(gain.tried)}"
    if gain.tried.high > 0:
        yield f"no gain from {kind} points can be shown: {change}"
        return
    goods = "human labels only" if other == "human" else "synthetic points only"
    yield f"{kind} points do not help here ({change}): buy {goods if fewest == 0 else f'no more {kind} points than the fewest tried'}"


def _of_scale(plan: Plan, scored: Scored) -> Iterator[str]:
    if plan.best and plan.best.score.high > highest_score(scored):
        yield f"the surface rises above {highest_score(scored):g}, which no score can: at this size it does not hold"


def highest_score(scored: Scored) -> float:
    """The highest score that can be: 1, or 100 where the runs were scored in percent; infinity for other scales."""
    most = float(scored.score.max(initial=0))
    return next((limit for limit in (1.0, 100.0) if most <= limit), float("inf"))


def _easier(plan: Plan) -> str:
    assert plan.choice and plan.choice.runner_up
    easier, other = plan.choice.easier, plan.choice.best
    other = plan.choice.runner_up if easier is other else other
    cheaper = other.cost - easier.cost > 0.01 * other.cost
    return f"{'cheaper' if cheaper else 'simpler'} of the two is {easier} for {easier.cost:,.2f}"


def _of_unspent(plan: Plan) -> Iterator[str]:
    if plan.unspent is None or plan.best is None or plan.reach is None or _aims_at_target(plan):
        return
    if plan.unspent < max(0.01 * (plan.question.budget or 0), min(plan.question.synthetic_price, plan.question.human_price)):
        return
    at_limit = plan.best.n_human >= plan.reach.human[1] or plan.best.n_synthetic >= plan.reach.synthetic[1]
    why = f"nothing beyond {plan.question.reach:g} times the largest tried numbers is proposed" if at_limit else "more points bring nothing"
    yield f"{plan.unspent:,.2f} of the budget stays unspent: {why}"


def _of_gaps(plan: Plan, scored: Scored) -> Iterator[str]:
    if not np.any((scored.n_human > 0) & (scored.n_synthetic > 0)) and plan.best and plan.best.n_human and plan.best.n_synthetic:
        yield "no run has both human and synthetic points: how they add up is an assumption of the surface"
    for kind, tried, n in _bought(plan, scored):
        below, above = tried[tried < n], tried[tried > n]
        if n in tried or not len(below) or not len(above) or above.min() <= _GAP * max(below.max(), 1):
            continue
        between = f"{int(below.max()):,} and {int(above.min()):,} {kind} points"
        yield f"no run lies between {between}: what {n:,} bring is read off the shape alone"


def _bought(plan: Plan, scored: Scored) -> Iterator[tuple[str, Any, int]]:
    if plan.best:
        yield "human", np.unique(scored.n_human), plan.best.n_human
        yield "synthetic", np.unique(scored.n_synthetic), plan.best.n_synthetic


def _cost(plan: Plan) -> str:
    assert plan.target_cost
    cost = plan.target_cost
    low, high = (f"{x:,.2f}" if x is not None else "out of reach" for x in (cost.low, cost.high))
    return f"{cost.value:,.2f} [{low}, {high}]"


def text(plan: Plan) -> str:
    """The block that the command line prints."""
    question = plan.question
    asked = [f"for {question.budget:,.2f}"] if question.budget is not None else []
    asked += [f"for a score of {question.target:g}"] if question.target is not None else []
    lines = [
        f"{plan.name}: what to buy {' and '.join(asked)}",
        f"  {plan.runs} runs; a human label costs {question.human_price:g}, a synthetic point {question.synthetic_price:g}",
    ]
    lines += list(_of_choice(plan)) if plan.choice else ["No plan."]
    lines += [f"- {finding[0].upper()}{finding[1:]}." for finding in plan.findings]
    if plan.next_cells:
        lines += ["Run next:" if plan.choice is None else "To check it, run:", *(cell.text() for cell in plan.next_cells)]
    return "\n".join([*lines, "Note: " + "; ".join(plan.notes) + "."])


def _of_choice(plan: Plan) -> Iterator[str]:
    assert plan.choice and plan.surface and plan.human and plan.synthetic
    yield f"Plan       {_bill(plan.choice.best)}"
    if plan.choice.runner_up and plan.choice.sure is not None:
        yield f"Runner-up  {_bill(plan.choice.runner_up)}"
        yield f"           the plan is better in {plan.choice.sure:.0%} of {plan.surface.draws.rate.size} bootstrap draws"
    if plan.target_cost:
        yield f"Target     {plan.question.target:g} costs {_cost(plan)}"
    for name, gain in (("human label", plan.human), ("synthetic point", plan.synthetic)):
        yield f"One more   {name}: {_small(gain.per_point)}; for 1.00 more spent on such: {_small(gain.per_unit)}"
    chosen = plan.surface.chosen
    parameters = ", ".join(f"{name} = {value:.4g}" for name, value in chosen.parameters.items())
    yield f"Surface    {chosen.name}: score = {chosen.formula}; {parameters} (AICc weight {chosen.weight:.2f})"


def _aims_at_target(plan: Plan) -> bool:
    """Whether the plan is the cheapest way to the target, and not the best that the budget buys."""
    return plan.target_cost is not None and (plan.question.budget is None or plan.target_cost.value <= plan.question.budget)


def _bill(purchase: Purchase) -> str:
    return f"{purchase}, cost {purchase.cost:,.2f}: score {estimate(purchase.score)}"


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values, null where something does not exist."""
    choice, surface, question = plan.choice, plan.surface, plan.question
    best = choice.best.as_json() | {"unspent": plan.unspent} if choice else None
    return {
        "name": plan.name,
        "runs": plan.runs,
        "human_price": question.human_price,
        "synthetic_price": question.synthetic_price,
        "budget": question.budget,
        "target": question.target,
        "reach": {"factor": question.reach} | ({"n_human": plan.reach.human, "n_synthetic": plan.reach.synthetic} if plan.reach else {}),
        "plan": best,
        "runner_up": choice.runner_up.as_json() if choice and choice.runner_up else None,
        "sure": choice.sure if choice else None,
        "too_close": choice.too_close if choice else None,
        "target_cost": plan.target_cost.as_json() if plan.target_cost else None,
        "best_within_reach": plan.within_reach.as_json() if plan.within_reach else None,
        "one_more": {"human": plan.human.as_json(), "synthetic": plan.synthetic.as_json()} if plan.human and plan.synthetic else None,
        "surface": surface.chosen.as_json() | {"residual_sd": surface.residual_sd} if surface else None,
        "candidates": [candidate.as_json() for candidate in surface.candidates] if surface else [],
        "next_cells": [cell.as_json() for cell in plan.next_cells],
        "findings": list(plan.findings),
        "notes": list(plan.notes),
    }
