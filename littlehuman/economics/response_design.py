"""Least squares for all shapes at once, with seeds as random effects: cross-products that depend on the layout alone.

In: how many synthetic and human points each run had, and its seed. Out: for scores [n, D] of D studies with this
layout, log weights over shapes x variance ratios, and draws of coefficients.

Model: score = shape + u_seed + v_seed [n_human > 0] + e; u: what is special about a seed's synthetic points and test
noise, v: what is special about its draw of human points. The variances of u and v relative to e lie on a grid, over
which the likelihood is integrated (Box and Tiao 1973, Chapter 5), with a half-Cauchy prior on the standard deviations
(Gelman 2006, for few groups). Inverses follow from the Woodbury identity, with two effects a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from littlehuman.economics import response_shapes as rs
from littlehuman.economics.response_shapes import Array, Index, Scale, Shapes

_SD_SEED = (0.0, 0.7, 2.0, 6.0)  # of u, in units of e's
_SD_HUMAN = (0.0, 0.35, 0.8, 1.6, 3.5)  # of v
_USUAL_SD = 0.6  # scale of the prior of both
_ASSUMED_SD = 0.8  # their value where one seed cannot tell
RIDGE = 1e-4  # prior precision of a slope in units of e: a coefficient of 100 standard deviations is no surprise


@dataclass(frozen=True, slots=True)
class Block:
    """Shapes with the same p coefficients.

    Columns by cell [M, K, p], X'X [M, p, p], sums of columns by random effect [M, R, p].
    """

    shapes: Shapes
    columns: Array
    gram: Array
    sums: Array

    @property
    def terms(self) -> int:
        """Coefficients p."""
        return int(self.columns.shape[2])


@dataclass(frozen=True, slots=True)
class Precision:
    """One pair of variance ratios (sds `u`, `v` in units of e's).

    `root` [S, 2, 2]: for each seed the square root R of A = R'R in V^-1 = I - U A U'; ln|V|; the logarithm of the prior
    weight.
    """

    u: float
    v: float
    root: Array
    log_det: float
    prior: float


class Design:
    """A layout: `n_synthetic`, `n_human` [n], and `seed` [n] (any labels; None: every run is its own draw).

    `alone`: all runs have one kind of points, and the score is a curve over their number.

    `cell` [n] says which of the K different mixtures a run had; random effects are ordered by seed: (u, v) of the
    first, of the second.
    """

    def __init__(self, n_synthetic: Array, n_human: Array, seed: Index | None = None, *, alone: bool = False) -> None:
        both = np.stack([n_synthetic, n_human]).astype(np.float64)
        (self.s, self.h), cell = np.unique(both, axis=1, return_inverse=True)
        self.n, self.cell = both.shape[1], cell.ravel()
        self.members = (self.cell[:, None] == np.arange(len(self.s))).astype(np.float64)
        self.scale = scale_of(self.s, self.h)
        self.human_levels = len(np.unique(self.h[self.h > 0]))
        self.families = rs.families(self.human_levels, alone=alone)
        self.effects, self.precisions = _random_effects(both[1], seed)
        self.blocks = tuple(self._block(human) for human in dict.fromkeys(family.human for family in self.families))

    def nearest(self, u: float, v: float) -> int:
        """Index of the pair of variance ratios closest to these standard deviations."""
        return int(np.argmin([abs(p.u - u) + abs(p.v - v) for p in self.precisions]))

    def _block(self, human: str) -> Block:
        shapes = rs.grid(self.families, human, self.scale, alone=bool(np.any(self.s == 0)), bends=self.human_levels > 1)
        z = shapes.z(shapes.effective(self.s[:, None], self.h[:, None]), self.scale).T
        m = shapes.m(self.h[:, None], self.scale).T
        parts = [np.ones_like(z), z, m, z * m][: {rs.ALONE: 2, rs.COMBINED: 3, rs.INTERACTION: 4}[human]]
        columns = np.stack(parts, axis=2)
        counts, by_effect = self.members.sum(axis=0), self.effects.T @ self.members
        return Block(shapes, columns, (columns * counts[:, None]).transpose(0, 2, 1) @ columns, by_effect @ columns)


def scale_of(s: Array, h: Array) -> Scale:
    """Least and most tried numbers of points; those of all points where a kind is absent."""
    synthetic, human = s[s > 0], h[h > 0]
    synthetic = synthetic if len(synthetic) else (s + h)[s + h > 0]
    least, most = float(synthetic.min()), float(synthetic.max())
    human = human if len(human) else synthetic
    return Scale(least, most if most > least else 2 * least, float(human.min()), float(human.max()))


def _random_effects(h: Array, seed: Index | None) -> tuple[Array, list[Precision]]:
    """U [n, 2S], and the variance ratios to integrate over."""
    names, place = np.unique(seed, return_inverse=True) if seed is not None else (np.arange(len(h)), np.arange(len(h)))
    if seed is None or len(names) == len(h):
        return np.zeros((len(h), 0)), [Precision(0.0, 0.0, np.zeros((0, 2, 2)), 0.0, 0.0)]
    member = (place[:, None] == np.arange(len(names))).astype(np.float64)
    beside = (h > 0).astype(np.float64)
    effects = np.stack([member, member * beside[:, None]], axis=2)  # [n, S, 2]
    cross = np.einsum("nsi,nsj->sij", effects, effects)
    human_varies = bool(0 < beside.sum() < len(h))
    if len(names) == 1:  # one draw of human points cannot say how draws differ
        pairs = [(_ASSUMED_SD, _ASSUMED_SD * human_varies, 1.0)]
    else:
        pairs = [
            (u, v, du * dv)
            for u, du in _widths(_SD_SEED)
            for v, dv in (_widths(_SD_HUMAN) if human_varies else [(0.0, 1.0)])
        ]
    return effects.reshape(len(h), -1), [_precision(cross, u, v, weight) for u, v, weight in pairs]


def _widths(grid: tuple[float, ...]) -> list[tuple[float, float]]:
    """Standard deviations with the share of a half-Cauchy prior that each stands for."""
    edges = np.concatenate([[0.0], (np.array(grid)[1:] + np.array(grid)[:-1]) / 2, [np.inf]])
    return list(zip(grid, np.diff(np.arctan(edges / _USUAL_SD) * 2 / np.pi).tolist(), strict=True))


def _precision(cross: Array, u: float, v: float, weight: float) -> Precision:
    """(I + U D U')^-1 = I - U D^1/2 (I + D^1/2 U'U D^1/2)^-1 D^1/2 U', seed by seed; `cross` is U'U [S, 2, 2]."""
    half = np.array([u, v])
    inside = np.eye(2) + half[:, None] * cross * half
    root = np.linalg.inv(np.linalg.cholesky(inside)) * half
    return Precision(u, v, root, float(np.sum(np.linalg.slogdet(inside)[1])), float(np.log(weight)))
