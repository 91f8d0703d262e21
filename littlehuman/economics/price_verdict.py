"""Which kind of point is the better buy beside N synthetic points, at two prices.

In: the worth of a human point at N with its interval, and two prices per point. Out: a verdict that follows from the
interval alone, and the break-even price of a human point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from littlehuman.economics.human_worth import HumanWorth
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.stats.interval import Interval


class Buy(StrEnum):
    """The better buy."""

    HUMAN = "human wins"
    SYNTHETIC = "synthetic wins"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class PriceVerdict:
    """The better buy; `paid` are the synthetic points that one human point costs.

    `break_even` is the human price at which both buy the same score. Where its lower end is 0 or below, no price of a
    human point is low enough to be sure of it.
    """

    buy: Buy
    paid: float
    break_even: Interval
    reasons: tuple[Reason, ...]


def price_verdict(worth: HumanWorth, human_price: float, synthetic_price: float) -> PriceVerdict:
    """Human wins below the interval of the worth, synthetic above it; inside nothing is known. Prices are above 0."""
    paid = human_price / synthetic_price
    low, high = worth.worth.low, worth.worth.high
    buy = Buy.HUMAN if paid < low else Buy.SYNTHETIC if paid > high else Buy.NOT_KNOWN
    inside = {"paid": paid} | {name: x for name, x in (("low", low), ("high", high)) if math.isfinite(x)}
    reasons = (*worth.reasons, Reason(Kind.PRICE_IN_INTERVAL, inside)) if buy is Buy.NOT_KNOWN else worth.reasons
    return PriceVerdict(buy, paid, worth.worth.times(synthetic_price), reasons)
