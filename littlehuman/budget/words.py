"""A plan in words and as JSON.

In: a `Plan`. Out: the block that the command line prints, and JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from littlehuman.budget.numbers import cost, estimate, small

if TYPE_CHECKING:
    from littlehuman.budget.planning import Plan
    from littlehuman.budget.purchase import Purchase


def text(plan: Plan) -> str:
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
        lines += ["Run next:" if plan.choice is None else "To check it, run:", *(cell.text() for cell in plan.next_cells)]
    return "\n".join([*lines, "Note: " + "; ".join(plan.notes) + "."])


def _of_choice(plan: Plan) -> Iterator[str]:
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


def as_json(plan: Plan) -> dict[str, Any]:
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
        "reach": {"factor": question.reach} | ({"n_human": plan.reach.human, "n_synthetic": plan.reach.synthetic} if plan.reach else {}),
        "plan": best,
        "runner_up": choice.runner_up.as_json() if choice and choice.runner_up else None,
        "sure": choice.sure if choice else None,
        "too_close": choice.too_close if choice else None,
        "target_cost": plan.target_cost.as_json() if plan.target_cost else None,
        "best_within_reach": plan.within_reach.as_json() if plan.within_reach else None,
        "cheapest_within_reach": plan.cheapest.as_json() if plan.cheapest else None,
        "one_more": {"human": plan.human.as_json(), "synthetic": plan.synthetic.as_json()} if plan.human and plan.synthetic else None,
        "surface": surface.chosen.as_json() | {"residual_sd": surface.residual_sd} if surface else None,
        "candidates": [candidate.as_json() for candidate in surface.candidates] if surface else [],
        "next_cells": [cell.as_json() for cell in plan.next_cells],
        "findings": list(plan.findings),
        "notes": list(plan.notes),
    }
