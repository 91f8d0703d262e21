"""What a human point is worth at N: how many synthetic points it replaces beside N synthetic ones.

In: the response model. Out: for every N the number w such that h human points beside N synthetic ones score as N + w h synthetic
points do, with a 95 % interval; infinity where no number of synthetic points does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from littlehuman import seeding
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array

LEVEL = 0.95
FAR = 1_000.0  # a size of more than so many times the largest that was tried is no number to name: it counts as infinite


@dataclass(frozen=True, slots=True, eq=False)
class WorthDraws:
    """Draws [m, D] at each N [m] for `human_points` h.

    `worth` is per human point: infinite where no number of synthetic points reaches the score, nan where human points lower the
    score and more synthetic points do not raise it, so that neither is of use. `lift` is the change of the score by the h human
    points, `rises` [D] whether more synthetic points raise the score.
    """

    n: Array
    human_points: float
    worth: Array
    lift: Array
    rises: Array


def worth_draws(response: Response, n: Array, human_points: float) -> WorthDraws:
    """Worth of each of h human points beside N synthetic ones [m], for every draw of the model."""
    n, h = np.atleast_1d(np.asarray(n, dtype=np.float64)), float(human_points)
    shapes, scale = response.shapes, response.scale
    alone, beside = response.score(n, np.zeros_like(n)), response.score(n, np.full_like(n, h))
    c, a = response.coefficients[:, 0], response.coefficients[:, 1]
    rises, lift = a > 0, beside - alone
    with np.errstate(divide="ignore", invalid="ignore"):
        size = shapes.size((beside - c) / a, scale) - shapes.offset
    size = np.where(size > FAR * scale.most_synthetic, np.inf, np.maximum(size, 0.0))
    worth = (size - n[:, None]) / h
    exchange = (shapes.step > 0) & np.isfinite(worth)
    # A rate of the grid stands for all between it and its neighbours.
    spread = np.random.default_rng(seeding.number(0, "rates between those of the grid")).uniform(-1, 1, len(a)) * shapes.step
    worth = np.where(exchange, worth + spread, worth)
    worth = np.where(rises, worth, np.where(lift > 0, np.inf, np.nan))
    return WorthDraws(n, h, worth, lift, rises)


def limits(worth: Array, level: float = LEVEL) -> tuple[Array, Array, Array]:
    """Median and percentiles [m] of draws [m, D]; a draw in which neither kind is of use counts against both ends."""
    tail = (1 - level) / 2
    lower, upper = np.where(np.isnan(worth), -np.inf, worth), np.where(np.isnan(worth), np.inf, worth)
    low = np.quantile(lower, tail, axis=-1, method="inverted_cdf")
    high = np.quantile(upper, 1 - tail, axis=-1, method="inverted_cdf")
    middle = np.quantile(upper, 0.5, axis=-1, method="inverted_cdf")
    return middle, low, high
