"""How many synthetic points the human points of a set stand for, with both scatters carried.

In: the logarithmic curve of the runs without human points, and the runs with h human points each,
by size N and score. Out: the exchange M = mean over those runs of x*(N) - N, where x*(N) is the
synthetic size with the same score, and draws of M for an interval.

x*(N) is a straight line between the smallest and the largest N with positive ends e^p and e^q.
That holds exactly in two opposite worlds: a human point is worth k synthetic ones, whatever N
(x* = N + kh), and h human points lift the score by the same amount at every N (x* = cN). p and q
are least squares in units of the score: a single run's x* is an exponential of
its noise, so the mean of single runs is biased upwards, and that of a smooth line hardly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS = 12
_CLOSE = 1e-3  # of ln x*: Newton's next step would be about its square
# With one residual degree of freedom (or none) a variance says too little by itself. Pooled, the intervals of 3 or 4 runs
# that scatter three times as much as the curve's covered 60 and 67 % in simulations; by their own scatter, 94 %.
FEW = 2


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeData:
    """Runs without human points (x sizes, y scores) and runs with them (n sizes, s scores)."""

    x: Array
    y: Array
    n: Array
    s: Array

    @property
    def ends(self) -> int:
        """Parameters of x*(N): two ends, or one level where all N are equal."""
        return 2 if np.ptp(self.n) > 0 else 1

    @property
    def share(self) -> Array:
        """Where N lies between the smallest (0) and the largest (1), [runs]."""
        least = float(self.n.min())
        return (self.n - least) / max(float(self.n.max()) - least, 1.0)

    @property
    def pooled(self) -> bool:
        """Whether the runs with human points are too few to know their own scatter, and the curve's is taken with it."""
        return len(self.n) - self.ends < FEW


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Log curves, one per draw: y = middle + slope (ln x - centre)."""

    middle: Array  # [draws]
    slope: Array  # [draws]
    centre: float

    def log_size(self, scores: Array) -> Array:
        """ln x at these scores, [runs, draws]."""
        return (scores - self.middle) / self.slope + self.centre


def value(study: ExchangeData) -> float:
    """The exchange M, in synthetic points for all the human points of a set; the slope must be above 0."""
    curve = _fitted_curve(study)
    log_sizes = _log_sizes(study, _line(study, curve.log_size(study.s[:, None])))
    with np.errstate(over="ignore"):  # far above the curve: infinite
        return float(np.mean(np.exp(log_sizes[:, 0]) - study.n))


def draws(study: ExchangeData, count: int, rng: np.random.Generator) -> Array:
    """Draws of M, [count]: how far off both fits may be, as a generalised pivotal quantity (Weerahandi 1993).

    A draw takes the curve's variance from its scaled inverse chi square and its intercept and slope
    from the normal around the fit; the same for the runs with human points, whose scatter is their
    own around the smooth x*(N), and whose ends are fitted again under the drawn curve. A draw with
    a slope of 0 or below is +infinity: there more synthetic data reaches nothing.
    Both scatters are taken as independent: where a run with human points shares its synthetic
    ones with a run of the curve, the interval is rather too wide.

    Which human points were drawn is not in it: runs of one seed have the same extra ones at every N
    (`mixing`), so that what is special about them does not show as scatter. Where one draw shifts all
    20 runs by a deviation of 0, 0.25, 0.5, 1 residual sd, the 95 % interval covers 97, 92, 82, 62 % in simulations.
    """
    curve = _fitted_curve(study)
    log_sizes = _log_sizes(study, _line(study, curve.log_size(study.s[:, None])))
    smooth = (curve.middle + curve.slope * (log_sizes - curve.centre))[:, 0]
    drawn, sd = _drawn_curves(study, curve, smooth, count, rng)
    scores = smooth[:, None] + sd * rng.standard_normal((len(study.n), count))
    exchange = np.full(count, np.inf)
    rising = drawn.slope > 0
    some = Curves(drawn.middle[rising], drawn.slope[rising], drawn.centre)
    with np.errstate(over="ignore"):
        exchange[rising] = (
            np.mean(np.exp(_log_sizes(study, _line(study, some.log_size(scores[:, rising])))), axis=0) - study.n.mean()
        )
    return exchange


def _fitted_curve(study: ExchangeData) -> Curves:
    log_x = np.log(study.x)
    centred = log_x - log_x.mean()
    slope = float(centred @ study.y / (centred @ centred))
    return Curves(np.array([study.y.mean()]), np.array([slope]), float(log_x.mean()))


def _drawn_curves(
    study: ExchangeData, fit: Curves, smooth: Array, count: int, rng: np.random.Generator
) -> tuple[Curves, Array]:
    """Curves around the fitted one, and standard deviations of the runs with human points, [count] each."""
    log_x = np.log(study.x) - fit.centre
    df_curve, df_human = len(study.x) - 2, len(study.n) - study.ends
    rss_curve = float(np.sum((study.y - fit.middle[0] - fit.slope[0] * log_x) ** 2))
    rss_human = float(np.sum((study.s - smooth) ** 2))
    if study.pooled:
        df_human, rss_human = df_human + df_curve, rss_human + rss_curve
    sd_curve = np.sqrt(rss_curve / rng.chisquare(df_curve, count))
    sd_human = np.sqrt(rss_human / rng.chisquare(df_human, count))
    middle = fit.middle[0] + sd_curve * rng.standard_normal(count) / np.sqrt(len(log_x))
    slope = fit.slope[0] + sd_curve * rng.standard_normal(count) / np.sqrt(log_x @ log_x)
    return Curves(middle, slope, fit.centre), sd_human


def _line(study: ExchangeData, wanted: Array) -> tuple[Array, Array]:
    """ln x* at the smallest N, and how much higher it is at the largest, [draws] each; `wanted` is ln x* [runs, draws].

    ln x*(N) = p + ln(1 + (e^d - 1) w) with w from 0 to 1: p is the mean of what is left, so that
    Newton's method has one unknown per draw (variable projection, Golub and Pereyra 1973).
    """
    level = wanted.mean(axis=0)
    if study.ends == 1:
        return level, np.zeros(len(level))
    w = study.share[:, None]
    around = w - w.mean()
    d = np.clip(np.sum(around * wanted, axis=0) / np.sum(around**2), -5, 5)  # start: ln x* as a line
    for _ in range(_STEPS):
        shape, bend = _bent(d, w)
        off = wanted - shape
        off -= off.mean(axis=0)
        tilt = bend - bend.mean(axis=0)
        square = np.einsum("ij,ij->j", tilt, tilt)
        curvature = square - np.einsum("ij,ij->j", off, bend - bend * bend)
        # Where Newton's curvature is small or negative, Gauss-Newton's goes downhill all the same.
        step = np.einsum("ij,ij->j", tilt, off) / np.where(curvature > square / 4, curvature, square)
        d = d + np.clip(step, -1, 1)
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return level - _bent(d, w)[0].mean(axis=0), d


def _bent(d: Array, w: Array) -> tuple[Array, Array]:
    """ln(1 + (e^d - 1) w) and its derivative by d, [runs, draws]."""
    end = np.exp(d)
    inside = 1.0 + (end - 1.0) * w
    return np.log(inside), end * w / inside


def _log_sizes(study: ExchangeData, line: tuple[Array, Array]) -> Array:
    """ln x*(N) of every run with human points, [runs, draws]."""
    low, rise = line
    return low + _bent(rise, study.share[:, None])[0]
