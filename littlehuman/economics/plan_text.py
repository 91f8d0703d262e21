"""A plan in words and as JSON.

In: a `PurchasePlan`. Out: the block that the command line prints, and JSON values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from littlehuman import formatting
from littlehuman.economics.allocation import Purchase, TargetCost

if TYPE_CHECKING:
    from littlehuman.economics.plan import PurchasePlan
    from littlehuman.stats.interval import Interval

ROWS = 6  # budgets that are shown


def text(plan: PurchasePlan) -> str:
    """The block that the command line prints."""
    question, terms = plan.question, plan.question.terms
    asked = [f"for {question.budget:,.2f}"] if question.budget is not None else []
    asked += [f"for a score of {question.target:g}"] if question.target is not None else []
    runs = f"{plan.runs} run{'s' * (plan.runs != 1)}" + (f", protocol {plan.protocol}" if plan.protocol else "")
    owned = f"; {terms.owned_human:,} human labels are owned already and cost nothing" if terms.owned_human else ""
    synthetic = "" if terms.synthetic_price is None else f", a synthetic point {terms.synthetic_price:.4g}"
    lines = [
        f"{plan.name}: what to buy {' and '.join(asked)}",
        f"  {runs}; a human label costs {terms.human_price:g}{synthetic}{owned}",
    ]
    lines += list(_of_choice(plan)) if plan.best else ["No plan."]
    lines += [f"- {finding[0].upper()}{finding[1:]}." for finding in plan.findings]
    if plan.next_cells:
        lines += ["Run next:" if plan.best is None else "To check it, run:", *(cell.text() for cell in plan.next_cells)]
    return "\n".join([*lines, "Note: " + "; ".join(plan.notes) + "."])


def _of_choice(plan: PurchasePlan) -> Iterator[str]:
    yield f"Plan       {_bill(plan.best)}"
    if plan.runner_up is not None and plan.allocation is not None:
        yield f"Runner-up  {_bill(plan.runner_up)}"
        yield f"           the plan is better in {plan.allocation.sure:.0%} of the draws"
    if plan.target_cost:
        yield f"Target     {plan.question.target:g} costs {_cost(plan.target_cost)}"
    curve = plan.allocation.curve if plan.allocation else ()
    if len(curve) > 1:
        shown = [curve[round(i * (len(curve) - 1) / (min(ROWS, len(curve)) - 1))] for i in range(min(ROWS, len(curve)))]
        yield "Budgets    the best design for each sum"
        yield from (f"{purchase.cost:>10,.2f} {purchase}: score {_score(purchase.score)}" for purchase in shown)


def _bill(purchase: Purchase | None) -> str:
    return "" if purchase is None else f"{purchase}, cost {purchase.cost:,.2f}: score {_score(purchase.score)}"


def _score(of: Interval) -> str:
    """`0.812 [0.801, 0.823]`."""
    return formatting.score(of.value, of.low, of.high)


def _cost(of: TargetCost) -> str:
    """`120.00 [100.00, out of reach]`."""
    value, low, high = (
        f"{x:,.2f}" if math.isfinite(x) else "out of reach" for x in (of.cost.value, of.cost.low, of.cost.high)
    )
    return f"{value} [{low}, {high}]"


def as_json(plan: PurchasePlan) -> dict[str, Any]:
    """The plan as JSON values, null where something does not exist."""
    question, allocation, terms = plan.question, plan.allocation, plan.question.terms
    reach: dict[str, Any] = {"factor": question.reach}
    if allocation:
        reach |= {"n_human": allocation.bounds.human, "n_synthetic": allocation.bounds.synthetic}
    reasons = allocation.reasons if allocation else (plan.obstacle,) if plan.obstacle else ()
    return {
        "name": plan.name,
        "protocol": plan.protocol or None,
        "runs": plan.runs,
        "human_price": terms.human_price,
        "synthetic_price": terms.synthetic_price,
        "owned_human": terms.owned_human,
        "evidence": terms.evidence,
        "budget": question.budget,
        "target": question.target,
        "reach": reach,
        "plan": plan.best.as_json() | {"unspent": plan.unspent} if plan.best else None,
        "runner_up": plan.runner_up.as_json() if plan.runner_up else None,
        "sure": allocation.sure if allocation and plan.runner_up else None,
        "target_cost": plan.target_cost.as_json() if plan.target_cost else None,
        "curve": [purchase.as_json() for purchase in allocation.curve] if allocation else [],
        "reasons": [reason.as_json() for reason in reasons],
        "next_cells": [cell.as_json() for cell in plan.next_cells],
        "findings": list(plan.findings),
        "notes": list(plan.notes),
    }
