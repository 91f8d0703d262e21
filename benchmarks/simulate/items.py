"""Studies with item scores whose truth is known: correlated arms, seeds and clusters behind a latent normal score.

latent[arm, seed, item] = cluster part + item part + seed part; the score is 0/1 (latent above a threshold) or
F1-like (0, 1, or linear in between). Correlations are set on the scale of the scores, means and seed
variance are exact (probit-normal), so that the truth needs no simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Floats = npt.NDArray[np.float64]
BATCH = 6_000_000  # scores at once
_AT, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_W = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Setting:
    """A design and a truth. `sizes`: (fewest, most) items a cluster; `drops`: loss of each arm but the base."""

    kind: str = "binary"  # or "f1"
    mean: float = 0.7
    arms: int = 6
    seeds: int = 3
    clusters: int = 48
    sizes: tuple[int, int] = (1, 1)
    icc: float = 0.0
    between_arms: float = 0.3
    seed_sd: float = 0.01
    repeated: float = 0.5  # of what two arms do not share on an item, the part that an arm repeats under every seed
    shared: float = 0.5  # part of the seed variance that all arms share
    wild: int | None = None  # an arm with four times the seed sd

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Items of each cluster, evenly spread between the two sizes."""
        return np.rint(np.linspace(*self.sizes, self.clusters)).astype(np.int64)

    def __str__(self) -> str:
        low, high = self.sizes
        size = f"{low}" if low == high else f"{low}-{high}"
        text = (
            f"{self.kind} {self.mean:.2f}, {self.clusters} clusters x {size}, icc {self.icc:g}, r {self.between_arms:g}"
        )
        return (
            f"{text}, seed sd {100 * self.seed_sd:g}, {self.seeds} seeds, {self.arms} arms, repeated {self.repeated:g}"
        )


def studies(setting: Setting, number: int, rng: np.random.Generator) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    """Batches of scores `[studies, arms, seeds, items]`, and the cluster of each item."""
    counts = setting.counts
    labels = np.repeat(np.arange(len(counts)), counts)
    each = max(1, BATCH // (setting.arms * setting.seeds * len(labels)))
    for start in range(0, number, each):
        yield _draw(setting, min(each, number - start), labels, rng), labels


def _draw(setting: Setting, studies: int, labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    low, high = edges(setting.kind, setting.mean)
    r = latent(setting.kind, setting.mean, setting.between_arms)
    within = setting.between_arms + setting.repeated * (1 - setting.between_arms)
    across = latent(setting.kind, setting.mean, within)
    inside = latent(setting.kind, setting.mean, setting.icc)
    shape = (studies, setting.arms, setting.seeds)
    table = np.sqrt(1 - inside, dtype=np.float32) * _cells(shape, len(labels), r, across, rng)
    if inside > 0:
        table += np.sqrt(inside, dtype=np.float32) * _cells(shape, labels[-1] + 1, r, across, rng)[..., labels]
    tau = spread(setting.kind, setting.mean, setting.seed_sd)
    effects = np.sqrt(setting.shared) * rng.standard_normal((studies, 1, setting.seeds)) + np.sqrt(
        1 - setting.shared
    ) * rng.standard_normal(shape)
    scale = np.full(setting.arms, tau)
    if setting.wild is not None:
        scale[setting.wild] = spread(setting.kind, setting.mean, 4 * setting.seed_sd)
    table += (scale[:, None] * effects).astype(np.float32)[..., None]
    table /= np.sqrt(1 + scale**2).astype(np.float32)[:, None, None]
    return np.asarray(_score(table, low, high), float)


def _cells(
    shape: tuple[int, int, int], units: int, r: float, across: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    studies, arms, seeds = shape
    table = rng.standard_normal((studies, arms, seeds, units), np.float32) * np.float32(np.sqrt(1 - across))
    table += rng.standard_normal((studies, arms, 1, units), np.float32) * np.float32(np.sqrt(max(across - r, 0)))
    table += rng.standard_normal((studies, 1, 1, units), np.float32) * np.float32(np.sqrt(r))
    return table


def _score(latent: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.float32]:
    if low == high:
        return (latent > low).astype(np.float32)
    latent -= np.float32(low)
    latent *= np.float32(1 / (high - low))
    return np.clip(latent, 0, 1, out=latent)


@lru_cache
def edges(kind: str, mean: float) -> tuple[float, float]:
    """Latent values from which on a score is above 0, and 1."""
    if kind == "binary":
        return -float(special.ndtri(mean)), -float(special.ndtri(mean))
    width = 0.8

    def off(low: float) -> float:
        return float(_mean(low, low + width, 0.0)) - mean

    low = float(optimize.brentq(off, -6, 3))
    return low, low + width


def _mean(low: float, high: float, shift: npt.ArrayLike, sd: float = 1.0) -> Floats:
    """Expected score of a normal latent with this mean and sd."""
    centre = np.asarray(shift, float)
    if low == high:
        return np.asarray(special.ndtr((centre - low) / sd))

    def above(edge: float) -> Floats:  # E max(latent - edge, 0)
        z = (centre - edge) / sd
        return np.asarray((centre - edge) * special.ndtr(z) + sd * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

    return np.asarray((above(low) - above(high)) / (high - low))


def _correlation(kind: str, mean: float, rho: float) -> float:
    """Correlation of two scores whose latents correlate by `rho`."""
    low, high = edges(kind, mean)
    at = np.linspace(-8, 8, 4_001)
    weights = np.exp(-(at**2) / 2) * (at[1] - at[0]) / np.sqrt(2 * np.pi)
    given = _mean(low, high, np.sqrt(rho) * at, np.sqrt(1 - rho))
    square = np.clip((at - low) / (high - low), 0, 1) ** 2 if high > low else np.zeros(1)
    variance = float((square * weights).sum()) - mean**2 if high > low else mean * (1 - mean)
    return (float((given**2 * weights).sum()) - mean**2) / variance


@lru_cache
def latent(kind: str, mean: float, correlation: float) -> float:
    """Correlation of the latents that gives scores this correlation."""
    if correlation <= 0:
        return 0.0
    return float(optimize.brentq(lambda rho: _correlation(kind, mean, rho) - correlation, 1e-6, 1 - 1e-4))


@lru_cache
def spread(kind: str, mean: float, sd: float) -> float:
    """Sd of a latent seed effect that gives cell means the sd `sd`, their mean kept."""
    if sd <= 0:
        return 0.0
    low, high = edges(kind, mean)

    def off(tau: float) -> float:
        scale = np.sqrt(1 + tau**2)
        values = _mean(low, high, tau * _AT / scale, 1 / scale)
        return float(np.sqrt((values**2 * _W).sum() - (values * _W).sum() ** 2)) - sd

    return float(optimize.brentq(off, 1e-6, 3))
