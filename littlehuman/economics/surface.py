"""The score as a function of how many human and how many synthetic points a model was trained on.

In: runs (n_synthetic, n_human, score). Out: a `Surface`: the best of three candidate shapes by
AICc, with bootstrap draws in which every candidate is fitted and chosen anew, so that an interval
carries the doubt about the shape as well as the scatter of the runs.

Sources: AICc: Hurvich & Tsai 1989; residuals are resampled as in Davison & Hinkley 1997, Section
6.3, and the choice is repeated in every draw (Breiman 1992; Efron 2014, "Estimation and Accuracy
after Model Selection").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from littlehuman.economics.surface_shapes import SHAPES, Array, Design, Numbers, Shape, Shapes
from littlehuman.errors import DataError
from littlehuman.seeding import number

DRAWS = 400
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ScoreEstimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Length of the interval."""
        return self.high - self.low

    def as_json(self) -> dict[str, float]:
        """The three numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


def estimate_score(value: float, draws: Array) -> ScoreEstimate:
    """A value with the percentile interval of its draws [draws]."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return ScoreEstimate(float(value), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One shape: `left_out` says why it was not considered, and is empty where it was."""

    name: str
    formula: str
    aicc: float | None = None
    weight: float | None = None
    left_out: str = ""
    parameters: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything, with null for what does not exist."""
        return {
            "name": self.name,
            "formula": self.formula,
            "aicc": self.aicc,
            "weight": self.weight,
            "left_out": self.left_out or None,
            "parameters": self.parameters,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The chosen shape (`best`: D = 1), its bootstrap `draws` (D = 400), and what was compared."""

    name: str
    candidates: tuple[Candidate, ...]
    best: Shapes
    draws: Shapes
    residual_sd: float

    @property
    def chosen(self) -> Candidate:
        """The candidate that was taken."""
        return next(c for c in self.candidates if c.name == self.name)

    def values(self, n_synthetic: Numbers, n_human: Numbers) -> Array:
        """Predicted scores [m] of mixtures."""
        return np.asarray(self.best.score(n_synthetic, n_human)[:, 0])

    def estimate(self, n_synthetic: float, n_human: float) -> ScoreEstimate:
        """Predicted mean score over training seeds of one mixture."""
        place = np.array([n_synthetic]), np.array([n_human])
        return estimate_score(self.values(*place)[0], self.draws.score(*place)[0])


def fit(n_synthetic: Array, n_human: Array, score: Array, draws: int = DRAWS) -> Surface:
    """Fit the candidates to runs [n], choose by AICc, and repeat both on resampled residuals.

    Every run needs at least one training point: a logarithm has no zero.

    Raises:
        DataError: when the runs can identify none of the shapes; the text says why, shape by shape.
    """
    design = Design(np.asarray(n_synthetic, dtype=np.float64), np.asarray(n_human, dtype=np.float64))
    y = np.asarray(score, dtype=np.float64)[:, None]
    reasons = {shape.name: shape.missing(design, y) for shape in SHAPES}
    shapes = [shape for shape in SHAPES if not reasons[shape.name]]
    if not shapes:
        raise DataError("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    best, index, aicc = _choose(shapes, design, y)
    chosen = shapes[int(index[0])]
    fitted = best.score(design.s, design.h)
    df = design.n - chosen.parameters
    again, _, _ = _choose(shapes, design, fitted + _resampled((y - fitted)[:, 0], df, draws))
    sd = float(np.sqrt(np.sum((y - fitted) ** 2) / df))
    return Surface(chosen.name, _compared(shapes, design, y, reasons, aicc[:, 0]), best, again, sd)


def _resampled(residuals: Array, df: int, draws: int) -> Array:
    """New residuals [n, draws], as wide as those of new runs would be.

    Fitting shrinks residuals by sqrt(df/n), and their spread is itself known from few runs: each draw has
    its own, sigma^2 = RSS / chi-square with df degrees of freedom, without which intervals are too short.
    """
    n = len(residuals)
    rng = np.random.default_rng(number(0, "bootstrap of the score surface"))
    inflated = residuals * np.sqrt(n / df)
    return np.asarray(inflated[rng.integers(n, size=(n, draws))] * np.sqrt(df / rng.chisquare(df, size=draws)))


def _choose(shapes: list[Shape], design: Design, y: Array) -> tuple[Shapes, NDArray[np.intp], Array]:
    """For each column of y [n, D] the shape with the least AICc: shapes [D], their indices [D], and AICc [shapes, D]."""
    found = [shape.fit(design, y) for shape in shapes]
    # Without noise a sum of squares is rounding error, whose logarithm would choose at random: it has a floor.
    floor = design.n * (1e-6 * y.std(axis=0) + 1e-12) ** 2
    aicc = np.stack(
        [
            _aicc(np.maximum(rss, floor), design.n, s.parameters + 1)
            for s, (_, _, rss) in zip(shapes, found, strict=True)
        ]
    )
    index = aicc.argmin(axis=0)
    column = np.arange(y.shape[1])
    coefficients = np.stack([c for c, _, _ in found])[index, :, column].T
    return Shapes(coefficients, np.stack([rate for _, rate, _ in found])[index, column]), index, aicc


def _aicc(rss: Array, n: int, parameters: int) -> Array:
    return np.asarray(n * np.log(rss / n) + 2 * parameters + 2 * parameters * (parameters + 1) / (n - parameters - 1))


def _compared(
    shapes: list[Shape], design: Design, y: Array, reasons: dict[str, str], aicc: Array
) -> tuple[Candidate, ...]:
    weights = np.exp(-(aicc - aicc.min()) / 2)
    rows = {s.name: (float(a), float(w)) for s, a, w in zip(shapes, aicc, weights / weights.sum(), strict=True)}
    return tuple(
        Candidate(s.name, s.formula, *rows[s.name], parameters=_parameters(s, design, y))
        if s.name in rows
        else Candidate(s.name, s.formula, left_out=reasons[s.name])
        for s in SHAPES
    )


def _parameters(shape: Shape, design: Design, y: Array) -> dict[str, float]:
    coefficients, rate, _ = shape.fit(design, y)
    values = [*coefficients[:2, 0], rate[0]] if shape.name == "exchange" else [*coefficients[: shape.parameters, 0]]
    return {name: float(value) for name, value in zip(shape.names, values, strict=True)}
