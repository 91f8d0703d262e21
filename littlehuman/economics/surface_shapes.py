"""Three shapes that a score may have over human and synthetic points, and how each is fitted.

In: where the runs lie, and their scores [n, D], D sets at once. Out: coefficients, and why a shape
cannot be identified by these runs.

Sources: the logarithm is the paper's curve (arXiv 2410.13098, Section 4), here with a human point
worth k synthetic ones; the linear coefficients of that exchange are solved inside the search for
its rate k (variable projection: Golub & Pereyra 1973).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Numbers = Array | Counts

_RATES = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 57)])  # human-to-synthetic exchange rates that are tried first
_GOLDEN = (5**0.5 - 1) / 2
_REFINEMENTS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """D fitted surfaces side by side.

    `coefficients` [4, D] belong to 1, ln(1+n_s), ln(1+n_h) and their product; where `rate` [D] is a
    number k, the surface is an exchange instead: coefficients 0 and 1 belong to 1 and ln(n_s + k n_h).
    """

    coefficients: Array
    rate: Array

    def score(self, n_synthetic: Numbers, n_human: Numbers) -> Array:
        """Scores [m, D] of the mixtures [m] (or [m, D]) under each surface."""
        s, h = (np.asarray(n, dtype=np.float64) for n in (n_synthetic, n_human))
        s, h = (n if n.ndim == 2 else n[:, None] for n in (s, h))
        b = self.coefficients
        linear = b[0] + b[1] * np.log1p(s) + b[2] * np.log1p(h) + b[3] * np.log1p(s) * np.log1p(h)
        return np.asarray(np.where(np.isnan(self.rate), linear, b[0] + b[1] * np.log(_worth(s, h, self.rate))))

    def least_synthetic(self, n_human: Numbers, low: Array, target: float) -> Array:
        """Fewest synthetic points [m, D], at least `low` [m], that reach a score beside `n_human` [m] points; inf where none do."""
        h, b = np.asarray(n_human, dtype=np.float64)[:, None], self.coefficients
        exchange = ~np.isnan(self.rate)
        slope = np.where(exchange, b[1], b[1] + b[3] * np.log1p(h))  # in ln(n_s): each surface is monotone in n_s
        rest = np.where(exchange, b[0], b[0] + b[2] * np.log1p(h))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            needed = np.exp((target - rest) / slope) - np.where(exchange, self.rate * h, 1.0)
        at_low = self.score(low, n_human) >= target
        return np.asarray(np.where(at_low, low[:, None], np.where(slope > 0, np.maximum(needed, low[:, None]), np.inf)))


class Design:
    """Where the runs lie: `s` synthetic and `h` human points [n], and the terms of the linear shapes."""

    def __init__(self, s: Array, h: Array) -> None:
        self.s, self.h, self.n = s, h, len(s)
        self.terms = np.stack([np.ones(len(s)), np.log1p(s), np.log1p(h), np.log1p(s) * np.log1p(h)], axis=1)


@dataclass(frozen=True, slots=True)
class Shape:
    """A candidate: how it is fitted to scores [n, D], giving coefficients [4, D], rates [D] and residual sums of squares [D]."""

    name: str
    formula: str
    names: tuple[str, ...]
    fit: Callable[[Design, Array], tuple[Array, Array, Array]]
    tells_apart: Callable[[Design, Array], str]

    @property
    def parameters(self) -> int:
        """How many, without the variance."""
        return len(self.names)

    def missing(self, design: Design, y: Array) -> str:
        """Why these runs cannot identify the shape, or nothing. The variance counts as a parameter too."""
        needed = self.parameters + 3
        return f"needs {needed} runs, there are {design.n}" if design.n < needed else self.tells_apart(design, y)


def _linear(columns: int) -> Callable[[Design, Array], tuple[Array, Array, Array]]:
    def fitted(design: Design, y: Array) -> tuple[Array, Array, Array]:
        terms = design.terms[:, :columns]
        found = np.linalg.lstsq(terms, y, rcond=None)[0]
        coefficients = np.zeros((4, y.shape[1]))
        coefficients[:columns] = found
        return coefficients, np.full(y.shape[1], np.nan), np.sum((y - terms @ found) ** 2, axis=0)

    return fitted


def _exchange(design: Design, y: Array) -> tuple[Array, Array, Array]:
    """Least squares over a grid of rates, then golden-section search between the neighbours of the best, for all D at once."""
    coarse = np.stack([_simple(np.log(_worth(design.s, design.h, k))[:, None], y)[2] for k in _RATES])
    place = coarse.argmin(axis=0)
    low, high = (np.log(_RATES[np.clip(place + step, 1, len(_RATES) - 1)]) for step in (-1, 1))

    def rss(log_rate: Array) -> Array:
        return _simple(np.log(_worth(design.s[:, None], design.h[:, None], np.exp(log_rate))), y)[2]

    for _ in range(_REFINEMENTS):
        step = _GOLDEN * (high - low)
        left_is_better = rss(high - step) <= rss(low + step)
        low, high = np.where(left_is_better, low, high - step), np.where(left_is_better, low + step, high)
    rate = np.where(place == 0, 0.0, np.exp((low + high) / 2))
    a0, a1, total = _simple(np.log(_worth(design.s[:, None], design.h[:, None], rate)), y)
    return np.stack([a0, a1, np.zeros_like(a0), np.zeros_like(a0)]), rate, total


def _simple(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Straight lines y [n, D] on x [n, D] or [n, 1]: intercepts, slopes, residual sums of squares [D]."""
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    sxx = np.sum(dx**2, axis=0)
    slope = np.sum(dx * dy, axis=0) / np.where(sxx > 0, sxx, np.inf)
    return y.mean(axis=0) - slope * x.mean(axis=0), slope, np.sum((dy - slope * dx) ** 2, axis=0)


