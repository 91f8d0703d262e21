"""What must be said beside the worth of human points, in sentences.

In: the curve, the numbers, and the runs that they rest on. Out: lists of sentences, empty where
all is well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from littlehuman.worth import exchange, fits
from littlehuman.worth.curve import Curve, Range
from littlehuman.worth.fits import Array

NO_HELP = "more synthetic data does not help here: no finite equivalent"
SAME_HUMANS = "the interval speaks of these human points: runs of one seed share them at every N, another draw may differ by more"


def of_runs(ranked: Sequence[int], off_curve: int) -> list[str]:
    """Sentences on runs that are missing, that are several kinds, or that do not count."""
    said = []
    if not ranked:
        said.append("there are no runs with both human and synthetic points (+h): the curve is all that can be said")
    if len(ranked) > 1:
        said.append(f"the headline is for {ranked[0]:,} human points; valued beside it: {', '.join(f'{h:,}' for h in sorted(ranked[1:]))}")
    if off_curve:
        said.append(f"{off_curve} run{'s' * (off_curve > 1)} without synthetic points cannot be on this curve and did not count")
    return said


def of_curve(curve: Curve) -> list[str]:
    """Sentences on a curve that is flat, that falls, that levels off, or whose scatter is unknown."""
    said = []
    if not curve.rises:
        p = "" if curve.p is None else f", one-sided p = {curve.p:.2g}"
        slope = f"(slope a1 = {curve.log.parameters['a1']:.3g} per unit of ln x{p})"
        chance = f"{len(curve.x)} runs with this scatter cannot tell a rise from chance {slope}"
        unknown = f"not shown to rise, and no number can be named: {chance}, so as far as they show "
        said.append(unknown + NO_HELP if curve.may_rise else f"{NO_HELP} {slope}")
    elif curve.p is None:
        said.append("two runs on synthetic points alone leave no scatter to judge the curve by: there is no interval")
    better = curve.levelling
    if better is not None and better.ceiling is not None:
        said.append(
            f"the curve levels off at {better.ceiling:.4g}: the {better.name} curve fits better than the logarithm "
            f"(AICc lower by {fits.gain(curve.log, better):.1f})"
            + ("; the numbers here are by the logarithm, as in the paper, and optimistic about synthetic data" if curve.rises else "")
        )
    return said


def of_ceiling(h: int, s: Array, ceiling: float) -> list[str]:
    """A sentence on runs, by score `s`, that no amount of synthetic data reaches if the curve levels off."""
    runs = _counted(s > ceiling, f"{h:,} human points")
    return [f"{runs} above {ceiling:.4g}: no amount of synthetic data reaches them under that curve"]


def _counted(above: NDArray[np.bool_], points: str) -> str:
    """`3 of 5 runs with 200 human points score`."""
    if len(above) == 1:
        return f"the one run with {points} scores"
    return f"{int(np.sum(above))} of {len(above)} runs with {points} score"


def of_equivalents(h: int, sizes: Array, median: float | None, ratio: Range, study: exchange.Study, curve: Curve) -> list[str]:
    """Sentences on numbers that are negative, infinite, extrapolated, or that rest on few runs or on one draw of human points."""
    said = []
    if median is not None and median < 0:
        chance = "" if ratio.high is not None and ratio.high < 0 else ", which may be chance"
        less = f"the human points were worth less than nothing extra: {h:,} of them match fewer synthetic points than the sets had"
        said.append(less + chance)
    if not np.isfinite(sizes).all():
        runs = _counted(~np.isfinite(sizes), "human points")
        said.append(f"{runs} above what the curve reaches at {curve.far:,.0f} points: no finite equivalent")
    elif np.mean(sizes > curve.x.max()) > 0.5:
        said.append(f"most equivalents lie beyond the largest set of synthetic points alone ({curve.x.max():,.0f}): they are extrapolated")
    if ratio.low is not None and ratio.high is None:
        said.append("the interval has no upper end: with so much scatter the true curve may be so flat that no synthetic data is enough")
    if study.pooled and curve.log.df:
        few = f"{len(study.n)} run{'s' * (len(study.n) > 1)} with {h:,} human points"
        own = "their own" if len(study.n) > 1 else "its own"
        said.append(f"{few} cannot tell {own} scatter: the interval takes it to be like the curve's, and is too narrow if it is larger")
    if ratio.low is not None:
        said.append(SAME_HUMANS)
    return said
