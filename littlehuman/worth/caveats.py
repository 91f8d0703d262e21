"""What must be said beside the worth of human points, in sentences.

In: the curve, the numbers, and the runs that they rest on. Out: lists of sentences, empty where
all is well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from littlehuman.worth import exchange, fits
from littlehuman.worth.curve import Curve, Range
from littlehuman.worth.fits import Array

NO_HELP = "more synthetic data does not help here: no finite equivalent"


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
        said.append(f"{NO_HELP} (slope a1 = {curve.log.parameters['a1']:.3g} per unit of ln x{p})")
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
    count = f"{int(np.sum(s > ceiling))} of {len(s)}"
    return [f"{count} runs with {h:,} human points score above {ceiling:.4g}: no amount of synthetic data reaches them under that curve"]


def of_equivalents(h: int, sizes: Array, median: float | None, ratio: Range, study: exchange.Study, curve: Curve) -> list[str]:
    """Sentences on numbers that are negative, infinite, extrapolated, or that rest on few runs."""
    said = []
    if median is not None and median < 0:
        said.append(f"the human points were worth less than nothing extra: {h:,} of them match fewer synthetic points than the sets had")
    if not np.isfinite(sizes).all():
        count = f"{int(np.sum(~np.isfinite(sizes)))} of {len(sizes)}"
        said.append(
            f"{count} runs with human points score above what the curve reaches at {curve.far:,.0f} points: they have no finite equivalent"
        )
    elif np.mean(sizes > curve.x.max()) > 0.5:
        said.append(f"most equivalents lie beyond the largest set of synthetic points alone ({curve.x.max():,.0f}): they are extrapolated")
    if ratio.low is not None and ratio.high is None:
        said.append("the interval has no upper end: with so much scatter the true curve may be so flat that no synthetic data is enough")
    if study.pooled and curve.log.df:
        few = f"{len(study.n)} run{'s' * (len(study.n) > 1)} with {h:,} human points"
        said.append(f"{few} cannot tell their own scatter: the interval takes it to be like the curve's, and is too narrow if it is larger")
    return said