def _worth(s: Array, h: Array, rate: Array | float) -> Array:
    """Human and synthetic points in units of a synthetic one; never below one point."""
    return np.maximum(s + rate * h, 1.0)


def _told_apart(columns: int) -> Callable[[Design, Array], str]:
    def reason(design: Design, _: Array) -> str:
        if columns == 4 and not np.any((design.s > 0) & (design.h > 0)):
            return "no run has both human and synthetic points"
        return _collinear(design.terms[:, 1:columns])

    return reason


def _exchange_told_apart(design: Design, y: Array) -> str:
    """The surface's slopes in its three parameters must differ at the fitted rate, and that rate must lie inside what was tried."""
    if _collinear(design.terms[:, 1:2]) or _collinear(design.terms[:, 2:3]):
        return "a term does not vary between the runs"
    rate = float(_exchange(design, y)[1][0])
    if rate > 0.99 * _RATES[-1]:
        return f"the runs set no upper bound to its rate k (beyond {_RATES[-1]:g})"
    worth = _worth(design.s, design.h, max(rate, _RATES[1]))
    return _collinear(np.stack([np.log(worth), design.h / worth], axis=1))


def _collinear(terms: Array) -> str:
    """Why these terms [n, p] cannot be told apart beside a constant, or nothing."""
    spread = terms - terms.mean(axis=0)
    size = np.linalg.norm(spread, axis=0)
    if np.any(size < 1e-9):
        return "a term does not vary between the runs"
    singular = np.linalg.svd(spread / size, compute_uv=False)
    return (
        "the runs lie so that its terms cannot be told apart"
        if singular[-1] < 1e-3 * singular[0] or len(singular) < len(size)
        else ""
    )


SHAPES = (
    Shape("exchange", "a0 + a1 ln(n_s + k n_h)", ("a0", "a1", "k"), _exchange, _exchange_told_apart),
    Shape("separate", "b0 + b1 ln(1+n_s) + b2 ln(1+n_h)", ("b0", "b1", "b2"), _linear(3), _told_apart(3)),
    Shape(
        "substitutes",
        "b0 + b1 ln(1+n_s) + b2 ln(1+n_h) + b3 ln(1+n_s) ln(1+n_h)",
        ("b0", "b1", "b2", "b3"),
        _linear(4),
        _told_apart(4),
    ),
)
