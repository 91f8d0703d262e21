"""Metrics of a whole test set (corpus BLEU, macro F1): what each item adds to them, so that they are analysed as means.

In: per item the statistics whose sums make the metric (n-gram counts, confusion counts), `[arms, seeds, items,
statistics]`, and the metric of such sums. Out: `Cells`, which `curve.of_cells` analyses as it does item scores: the
same seeds, clusters, family of comparisons and verdicts.

A smooth function of sums is, for its sampling error, a mean of jackknife values: value + (items - 1) x (mean of the
values without one item - value without this one) (Tukey 1958; Efron and Stein 1981, Annals of Statistics 9; with
clusters as linearisation in survey statistics, Shao 1996). Their covariance over clusters then has the small-sample
correction of `clusters`, which a bootstrap lacks; a paired cluster bootstrap is the oracle in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError
from littlehuman.stats import clusters as clustered
from littlehuman.stats.cells import Cells, reduced
from littlehuman.stats.clusters import Floats

Metric = Callable[[Floats], Floats]  # sums [m, statistics] -> values [m]


def cells_of(counts: npt.ArrayLike, metric: Metric, clusters: npt.ArrayLike | None = None) -> Cells:
    """Values of a metric in all cells, and their cluster-robust covariance.

    Args:
        counts: `[arms, seeds, items, statistics]`; a cell that was not run is nan throughout.
        metric: of sums `[m, statistics]`, its values `[m]` in 0..1.
        clusters: cluster of each item `[items]`; None: every item its own.

    Raises:
        DataError: when the shape is another, some items of a cell lack counts, or an arm has no cell.
    """
    table = np.asarray(counts, float)
    if table.ndim != 4 or not table.size:
        raise DataError(f"counts: the shape is {table.shape}; expected [arms, seeds, items, statistics]")
    missing = np.isnan(table)
    present = ~missing.all((-1, -2))
    if missing[present].any() or not present.any(1).all():
        raise DataError("counts: an arm has no cell, or a cell lacks some counts; give nan for whole cells alone")
    values = np.full(table.shape[:3], np.nan)
    means = np.full(table.shape[:2], np.nan)
    for arm, seed in np.argwhere(present):
        means[arm, seed], values[arm, seed] = item_values(table[arm, seed], metric)
    return replace(reduced(values, clustered.labels(clusters, table.shape[2])), means=means)


def item_values(counts: Floats, metric: Metric) -> tuple[float, Floats]:
    """The metric of one run, and the jackknife values of its items `[items]`, whose mean it is; they may leave 0..1.

    `counts` are `[items, statistics]`.
    """
    whole = counts.sum(0, keepdims=True)
    value, without = float(metric(whole)[0]), metric(whole - counts)
    return value, np.asarray(value + (len(counts) - 1) * (without.mean() - without))


def macro_f1(sums: Floats) -> Floats:
    """Mean of the classes' F1 from sums of hits, predictions and targets, `[m, 3 x classes]`."""
    hits, predicted, wanted = np.asarray(sums, float).reshape(len(sums), 3, -1).transpose(1, 0, 2)
    return np.asarray((2 * hits / np.maximum(predicted + wanted, 1)).mean(-1))


def corpus_bleu(sums: Floats) -> Floats:
    """Corpus BLEU in 0..1 from sums of answer length, reference length, n-grams found and n-grams, `[m, 2 + 2 x
    orders]`.

    As sacreBLEU computes it, with exponential smoothing of orders without a match.
    """
    table = np.asarray(sums, float)
    orders = (table.shape[1] - 2) // 2
    found, total = table[:, 2 : 2 + orders], table[:, 2 + orders :]
    none = found == 0
    smoothed = np.where(none, 0.5 ** np.cumsum(none, 1), found)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.exp(np.log(smoothed / total).mean(1) + np.minimum(1 - table[:, 1] / table[:, 0], 0))
    return np.where(found.any(1) & (total > 0).all(1) & (table[:, 0] > 0), np.minimum(score, 1), 0.0)
