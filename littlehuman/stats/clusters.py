"""Cluster-robust covariance of means over test items, with a small-sample correction.

In: item scores `[..., items]` and the cluster of each item (passage, document; each item its own
where none is known). Out: `Clusters` (sizes, intra-cluster correlation, degrees of freedom) and the
contributions of clusters to the means, from which a covariance follows.

The estimator is bias-reduced linearization (CR2; Bell and McCaffrey 2002, Survey Methodology 28;
Pustejovsky and Tipton 2018, JBES 36) of an intercept, with exchangeable correlation within clusters as
its working model: the sum of squared residual totals per cluster, each divided by what that model
expects of it relative to the variance of the total. It is unbiased under the working model and consistent without. The
degrees of freedom are Bell and McCaffrey's, closed form for an intercept: few or unequal clusters count less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from littlehuman.errors import DataError

Floats = npt.NDArray[np.float64]
FEWEST = 20  # below this many clusters coverage is lower, and reports say so


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of a test set, for one study or for studies `[...]` at once.

    `shares`: part of all items in each cluster `[clusters]`; `weights`: correction of its squared residual
    `[..., clusters]`; `icc`: intra-cluster correlation of scores (nan where every cluster has one item);
    `df`: degrees of freedom of a variance from them (nan with one cluster).
    """

    items: int
    shares: Floats
    weights: Floats
    icc: Floats
    df: Floats

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(self.shares)


def labels(clusters: npt.ArrayLike | None, items: int) -> npt.NDArray[np.int64]:
    """Clusters as numbers 0, 1, ... `[items]`; every item its own where `clusters` is None.

    Raises:
        DataError: when there are not as many clusters as items.
    """
    if clusters is None:
        return np.arange(items)
    named = np.asarray(clusters)
    if named.shape != (items,):
        raise DataError(
            f"clusters: the shape is {named.shape}; expected one per item, ({items},)\n"
            "Try: clusters=None takes each item alone"
        )
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def coarsest(levels: Mapping[str, Sequence[object]], fewest: int = FEWEST) -> str | None:
    """Name of the level (passage, document, ...) with the fewest clusters that are at least `fewest`.

    Args:
        levels: for each level the cluster of every item.

    Returns:
        None where no level has as many: the level with most clusters, or items alone, are then the reader's choice.
    """
    counts = {name: len(set(of_items)) for name, of_items in levels.items()}
    return min((name for name in counts if counts[name] >= fewest), key=counts.__getitem__, default=None)


def totals(scores: Floats, numbers: npt.NDArray[np.int64]) -> Floats:
    """Sums per cluster `[..., clusters]` of scores `[..., items]`."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    if len(starts) == len(numbers):
        return np.asarray(scores[..., order], float)
    return np.asarray(np.add.reduceat(scores[..., order], starts, axis=-1), float)


def describe(scores: Floats, numbers: npt.NDArray[np.int64]) -> Clusters:
    """Sizes, intra-cluster correlation, weights and degrees of freedom.

    Args:
        scores: `[..., arms, seeds, items]`; a cell that is nan in all its items is left out.
        numbers: cluster of each item `[items]`.
    """
    return of_sizes(np.bincount(numbers), icc(scores, numbers))


def of_sizes(sizes: npt.ArrayLike, icc: npt.ArrayLike) -> Clusters:
    """Weights and degrees of freedom for clusters of these sizes `[clusters]` under correlations `[...]`."""
    counts = np.asarray(sizes, float)
    shares = counts / counts.sum()
    rho = np.clip(np.nan_to_num(np.asarray(icc, float)), 0, 1)[..., None]
    variance = counts * (1 + (counts - 1) * rho)
    whole = variance.sum(-1, keepdims=True)
    if len(counts) < 2:
        return Clusters(
            int(counts.sum()),
            shares,
            np.full(variance.shape, np.nan),
            np.asarray(icc, float),
            np.full(rho.shape[:-1], np.nan),
        )
    weights = variance / (variance * (1 - 2 * shares) + shares**2 * whole)
    return Clusters(
        int(counts.sum()), shares, weights, np.asarray(icc, float), _degrees(shares, variance, whole, weights)
    )


def residuals(contributions: Floats, clusters: Clusters) -> Floats:
    """What each cluster contributes `[..., clusters]` beyond its share of the mean, of contributions that sum to
    means."""
    return np.asarray(contributions - contributions.sum(-1, keepdims=True) * clusters.shares)


def covariance(contributions: Floats, clusters: Clusters) -> Floats:
    """Covariance `[..., means, means]` of means that are sums of contributions `[..., means, clusters]`."""
    left = residuals(contributions, clusters)
    return np.asarray((left * clusters.weights[..., None, :]) @ left.swapaxes(-1, -2))


def design_effect(clusters: Clusters, icc: npt.ArrayLike) -> Floats:
    """Variance of a mean over that of as many independent items (Kish 1965, for unequal sizes)."""
    rho = np.clip(np.nan_to_num(np.asarray(icc, float)), 0, 1)
    return np.asarray(1 + (clusters.items * (clusters.shares**2).sum() - 1) * rho)


def icc(scores: Floats, numbers: npt.NDArray[np.int64]) -> Floats:
    """Intra-cluster correlation `[...]` pooled over arms and seeds; nan where it cannot be told.

    One-way analysis of variance with unequal sizes (Donner 1986, International Statistical Review 54).
    """
    sizes = np.bincount(numbers).astype(float)
    items, count = len(numbers), len(sizes)
    if count in (1, items):
        return np.full(scores.shape[:-3], np.nan)
    sums = totals(scores, numbers)
    explained = (sums**2 / sizes).sum(-1)
    inside = np.nansum(np.einsum("...i,...i->...", scores, scores) - explained, (-2, -1)) / (items - count)
    between = np.nansum(explained - sums.sum(-1) ** 2 / items, (-2, -1)) / (count - 1)
    whole = between + ((items - (sizes**2).sum() / items) / (count - 1) - 1) * inside
    return np.asarray(np.where(whole > 0, (between - inside) / np.where(whole > 0, whole, 1), 0.0))


def _degrees(shares: Floats, variance: Floats, whole: Floats, weights: Floats) -> Floats:
    """Satterthwaite's degrees of freedom of the weighted sum of squares under the working model."""
    v = whole[..., 0]
    own = variance * (1 - 2 * shares) + shares**2 * whole  # expected squared residual
    of_diagonal = (weights**2 * variance * (2 * own - variance)).sum(-1)
    hh, vv = (weights * shares**2).sum(-1), (weights * variance**2).sum(-1)
    hv = (weights * shares * variance).sum(-1)
    crossed = 2 * hh * vv + hh**2 * v**2 + 2 * hv**2 - 4 * v * hv * hh
    return np.asarray(v**2 / (of_diagonal + crossed))
