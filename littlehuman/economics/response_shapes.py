"""Shapes that a score may have over synthetic and human points: parametric learning curves with an interaction.

Every shape is linear in its coefficients once its shape parameters are fixed:

    score = c + a Z(n_s + k n_h + o) + d M(n_h) + e Z(n_s + k n_h + o) M(n_h)

Z is a learning curve (logarithm, power law, saturating exponential), scaled to 0 at the least and to 1 at the most
synthetic points that were tried; M grows from 0 without human points to 1 at the most that were tried. Human points may
count in two ways: `combined` (e = 0: a human point stands for k synthetic ones, and human points add the same whatever
n_s is), `interaction` (k = 0: what they add changes along the curve). Each holds a pure exchange or a pure lift as a
case. Neither is offered alone: chosen by AICc, the pure shapes were too sure of themselves wherever the truth was a
little of both (7 to 70 % coverage in simulations). Runs on one kind of points alone have `ALONE`: the curve itself.

Sources: the logarithm and the exchange are those of arXiv 2410.13098, Section 4; power laws with a ceiling and
exponentials are the families of Viering and Loog 2023 ("The Shape of Learning Curves: A Review").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Bool = NDArray[np.bool_]

LOG, POWER, EXPONENTIAL = 0, 1, 2
CURVES = ("log", "power", "exponential")
COMBINED, INTERACTION, ALONE = "combined", "interaction", "alone"

# Steps of 8 %: with steps of 45 % the interval at a levelling curve's end covered 86 %.
# Below 0 a curve grows faster than the logarithm, above it has a ceiling.
_POWERS = (-1.0, -0.5, -0.25, *np.geomspace(0.1, 3.0, 44))
_LENGTHS = tuple(np.geomspace(0.05, 3.0, 54))  # times the largest number of synthetic points
_RATES, _NEGATIVE = 16, 4  # human-to-synthetic rates above and below 0
_FINE = 3.0  # how much closer rates lie near 0 than at the end
# Bends of M, times the most human points, and their prior weights: from nearly a step (unlikely, but ln(1 + h) is one)
# to a straight line.
BENDS = ((0.002, 0.1), (0.03, 0.3), (0.3, 0.3), (3.0, 0.3))
# Times the least synthetic points: what stands in for synthetic points where there are none.
_OFFSETS = (0.002, 0.03, 0.3)
# Times the most points: power laws of one kind alone that begin late, flat before they rise (in simulations of such
# curves the interval of a doubling covered a third without them).
_LATE = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers of points by which shapes are scaled; all above 0."""

    least_synthetic: float
    most_synthetic: float
    least_human: float
    most_human: float


