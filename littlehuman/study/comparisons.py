"""Which cells of a study are compared, and their statistics from one model per curve.

In: the frame of `results.load`. Out: `CurveCells`, cells that differ in synthetic share and seed alone;
`CurveStatistics`, what `stats.of_cells` analyses of them; and `over_seeds`, a table with a row per condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from littlehuman import stats
from littlehuman.stats import curve
from littlehuman.study.clusters import ClusterIndex, ItemClusters
from littlehuman.study.item_scores import ItemScores, item_scores
from littlehuman.study.load import metric_names
from littlehuman.study.series import Cells, Series, frame_of, split

CONDITION = ["n_train", "extra_human", "synthetic", "synth_frac"]


@dataclass(frozen=True)
class CurveCells:
    """Complete cells of one series that differ in the synthetic share and the seed alone."""

    name: str
    series: Series
    n_train: int
    cells: pd.DataFrame
    control: bool = False  # the human points of the mixtures alone

    @property
    def fractions(self) -> list[float]:
        """Shares that have at least one complete cell, ascending."""
        return sorted({float(value) for value in self.cells["synth_frac"]})


@dataclass(frozen=True, eq=False)
class CurveStatistics:
    """Cells reduced to what their analysis needs: item scores, the clusters of items, means and their covariance."""

    scores: ItemScores
    cells: stats.Cells
    clusters: ItemClusters


def replacement_curves(frame: Cells, *, control: bool = False) -> list[CurveCells]:
    """Curves of score over the synthetic share, one per series and size, that have two shares or more.

    With `control` those of the human points alone (`synthetic=false`); both have the cells at share 0.
    """
    return [found for series in split(frame) for found in _curves(series, control) if len(found.fractions) > 1]


def statistics_of(cells: pd.DataFrame, metric: str, index: ClusterIndex) -> CurveStatistics | None:
    """Cell means and their covariance over clusters of test items; None where the metric has no statistics of items.

    Args:
        cells: complete cells that differ in synthetic share and seed alone.
        metric: its name.
        index: the clusters of the study's test items.

    Raises:
        DataError: when the cells were not tested on the same items.
    """
    scores = item_scores(cells, metric)
    if scores is None:
        return None
    clusters = index.of(scores.folders, scores.items)
    return CurveStatistics(scores, scores.cells(clusters.labels), clusters)


def over_seeds(frame: Cells, metrics: Sequence[str] | None = None, index: ClusterIndex | None = None) -> pd.DataFrame:
    """Results over seeds: one row per condition of a series, with mean and 95 % interval of each metric.

    The interval is for new seeds and new test items, the same as in the condition's curve; with one seed for new
    items alone (see `seeds`). Metrics without statistics of single items have intervals over seeds alone, and none
    with one seed.
    """
    known, rows = index or ClusterIndex(frame_of(frame)), []
    for series in split(frame):
        names = list(metrics or _metrics(series.complete))
        intervals = {name: _intervals(series, name, known) for name in names}
        columns = [*CONDITION, "seed", "n_human", "n_synthetic", "usd", "seconds"]
        done = series.complete[[*columns, *(name for name in names if name in series.complete)]]
        for key, cells in done.groupby(CONDITION, sort=True):
            one = cells.drop_duplicates("seed")
            row = {"series": series.name, "protocol": series.protocol, **dict(zip(CONDITION, key, strict=True))}
            row |= {"seeds": len(one), "n_human": one["n_human"].mean(), "n_synthetic": one["n_synthetic"].mean()}
            for name in names:
                found = intervals[name].get(key) or interval_over_seeds(one, name)
                row |= (
                    {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high} if found else {name: None}
                )
                row |= {"items": found.items} if found and found.items else {}
            rows.append(row | {"usd": one["usd"].sum(), "seconds": one["seconds"].sum()})
    return pd.DataFrame(rows)


def interval_over_seeds(cells: pd.DataFrame, metric: str) -> stats.Interval | None:
    """The mean of a metric over runs, one per seed, with its interval over seeds alone; None where no run has it."""
    values = cells[metric].dropna().astype(float) if metric in cells else pd.Series(dtype=float)
    return stats.over_seeds(values.to_numpy()) if len(values) else None


def _curves(series: Series, control: bool) -> Iterator[CurveCells]:
    cells = series.complete
    cells = cells[cells["extra_human"] == 0]
    wanted = cells[(cells["synthetic"] != control) | (cells["synth_frac"] == 0)]
    several = cells["n_train"].nunique() > 1
    for size, same in wanted.groupby("n_train", sort=True):
        if size and (same["synthetic"] != control).any() and (control or not same["without_twins"].all()):
            name = f"{series.name}, n={int(size)}" if several else series.name
            yield CurveCells(name, series, int(size), same, control)


def _intervals(series: Series, metric: str, index: ClusterIndex) -> dict[tuple[Any, ...], stats.Interval]:
    """Interval of each condition, from one model per size with twins and another without."""
    found: dict[tuple[Any, ...], stats.Interval] = {}
    done = series.complete[[*CONDITION, "seed", "folder"]]
    for (size, extra), same in done.groupby(["n_train", "extra_human"], sort=True):
        for synthetic in (True, False):
            mine = same[same["synthetic"] == synthetic]
            cells = same[(same["synthetic"] == synthetic) | (same["synth_frac"] == 0)]
            if mine.empty or (known := statistics_of(cells, metric, index)) is None:
                continue
            for share, interval in zip(known.scores.arms, curve.score_intervals(known.cells), strict=True):
                found.setdefault((size, extra, synthetic, share), interval)
    return found


def _metrics(cells: pd.DataFrame) -> list[str]:
    found = [name for name in metric_names(cells) if cells[f"{name}_low"].notna().any()]
    headline = str(cells["metric"].iloc[0])
    return sorted(found, key=lambda name: name != headline)
