"""A value and the interval that says how exactly it is known: the one type for both in the whole package.

Beside the type the two intervals that need no model: of the scores `[items]` of one run (`of_items`), and of the
values `[seeds]` of a metric without item scores (`over_seeds`). Those of a curve are in `curve`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError

LEVEL = 0.95  # confidence level wherever no other is asked for
_UPPER = (1 + LEVEL) / 2
_Z2 = NormalDist().inv_cdf(_UPPER) ** 2
_SAME = 1e-12  # scores that differ by less differ by rounding only


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its confidence interval.

    `se` is its standard error; `df` are the degrees of freedom of the Student t behind the interval (infinite for
    a normal one). nan stands for what cannot be known, an infinite end for one that does not exist. `seeds` and `items`
    say what stands behind it (`items` is 0 where there are no item scores). `level` is the confidence level; of
    simultaneous intervals that of the whole family.
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

    def times(self, factor: float) -> Interval:
        """The same in another unit; `factor` is above 0."""
        return replace(
            self, value=self.value * factor, low=self.low * factor, high=self.high * factor, se=self.se * factor
        )

    def as_json(self) -> dict[str, float | None]:
        """Value and ends for strict JSON: None where one is infinite or not known."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: float(x) if math.isfinite(x) else None for name, x in ends.items()}

    def holds(self, value: float) -> bool:
        """Whether the interval covers `value`."""
        return self.low <= value <= self.high


def of_items(scores: npt.ArrayLike) -> Interval:
    """The score of one trained model, for a new draw of test items.

    Items of 0 and 1: Wilson's score interval (1927, from statsmodels). Others: Student t, clipped to 0..1. Scores that
    are all the same do not have the standard error 0: that no item differed says that at most z^2 / (items + z^2) of
    all items do (the end of Wilson's interval). All but the value is nan with one item that is neither 0 nor 1.

    Args:
        scores: `[items]` in 0..1.

    Raises:
        DataError: when there is no item, or a score is no number in 0..1.
    """
    values = checked(scores, "scores")
    if bool(((values == 0) | (values == 1)).all()):
        return _wilson(values)
    items, mean = len(values), float(values.mean())
    if items == 1:
        return Interval(mean, math.nan, math.nan, math.nan, math.nan, 1, 1)
    t = _quantile(items - 1)
    differ = np.ptp(values) >= _SAME
    se = math.sqrt(values.var(ddof=1) / items) if differ else _Z2 / (items + _Z2) / t
    return _clipped(Interval(mean, mean - t * se, mean + t * se, se, items - 1.0, 1, items))


def over_seeds(values: npt.ArrayLike) -> Interval:
    """The mean of a metric without item scores (macro F1, corpus BLEU), for a new draw of seeds on the same items.

    Student t over the seeds, clipped to 0..1; `items` is 0. All but the value is nan with one seed,
    and where all seeds agree exactly: nothing varied that could be measured.

    Args:
        values: `[seeds]` in 0..1.

    Raises:
        DataError: when there is no value, or one is no number in 0..1.
    """
    runs = checked(values, "values over seeds")
    seeds, mean = len(runs), float(runs.mean())
    spread = float(runs.std(ddof=1)) if np.ptp(runs) > _SAME else math.nan
    se = spread / math.sqrt(seeds)
    half = _quantile(max(seeds - 1, 1)) * se
    return _clipped(Interval(mean, mean - half, mean + half, se, seeds - 1 + 0 * se, seeds, 0))


def checked(scores: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    """A row of scores in 0..1 as an array.

    Raises:
        DataError: for another shape, for none, and for a score that is no number in 0..1.
    """
    row = np.asarray(scores, float)
    if row.ndim != 1 or not row.size:
        raise DataError(f"{name}: the shape is {row.shape}; expected one row with at least one number")
    wrong = ~np.isfinite(row) | (row < 0) | (row > 1)
    if wrong.any():
        at = int(np.argmax(wrong))
        what = "outside 0..1" if np.isfinite(row[at]) else "not a number"
        raise DataError(f"{name}: number {at} (from 0) is {row[at]:g}, {what}; score it or leave it out")
    return row


def _wilson(scores: npt.NDArray[np.float64]) -> Interval:
    from statsmodels.stats.proportion import proportion_confint

    items, value = len(scores), float(scores.mean())
    low, high = proportion_confint(float(scores.sum()), items, 1 - LEVEL, method="wilson")
    low, high = min(float(low), value), max(float(high), value)  # at 0 and 1 rounding would leave the value out
    return Interval(value, low, high, math.sqrt(value * (1 - value) / items), math.inf, 1, items)


def _quantile(df: float) -> float:
    """Of Student's t, at the upper end of the interval."""
    from scipy import special

    return float(special.stdtrit(df, _UPPER))


def _clipped(interval: Interval) -> Interval:
    low, high = float(np.clip(interval.low, 0, 1)), float(np.clip(interval.high, 0, 1))
    return replace(interval, low=low, high=high)
