"""How a score grows with the number of synthetic points: three curves, fitted and compared.

In: sizes x and scores y of runs without human points. Out: the logarithmic curve of the paper
(Section 4), a power law and a saturating curve that both level off, each with AICc and Akaike
weight; a curve that the data cannot tell from a limit of its family is `Failed`, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]

# The exponents that are tried, and the lengths in units of the smallest and of the largest size. Beyond
# the ends a power law is the logarithm or a step, a saturating curve a step or a straight line.
_EXPONENTS = (0.02, 5.0)
_LENGTHS = (0.2, 5.0)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted curve. `residual_sd` (n - p degrees of freedom) is None when there are no more runs than parameters."""

    name: str
    parameters: Mapping[str, float]
    rss: float
    n: int
    aicc: float | None = None
    weight: float | None = None

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return self.n - len(self.parameters)

    @property
    def residual_sd(self) -> float | None:
        """Scatter of a single run around the curve, in units of the score."""
        return math.sqrt(self.rss / self.df) if self.df > 0 else None

    @property
    def ceiling(self) -> float | None:
        """The score at which a rising curve levels off; None for the logarithm, and for a curve that falls."""
        return self.parameters["c"] if self.parameters.get("a", 0.0) > 0 else None

    @overload
    def predict(self, x: float) -> float: ...
    @overload
    def predict(self, x: Array) -> Array: ...
    def predict(self, x: float | Array) -> float | Array:
        """Scores at these sizes."""
        p = self.parameters
        if self.name == "log":
            y = p["a0"] + p["a1"] * np.log(x)
        else:
            y = p["c"] - p["a"] * _decay(self.name, np.asarray(x, dtype=np.float64), p["b"])
        return y if isinstance(x, np.ndarray) else float(y)

    @overload
    def inverse(self, y: float) -> float: ...
    @overload
    def inverse(self, y: Array) -> Array: ...
    def inverse(self, y: float | Array) -> float | Array:
        """Sizes at which the curve has these scores: infinite beyond its ceiling, 0 before its start."""
        p, y_ = self.parameters, np.asarray(y, dtype=np.float64)
        with np.errstate(all="ignore"):
            if self.name == "log":
                x = np.exp((y_ - p["a0"]) / p["a1"]) if p["a1"] else np.full_like(y_, np.inf)
            else:
                left = (p["c"] - y_) / p["a"] if p["a"] else np.full_like(y_, 0.0)
                log_left = np.log(np.where(left > 0, left, 0.0))
                x = np.exp(-log_left / p["b"]) if self.name == "power" else np.maximum(-log_left * p["b"], 0.0)
        return x if isinstance(y, np.ndarray) else float(x)


@dataclass(frozen=True, slots=True)
class Failed:
    """A curve that could not be fitted, and why."""

    name: str
    reason: str


def log_curve(x: Array, y: Array) -> Fitted:
    """y = a0 + a1 ln x by least squares; x holds at least two different sizes above 0."""
    line = stats.linregress(np.log(x), y)
    a0, a1 = float(line.intercept), float(line.slope)
    return Fitted("log", {"a0": a0, "a1": a1}, _rss(y, a0 + a1 * np.log(x)), len(y))


def p_rising(curve: Fitted, x: Array) -> float | None:
    """One-sided p of the log curve's slope being above 0 (Student t); None without residual degrees of freedom."""
    if curve.residual_sd is None:
        return None
    se = curve.residual_sd / math.sqrt(spread(x))
    return float(stats.t.sf(curve.parameters["a1"] / se, curve.df))


def spread(x: Array) -> float:
    """Sum of squares of ln x around its mean: the slope's variance is the residual variance over this."""
    return float(np.sum((np.log(x) - np.log(x).mean()) ** 2))


