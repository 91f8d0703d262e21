"""Where a surface does not hold, in sentences.

In: the fitted surface, the runs that it was fitted to, and the mixture that the plan buys. Out:
sentences, none where nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from littlehuman.economics.optimize import Purchase
from littlehuman.economics.surface import Surface
from littlehuman.errors import DataError
from littlehuman.study.scores import ScoredRuns

UNLIKELY = 0.01


def diagnostics(surface: Surface, scored: ScoredRuns, best: Purchase) -> Iterator[str]:
    """What the runs say against the surface at the plan."""
    p = lack_of_fit(surface, scored)
    if p is not None and p < UNLIKELY:
        likely = f"p = {p:.2g}" if p >= 1e-6 else "p < 1e-6"
        yield f"none of the shapes fits these runs ({likely}): do not rely on the scores predicted here"
    level = ceiling(scored)
    if level is not None and best.score.value > level:
        most = int(scored.n_synthetic.max())
        yield (
            f"the synthetic-only runs level off at {level:.4g}, and this surface has no ceiling: its scores are too high, "
            f"and no more synthetic points are proposed than were tried ({most:,})"
        )
    if not np.any((scored.n_synthetic >= best.n_synthetic) & (scored.n_human >= best.n_human)):
        yield "the plan lies beyond every run (none has at least as many points of both kinds): its score is extrapolated"


def lack_of_fit(surface: Surface, scored: ScoredRuns) -> float | None:
    """How likely runs scatter so far from the surface, if it is right: an F test against the scatter within mixtures.

    None where no mixture was run twice, or where there are no more mixtures than parameters.
    Source: the lack-of-fit test of Draper and Smith 1998, "Applied Regression Analysis", Section 2.1. The shape was chosen
    on the same runs; all the same, p fell below 0.01 in 0.6 to 1.6 % of 500 simulated studies for each of the three true shapes.
    """
    from scipy import stats

    _, cell = np.unique(np.stack([scored.n_synthetic, scored.n_human]), axis=1, return_inverse=True)
    cells, runs = int(cell.max()) + 1, len(cell)
    df_within, df_between = runs - cells, cells - len(surface.chosen.parameters)
    if df_within < 1 or df_between < 1:
        return None
    means = np.bincount(cell, scored.score) / np.bincount(cell)
    within = float(np.sum((scored.score - means[cell]) ** 2))
    total = float(np.sum((scored.score - surface.values(scored.n_synthetic, scored.n_human)) ** 2))
    rounding = runs * (1e-6 * float(scored.score.std()) + 1e-12) ** 2  # without noise both are rounding errors
    within, between = max(within, rounding), max(total - within, 0.0)
    return float(stats.f.sf(between / df_between / (within / df_within), df_between, df_within))


def ceiling(scored: ScoredRuns) -> float | None:
    """Where the runs on synthetic points alone level off; None where they do not, or are too few for a curve."""
    from littlehuman.economics import size_curve  # scipy takes its time: not for --help

    try:
        return size_curve.measured_curve(scored).ceiling
    except DataError:
        return None
