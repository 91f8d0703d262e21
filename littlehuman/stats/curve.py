"""The statistics of one curve: scores and comparisons with its base, from one model, with one verdict each.

In: scores `[arms, seeds, items]` (arms: shares of synthetic points, a reference, ...; nan where a cell was
not run), the clusters of the items, the base, the loss that can be borne. Out: `Curve`.

    curve = analyse(scores, clusters, base=0, delta=0.02)
    curve.scores[3].low, curve.differences[3].verdict, curve.parts.seed_sd

One simultaneous interval decides everything that is said about an arm: worse, better, equal within delta or not known,
the adjusted p, and the smallest difference that the study finds. They cannot contradict each other. Where all cells
stand on one seed, intervals speak of new test items only, and no verdict is given: another training would differ by an
unknown amount.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from littlehuman.errors import ConfigError, Problem
from littlehuman.stats import bounded, model
from littlehuman.stats import clusters as clustered
from littlehuman.stats.cells import Cells, cells_of
from littlehuman.stats.interval import LEVEL, Interval
from littlehuman.stats.layout import comparison_forms
from littlehuman.stats.ratio import relative

POWER = 0.80
DELTA = 0.02


class Verdict(StrEnum):
    """What the simultaneous interval of a difference says; where two hold, the first."""

    EQUAL = "equal"  # within delta: the interval lies inside (-delta, delta)
    WORSE = "worse"  # it lies below 0
    BETTER = "better"
    UNKNOWN = "unknown"


class Caveat(StrEnum):
    """What a reader of the numbers must be told."""

    ONE_SEED = "one_seed"  # intervals speak of new test items only, and nothing is decided
    TWO_SEEDS = "two_seeds"  # cannot show that an arm scatters more than the others
    ONE_CLUSTER = "one_cluster"  # how scores would vary on other texts is not known
    FEW_CLUSTERS = "few_clusters"  # below 20: intervals cover less than they say
    NO_SHARED_SEED = "no_shared_seed"  # of an arm with the base: it is not compared
    MISSING_CELLS = "missing_cells"  # comparisons use the seeds that both have


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm minus the base, in score units, over the seeds that both have.

    `interval` is simultaneous over all arms and decides; `p` is adjusted for all of them and below 1 - level exactly
    where the interval leaves out 0. `detectable`: the true difference that is found in 80 % of studies with this
    standard error, at the level that decides; `power`: the chance that a true difference of delta is found.
    `relative`: of new / base - 1 (nan where the base is not clearly above 0). All nan or None where not known.
    `of_seeds`: whether it speaks of new seeds and items; False: of new items for these trained models.
    """

    arm: int
    interval: Interval
    p: float | None
    verdict: Verdict
    relative: Interval
    detectable: float | None
    power: float | None
    of_seeds: bool
    delta: float

    @property
    def differs(self) -> bool:
        """Whether a difference is shown (of whatever size)."""
        return self.of_seeds and not self.interval.holds(0) and self.interval.known

    @property
    def loss_below_delta(self) -> bool:
        """Whether it is shown that the arm loses less than delta."""
        return self.of_seeds and self.interval.low > -self.delta


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the scores' variation comes from. Standard deviations in score units; nan where it cannot be known.

    `seed_sd`: between seeds of one arm, apart from what all arms share; `by_arm`: the same for each, moderated;
    `shared_seed_sd`: what a seed does to all arms; `df_seeds`: degrees of freedom of `seed_sd`. `stable_sd`,
    `noise_sd`: per item, of the difference of two cells: what every seed repeats, and what it does not. `icc`:
    intra-cluster correlation of scores, `icc_differences` of differences; `design_effect`: of the clusters on a score;
    `effective_items`: items over it.
    """

    seed_sd: float
    by_arm: tuple[float, ...]
    shared_seed_sd: float
    df_seeds: float
    stable_sd: float
    noise_sd: float
    items: int
    clusters: int
    icc: float
    icc_differences: float
    design_effect: float
    effective_items: float


@dataclass(frozen=True, slots=True)
class Curve:
    """All that is said about a curve. `scores` and `differences` are by arm; the base has no difference (None).

    `alpha`: family-wise level; `local_level`: of each single comparison, which keeps it.
    """

    base: int
    alpha: float
    local_level: float
    delta: float
    scores: tuple[Interval, ...]
    differences: tuple[Difference | None, ...]
    parts: Parts
    caveats: tuple[Caveat, ...]


def analyse(
    scores: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    base: int = 0,
    delta: float = DELTA,
    alpha: float = 1 - LEVEL,
) -> Curve:
    """Analyse the item scores of a curve.

    Args:
        scores: `[arms, seeds, items]` in 0..1; a cell that was not run is nan in all its items.
        clusters: cluster of each item `[items]`; None: every item its own.
        base: the arm that all others are compared with.
        delta: the loss that can be borne, above 0, in score units.
        alpha: family-wise level of the comparisons (`looks.Looks.level` where a study is looked at repeatedly).

    Raises:
        DataError: when the scores are not what they should be.
        ConfigError: when delta, alpha or base are outside their range.
    """
    return of_cells(cells_of(scores, clusters), base=base, delta=delta, alpha=alpha)


def of_cells(cells: Cells, *, base: int = 0, delta: float = DELTA, alpha: float = 1 - LEVEL) -> Curve:
    """Analyse reduced cells of one study: those of item scores (`cells_of`) or of counts (`counts.cells_of`)."""
    _check(cells, base, delta, alpha)
    family = model.compare(cells, alpha, base)
    differences = dict(_differences(cells, family, base, delta, alpha))
    listed = tuple(differences.get(arm) for arm in range(cells.arms))
    return Curve(
        base,
        alpha,
        float(family.local),
        delta,
        score_intervals(cells),
        listed,
        _parts(cells, family),
        tuple(_caveats(cells, base)),
    )


def _check(cells: Cells, base: int, delta: float, alpha: float) -> None:
    problems = []
    if not 0 < delta < math.inf:
        problems.append(Problem(f"delta={delta}", "must be above 0: the loss that can be borne"))
    if not 0 < alpha < 1:
        problems.append(Problem(f"alpha={alpha}", "must lie between 0 and 1"))
    if not 0 <= base < cells.arms:
        problems.append(Problem(f"base={base}", f"must be one of the arms 0 to {cells.arms - 1}"))
    if problems:
        raise ConfigError(problems, f"base=0 delta={DELTA} alpha={1 - LEVEL:.2g}")


def score_intervals(cells: Cells) -> tuple[Interval, ...]:
    """The score of each arm with its 95 % interval."""
    found = bounded.scores(cells, LEVEL)
    counts, items = cells.present.sum(1), cells.clusters.items
    parts = (found.value, found.low, found.high, found.se, found.df)
    rows = zip(*(part.tolist() for part in parts), counts.tolist(), strict=True)
    return tuple(Interval(value, low, high, se, df, seeds, items) for value, low, high, se, df, seeds in rows)


def _differences(
    cells: Cells, family: model.Family, base: int, delta: float, alpha: float
) -> Iterator[tuple[int, Difference]]:
    rows, local, adjusted, halves = family.rows, float(family.local), family.p, family.half_width
    for i, arm in enumerate(comparison_forms(cells.present, base).others):
        seeds = 0 if np.isnan(rows.seeds[i]) else int(rows.seeds[i])
        value, half = (float(rows.value[i]), float(halves[i])) if seeds else (math.nan, math.nan)
        se = float(rows.se[i])
        df = float(special.stdtridf(1 - local / 2, half / se)) if half > 0 else math.nan
        interval = Interval(value, value - half, value + half, se, df, seeds, cells.clusters.items, 1 - alpha)
        of_seeds = bool(np.isfinite(rows.df_seeds[i])) and interval.known
        p = float(adjusted[i]) if interval.known else None
        decided = verdict(interval, delta) if of_seeds else Verdict.UNKNOWN
        found, power = (detectable(se, df, local), power_at(delta, se, df, local)) if interval.known else (None, None)
        ratio = relative(cells, family, base, i, half)
        yield arm, Difference(arm, interval, p, decided, ratio, found, power, of_seeds, delta)


def verdict(interval: Interval, delta: float) -> Verdict:
    """What an interval of a difference says about it."""
    if -delta < interval.low and interval.high < delta:
        return Verdict.EQUAL
    if interval.high < 0:
        return Verdict.WORSE
    return Verdict.BETTER if interval.low > 0 else Verdict.UNKNOWN


def detectable(se: float, df: float, local: float, power: float = POWER) -> float:
    """The true difference that a two-sided t test at the level `local` finds with probability `power` (noncentral
    t)."""
    critical = -float(special.stdtrit(df, local / 2))
    return float(special.nctdtrinc(df, 1 - power, critical)) * se


def power_at(effect: float, se: float, df: float, local: float) -> float:
    """The probability that the same test finds a true difference of `effect`."""
    critical, shift = -float(special.stdtrit(df, local / 2)), effect / se
    return float(1 - special.nctdtr(df, shift, critical) + special.nctdtr(df, shift, -critical))


def _parts(cells: Cells, family: model.Family) -> Parts:
    known, forms = cells.clusters, comparison_forms(cells.present, 0)
    seeds = bool(forms.df_table)
    total = model.seed_variance(cells)
    effect = float(clustered.design_effect(known, known.icc))
    stable, noise = _per_item(cells)
    return Parts(
        seed_sd=math.sqrt(family.common) if seeds else math.nan,
        by_arm=tuple(np.sqrt(family.by_arm).tolist()) if seeds else (math.nan,) * cells.arms,
        shared_seed_sd=math.sqrt(max(total - float(family.common), 0)) if seeds else math.nan,
        df_seeds=forms.df_table if seeds else math.nan,
        stable_sd=stable,
        noise_sd=noise,
        items=known.items,
        clusters=known.count,
        icc=float(known.icc),
        icc_differences=float(cells.icc_of_differences),
        design_effect=effect,
        effective_items=known.items / effect,
    )


def _per_item(cells: Cells) -> tuple[float, float]:
    """Standard deviations per item of a difference of two cells: what every seed repeats, and what it does not."""
    forms = comparison_forms(cells.present, 0)
    scale = cells.clusters.items / float(clustered.design_effect(cells.clusters, cells.icc_of_differences))
    compared = [weights for weights, seeds in zip(forms.weights, forms.seeds, strict=True) if seeds > 0]
    if not compared:
        return math.nan, math.nan
    if not forms.df_table:
        return math.sqrt(max(np.mean([w @ cells.covariance @ w for w in compared]), 0) * scale), math.nan
    noise = 2 * float((forms.table * cells.covariance).sum())
    stable = np.mean(
        [w @ cells.covariance @ w - noise / n for w, n in zip(forms.weights, forms.seeds, strict=True) if n > 0]
    )
    return math.sqrt(max(float(stable), 0) * scale), math.sqrt(max(noise, 0) * scale)


def _caveats(cells: Cells, base: int) -> Iterator[Caveat]:
    forms = comparison_forms(cells.present, base)
    if cells.present.sum(1).max() == 1:
        yield Caveat.ONE_SEED
    elif cells.present.sum(1).max() == 2:
        yield Caveat.TWO_SEEDS
    if cells.clusters.count == 1:
        yield Caveat.ONE_CLUSTER
    elif cells.clusters.count < clustered.FEWEST:
        yield Caveat.FEW_CLUSTERS
    if np.isnan(forms.seeds).any():
        yield Caveat.NO_SHARED_SEED
    if not cells.present[:, cells.present.any(0)].all():
        yield Caveat.MISSING_CELLS