def compare(x: Array, y: Array) -> list[Fitted | Failed]:
    """The log curve first, then `power` (c - a x^-b) and `saturating` (c - a exp(-x/b)), with AICc and Akaike weights.

    AICc (Hurvich and Tsai 1989) counts the parameters and the residual variance; it is None where
    there are too few runs for it. Weights (Akaike 1978) sum to 1 over the fitted curves, and are None if one of
    them has no AICc.
    """
    tried = [log_curve(x, y), _levelling("power", x, y), _levelling("saturating", x, y)]
    scored = [replace(fit, aicc=_aicc(fit)) if isinstance(fit, Fitted) else fit for fit in tried]
    known = {fit.name: fit.aicc for fit in scored if isinstance(fit, Fitted)}
    values = [aicc for aicc in known.values() if aicc is not None]
    if len(values) < len(known):  # a weight beside a curve that has none would say that the other curve is wrong
        return scored
    likely = {name: math.exp((min(values) - (aicc or 0.0)) / 2) for name, aicc in known.items()}
    total = sum(likely.values())
    return [replace(fit, weight=likely[fit.name] / total) if isinstance(fit, Fitted) else fit for fit in scored]


def levelling_off(fits: Sequence[Fitted | Failed], margin: float = 2.0) -> Fitted | None:
    """The rising curve with a ceiling that beats the log curve by at least `margin` of AICc, if there is one."""
    known = {fit.name: fit for fit in fits if isinstance(fit, Fitted) and fit.aicc is not None}
    if "log" not in known:
        return None
    best = min(known.values(), key=lambda fit: fit.aicc or 0.0)
    return best if best.ceiling is not None and gain(known["log"], best) >= margin else None


def gain(worse: Fitted, better: Fitted) -> float:
    """By how much the AICc of the second curve is lower."""
    return (worse.aicc or 0.0) - (better.aicc or 0.0)


def _decay(name: str, x: Array, b: float) -> Array:
    return np.power(x, -b) if name == "power" else np.exp(-x / b)


def _levelling(name: str, x: Array, y: Array) -> Fitted | Failed:
    """Variable projection (Golub and Pereyra 1973): for each rate b, c and a are linear least squares; b is searched."""
    if len(np.unique(x)) < 4:
        return Failed(name, f"needs 4 different sizes, there are {len(np.unique(x))}")
    low, high = np.log(_EXPONENTS if name == "power" else np.multiply(_LENGTHS, (x.min(), x.max())))

    def rss(log_b: float) -> float:
        return _linear(_decay(name, x, math.exp(log_b)), y)[2]

    grid = np.linspace(low, high, 41)
    at = int(np.argmin([rss(b) for b in grid]))
    if at in (0, len(grid) - 1):
        return Failed(name, "the best fit lies at the end of the family: these runs show no bend of this shape")
    b = float(
        np.exp(
            optimize.minimize_scalar(
                rss, bounds=(grid[at - 1], grid[at + 1]), method="bounded", options={"xatol": 1e-9}
            ).x
        )
    )
    c, a, least = _linear(_decay(name, x, b), y)
    return Fitted(name, {"c": c, "a": a, "b": b}, least, len(y))


def _linear(z: Array, y: Array) -> tuple[float, float, float]:
    """c, a and the residual sum of squares of y = c - a z."""
    away = z - z.mean()
    square = float(away @ away)
    slope = float(away @ y) / square if square > 0 else 0.0
    intercept = float(y.mean() - slope * z.mean())
    return intercept, -slope, _rss(y, intercept + slope * z)


def _rss(y: Array, fitted: Array) -> float:
    """Residual sum of squares, at least that of rounding errors: noise-free data must not divide by zero."""
    floor = len(y) * (1e-10 * float(np.abs(y).max()) + 1e-150) ** 2
    return max(float(np.sum((y - fitted) ** 2)), floor)


def _aicc(fit: Fitted) -> float | None:
    k = len(fit.parameters) + 1
    if fit.n - k - 1 <= 0:
        return None
    return fit.n * math.log(fit.rss / fit.n) + 2 * k + 2 * k * (k + 1) / (fit.n - k - 1)
