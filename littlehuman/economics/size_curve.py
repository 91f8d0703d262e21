"""The curve of synthetic points alone, and whether it rises.

In: the runs of a series. Out: a `Curve`: the sizes and scores of the runs without human points, the
fits through them, and what may be read off: whether more synthetic data helps, where it levels
off, and how far runs with human points lie above it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from littlehuman.economics import curves
from littlehuman.economics.curves import Array, Failed, Fitted
from littlehuman.errors import DataError
from littlehuman.study.scores import ScoredRuns

LEVEL = 0.95
# A size of more than 1,000 times the largest that was tried is no number to name: it counts as infinite.
FAR = 1_000.0


@dataclass(frozen=True, slots=True)
class Range:
    """A value with its 95 % interval; None where it is infinite or cannot be said."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SizeCurve:
    """Runs on synthetic points alone, x sizes and y scores [runs]; `log` is the paper's curve, `models` all that were tried."""

    x: Array
    y: Array
    log: Fitted
    models: tuple[Fitted | Failed, ...]

    @property
    def p(self) -> float | None:
        """One-sided p of the slope being above 0; None for two runs."""
        return curves.p_rising(self.log, self.x)

    @property
    def rises(self) -> bool:
        """Whether more synthetic data helps: a positive slope that is no chance (p at most 0.05), as far as that can be judged."""
        return self.log.parameters["a1"] > 0 and (self.p is None or self.p <= 0.05)

    @property
    def may_rise(self) -> bool:
        """Whether it goes up without that being shown: nothing is known then, as opposed to a curve that falls."""
        return self.log.parameters["a1"] > 0 and not self.rises

    @property
    def levelling(self) -> Fitted | None:
        """The curve that levels off, where it fits clearly better than the logarithm."""
        return curves.levelling_off(self.models)

    @property
    def ceiling(self) -> float | None:
        """The score at which it levels off."""
        return self.levelling.ceiling if self.levelling else None

    @property
    def far(self) -> float:
        """The largest size that is named as a number."""
        return FAR * float(self.x.max())

    def sizes(self, scores: Array) -> Array:
        """Synthetic sizes with these scores by the logarithm, infinite where there is none to name."""
        if not self.rises:
            return np.full(len(scores), np.inf)
        found = self.log.inverse(scores)
        return np.where(found > self.far, np.inf, found)

    def lift(self, n: Array, scores: Array) -> Range:
        """Mean score of runs above the logarithm at their sizes n, for the scatter of both (Welch; Satterthwaite 1946)."""
        above = scores - self.log.predict(n)
        value = float(above.mean())
        if self.log.residual_sd is None:
            return Range(value)
        leverage = (float(np.log(n).mean()) - float(np.log(self.x).mean())) ** 2 / curves.spread(self.x)
        own = _scatter(np.log(n), above)
        variance, df = own if own is not None else (self.log.residual_sd**2, self.log.df)  # else the curve's stands in
        parts = [(self.log.residual_sd**2 * (1 / len(self.x) + leverage), self.log.df), (variance / len(n), df)]
        total = sum(v for v, _ in parts)
        df_total = total**2 / sum(v**2 / k for v, k in parts) if total > 1e-150 else 1.0
        half = float(stats.t.ppf((1 + LEVEL) / 2, df_total)) * math.sqrt(total)
        return Range(value, value - half, value + half)


def _scatter(log_n: Array, above: Array) -> tuple[float, int] | None:
    """Residual variance around a line over ln N (the lift may differ by size) and its df; None for too few runs."""
    sizes = len(np.unique(log_n))
    df = len(above) - min(sizes, 2)
    if df <= 0:
        return None
    if sizes == 1:
        return float(above.var(ddof=1)), df
    line = stats.linregress(log_n, above)
    return float(np.sum((above - line.intercept - line.slope * log_n) ** 2)) / df, df


def measured_curve(scored: ScoredRuns) -> SizeCurve:
    """Fit the runs of a series that are on synthetic points alone.

    Raises:
        DataError: when there is one run only, none on synthetic points alone, or all of those have one size.
    """
    alone = (scored.n_human == 0) & (scored.n_synthetic > 0)
    runs, sizes = len(scored.score), np.unique(scored.n_synthetic[alone])
    mend = "\nTry: runs with n_human = 0 at two or more values of n_synthetic; the paper takes 1000, 2000, ..., 20000"
    if runs < 2:
        raise DataError(f"{scored.place}: there is one run only (one row); a curve takes several{mend}")
    if not len(sizes):
        raise DataError(
            f"{scored.place}: none of the {runs} runs is on synthetic points alone (n_human = 0, n_synthetic above 0){mend}"
        )
    if len(sizes) < 2:
        count = int(alone.sum())
        have = (
            "the only run on synthetic points alone has"
            if count == 1
            else f"all {count} runs on synthetic points alone have"
        )
        raise DataError(f"{scored.place}: {have} n_synthetic = {sizes[0]:.0f}{mend}")
    x, y = scored.n_synthetic[alone], scored.score[alone]
    models = curves.compare(x, y)
    log = next(model for model in models if isinstance(model, Fitted) and model.name == "log")
    return SizeCurve(x, y, log, tuple(models))
