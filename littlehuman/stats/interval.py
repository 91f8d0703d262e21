"""A value and the interval that says how exactly it is known: the one type for both in the whole package."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEVEL = 0.95  # confidence level wherever no other is asked for


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its confidence interval.

    `se` is its standard error; `df` are the degrees of freedom of the Student t behind the interval (infinite for
    a normal one). nan stands for what cannot be known. `seeds` and `items` say what stands behind it (`items` is 0
    where there are no item scores). `level` is the confidence level; of simultaneous intervals that of the whole
    family.
    """

    value: float
    low: float
    high: float
    se: float = math.nan
    df: float = math.inf
    seeds: int = 1
    items: int = 0
    level: float = LEVEL

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return not math.isnan(self.low + self.high)

    def holds(self, value: float) -> bool:
        """Whether the interval covers `value`."""
        return self.low <= value <= self.high

    def scaled(self, factor: float) -> Interval:
        """The same in another unit: 100 for points instead of 0..1."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Interval(
            self.value * factor, low, high, self.se * abs(factor), self.df, self.seeds, self.items, self.level
        )