@dataclass(frozen=True, slots=True)
class Family:
    """Shapes of one curve and one way of counting human points; `count` parameters, with the variance."""

    name: str
    curve: int
    human: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Shape parameters [M], indices of their families [M], and logarithms of prior weights within the family."""

    curve: Index
    value: Array
    rate: Array
    offset: Array
    bend: Array
    family: Index
    prior: Array

    def __getitem__(self, index: Index) -> Shapes:
        return Shapes(*(getattr(self, each.name)[index] for each in fields(self)))

    def z(self, size: Array, scale: Scale) -> Array:
        """Z at effective sizes [..., M]: 0 at the least synthetic points that were tried, 1 at the most."""
        low, high = self._ends(scale)
        return (self._raw(size) - low) / (high - low)

    def size(self, z: Array, scale: Scale) -> Array:
        """The inverse of `z` [..., M]: infinity from the ceiling on, 0 below the start."""
        low, high = self._ends(scale)
        raw = low + z * (high - low)
        with np.errstate(all="ignore"):
            signed = np.where((self.curve == POWER) & (self.value < 0), raw, -raw)
            left = np.where(signed > 0, signed, 0.0)
            found = np.where(
                self.curve == LOG,
                np.exp(np.minimum(raw, 700.0)),
                np.where(self.curve == POWER, left ** (-1 / self.value), -self.value * np.log(left)),
            )
        return np.maximum(found, 0.0)

    def effective(self, n_synthetic: Array, n_human: Array) -> Array:
        """Size [..., M] of mixtures [..., 1] in synthetic points.

        At least one: power laws and logarithms have no zero.
        """
        return np.maximum(n_synthetic + self.rate * n_human + self.offset, 1.0)

    def m(self, n_human: Array, scale: Scale) -> Array:
        """M [..., M] of human points [..., 1]."""
        return np.asarray(np.log1p(n_human / self.bend) / np.log1p(scale.most_human / self.bend))

    def _ends(self, scale: Scale) -> tuple[Array, Array]:
        """The curves, not scaled [M], where Z is 0 and where it is 1."""
        low, high = (self._raw(np.full(len(self.value), x)) for x in (scale.least_synthetic, scale.most_synthetic))
        return low, high

    def _raw(self, size: Array) -> Array:
        out = np.empty(np.broadcast_shapes(size.shape, self.value.shape))
        size = np.broadcast_to(size, out.shape)
        for curve in (LOG, POWER, EXPONENTIAL):
            at = self.curve == curve
            x, value = size[..., at], self.value[at]
            out[..., at] = (
                np.log(x)
                if curve == LOG
                else -np.sign(value) * np.power(x, -value)
                if curve == POWER
                else -np.exp(-x / value)
            )
        return out


def families(human_levels: int, *, alone: bool = False) -> tuple[Family, ...]:
    """All families; the bend of M counts as a parameter only where more than one number of human points was tried.

    `alone`: of runs on one kind of points, as a function of their number alone.
    """
    bend = 1 if human_levels > 1 else 0
    # coefficients, shape parameters besides that of the curve
    ways = ((ALONE, 2, 0),) if alone else ((COMBINED, 3, 1 + bend), (INTERACTION, 4, bend))
    return tuple(
        Family(f"{name} {human}", curve, human, linear + shape + (curve != LOG) + 1)
        for human, linear, shape in ways
        for curve, name in enumerate(CURVES)
    )


def grid(of: tuple[Family, ...], human: str, scale: Scale, *, alone: bool, bends: bool) -> Shapes:
    """All shapes of one way of counting human points.

    Args:
        of: the families.
        human: the way.
        scale: by which sizes are scaled.
        alone: whether there are runs without synthetic points.
        bends: whether the bend of M makes a difference to the runs.
    """
    rows = [
        row
        for number, family in enumerate(of)
        if family.human == human
        for row in _rows(number, family, scale, alone, bends)
    ]
    curve, value, rate, offset, bend, number, prior = np.array(rows).T
    return Shapes(curve.astype(np.intp), value, rate, offset, bend, number.astype(np.intp), np.log(prior))


def rates(scale: Scale) -> tuple[Array, Array]:
    """Rates k that are tried, and their prior weights.

    The prior is flat in t = ln(1 + k h / n), h the most human and n the middle number of synthetic points: flat in the
    gain of the score, so that it favours neither small nor large gains. Negative rates end where the least synthetic
    points would be used up.
    """
    middle = (scale.least_synthetic * scale.most_synthetic) ** 0.5
    top = np.log1p(30 * scale.most_synthetic / middle)
    above = top * np.sinh(_FINE * np.arange(_RATES + 1) / _RATES) / np.sinh(_FINE)
    lowest = 0.9 * scale.least_synthetic / middle
    below = np.log1p(-lowest * np.sinh(2 * np.arange(_NEGATIVE, 0, -1) / _NEGATIVE) / np.sinh(2))
    t = np.concatenate([below, above])
    return np.expm1(t) * middle / scale.most_human, np.gradient(t) / np.sum(np.gradient(t))


def _rows(number: int, family: Family, scale: Scale, alone: bool, bends: bool) -> Iterator[tuple[float, ...]]:
    values = {LOG: (1.0,), POWER: _POWERS, EXPONENTIAL: tuple(x * scale.most_synthetic for x in _LENGTHS)}[family.curve]
    if family.human == ALONE:
        late = _LATE if family.curve == POWER else (0.0,)
        ways, bends = [(1.0, share * scale.most_synthetic, 1.0) for share in late], False
    elif family.human == COMBINED:
        ways = [(k, 0.0, weight) for k, weight in zip(*rates(scale), strict=True)]
    else:
        offsets = [x * scale.least_synthetic for x in _OFFSETS] if alone and family.curve != EXPONENTIAL else [0.0]
        ways = [(0.0, offset, 1.0) for offset in offsets]
    for value in values[:: 2 if bends and family.human == COMBINED else 1]:
        for rate, offset, weight in ways:
            for bend, own in BENDS if bends else ((1.0, 1.0),):
                yield (family.curve, value, rate, offset, bend * scale.most_human, number, weight * own)
