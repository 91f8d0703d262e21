"""How a plan's numbers are written with their intervals.

In: estimates of a surface, and costs. Out: short texts.
"""

from __future__ import annotations

from littlehuman import numbers
from littlehuman.budget.purchase import TargetCost
from littlehuman.budget.surface import Estimate


def estimate(e: Estimate) -> str:
    """`0.812 [0.801, 0.823]`."""
    return numbers.score(e.value, e.low, e.high)


def small(e: Estimate) -> str:
    """`+0.012 [+0.001, +0.023]`."""
    return f"{e.value:+.2g} [{e.low:+.2g}, {e.high:+.2g}]"


def cost(of: TargetCost) -> str:
    """`120.00 [100.00, out of reach]`."""
    low, high = (f"{x:,.2f}" if x is not None else "out of reach" for x in (of.low, of.high))
    return f"{of.value:,.2f} [{low}, {high}]"
