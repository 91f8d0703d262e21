"""What has to be said beside the numbers of a plan, in sentences.

In: a `Plan`, and the runs that it rests on. Out: its findings, bad news first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from littlehuman.budget import doubts
from littlehuman.budget.numbers import cost, estimate, small
from littlehuman.budget.question import highest_score
from littlehuman.study.scored import Scored

if TYPE_CHECKING:
    from littlehuman.budget.gain import Gain
    from littlehuman.budget.planning import Plan
    from littlehuman.budget.shapes import Array

_GAP = 4.0  # neighbouring tried numbers that lie further apart than this factor leave room for other shapes


def of(plan: Plan, scored: Scored) -> Iterator[str]:
    """All of them."""
    yield from _of_target(plan)
    if plan.choice is None or plan.surface is None:
        yield from _out_of_reach(plan)
        return
    yield from _of_gains(plan)
    yield from doubts.of(plan.surface, scored, plan.choice.best)
    yield from _of_scale(plan, scored)
    if plan.choice.too_close and plan.choice.runner_up:
        yield f"the plan and the runner-up are too close to tell apart; {_easier(plan)}"
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
        yield f"the budget does not reach a score of {target:g}: that would cost {cost(plan.target_cost)}"
    elif plan.buys_the_cheapest:
        yield f"the smallest mixture these runs speak of already gets there: what a score of {target:g} costs at least, they cannot say"
    if plan.target_cost and plan.target_cost.unreachable > 0.025:
        yield f"in {plan.target_cost.unreachable:.0%} of the draws no mixture within reach gets to {target:g}"


def _out_of_reach(plan: Plan) -> Iterator[str]:
    if plan.question.budget is not None and plan.reach is not None:
        reach = plan.reach
        yield (
            f"{plan.question.budget:,.2f} buys no mixture that these runs can speak of: they reach from {reach.human[0]:,} human "
            f"and {reach.synthetic[0]:,} synthetic points on, at least {reach.total:,} together"
        )


def _of_gains(plan: Plan) -> Iterator[str]:
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


def _of_gain(kind: str, gain: Gain, other_helps: bool, without: str, fewest: int) -> Iterator[str]:
    """What one kind brings; to buy the other one instead is advised only where that is known to help."""
    if gain.shown:
        return
    if gain.tried.high > 0:
        yield f"no gain from {kind} points can be shown: {_change(kind, gain)}"
        return
    goods = without if fewest == 0 else f"no more {kind} points than the fewest tried"
    advice = f": buy {goods}" if other_helps or fewest else ""
    yield f"{kind} points do not help here ({_change(kind, gain)}){advice}"


def _change(kind: str, gain: Gain) -> str:
    return f"from {gain.span[0]:,} to {gain.span[1]:,} {kind} points the score changes by {small(gain.tried)}"


def _of_scale(plan: Plan, scored: Scored) -> Iterator[str]:
    if plan.best and plan.best.score.high > highest_score(scored):
        yield f"the surface rises above {highest_score(scored):g}, which no score can: at this size it does not hold"


def _easier(plan: Plan) -> str:
    assert plan.choice and plan.choice.runner_up
    easier, other = plan.choice.easier, plan.choice.best
    if easier is plan.choice.cheapest:
        return f"the cheapest mixture, {easier} for {easier.cost:,.2f}, is easier than both"
    other = plan.choice.runner_up if easier is other else other
    cheaper = other.cost - easier.cost > 0.01 * other.cost
    return f"the {'cheaper' if cheaper else 'simpler'} of the two is {easier} for {easier.cost:,.2f}"


def _of_unspent(plan: Plan) -> Iterator[str]:
    if plan.unspent is None or plan.best is None or plan.reach is None or plan.aims_at_target:
        return
    if plan.unspent < max(0.01 * (plan.question.budget or 0), min(plan.question.synthetic_price, plan.question.human_price)):
        return
    yield f"{plan.unspent:,.2f} of the budget stays unspent: {_why_unspent(plan, plan.unspent)}"


def _why_unspent(plan: Plan, unspent: float) -> str:
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


def _of_gaps(plan: Plan, scored: Scored) -> Iterator[str]:
    if not np.any((scored.n_human > 0) & (scored.n_synthetic > 0)) and plan.best and plan.best.n_human and plan.best.n_synthetic:
        yield "no run has both human and synthetic points: how they add up is an assumption of the surface"
    for kind, tried, n in _bought(plan, scored):
        below, above = tried[tried < n], tried[tried > n]
        if n in tried or not len(below) or not len(above) or above.min() <= _GAP * max(below.max(), 1):
            continue
        between = f"{int(below.max()):,} and {int(above.min()):,} {kind} points"
        yield f"no run lies between {between}: what {n:,} bring is read off the shape alone"


def _bought(plan: Plan, scored: Scored) -> Iterator[tuple[str, Array, int]]:
    if plan.best:
        yield "human", np.unique(scored.n_human), plan.best.n_human
        yield "synthetic", np.unique(scored.n_synthetic), plan.best.n_synthetic
