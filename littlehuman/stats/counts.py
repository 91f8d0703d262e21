"""Metrics of a whole test set (corpus BLEU, macro F1): cells whose covariance comes from a paired cluster bootstrap.

In: per item the statistics whose sums make the metric (n-gram counts, confusion counts), `[arms, seeds, items,
statistics]`, and the metric of such sums. Out: `Cells`, which `curve.of_cells` analyses as it does item scores: the
same seeds, the same family of comparisons, the same verdicts.

Clusters are resampled with replacement, the same ones for all cells (Koehn 2004, paired bootstrap, by clusters: Field
and Welsh 2007, JRSS B 69): a resample is a row of multinomial counts, so all sums are one matrix product. Seeds are
not resampled: a bootstrap of three is known to be too narrow; the model's between-seed variance takes their part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError
from littlehuman.seeding import number
from littlehuman.stats import clusters as clustered
from littlehuman.stats.cells import Cells
from littlehuman.stats.clusters import Floats

RESAMPLES = 1_999
Metric = Callable[[Floats], Floats]  # sums [m, statistics] -> values [m]


def cells_of(
    counts: npt.ArrayLike, metric: Metric, clusters: npt.ArrayLike | None = None, resamples: int = RESAMPLES
) -> Cells:
    """Values of a metric in all cells, and their bootstrap covariance over clusters of items.

    Args:
        counts: `[arms, seeds, items, statistics]`; a cell that was not run is nan throughout.
        metric: of sums `[m, statistics]`, its values `[m]` in 0..1.
        clusters: cluster of each item `[items]`; None: every item its own.
        resamples: bootstrap samples.

    Raises:
        DataError: when the shape is another, some items of a cell lack counts, or an arm has no cell.
    """
    table = np.asarray(counts, float)
    if table.ndim != 4 or not table.size:
        raise DataError(f"counts: the shape is {table.shape}; expected [arms, seeds, items, statistics]")
    arms, seeds, items, statistics = table.shape
    missing = np.isnan(table)
    present = ~missing.all((-1, -2))
    if missing[present].any() or not present.any(1).all():
        raise DataError("counts: an arm has no cell, or a cell lacks some counts; give nan for whole cells alone")
    labels = clustered.labels(clusters, items)
    sums = clustered.totals(np.nan_to_num(table).transpose(0, 1, 3, 2).reshape(arms * seeds, statistics, items), labels)
    values = np.where(present.ravel(), metric(sums.sum(-1)), np.nan).reshape(arms, seeds)
    known = _clusters(labels)
    covariance = _bootstrap(sums, metric, present.ravel(), resamples)
    return Cells(values, covariance, present, known, 3 / known.df * np.ones(arms), np.asarray(np.nan))


def _clusters(labels: npt.NDArray[np.int64]) -> clustered.Clusters:
    """Degrees of freedom as for clusters that vary as a whole: what an item adds to the metric is not known."""
    sizes = np.bincount(labels)
    whole = clustered.of_sizes(sizes, np.asarray(1.0))
    return clustered.Clusters(whole.items, whole.shares, whole.weights, np.asarray(np.nan), whole.df)


def _bootstrap(sums: Floats, metric: Metric, present: npt.NDArray[np.bool_], resamples: int) -> Floats:
    """Covariance `[cells, cells]` of the metric over resampled clusters, with the factor m / (m - 1) of a sample
    variance."""
    cells, statistics, count = sums.shape
    covariance = np.zeros((cells, cells))
    if count < 2:
        return np.full((cells, cells), np.nan)
    generator = np.random.default_rng(number(0, "cluster bootstrap", count))
    times = generator.multinomial(count, np.full(count, 1 / count), resamples).astype(float)
    drawn = times @ sums[present].reshape(-1, count).T
    values = metric(drawn.reshape(-1, statistics)).reshape(resamples, -1)
    covariance[np.ix_(present, present)] = np.cov(values.T).reshape(values.shape[1], -1) * count / (count - 1)
    return covariance


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
