"""Which kind of point is the better buy at two prices.

In: how many synthetic points one human point costs, and what human points are worth. Out: human,
synthetic or undecided, and why, in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from littlehuman.worth.valuation import Worth

HUMAN, SYNTHETIC, UNDECIDED = "human wins", "synthetic wins", "undecided"


def of(paid: float, worth: Worth | None) -> tuple[str, str]:
    """The better buy where a human point costs as much as `paid` synthetic ones, and why."""
    if worth is None:
        return UNDECIDED, "there are no runs with human points to judge by"
    ratio, lifted = worth.price_ratio, worth.lift.low is not None and worth.lift.low > 0
    if ratio is None or (ratio.value is None and ratio.low is None):
        if lifted:
            return HUMAN, "human points lift the score, and no number of synthetic points within reach does that"
        return UNDECIDED, "neither more synthetic points nor the human ones are shown to help"
    if ratio.low is None:
        return UNDECIDED, "there is no interval to judge by"
    if paid < ratio.low:
        return HUMAN, "a human point costs less than the synthetic points that it is worth"
    if ratio.high is None or paid <= ratio.high:
        return UNDECIDED, "the prices lie inside the interval of the break-even ratio"
    if worth.above_ceiling:
        return UNDECIDED, "by the logarithm synthetic points are cheaper, but under the better-fitting curve none reach these scores"
    return SYNTHETIC, "a human point costs more than the synthetic points that it is worth"
