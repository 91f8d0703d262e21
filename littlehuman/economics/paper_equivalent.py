"""The paper's own definition of what human points are worth (arXiv 2410.13098, Section 4 and Table 3).

In: runs with and without human points. Out: the fit y = a0 + a1 ln(x) through the runs on synthetic points alone, and
for every run with h human points the equivalent synthetic size exp((y* - a0) / a1) less the synthetic points that it
had: mean, median and quartiles over runs, as in Table 3. No interval, no seeds, one curve: it is reported beside ours
to be compared with the paper.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from littlehuman.economics.human_worth import FAR
from littlehuman.economics.response_shapes import Array

NOTE = (
    "The paper's sentence on the price ratio (arXiv 2410.13098, Section 4) has the two prices swapped, and its 73 does "
    "not follow from its own Table 3: 17,672 / 200 = 88 by the mean, 84.5 by the median."
)


@dataclass(frozen=True, slots=True)
class PaperEquivalent:
    """Additional synthetic points needed, over runs; None where infinite, or where the fitted curve does not rise."""

    human_points: float
    runs: int
    a0: float
    a1: float
    mean: float | None
    median: float | None
    p25: float | None
    p75: float | None

    @property
    def price_ratio(self) -> float | None:
        """Synthetic points for each human one, by the mean, as the paper takes it."""
        return None if self.mean is None else self.mean / self.human_points

    def as_json(self) -> dict[str, Any]:
        """All fields, the price ratio, and what the paper's text has wrong."""
        return {**asdict(self), "price_ratio": self.price_ratio, "note": NOTE}


def paper_equivalent(n_synthetic: Array, n_human: Array, score: Array, human_points: float) -> PaperEquivalent | None:
    """Table 3 for the runs with `human_points`; None without them, or without two sizes of synthetic points alone."""
    alone = (n_human == 0) & (n_synthetic > 0)
    beside = (n_human == human_points) & (n_synthetic > 0)
    if len(np.unique(n_synthetic[alone])) < 2 or not beside.any():
        return None
    a1, a0 = np.polyfit(np.log(n_synthetic[alone]), score[alone], 1)
    if a1 <= 0:
        return PaperEquivalent(human_points, int(beside.sum()), float(a0), float(a1), None, None, None, None)
    with np.errstate(over="ignore"):
        sizes = np.exp((score[beside] - a0) / a1)
        needed = np.where(sizes > FAR * n_synthetic[alone].max(), np.inf, sizes) - n_synthetic[beside]
        p25, median, p75 = (
            (_finite(x) for x in np.quantile(needed, [0.25, 0.5, 0.75]))
            if np.isfinite(needed).all()
            else _of_infinite(needed)
        )
    return PaperEquivalent(human_points, len(needed), float(a0), float(a1), _finite(needed.mean()), median, p25, p75)


def _of_infinite(needed: Array) -> tuple[float | None, ...]:
    return tuple(_finite(x) for x in np.quantile(needed, [0.25, 0.5, 0.75], method="higher"))


def _finite(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
