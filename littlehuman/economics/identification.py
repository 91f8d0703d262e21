"""Whether a layout of runs can answer at all, why not, and which two cells mend it.

In: where the runs lie in the plane of synthetic and human points. Out: a `Reason` where the layout leaves the response
model without an answer (all runs on one line: the design is rank deficient), and the pair of further cells that takes
most of the doubt away.

The pair is the one that most reduces the variance of the model's scores over the design region: an integrated-variance
(I-optimal) choice, which averages over shapes because the draws do (Chaloner and Verdinelli 1995; Cohn 1996 for drawn
models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array

FEWEST_RUNS = 8
SEEDS = 3  # with which a proposed cell is to be run
_FLAT = 0.02  # runs closer to a line than this share of their extent lie on it
_FRACTIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """A mixture to run, in whole points, with `seeds` seeds.

    `gain` is the share of the variance that it and its partner remove.
    """

    n_synthetic: int
    n_human: int
    seeds: int
    gain: float


def obstacle(n_synthetic: Array, n_human: Array) -> Reason | None:
    """Why runs [n] that lie like this cannot tell synthetic from human points, whatever their scores.

    None where they can.
    """
    s, h = np.asarray(n_synthetic, dtype=np.float64), np.asarray(n_human, dtype=np.float64)
    if len(s) < FEWEST_RUNS:
        return Reason(Kind.TOO_FEW_RUNS, {"runs": len(s), "needed": FEWEST_RUNS})
    if not np.any(h > 0):
        return Reason(Kind.ONLY_SYNTHETIC)
    if not np.any(s > 0):
        return Reason(Kind.ONLY_HUMAN)
    if spans_plane(s, h):
        return None
    total = float(np.median(s + h))
    same = np.ptp(s + h) <= 2 * _FLAT * total
    return Reason(Kind.ALL_ON_ONE_TOTAL, {"total": total}) if same else Reason(Kind.ALL_ON_ONE_LINE)


def spans_plane(s: Array, h: Array) -> bool:
    """Whether the runs lie off every straight line, on axes scaled to their own extent."""
    if not (s.max() > 0 and h.max() > 0):
        return False
    points = np.stack([s / s.max(), h / h.max()], axis=1)
    singular = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(singular[1] > _FLAT * singular[0])


def mend(
    response: Response | None, n_synthetic: Array, n_human: Array, most: float | None = None, seeds: int = SEEDS
) -> tuple[Cell, Cell]:
    """The two cells to add to runs [n], each with `seeds` seeds.

    Args:
        response: the model of the runs at hand, however wide; None where they are too few for one.
        n_synthetic: of the runs.
        n_human: of the runs.
        most: points that the data carries (one evidence text each); None: as many as the largest run had.
        seeds: how often each cell is to be run.
    """
    s, h = np.asarray(n_synthetic, dtype=np.float64), np.asarray(n_human, dtype=np.float64)
    most = float((s + h).max()) if most is None else most
    cells = _candidates(s, h, most)
    cover, gain, total, noise = _covariances(response, cells) if response is not None else _linear(s, h, cells)
    noise /= seeds
    best, found = (0, 1), -np.inf
    for i in range(len(cells)):
        for j in range(i + 1, len(cells)):
            if spans_plane(np.append(s, cells[[i, j], 0]), np.append(h, cells[[i, j], 1])):
                pair = np.ix_([i, j], [i, j])
                value = float(np.trace(np.linalg.solve(cover[pair] + noise * np.eye(2), gain[pair])))
                best, found = ((i, j), value) if value > found else (best, found)
    share = found / max(total, 1e-300)
    one, other = (Cell(int(cells[i, 0]), int(cells[i, 1]), seeds, share) for i in best)
    return one, other


def _covariances(response: Response, cells: Array) -> tuple[Array, Array, float, float]:
    """Covariances of scores at cells [m, m], and what one more score there would explain of all contrasts [m, m].

    Then the variance of these contrasts, and that of a run.
    """
    draws = response.score(cells[:, 0], cells[:, 1])
    draws = np.clip(draws, *np.quantile(draws, [0.02, 0.98], axis=1)[..., None])  # few runs: the draws have heavy tails
    left = draws - draws.mean(axis=1, keepdims=True)
    wanted = left - left.mean(axis=0)
    cross = left @ wanted.T / left.shape[1]
    return (
        left @ left.T / left.shape[1],
        cross @ cross.T,
        float(np.sum(wanted**2)) / left.shape[1],
        response.residual_sd**2,
    )


def _linear(s: Array, h: Array, cells: Array) -> tuple[Array, Array, float, float]:
    """The same for a plane through the runs, where they are too few for anything else; a run's variance is 1."""
    at, runs = (
        np.stack([np.ones(len(x)), x / max(s.max(), 1.0), y / max(h.max(), 1.0)], axis=1)
        for x, y in ((cells[:, 0], cells[:, 1]), (s, h))
    )
    cover = at @ np.linalg.inv(runs.T @ runs + 1e-2 * np.eye(3)) @ at.T
    cross = cover - cover.mean(axis=1, keepdims=True)
    return cover, cross @ cross.T, float(np.trace(cross - cross.mean(axis=0))), 1.0


def _candidates(s: Array, h: Array, most: float) -> Array:
    """Mixtures [m, 2] that can be run.

    Fifths of the most tried points of each kind, and a tenth where there are none.
    """
    top_s, top_h = (float(x.max()) for x in (s, h))
    top_s, top_h = top_s or top_h, top_h or max(top_s / 10, 1.0)
    grid = [(round(a * top_s), round(b * top_h)) for a in _FRACTIONS for b in _FRACTIONS]
    return np.array(sorted({(a, b) for a, b in grid if 0 < a + b <= most}), dtype=np.float64)
