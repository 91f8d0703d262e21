"""The response model of runs on human points alone: a curve over their number, and whether it fits the scores.

In: runs [n]: numbers of human points, scores, seeds. Out: draws of the curve (`Response`), read as `score(0, n)`.
"""

from __future__ import annotations

import numpy as np

from littlehuman.economics import response
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array, Index

_LEVEL = 0.05  # of the test that the curve misses the scores (false alarms in simulations: 2 %)
_PARAMETERS = 3  # of the curve in that test: offset, slope and one of its shape


def fit_alone(n_human: Array, score: Array, seed: Index | None) -> Response:
    """The response model of runs [n] on human labels alone."""
    return response.fit(np.zeros_like(n_human), n_human, score, seed, alone=True)


def misfits(n_human: Array, score: Array, seed: Index | None, fitted: Response) -> bool:
    """Whether the means over seeds are shown to miss the fitted curve (F test of lack of fit, seeds as blocks).

    False where it cannot be tested: one seed, or seeds that lack a number of points.
    """
    from scipy import special

    if seed is None:
        return False
    sizes, seeds = np.unique(n_human), np.unique(seed)
    table = np.full((len(sizes), len(seeds)), np.nan)
    table[np.searchsorted(sizes, n_human), np.searchsorted(seeds, seed)] = score
    free, df = len(sizes) - _PARAMETERS, (len(sizes) - 1) * (len(seeds) - 1)
    if free < 1 or df < 1 or np.isnan(table).any():
        return False
    means = table.mean(axis=1)
    line = np.median(fitted.score(np.zeros_like(sizes), sizes), axis=1)
    off = means - line - (means - line).mean()
    rest = table - means[:, None] - table.mean(axis=0) + table.mean()
    within = max(float(np.sum(rest**2)) / df, 1e-12)
    return bool(special.fdtrc(free, df, len(seeds) * float(np.sum(off**2)) / free / within) < _LEVEL)
