"""How exactly a score is known, and a relative change of it.

In: scores `[items]` of one run, or `[seeds, items]` of one condition (`[seeds]` for a metric without item scores).
Out: `Interval`, 95 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from littlehuman.errors import DataError
from littlehuman.stats.crossed import SAME, Estimate, Floats, estimate
from littlehuman.stats.interval import LEVEL, Interval

_UPPER = (1 + LEVEL) / 2


def of_items(scores: npt.ArrayLike) -> Interval:
    """The score of one trained model, for a new draw of test items.

    Items of 0 and 1: Wilson's score interval (1927, from statsmodels). Others: Student t, clipped to 0..1.

    Args:
        scores: `[items]` in 0..1.

    Raises:
        DataError: when there is no item, or a score is no number in 0..1.
    """
    table = as_scores(scores)
    if len(table) != 1:
        raise DataError(
            f"scores of one run have one row, not {len(table)}; two_level takes the scores of several seeds"
        )
    return _wilson(table[0]) if is_binary(table) else _clipped(as_interval(estimate(table), table))


def two_level(scores: npt.ArrayLike, clip: bool = True) -> Interval:
    """The mean score of a condition, for a new draw of seeds and of test items (method: `crossed`).

    With one seed this is `of_items`, and says nothing about other seeds.

    Args:
        scores: `[seeds, items]`, or `[items]` for one seed.
        clip: whether these are scores in 0..1, and so the interval; False for differences.

    Raises:
        DataError: when there is no item, or a score is no number (in 0..1 where `clip`).
    """
    table = as_scores(scores, bounded=clip)
    if clip and len(table) == 1:
        return of_items(table[0])
    estimated = estimate(table)
    return _clipped(as_interval(estimated.of_a_score(), table)) if clip else as_interval(estimated, table)


def over_seeds(values: npt.ArrayLike) -> Interval:
    """The mean of a metric without item scores (macro F1, corpus BLEU), for a new draw of seeds on the same items.

    Student t over the seeds, clipped to 0..1; `items` is 0. All but the value is nan with one seed,
    and where all seeds agree exactly: nothing varied that could be measured.

    Args:
        values: `[seeds]` in 0..1.

    Raises:
        DataError: when there is no value, or one is no number in 0..1.
    """
    runs = as_scores(np.reshape(np.asarray(values, float), (-1, 1)), name="values over seeds")[:, 0]
    seeds, mean = len(runs), float(runs.mean())
    spread = float(runs.std(ddof=1)) if np.ptp(runs) > SAME else float("nan")
    se = spread / float(np.sqrt(seeds))
    half = float(special.stdtrit(max(seeds - 1, 1), _UPPER)) * se
    return _clipped(Interval(mean, mean - half, mean + half, se, seeds - 1 + 0 * se, seeds, 0))


def relative_change(new: npt.ArrayLike, base: npt.ArrayLike) -> Interval:
    """mean(new) / mean(base) - 1, for a new draw of seeds and of test items.

    By linearisation (delta method; Cochran 1977, Sampling Techniques, 6.4): the ratio R + 1 errs as
    the mean of (new - (R + 1) base) / mean(base) does. Everything is nan where mean(base) is 0.

    Args:
        new: `[seeds, items]` in 0..1, or `[items]` for one seed.
        base: the same seeds and items.

    Raises:
        DataError: when the two do not fit together, or a score is no number in 0..1.
    """
    above, below = as_pair(new, base)
    centre = float(below.mean())
    if centre == 0:
        nan = float("nan")
        return Interval(nan, nan, nan, nan, nan, *below.shape)
    change = float(above.mean()) / centre - 1
    errors = (above - (change + 1) * below) / centre
    return as_interval(estimate(errors, largest=1 / centre), errors, at=change)


def as_interval(estimated: Estimate, table: Floats, at: float | None = None) -> Interval:
    """The interval of one study's estimate, around its mean or around `at`."""
    value, se = float(estimated.mean) if at is None else at, float(estimated.se)
    factor = float(estimated.quantile(_UPPER)) if np.isfinite(se) else float("nan")
    fewest, most = sorted((estimated.df_seeds, estimated.df_items))
    df = (
        float(np.clip(special.stdtridf(_UPPER, factor), fewest, most))
        if estimated.seed_share.any()
        else estimated.df_items + 0 * factor
    )
    return Interval(value, value - factor * se, value + factor * se, se, df, *table.shape)


def as_scores(scores: npt.ArrayLike, bounded: bool = True, name: str = "scores") -> Floats:
    """Scores as an array `[seeds, items]`; DataError for what can not be scores (see `two_level`)."""
    table = np.atleast_2d(np.asarray(scores, float))
    if table.ndim != 2 or not table.size:
        raise DataError(f"{name}: the shape is {table.shape}; expected [seeds, items] with at least one of each")
    wrong = ~np.isfinite(table) | (bounded & ((table < 0) | (table > 1)))
    if wrong.any():
        seed, item = np.argwhere(wrong)[0]
        what = "outside 0..1" if np.isfinite(table[seed, item]) else "not a number"
        raise DataError(
            f"{name}: seed row {seed}, item {item} (from 0) is {table[seed, item]:g}, {what}; "
            "score it or leave the item out"
        )
    return table


def as_pair(new: npt.ArrayLike, base: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Two conditions as arrays `[seeds, items]`; DataError when they are no pair."""
    above, below = as_scores(new, name="new scores"), as_scores(base, name="base scores")
    if above.shape != below.shape:
        shapes = f"new scores have the shape {above.shape}, base scores {below.shape}"
        raise DataError(f"{shapes}; a comparison needs the same [seeds, items] in the same order")
    return above, below


def is_binary(table: Floats) -> bool:
    """Whether every score is 0 or 1."""
    return bool(((table == 0) | (table == 1)).all())


def _wilson(scores: Floats) -> Interval:
    from statsmodels.stats.proportion import proportion_confint

    items, value = len(scores), float(scores.mean())
    low, high = proportion_confint(float(scores.sum()), items, 1 - LEVEL, method="wilson")
    low, high = min(float(low), value), max(float(high), value)  # at 0 and 1 rounding would leave the value out
    return Interval(value, low, high, float(np.sqrt(value * (1 - value) / items)), float("inf"), 1, items)


def _clipped(interval: Interval) -> Interval:
    low, high = float(np.clip(interval.low, 0, 1)), float(np.clip(interval.high, 0, 1))
    return Interval(interval.value, low, high, interval.se, interval.df, interval.seeds, interval.items)
