"""Cohen's kappa: agreement of two labellers beyond chance, with an interval over labelled items or clusters of them.

kappa = (observed - expected) / (1 - expected) (Cohen 1960, Educational and Psychological Measurement 20), where the
expected agreement is that of two labellers who label independently, each with its own rates.

Its variance is the jackknife's over items, cluster-robust with a small-sample correction (`counts`, `clusters`), and
the interval is Student's. For independent items it agrees with the asymptotic variance of Fleiss, Cohen and Everitt
(1969, Psychological Bulletin 72) in large samples (a test); its coverage is simulated in another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError
from littlehuman.stats import counts, interval
from littlehuman.stats.clusters import Floats
from littlehuman.stats.interval import LEVEL, Interval

_SAME = 1e-12  # an expected agreement that differs from 1 by less differs by rounding only


def cohens_kappa(
    first: Sequence[str], second: Sequence[str], clusters: Sequence[object] | None = None, level: float = LEVEL
) -> Interval:
    """Kappa in -1..1 of two labellers of the same items.

    nan where it does not exist: both say the same one class throughout. Without an interval where there is one cluster
    alone. Where no item differs, the lower end is that of Wilson's interval of the agreement.

    Args:
        first: the labels of one, `[items]`.
        second: those of the other.
        clusters: of each item; None: every item its own.
        level: the confidence level.

    Raises:
        DataError: for no items, or labels that are not of the same number.
    """
    if not first or len(first) != len(second):
        raise DataError(f"kappa: {len(first)} labels and {len(second)}; give both labellers' labels of the same items")
    classes = sorted({*first, *second})
    table = _counts(first, second, classes)
    value = float(_kappa(table.sum(0, keepdims=True))[0])
    if len(classes) == 1:
        return Interval(math.nan, math.nan, math.nan, items=len(first))
    found = counts.cells_of(table[None, None], _kappa, None if clusters is None else np.asarray(clusters))
    variance, df = float(found.covariance[0, 0]), float(np.asarray(found.clusters.df).reshape(-1)[0])
    if value == 1:
        return _of_perfect(table, value)
    if len(first) < 2 or math.isnan(variance) or not df > 0:
        return Interval(value, math.nan, math.nan, items=len(first))
    half = _quantile(df, level) * math.sqrt(variance)
    low, high = max(value - half, -1.0), min(value + half, 1.0)
    return Interval(value, low, high, math.sqrt(variance), df, 1, len(first), level)


def _of_perfect(table: Floats, value: float) -> Interval:
    """No item differs, which says something about those that were not seen: no standard error of 0."""
    expected = float(_expected(table.sum(0, keepdims=True))[0])
    agree = interval.of_items(np.ones(len(table)))
    return Interval(value, max((agree.low - expected) / (1 - expected), -1.0), 1.0, math.nan, math.inf, 1, len(table))


def _counts(first: Sequence[str], second: Sequence[str], classes: Sequence[str]) -> Floats:
    """Per item: 1 where both agree, and which class each labeller said, `[items, 1 + 2 x classes]`."""
    place = {name: nth for nth, name in enumerate(classes)}
    rows = np.arange(len(first))
    table = np.zeros((len(first), 1 + 2 * len(classes)))
    table[:, 0] = [one == other for one, other in zip(first, second, strict=True)]
    table[rows, [1 + place[name] for name in first]] = 1
    table[rows, [1 + len(classes) + place[name] for name in second]] = 1
    return table


def _expected(sums: npt.ArrayLike) -> Floats:
    table = np.asarray(sums, float)
    mine, theirs = table[:, 1:].reshape(len(table), 2, -1).transpose(1, 0, 2)
    items = mine.sum(-1)
    return np.asarray((mine * theirs).sum(-1) / np.maximum(items, 1) ** 2)


def _kappa(sums: Floats) -> Floats:
    expected = _expected(sums)
    observed = sums[:, 0] / np.maximum(sums[:, 1:].sum(-1) / 2, 1)
    apart = 1 - expected
    return np.asarray(np.where(apart > _SAME, (observed - expected) / np.where(apart > _SAME, apart, 1), 0.0))


def _quantile(df: float, level: float) -> float:
    from scipy import special

    return float(special.stdtrit(df, (1 + level) / 2))
