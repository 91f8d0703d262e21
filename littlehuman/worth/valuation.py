"""What h human points are worth in synthetic ones: Section 4 of the paper, with an interval.

In: the runs of one series. Out: the curve of the runs without human points, and for every number
h of human points that was tried: the equivalent size of each run (the paper's Table 3 takes their
mean, median and quartiles), the exchange ratio with its 95 % interval, and how much h points lift
the score. Where more synthetic data does not help there is no equivalent, and words say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from littlehuman import seeding
from littlehuman.study.scored import Scored
from littlehuman.worth import caveats, curve, exchange
from littlehuman.worth.curve import LEVEL, Curve, Range
from littlehuman.worth.fits import Array

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
class Worth:
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

    curve: Curve
    by_human: tuple[Worth, ...]
    warnings: tuple[str, ...]


def of(scored: Scored, draws: int = DRAWS) -> Valuation:
    """Value the human points of a series, by `draws` draws for the intervals.

    The headline is the number of human points with most runs, the smallest of several such.

    Raises:
        DataError: without a curve: one run, no runs on synthetic points alone, or all of one size.
    """
    alone = curve.of(scored)
    counted = (scored.n_human > 0) & (scored.n_synthetic > 0)
    values, counts = np.unique(scored.n_human[counted], return_counts=True)
    ranked = [int(h) for h in values[np.argsort(-counts, kind="stable")]]
    worths = [
        _worth(h, scored.n_synthetic[runs], scored.score[runs], alone, draws) for h in ranked for runs in [counted & (scored.n_human == h)]
    ]
    warnings = [*scored.notes, *caveats.of_runs(ranked, int(np.sum(scored.n_synthetic == 0))), *caveats.of_curve(alone)]
    return Valuation(alone, tuple(worths), tuple(warnings))


def points_needed(sizes: Array, n: Array) -> PointsNeeded:
    """The paper's Table 3: mean, median and quartiles over runs of the equivalent `sizes` (may be infinite) minus `n`."""
    needed = np.sort(sizes - n)

    def quantile(q: float) -> float | None:
        at = q * (len(needed) - 1)
        low, high = float(needed[math.floor(at)]), float(needed[math.ceil(at)])
        return low + (high - low) * (at % 1) if math.isfinite(high) else None

    return PointsNeeded(_finite(float(needed.mean())), quantile(0.5), quantile(0.25), quantile(0.75))


def _worth(h: int, n: Array, s: Array, alone: Curve, draws: int) -> Worth:
    study = exchange.Study(alone.x, alone.y, n, s)
    sizes = alone.sizes(s)
    needed = points_needed(sizes, n) if alone.rises else None
    ratio = _ratio(study, h, alone, draws) if alone.rises else None
    above = alone.ceiling is not None and float(np.mean(s > alone.ceiling)) > 0.5
    warnings = caveats.of_ceiling(h, s, alone.ceiling) if alone.ceiling is not None and above else []
    if needed is not None and ratio is not None:
        warnings += caveats.of_equivalents(h, sizes, needed.median, ratio, study, alone)
    runs = [Equivalent(int(a), h, float(b), _finite(c), _finite(c - a)) for a, b, c in zip(n, s, sizes, strict=True)]
    return Worth(h, tuple(runs), needed, ratio, alone.lift(n, s), above, tuple(warnings))


def _ratio(study: exchange.Study, h: int, alone: Curve, draws: int) -> Range:
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
