"""Which kind of point is the better buy at two prices.

In: how many synthetic points one human point costs, what human points are worth, and the curve that
this was read off. Out: human, synthetic or undecided, and why, in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from littlehuman.worth.curve import Curve
    from littlehuman.worth.valuation import Worth

HUMAN, SYNTHETIC, UNDECIDED = "human wins", "synthetic wins", "undecided"


def of(paid: float, worth: Worth | None, curve: Curve) -> tuple[str, str]:
    """The better buy where a human point costs as much as `paid` synthetic ones, and why."""
    if worth is None:
        return UNDECIDED, "there are no runs with human points to judge by"
    ratio, lifted = worth.price_ratio, worth.lift.low is not None and worth.lift.low > 0
    if ratio is None or (ratio.value is None and ratio.low is None):
        if lifted:
            others = "no number of synthetic points within reach does that" if curve.rises else "more synthetic points are not shown to"
            return HUMAN, f"human points lift the score, and {others}"
        return UNDECIDED, "neither more synthetic points nor the human ones are shown to help"
    if ratio.low is None:
        return UNDECIDED, "there is no interval to judge by"
    harmful = worth.lift.high is not None and worth.lift.high < 0
    if curve.levelling is not None and not lifted and not harmful:
        return UNDECIDED, "the curve levels off, and the human points are not shown to lift the score: neither is known to help further"
    if paid < ratio.low:
        return HUMAN, "a human point costs less than the synthetic points that it is worth"
    if ratio.high is None or paid <= ratio.high:
        return UNDECIDED, "the prices lie inside the interval of the break-even ratio"
    if worth.above_ceiling:
        return UNDECIDED, "by the logarithm synthetic points are cheaper, but under the better-fitting curve none reach these scores"
    return SYNTHETIC, "a human point costs more than the synthetic points that it is worth"
