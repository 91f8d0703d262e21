"""What h human points are worth in synthetic ones: Section 4 of the paper, with an interval.

In: the runs of one series. Out: the curve of the runs without human points, and for every number
h of human points that was tried: the equivalent size of each run (the paper's Table 3 takes their
mean, median and quartiles), the exchange ratio with its 95 % interval, and how much h points lift
the score. Where more synthetic data does not help there is no equivalent, and words say so.


[folded] What must be said beside the worth of human points, in sentences.

In: the curve, the numbers, and the runs that they rest on. Out: lists of sentences, empty where
all is well.

"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from littlehuman import seeding
from littlehuman.economics import curves, exchange, size_curve
from littlehuman.economics.curves import Array
from littlehuman.economics.size_curve import LEVEL, Range, SizeCurve
from littlehuman.study.scores import ScoredRuns

NO_HELP = "more synthetic data does not help here: no finite equivalent"
SAME_HUMANS = (
    "the interval speaks of these human points: runs of one seed share them at every N, another draw may differ by more"
)


def of_runs(ranked: Sequence[int], off_curve: int) -> list[str]:
    """Sentences on runs that are missing, that are several kinds, or that do not count."""
    said = []
    if not ranked:
        said.append("there are no runs with both human and synthetic points (+h): the curve is all that can be said")
    if len(ranked) > 1:
        said.append(
            f"the headline is for {ranked[0]:,} human points; valued beside it: {', '.join(f'{h:,}' for h in sorted(ranked[1:]))}"
        )
    if off_curve:
        said.append(
            f"{off_curve} run{'s' * (off_curve > 1)} without synthetic points cannot be on this curve and did not count"
        )
    return said


def of_curve(curve: SizeCurve) -> list[str]:
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
            f"(AICc lower by {curves.gain(curve.log, better):.1f})"
            + (
                "; the numbers here are by the logarithm, as in the paper, and optimistic about synthetic data"
                if curve.rises
                else ""
            )
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


def of_equivalents(
    h: int, sizes: Array, median: float | None, ratio: Range, study: exchange.ExchangeData, curve: SizeCurve
) -> list[str]:
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
        said.append(
            f"most equivalents lie beyond the largest set of synthetic points alone ({curve.x.max():,.0f}): they are extrapolated"
        )
    if ratio.low is not None and ratio.high is None:
        said.append(
            "the interval has no upper end: with so much scatter the true curve may be so flat that no synthetic data is enough"
        )
    if study.pooled and curve.log.df:
        few = f"{len(study.n)} run{'s' * (len(study.n) > 1)} with {h:,} human points"
        own = "their own" if len(study.n) > 1 else "its own"
        said.append(
            f"{few} cannot tell {own} scatter: the interval takes it to be like the curve's, and is too narrow if it is larger"
        )
    if ratio.low is not None:
        said.append(SAME_HUMANS)
    return said


DRAWS = 4_000


@dataclass(frozen=True, slots=True)
class PointsNeeded:
    """Synthetic points that a set with human points was worth beyond its own, over runs; None where infinite."""

    mean: float | None
    median: float | None
    p25: float | None
    p75: float | None


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One run with human points; the synthetic size with its score, and how many more that is than it had."""

    n_synthetic: int
    n_human: int
    score: float
    equivalent_size: float | None
    points_needed: float | None


@dataclass(frozen=True, slots=True)
class HumanValue:
    """What `human_points` are worth; `price_ratio` is per human point, `lift` in units of the score at the same N."""

    human_points: int
    equivalents: tuple[Equivalent, ...]
    points_needed: PointsNeeded | None
    price_ratio: Range | None
    lift: Range
    above_ceiling: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Valuation:
    """A series: its curve, what human points are worth (the headline first), and what must be said beside it."""

    curve: SizeCurve
    by_human: tuple[HumanValue, ...]
    warnings: tuple[str, ...]


def value_of_scores(scored: ScoredRuns, draws: int = DRAWS) -> Valuation:
    """Value the human points of a series, by `draws` draws for the intervals.

    The headline is the number of human points with most runs, the smallest of several such.

    Raises:
        DataError: without a curve: one run, no runs on synthetic points alone, or all of one size.
    """
    alone = size_curve.measured_curve(scored)
    counted = (scored.n_human > 0) & (scored.n_synthetic > 0)
    values, counts = np.unique(scored.n_human[counted], return_counts=True)
    ranked = [int(h) for h in values[np.argsort(-counts, kind="stable")]]
    worths = [
        _worth(h, scored.n_synthetic[runs], scored.score[runs], alone, draws)
        for h in ranked
        for runs in [counted & (scored.n_human == h)]
    ]
    warnings = [*scored.notes, *of_runs(ranked, int(np.sum(scored.n_synthetic == 0))), *of_curve(alone)]
    return Valuation(alone, tuple(worths), tuple(warnings))


def points_needed(sizes: Array, n: Array) -> PointsNeeded:
    """The paper's Table 3: mean, median and quartiles over runs of the equivalent `sizes` (may be infinite) minus `n`."""
    needed = np.sort(sizes - n)

    def quantile(q: float) -> float | None:
        at = q * (len(needed) - 1)
        low, high = float(needed[math.floor(at)]), float(needed[math.ceil(at)])
        return low + (high - low) * (at % 1) if math.isfinite(high) else None

    return PointsNeeded(_finite(float(needed.mean())), quantile(0.5), quantile(0.25), quantile(0.75))


def _worth(h: int, n: Array, s: Array, alone: SizeCurve, draws: int) -> HumanValue:
    study = exchange.ExchangeData(alone.x, alone.y, n, s)
    sizes = alone.sizes(s)
    needed = points_needed(sizes, n) if alone.rises else None
    ratio = _ratio(study, h, alone, draws) if alone.rises else None
    above = alone.ceiling is not None and float(np.mean(s > alone.ceiling)) > 0.5
    warnings = of_ceiling(h, s, alone.ceiling) if alone.ceiling is not None and above else []
    if needed is not None and ratio is not None:
        warnings += of_equivalents(h, sizes, needed.median, ratio, study, alone)
    runs = [Equivalent(int(a), h, float(b), _finite(c), _finite(c - a)) for a, b, c in zip(n, s, sizes, strict=True)]
    return HumanValue(h, tuple(runs), needed, ratio, alone.lift(n, s), above, tuple(warnings))


def _ratio(study: exchange.ExchangeData, h: int, alone: SizeCurve, draws: int) -> Range:
    """The exchange per human point, and the 2.5 and 97.5 percentiles of its draws."""
    limit = alone.far - float(study.n.mean())

    def per_point(total: float) -> float | None:
        return total / h if total <= limit else None

    value = per_point(exchange.value(study))
    if not alone.log.df:
        return Range(value)
    drawn = exchange.draws(study, draws, np.random.default_rng(seeding.number(0, "exchange of human points", h)))
    drawn = np.where(drawn <= limit, drawn, np.inf)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail), method="inverted_cdf")  # no averaging with an infinite draw
    return Range(value, per_point(float(low)), per_point(float(high)))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
