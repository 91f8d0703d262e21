"""The replacement curves of a study: score over the synthetic share, with statistics, floors, warnings and verdicts.

In: the frame of `results.load`. Out: a `ReplacementCurve` per series and size, or (`control`) those of the human
points alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from littlehuman import stats
from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.stats.interval import LEVEL
from littlehuman.study import comparisons
from littlehuman.study.blocks import Blocks, blocks_of_curve
from littlehuman.study.clusters import ClusterIndex, ItemClusters
from littlehuman.study.comparisons import CurveCells, CurveStatistics
from littlehuman.study.curve_table import COLUMNS, WITHHELD, curve_table, withheld_because
from littlehuman.study.curve_warnings import CurveWarning, WarningKind, warnings_of_curve
from littlehuman.study.floors import Floor, floors_of
from littlehuman.study.look_design import LookDesign
from littlehuman.study.series import Cells, Series, frame_of

__all__ = ["COLUMNS", "ReplacementCurve", "curves_of_study", "replacement_curve"]


@dataclass(frozen=True, eq=False)
class ReplacementCurve:
    """One curve over the synthetic share.

    `table`: a row per share (`curve_table`). `analysis`: its arms are `shares`, ascending, the base is the smallest;
    None for metrics without statistics of items. `statistics`: what it was computed from, without collapsed runs.
    `missing`: shares that were begun and have no complete cell. `floors`: scores that need no training. `warnings`:
    what is wrong with its runs. `blocks`: where it stands in its group-sequential design, None where none was fixed.
    """

    label: str
    curve: CurveCells
    metric: str
    table: pd.DataFrame
    missing: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    analysis: stats.Curve | None = None
    statistics: CurveStatistics | None = None
    floors: tuple[Floor, ...] = ()
    warnings: tuple[CurveWarning, ...] = ()
    blocks: Blocks | None = None

    @property
    def place(self) -> str:
        """What is trained and tested on: curves of one place are drawn together."""
        return self.curve.series.place

    @property
    def facet(self) -> tuple[str, int, str]:
        """Place, size and metric: curves that share them are comparable."""
        return self.place, self.curve.n_train, self.metric

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return self.curve.series.protocol

    @property
    def clusters(self) -> ItemClusters | None:
        """The clusters of test items that intervals and tests use."""
        return self.statistics.clusters if self.statistics else None

    @property
    def cluster_level(self) -> str | None:
        """`passage`, `document`, or None: each test item counts alone."""
        return self.clusters.level if self.clusters else None

    @property
    def cluster_notice(self) -> str:
        """Why clusters are not known, with the mend; empty where they are."""
        return self.clusters.notice if self.clusters else ""

    @property
    def floor(self) -> float | None:
        """The highest floor's score; None where no floor is known."""
        return max((floor.value for floor in self.floors), default=None)

    @property
    def learnt(self) -> bool:
        """Whether the interval of the best share lies above all floors; True where floors or interval are not known."""
        if self.floor is None:
            return True
        best = self.table.loc[self.table["mean"].astype(float).idxmax()]
        return bool(best["low"] > self.floor) or pd.isna(best["low"])

    @property
    def seeds(self) -> list[int]:
        """Numbers of seeds that stand behind its points."""
        return sorted({int(n) for n in self.table["seeds"]})

    @property
    def within_delta_up_to(self) -> float | None:
        """The largest share up to which every one is shown to lose less than delta; None: not even the first is."""
        reached = None
        for row in self.table.iloc[1:].itertuples():
            if row.verdict == WITHHELD or row.shown is not True:
                break
            reached = float(str(row.synth_frac))
        return reached

    def withheld_because(self, share: float) -> tuple[CurveWarning, ...]:
        """Warnings for which this share has no verdict."""
        return withheld_because(self.warnings, share, self.shares[0]) if self.shares else ()


def curves_of_study(
    frame: Cells,
    metric: str | None,
    delta: float,
    *,
    control: bool = False,
    index: ClusterIndex | None = None,
    designs: Iterable[LookDesign] = (),
) -> tuple[ReplacementCurve, ...]:
    """The replacement curves of a study; controls that several series share come once.

    Args:
        frame: of `results.load`, or its series.
        metric: instead of each series' headline, where it has it.
        delta: the loss that can be borne, in score units.
        control: the human points of the mixtures alone.
        index: clusters of the test items (default: those that the runs wrote).
        designs: of curves that are looked at while their seeds come in; each curve is analysed at its look's level.
    """
    known = index or ClusterIndex(frame_of(frame))
    fixed, seen, found = tuple(designs), set(), []
    for curve in comparisons.replacement_curves(frame, control=control):
        cells = frozenset(curve.cells["cell"])
        if cells not in seen:
            seen.add(cells)
            name = metric if metric and has_metric(curve.series, metric) else curve.series.metric
            found.append(replacement_curve(curve, name, delta, known, blocks_of_curve(fixed, curve)))
    return tuple(found)


