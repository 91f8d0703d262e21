"""How much better or worse an arm is relative to the base: new / base - 1."""

from __future__ import annotations

import math

import numpy as np

from littlehuman.stats import model
from littlehuman.stats.cells import Cells
from littlehuman.stats.interval import Interval
from littlehuman.stats.layout import comparison_forms


def relative(cells: Cells, family: model.Family, base: int, row: int, half: float) -> Interval:
    """Fieller's interval (1954, JRSS B 16) of a ratio minus 1, from the variances and the `half` width of the
    difference.

    It holds 0 exactly where the interval of the difference does. nan where the base is not clearly above 0.
    """
    forms = comparison_forms(cells.present, base)
    seeds = forms.seeds[row]
    items = cells.clusters.items
    nothing = Interval(
        math.nan, math.nan, math.nan, math.nan, math.nan, 0 if np.isnan(seeds) else int(seeds), items, 1 - family.alpha
    )
    difference = forms.weights[row]
    below = -np.minimum(difference, 0)
    above = np.maximum(difference, 0)
    a, b = float(above @ cells.flat), float(below @ cells.flat)
    if np.isnan(seeds) or b <= 0:
        return nothing
    q2 = float(half / family.rows.se[row]) ** 2
    aa, ab, bb = _variances(cells, family, base, row)
    square, linear, constant = b * b - q2 * bb, a * b - q2 * ab, a * a - q2 * aa
    root = linear * linear - square * constant
    if square <= 0 or not root >= 0:
        return nothing
    low, high = ((linear + sign * math.sqrt(root)) / square - 1 for sign in (-1, 1))
    ratio = a / b
    se = math.sqrt(max(aa - 2 * ratio * ab + ratio * ratio * bb, 0)) / b
    return Interval(ratio - 1, low, high, se, float(family.rows.df[row]), int(seeds), items, 1 - family.alpha)


def _variances(cells: Cells, family: model.Family, base: int, row: int) -> tuple[float, float, float]:
    """Variance of the arm's mean, covariance with the base's, and variance of the base's, scaled to agree with the
    difference's."""
    forms = comparison_forms(cells.present, base)
    weights, arm, seeds = forms.weights[row], forms.others[row], forms.seeds[row]
    above, below = np.maximum(weights, 0), -np.minimum(weights, 0)
    x = cells.covariance
    shared = max(model.seed_variance(cells) - float(family.common), 0)
    aa = above @ x @ above + (family.by_arm[arm] + shared) / seeds
    bb = below @ x @ below + (family.by_arm[base] + shared) / seeds
    ab = above @ x @ below + shared / seeds
    missing = float(family.rows.variance[row]) - (aa + bb - 2 * ab)  # where no cluster differed at all
    return float(aa + missing / 2), float(ab), float(bb + missing / 2)
