"""One response model: the score over synthetic and human points, from which price and plan both answer.

In: runs with their seeds. Out: `Response`: draws of whole curves, of which every answer is a summary, so that no two
contradict. Between families draws follow AICc weights (Burnham and Anderson 2002); within a family the likelihood over
its shape parameters and over the variance ratios of the seeds; then come a scaled inverse chi square for the variance
and the normal around the least-squares coefficients. An interval of percentiles is then the model-averaged tail area of
Turek and Fletcher 2012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from littlehuman import seeding
from littlehuman.economics.response_design import RIDGE, Block, Design
from littlehuman.economics.response_shapes import BENDS, LOG, Array, Family, Index, Scale, Shapes

DRAWS = 4_000
_ROUNDING = 5e-3  # the least scatter of a run, in units of the scatter of all scores
_NO_AICC = 1e6  # for families with as many parameters as runs: a weight of 0, unless all have none


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """D drawn surfaces: shapes [D], coefficients [D, 4] of 1, Z, M and Z M.

    `weights` [families] sum to 1, `residual_sd` is a run's.
    """

    shapes: Shapes
    coefficients: Array
    scale: Scale
    families: tuple[Family, ...]
    weights: Array
    residual_sd: float

    def score(self, n_synthetic: ArrayLike, n_human: ArrayLike) -> Array:
        """Scores [m, D] of mixtures [m]: means over seeds."""
        s, h = (np.atleast_1d(np.asarray(n, dtype=np.float64))[:, None] for n in (n_synthetic, n_human))
        s, h = np.broadcast_arrays(s, h)
        z = self.shapes.z(self.shapes.effective(s, h), self.scale)
        c, a, d, e = self.coefficients.T
        return np.asarray(c + a * z + (d + e * z) * self.shapes.m(h, self.scale))

    def ceiling(self) -> Array:
        """Score [D] that no number of synthetic points alone exceeds: infinite for logarithms and for faster growth."""
        top = self.shapes.z(np.full(len(self.shapes.value), 1e30), self.scale)
        bounded = (self.shapes.curve != LOG) & (self.shapes.value > 0)
        return np.where(
            bounded, self.coefficients[:, 0] + self.coefficients[:, 1] * np.where(bounded, top, 0.0), np.inf
        )

    def thinned(self, count: int) -> Response:
        """About `count` of the draws, evenly over all shapes."""
        keep = np.arange(0, len(self.coefficients), max(len(self.coefficients) // count, 1))
        return replace(self, shapes=self.shapes[keep], coefficients=self.coefficients[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """D studies of one layout, in arrays for each block.

    Log weights [C, M, D], X'V^-1y [C, M, p, D] and residual sums of squares [C, M, D].
    """

    design: Design
    inverse: tuple[Array, ...]
    cross: tuple[Array, ...]
    rss: tuple[Array, ...]
    log_weights: tuple[Array, ...]
    family_weights: Array
    centre: Array


class Fitter:
    """Everything about a layout that does not depend on scores, computed once."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self._inverse = tuple(
            np.stack([_inverse(block, precision.root) for precision in design.precisions]) for block in design.blocks
        )
        self._log_det = tuple(np.linalg.slogdet(inverse)[1] / 2 for inverse in self._inverse)

    def batch(self, scores: Array) -> Batch:
        """Weights of all shapes for scores [n, D]."""
        y = np.asarray(scores, dtype=np.float64)
        centre, spread = y.mean(axis=0), y.std(axis=0)
        y = y - centre
        roots = [precision.root for precision in self.design.precisions]
        effects = [_by_seed(root, self.design.effects.T @ y) for root in roots]  # [C][R, D]
        total = np.sum(y**2, axis=0) - np.array([np.sum(effect**2, axis=0) for effect in effects])
        back = np.stack(
            [_by_seed(root.transpose(0, 2, 1), effect) for root, effect in zip(roots, effects, strict=True)]
        )
        # Shapes lie on a grid: without noise none fits exactly, and the best one alone would be too sure of itself.
        floor = self.design.n * (_ROUNDING * spread + 1e-9 * np.abs(centre) + 1e-150) ** 2
        sums = self.design.members.T @ y
        found = [
            self._block(block, inverse, sums, back, total, floor)
            for block, inverse in zip(self.design.blocks, self._inverse, strict=True)
        ]
        cross, rss = (tuple(part) for part in zip(*found, strict=True))
        log_weights, families = self._weights(rss)
        return Batch(self.design, self._inverse, cross, rss, log_weights, families, centre)

    def _block(
        self, block: Block, inverse: Array, sums: Array, back: Array, total: Array, floor: Array
    ) -> tuple[Array, Array]:
        m, _, p = block.columns.shape
        plain = (block.columns.transpose(0, 2, 1).reshape(m * p, -1) @ sums).reshape(1, m, p, -1)
        cross = plain - (block.sums.transpose(0, 2, 1).reshape(m * p, -1) @ back).reshape(len(back), m, p, -1)
        explained = np.einsum("cmpd,cmpd->cmd", cross, inverse @ cross)
        return cross, np.maximum(total[:, None] - explained, floor)

    def _weights(self, rss: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        """Log weights over all shapes and ratios (they sum to 1), and the weights of the families [families, D]."""
        n, design = self.design.n, self.design
        log_det = np.array([precision.log_det for precision in design.precisions])[:, None, None]
        prior = np.array([precision.prior for precision in design.precisions])[:, None, None]
        families = np.full((len(design.families), rss[0].shape[2]), -np.inf)
        within = []
        for block, own, det in zip(design.blocks, rss, self._log_det, strict=True):
            log_rss = np.log(own)
            likelihood = -(n * log_rss + log_det) / 2
            weight = (
                -((n - block.terms) * log_rss + log_det) / 2 + det[:, :, None] + prior + block.shapes.prior[:, None]
            )
            for number in np.unique(block.shapes.family):
                at = block.shapes.family == number
                k = design.families[number].count
                families[number] = (
                    likelihood[:, at].max(axis=(0, 1)) - k - (k * (k + 1) / (n - k - 1) if n > k + 1 else _NO_AICC)
                )
                top = weight[:, at].max(axis=(0, 1))
                weight[:, at] -= top + np.log(np.exp(weight[:, at] - top).sum(axis=(0, 1)))
            within.append(weight)
        families = np.exp(families - families.max(axis=0))
        families /= families.sum(axis=0)
        with np.errstate(divide="ignore"):
            logs = np.log(families)
        return tuple(w + logs[block.shapes.family] for block, w in zip(design.blocks, within, strict=True)), families


def _by_seed(root: Array, sums: Array) -> Array:
    """Square roots [S, 2, 2], seed by seed, times sums over random effects [..., 2S, p]."""
    shape = sums.shape
    return np.asarray((root @ sums.reshape(*shape[:-2], len(root), 2, shape[-1])).reshape(shape))


def _inverse(block: Block, root: Array) -> Array:
    """(X'V^-1X)^-1 [M, p, p], with a ridge on the slopes."""
    effects = _by_seed(root, block.sums)
    gram = block.gram - effects.transpose(0, 2, 1) @ effects
    ridge = np.full(block.terms, RIDGE)
    ridge[0] = 0.0
    gram = gram + np.diag(ridge)
    size = np.sqrt(np.einsum("...ii->...i", gram))  # scaled: columns of steep shapes differ by many orders of magnitude
    scale = size[..., :, None] * size[..., None, :]
    inverse = np.linalg.inv(gram / scale + 1e-11 * np.eye(block.terms)) / scale
    return np.asarray((inverse + np.swapaxes(inverse, -1, -2)) / 2)


def draw(batch: Batch, study: int, count: int, rng: np.random.Generator) -> Response:
    """Draws of the surface of one study of a batch."""
    design = batch.design
    flat = np.concatenate([np.exp(w[:, :, study]).ravel() for w in batch.log_weights])
    picks = np.searchsorted(np.cumsum(flat), (np.arange(count) + rng.random()) / count * flat.sum())
    ends = np.cumsum([w.shape[0] * w.shape[1] for w in batch.log_weights])
    picks = np.minimum(picks, ends[-1] - 1)
    parts, coefficients, squares = [], [], []
    for number, block in enumerate(design.blocks):
        own = picks[(picks < ends[number]) & (picks >= (ends[number - 1] if number else 0))] - (
            ends[number - 1] if number else 0
        )
        ratio, shape = np.divmod(own, len(block.shapes.value))
        beta, square = _coefficients(batch, number, (ratio, shape), study, rng)
        parts.append(block.shapes[shape])
        coefficients.append(np.pad(beta, ((0, 0), (0, 4 - block.terms))))
        squares.append(square)
    shapes = Shapes(*(np.concatenate([getattr(part, name) for part in parts]) for name in Shapes.__slots__))
    if (
        design.human_levels <= 1
    ):  # how the gain grows between none and the one number that was tried, the runs do not say
        bends, weights = np.array(BENDS).T
        shapes = replace(shapes, bend=rng.choice(bends, len(shapes.bend), p=weights) * design.scale.most_human)
    found = np.concatenate(coefficients)
    found[:, 0] += batch.centre[study]
    sd = float(np.sqrt(np.median(np.concatenate(squares))))
    return Response(shapes, found, design.scale, design.families, batch.family_weights[:, study], sd)


def _coefficients(
    batch: Batch, number: int, at: tuple[Index, Index], study: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Coefficients [draws, p] and variances [draws]."""
    inverse = batch.inverse[number][at]
    beta = (inverse @ batch.cross[number][..., study][at][..., None])[..., 0]
    df = batch.design.n - batch.design.blocks[number].terms
    square = batch.rss[number][..., study][at] / rng.chisquare(df, len(beta))
    return beta + np.sqrt(square)[:, None] * _normal(inverse, rng), square


def _normal(covariance: Array, rng: np.random.Generator) -> Array:
    """One normal vector [draws, p] for each covariance [draws, p, p]."""
    size = np.sqrt(np.einsum("...ii->...i", covariance))
    root = np.linalg.cholesky(
        covariance / (size[..., :, None] * size[..., None, :]) + 1e-9 * np.eye(covariance.shape[-1])
    )
    return np.asarray(size * (root @ rng.standard_normal((*size.shape, 1)))[..., 0])


def fit(
    n_synthetic: Array,
    n_human: Array,
    score: Array,
    seed: Index | None = None,
    draws: int = DRAWS,
    *,
    alone: bool = False,
) -> Response:
    """The response model of one study.

    Runs [n], `seed` [n] any labels (None: not known, every run counts as its own draw). `alone`: they have one kind of
    points.

    The same runs give the same draws.
    """
    design = Design(n_synthetic, n_human, seed, alone=alone)
    batch = Fitter(design).batch(np.asarray(score, dtype=np.float64)[:, None])
    return draw(batch, 0, draws, np.random.default_rng(seeding.number(0, "draws of the response model")))
