"""What a human point is worth at N: how many synthetic points it replaces beside N synthetic ones.

In: the response model. Out: for every N the number w such that h human points beside N synthetic ones score as N + w h
synthetic points do, with a 95 % interval; no number where no number of synthetic points does, and the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array, Bool
from littlehuman.stats.interval import LEVEL, Interval

# An upper end of more than FAR times the largest size that was tried counts as infinite. A lower end is claimed up to
# REACH times only: with 3 sizes tried and a truth 3.7 times beyond them, unbounded lower ends were too high in a fifth
# of the simulated studies.
FAR, REACH = 1_000.0, 3.0


@dataclass(frozen=True, slots=True)
class HumanWorth:
    """Synthetic points that one of `human_points` replaces beside `n` synthetic ones.

    An infinite `worth.value`: no finite number, see `reasons`; `worth.high` inf: no upper end; `worth.low` -inf: no
    lower end, inf: known that no number of synthetic points is enough (`unmatched`). `beyond` is the equivalent size as
    a multiple of the largest that was tried. `lift` is what the human points add to the score.
    """

    n: float
    human_points: float
    worth: Interval
    lift: Interval
    beyond: float | None
    reasons: tuple[Reason, ...]

    @property
    def unmatched(self) -> bool:
        """Whether it is known that no number of synthetic points is enough."""
        return self.worth.low == math.inf


@dataclass(frozen=True, slots=True, eq=False)
class WorthDraws:
    """Draws [m, D] at each N [m] for `human_points` h.

    `worth` is per human point: infinite where no number of synthetic points reaches the score, nan where human points
    lower the score and more synthetic points do not raise it, so that neither is of use. `lift` is the change of the
    score by the h human points, `rises` [D] whether more synthetic points raise the score, `bound` [m] the worth at
    REACH times the largest tried size.
    """

    n: Array
    human_points: float
    worth: Array
    lift: Array
    rises: Bool
    bound: Array

    def limits(self, level: float = LEVEL) -> tuple[Array, Array, Array]:
        """Median and percentiles [m], infinite where there is no number.

        A draw in which neither kind is of use counts against both ends.
        """
        tail = (1 - level) / 2
        claimed = np.where(self.rises, np.minimum(self.worth, self.bound[:, None]), self.worth)
        lower, upper = np.where(np.isnan(claimed), -np.inf, claimed), np.where(np.isnan(self.worth), np.inf, self.worth)
        low, high = _quantile(lower, tail), _quantile(upper, 1 - tail)
        return np.maximum(_quantile(upper, 0.5), low), low, high


def worth_draws(response: Response, n: Array | float, human_points: float) -> WorthDraws:
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
    worth = np.where(rises, worth, np.where(lift > 0, np.inf, np.nan))
    return WorthDraws(n, h, worth, lift, rises, (REACH * scale.most_synthetic - n) / h)


def worth_at(response: Response, n: float, human_points: float) -> HumanWorth:
    """What each of `human_points` is worth beside n synthetic points."""
    drawn = worth_draws(response, n, human_points)
    middle, low, high = (float(x[0]) for x in drawn.limits())
    worth = Interval(middle, low, high)
    lift = estimate(drawn.lift[0])
    size = (n + middle * human_points) / response.scale.most_synthetic
    beyond = size if math.isfinite(size) else None
    return HumanWorth(n, human_points, worth, lift, beyond, tuple(_reasons(response, drawn, worth, lift)))


def estimate(draws: Array, level: float = LEVEL) -> Interval:
    """Median and percentiles of finite draws [D]."""
    tail = (1 - level) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    return Interval(float(middle), float(low), float(high))


def _reasons(response: Response, drawn: WorthDraws, worth: Interval, lift: Interval) -> Iterator[Reason]:
    interval = {"lift": lift.value, "low": lift.low, "high": lift.high}
    if np.mean(np.isnan(drawn.worth[0])) > (1 - LEVEL) / 2:
        yield Reason(Kind.NEITHER_SHOWN, {"share": float(np.mean(np.isnan(drawn.worth[0])))})
    if lift.high <= 0:
        yield Reason(Kind.HUMAN_POINTS_HARM, interval)
    elif lift.low <= 0:
        yield Reason(Kind.NO_LIFT_SHOWN, interval)
    falling = float(np.mean(~drawn.rises))
    if falling > 1 - LEVEL:
        span = response.score([response.scale.least_synthetic, response.scale.most_synthetic], 0.0)
        rise = estimate(span[1] - span[0])
        yield Reason(
            Kind.DOES_NOT_RISE,
            {"share": falling, "rise": rise.value, "low": rise.low, "high": rise.high},
        )
    level_off = drawn.rises & np.isinf(drawn.worth[0])
    ceiling = response.ceiling()[level_off & np.isfinite(response.ceiling())]
    if worth.high == math.inf and len(ceiling) > (1 - LEVEL) / 2 * len(level_off):
        yield Reason(Kind.LEVELS_OFF, {"share": float(np.mean(level_off)), "ceiling": float(np.median(ceiling))})
    if float(drawn.bound[0]) < worth.value < math.inf:
        yield Reason(Kind.BEYOND_REACH, {"factor": REACH, "largest": response.scale.most_synthetic})


def _quantile(draws: Array, q: float) -> Array:
    return np.asarray(np.quantile(draws, q, axis=-1, method="inverted_cdf"))  # no averaging with an infinite draw
