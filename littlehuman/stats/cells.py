"""A curve reduced to what its analysis needs: the mean of every cell and the covariance of these means over test items.

In: scores `[arms, seeds, items]` and the clusters of the items. Out: `Cells`. A cell is one arm (share of
synthetic points) under one seed. All cells are tested on the same items, so their means are correlated;
the covariance is cluster-robust (`clusters`). Leading axes `[...]` hold many studies of one design at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError
from littlehuman.stats import clusters as clustered
from littlehuman.stats.clusters import Clusters, Floats


@dataclass(frozen=True, slots=True)
class Cells:
    """Means `[..., arms, seeds]` (nan where a cell is missing) and their covariance `[..., cells, cells]` over items.

    Cells are numbered arm by arm; rows of missing ones are 0. `present` is `[arms, seeds]`. `fourth` `[..., arms]`:
    sum of the fourth powers of the clusters' contributions to an arm's mean over the squared sum of their squares (3 /
    df when normal; 1 when a single cluster makes all the variance). `icc_of_differences`: intra-cluster correlation of
    what differs between cells.
    """

    means: Floats
    covariance: Floats
    present: npt.NDArray[np.bool_]
    clusters: Clusters
    fourth: Floats
    icc_of_differences: Floats

    @property
    def arms(self) -> int:
        """Number of arms."""
        return int(self.present.shape[0])

    @property
    def seeds(self) -> int:
        """Number of seeds that any arm has."""
        return int(self.present.any(0).sum())

    @property
    def flat(self) -> Floats:
        """Means `[..., cells]`, 0 where a cell is missing."""
        return np.nan_to_num(self.means.reshape(*self.means.shape[:-2], -1))


def cells_of(scores: npt.ArrayLike, clusters: npt.ArrayLike | None = None) -> Cells:
    """Reduce item scores to cell means and their cluster-robust covariance.

    Args:
        scores: `[arms, seeds, items]` in 0..1; a cell that was not run is nan in all its items.
        clusters: cluster of each item `[items]`, of any kind; None: every item its own.

    Raises:
        DataError: when the shapes do not fit, a score is no number in 0..1, or an arm has no cell.
    """
    table = _checked(scores)
    return reduced(table, clustered.labels(clusters, table.shape[-1]))


def reduced(table: Floats, numbers: npt.NDArray[np.int64]) -> Cells:
    """`cells_of` for checked scores `[..., arms, seeds, items]`, where all studies `[...]` lack the same cells."""
    arms, seeds, items = table.shape[-3:]
    present = ~np.isnan(table[..., 0]).reshape(-1, arms, seeds)[0]
    known = clustered.describe(table, numbers)
    of_differences = clustered.icc(table - np.nanmean(table, (-3, -2), keepdims=True), numbers)
    parts = np.nan_to_num(clustered.totals(table, numbers)) / items
    means = np.where(present, parts.sum(-1), np.nan)
    fourth = _fourth(parts.sum(-2) / present.sum(-1)[:, None], known)
    covariance = clustered.covariance(parts.reshape(*table.shape[:-3], arms * seeds, -1), known)
    return Cells(means, covariance, present, known, fourth, of_differences)


def _fourth(parts: Floats, known: Clusters) -> Floats:
    squares = known.weights[..., None, :] * clustered.residuals(parts, known) ** 2
    whole = squares.sum(-1)
    return np.asarray(np.where(whole > 0, (squares**2).sum(-1) / np.where(whole > 0, whole, 1) ** 2, 1.0))


def _checked(scores: npt.ArrayLike) -> Floats:
    table = np.asarray(scores, float)
    if table.ndim != 3 or not table.size:
        raise DataError(f"scores: the shape is {table.shape}; expected [arms, seeds, items] with at least one of each")
    missing = np.isnan(table)
    partly = missing.any(-1) & ~missing.all(-1)
    if partly.any():
        arm, seed = np.argwhere(partly)[0]
        raise DataError(
            f"scores: arm {arm}, seed {seed} (from 0) lacks some items; score them or leave the items out of all cells"
        )
    wrong = np.isinf(table) | (table < 0) | (table > 1)
    if wrong.any():
        arm, seed, item = np.argwhere(wrong)[0]
        raise DataError(
            f"scores: arm {arm}, seed {seed}, item {item} (from 0) is {table[arm, seed, item]:g}, outside 0..1"
        )
    if missing.all((-1, -2)).any():
        raise DataError(f"scores: arm {int(np.argmax(missing.all((-1, -2))))} (from 0) has no cell; leave the arm out")
    return table
