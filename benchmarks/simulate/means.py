"""Studies of normal cell means, drawn by their sufficient statistics: means and the Wishart covariance of their items.

Exact where item scores are normal and clusters equally large; thousands of studies a second, for error rates and power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from littlehuman.stats import clusters
from littlehuman.stats.cells import Cells

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """A study in points. `item_se`: standard error of a difference that comes from the items, over all seeds.

    `repeated`: part of its variance that every seed repeats (the rest is seed x item); `clusters`: independent units of
    the test set; `wild`: arm with `wildness` times the seed sd; `drop`: loss of the last arm.
    """

    arms: int = 6
    seeds: int = 3
    item_se: float = 1.0
    clusters: int = 500
    seed_sd: float = 1.0
    shared_sd: float = 1.0
    wild: int | None = None
    wildness: float = 4.0
    repeated: float = 0.5
    drop: float = 0.0

    def __str__(self) -> str:
        text = f"{self.arms} arms, {self.seeds} seeds of sd {self.seed_sd:g}, se of items {self.item_se:g}"
        wild = "" if self.wild is None else f", {'base' if self.wild == 0 else 'one arm'} x {self.wildness:g}"
        drop = f", drop {self.drop:g}" if self.drop else ""
        return f"{text}, {self.clusters} clusters{wild}{drop}, repeated {self.repeated:g}"


def studies(design: Design, number: int, rng: np.random.Generator) -> Cells:
    """`number` studies, as the cells that the model takes."""
    arms, seeds = design.arms, design.seeds
    count = arms * seeds
    scale = np.asarray(np.linalg.cholesky(item_covariance(design)), float)
    sd = np.full(arms, design.seed_sd)
    if design.wild is not None:
        sd[design.wild] *= design.wildness
    means = (rng.standard_normal((number, count)) @ scale.T).reshape(number, arms, seeds)
    means += sd[:, None] * rng.standard_normal((number, arms, seeds))
    means += design.shared_sd * rng.standard_normal((number, 1, seeds))
    means[:, -1] -= design.drop
    known = clusters.of_sizes(np.ones(design.clusters), np.zeros(number))
    fourth = np.full((number, arms), 3 / (design.clusters - 1))
    covariance = _wishart(scale, design.clusters - 1, number, rng)
    return Cells(means, covariance, np.ones((arms, seeds), bool), known, fourth, np.full(number, np.nan))


def item_covariance(design: Design) -> Floats:
    """Covariance of the cell means that comes from the items."""
    half = design.item_se**2 / 2
    same_arm = np.kron(np.eye(design.arms), np.ones((design.seeds, design.seeds)))
    cells = np.eye(design.arms * design.seeds)
    return half * (0.5 + design.repeated * same_arm + (1 - design.repeated) * design.seeds * cells)


def _wishart(scale: Floats, df: int, number: int, rng: np.random.Generator) -> Floats:
    """Sample covariances with this expectation (Bartlett's decomposition)."""
    count = len(scale)
    if df < count:
        draws = rng.standard_normal((number, df, count)) @ scale.T
        return np.asarray(draws.swapaxes(-1, -2) @ draws / df)
    lower = np.tril(rng.standard_normal((number, count, count)), -1)
    at = np.arange(count)
    lower[:, at, at] = np.sqrt(rng.chisquare(df - at, (number, count)))
    root = scale @ lower
    return np.asarray(root @ root.swapaxes(-1, -2) / df)