def replacement_curve(
    curve: CurveCells, metric: str, delta: float, index: ClusterIndex, blocks: Blocks | None = None
) -> ReplacementCurve:
    """Statistics, floors, warnings and the table of one curve, at the level of its look where it has looks.

    Runs that collapsed or lie far from their share's other seeds have no part in the variances by which other shares
    are judged; their own share keeps them, without a verdict where it would be another one without them. Of the
    smallest share all are compared with, only collapsed ones are left out.
    """
    alpha = blocks.level if blocks else 1 - LEVEL
    found = comparisons.statistics_of(curve.cells, metric, index)
    analysis = stats.of_cells(found.cells, delta=delta, alpha=alpha) if found else None
    folders = list(found.scores.folders if found else curve.cells["folder"])
    floors = floors_of(curve.series, metric, folders[0])
    warnings = warnings_of_curve(curve.cells, metric, found, analysis, floors)
    if blocks and not blocks.at_look:
        warnings = (CurveWarning(WarningKind.BETWEEN_LOOKS, None, withholds=True), *warnings)
    shares = found.scores.arms if found else ()
    far = _far_cells(warnings, shares)
    if not found or not analysis or not far:
        table = curve_table(curve, metric, shares, analysis, found.cells if found else None, warnings)
    else:
        whole, whole_cells, found = analysis, found.cells, _without_cells(found, far)
        clean = stats.of_cells(found.cells, delta=delta, alpha=alpha)
        warnings = tuple(_resting(warning, shares, whole, clean) for warning in warnings)
        kept = [share not in {share for share, _ in far} for share in shares]
        analysis = _merged(clean, whole, kept)
        table = curve_table(curve, metric, shares, whole, whole_cells, warnings)
        rest = curve_table(curve, metric, shares, clean, found.cells, warnings)
        table = table.where(~table["synth_frac"].isin([s for s, k in zip(shares, kept, strict=True) if k]), rest)
    return ReplacementCurve(
        _label(curve), curve, metric, table, _missing(curve), shares, analysis, found, floors, warnings, blocks
    )


def _far_cells(warnings: Sequence[CurveWarning], shares: Sequence[float]) -> frozenset[tuple[float | None, int]]:
    """Share and seed of runs that must not blur the other shares."""
    named = [
        warning
        for warning in warnings
        if warning.kind is WarningKind.COLLAPSED
        or (warning.kind is WarningKind.OUTLYING and warning.share not in shares[:1])
    ]
    return frozenset((warning.share, seed) for warning in named for seed in warning.seeds)


def _resting(warning: CurveWarning, shares: Sequence[float], whole: stats.Curve, clean: stats.Curve) -> CurveWarning:
    """An outlying seed withholds the verdict that is another one without it."""
    if warning.kind is not WarningKind.OUTLYING or warning.share not in shares[1:]:
        return warning
    arm = shares.index(warning.share)
    verdicts = [None if d is None else d.verdict for d in (whole.differences[arm], clean.differences[arm])]
    return replace(warning, withholds=verdicts[0] != verdicts[1])


def _without_cells(found: CurveStatistics, cells: Collection[tuple[float | None, int]]) -> CurveStatistics:
    table = found.scores.scores.copy()
    for share, seed in cells:
        table[found.scores.arms.index(share), found.scores.seeds.index(seed)] = np.nan
    scores = replace(found.scores, scores=table)
    return CurveStatistics(scores, scores.cells(found.clusters.labels), found.clusters)


def _merged(clean: stats.Curve, whole: stats.Curve, kept: Sequence[bool]) -> stats.Curve:
    """Arms that are kept from the analysis without collapsed runs, the others from that of all runs."""
    scores = tuple((clean if k else whole).scores[arm] for arm, k in enumerate(kept))
    differences = tuple((clean if k else whole).differences[arm] for arm, k in enumerate(kept))
    return replace(clean, scores=scores, differences=differences, caveats=whole.caveats)


def _label(curve: CurveCells) -> str:
    """The series' name without what its facet says anyway; a lone series is named by who wrote its twins."""
    rest = ", ".join(parts := curve.series.name.split(", ")[1:])
    if curve.control:  # whoever would have written the twins has no part in it
        kept = [part for part in parts if not _is_of_twins(part, curve)]
        return f"human points alone ({', '.join(kept)})" if kept else "human points alone"
    if rest or "prompt_model" not in curve.cells:
        return rest or "synthetic"
    return f"synthetic twins by {', '.join(sorted({str(name) for name in curve.cells['prompt_model'].dropna()}))}"


def _is_of_twins(part: str, curve: CurveCells) -> bool:
    """Whether a part of a series' name tells how twins are written: `twins by x`, `few_shot`, `strategy.seed=1`."""
    columns = [group for group in TWIN_GROUPS if group in curve.series.cells]
    names = {str(value) for group in columns for value in curve.series.cells[group].dropna()}
    return part.removeprefix("twins by ").removeprefix("filter ") in names or part.split(".")[0] in TWIN_GROUPS


def _missing(curve: CurveCells) -> tuple[float, ...]:
    cells = curve.series.cells
    begun = cells[
        (cells["n_train"] == curve.n_train) & (cells["extra_human"] == 0) & (cells["synthetic"] != curve.control)
    ]
    return tuple(sorted({float(f) for f in begun["synth_frac"]} - set(curve.fractions)))


def has_metric(series: Series, metric: str) -> bool:
    """Whether a complete cell of the series has a score of this metric."""
    return metric in series.complete and bool(series.complete[metric].notna().any())
