"""Intervals of scores in 0..1, also near 0 and 1 and with few clusters.

Wilson's interval (1927) on the effective number of items, as survey samplers use it (Korn and Graubard 1998, Survey
Methodology 24; Franco et al. 2019, Journal of Survey Statistics and Methodology 7), with Student's t for the normal.
Three things keep it from being too sure where few clusters hold all failures, and so hardly show how they vary:
the design effect is the mean of the arm's own and of that of all arms; it is drawn towards that of clusters that fail
as a whole, as if this had been seen with `TOWARDS_WHOLE` degrees of freedom; and the degrees of freedom are lowered by
the kurtosis of the clusters' contributions. The three were set by simulation (`make simulate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from littlehuman.stats import model
from littlehuman.stats.cells import Cells
from littlehuman.stats.clusters import Floats
from littlehuman.stats.tails import Known, half_width

TOWARDS_WHOLE = 0.23
CAUTION = 0.5  # see `tails`: a score is no test among many, and its seeds' variance is not held up
FEWEST_DF = 3.0  # that kurtosis can bring about
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Bounded:
    """Scores `[..., arms]` with interval, standard error, degrees of freedom, and the effective number of items of
    each."""

    value: Floats
    low: Floats
    high: Floats
    se: Floats
    df: Floats
    effective: Floats


def scores(cells: Cells, level: float) -> Bounded:
    """The mean of each arm with its interval, for a new draw of seeds (where there are several) and of clusters."""
    known = model.scores(cells)
    p, items = known.value, cells.clusters.items
    df = _df(cells, known)
    effect = _design_effect(cells, known, df)
    both = 2 / (1 / known.df + 1 / df)
    k = _quantile(known, both, level) ** 2 * effect / items
    centre = (p + k / 2) / (1 + k)
    half = np.sqrt(np.maximum(k * p * (1 - p) + k * k / 4, 0)) / (1 + k)
    low, high = np.minimum(np.clip(centre - half, 0, 1), p), np.maximum(np.clip(centre + half, 0, 1), p)
    se = np.sqrt(np.maximum(effect * p * (1 - p) / items, 0))  # rounding may put p above 1
    return Bounded(p, low, high, se, both, items / effect)


def _quantile(known: Known, df: Floats, level: float) -> Floats:
    """Student's t, as much wider as few degrees of freedom of the seeds' part make it (`tails`)."""
    usual = special.stdtrit(known.df, (1 + level) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        wider = half_width(known, np.full(known.value.shape[:-1], 1 - level), CAUTION) / known.se / usual
    return np.asarray(special.stdtrit(df, (1 + level) / 2) * np.where(np.isfinite(wider), np.maximum(wider, 1), 1))


def _df(cells: Cells, known: Known) -> Floats:
    """Degrees of freedom with those of the items lowered by kurtosis."""
    usual = cells.clusters.df[..., None]
    lowered = 1 / (1 / usual + np.maximum(cells.fourth - 3 / usual, 0) / 2)
    lowered = np.minimum(np.maximum(lowered, FEWEST_DF), usual)
    with np.errstate(invalid="ignore", divide="ignore"):
        doubt = 1 / known.df + (known.by_items / known.variance) ** 2 * (1 / lowered - 1 / usual)
    return np.asarray(np.where(known.variance > _NOTHING, 1 / doubt, usual))


def _design_effect(cells: Cells, known: Known, df: Floats) -> Floats:
    """Variance over that of as many independent items, seeds' part included."""
    items = cells.clusters.items
    spread = known.value * (1 - known.value)
    seen = known.variance > _NOTHING
    own = np.where(seen, known.variance * items / np.where(spread > 0, spread, 1), 0)
    total = spread.sum(-1, keepdims=True)
    pooled = np.where(total > 0, known.variance.sum(-1, keepdims=True) * items / np.where(total > 0, total, 1), 0)
    effect = (own + pooled) / 2
    whole = np.maximum(items * (cells.clusters.shares**2).sum(), effect)
    weight = np.where(seen, df, 0)
    return np.asarray((weight * effect + TOWARDS_WHOLE * whole) / (weight + TOWARDS_WHOLE))
