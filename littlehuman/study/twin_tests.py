"""Two sides of the same points: measures and shares of human originals and their twins, compared in pairs.

In: two lists in pairs. Out: a `Measure` (means and their difference with an interval) or `Shares`
(of words or classes, and whether the two sides choose alike).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from littlehuman.seeding import number
from littlehuman.stats.interval import LEVEL

RESAMPLES = 1999


@dataclass(frozen=True, slots=True)
class Measure:
    """Means over the `n` twins where both sides have a value.

    `difference` is synthetic - human with its 95 % t interval (value, low, high), None below two
    pairs; pairs of equal difference give an interval without width. Pairs count as independent,
    also where several share an evidence: the interval is then somewhat too narrow.
    """

    name: str
    unit: str
    human: float
    synthetic: float
    difference: tuple[float, float, float] | None
    n: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Share of each word or class, (human, synthetic), the commonest among humans first.

    `p` is for the hypothesis that both sides choose alike: the chi-square statistic of homogeneity,
    set against swapping the two sides of pairs at random (Edgington; `scipy.stats.permutation_test`).
    So pairs need not be independent within, and rare words do no harm; None where all are the same.
    """

    shares: Mapping[str, tuple[float, float]]
    p: float | None
    n: int


def measure(name: str, unit: str, human: Sequence[float], synthetic: Sequence[float]) -> Measure:
    """Means of two paired, non-empty lists and the paired t interval of their difference."""
    gap = np.asarray(synthetic, dtype=np.float64) - np.asarray(human, dtype=np.float64)
    quantile = special.stdtrit(len(gap) - 1, (1 + LEVEL) / 2) if len(gap) > 1 else 0.0
    half = float(quantile * gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else 0.0
    value = float(gap.mean())
    difference = (value, value - half, value + half) if len(gap) > 1 else None
    return Measure(name, unit, float(np.mean(human)), float(np.mean(synthetic)), difference, len(gap))


def shares(human: Sequence[str], synthetic: Sequence[str]) -> Shares:
    """Shares of the words of two paired, non-empty lists, and whether they differ."""
    ours, theirs, n = Counter(human), Counter(synthetic), len(human)
    order = sorted(ours | theirs, key=lambda word: (-ours[word], -theirs[word], word))
    return Shares({word: (ours[word] / n, theirs[word] / n) for word in order}, _p(order, human, synthetic), n)


def _p(order: Sequence[str], human: Sequence[str], synthetic: Sequence[str]) -> float | None:
    from scipy import stats

    if len(order) < 2:
        return None
    code = {word: i for i, word in enumerate(order)}
    differing = [(code[h], code[s]) for h, s in zip(human, synthetic, strict=True) if h != s]
    if len(differing) < 2:  # swapping the sides of one pair gives the same statistic
        return 1.0
    total = Counter(human) + Counter(synthetic)

    def chi_square(a: Any, b: Any, axis: int) -> Any:  # over pairs that differ: the others add nothing to the numerator
        return sum(((a == i).sum(axis) - (b == i).sum(axis)) ** 2 / total[word] for i, word in enumerate(order))

    left, right = np.array(differing, dtype=np.int16).T
    options = {
        "permutation_type": "samples",
        "vectorized": True,
        "alternative": "greater",
        "batch": 200,
        "n_resamples": RESAMPLES,
    }
    rng = np.random.default_rng(number(0, "swap the sides of pairs"))
    return float(stats.permutation_test((left, right), chi_square, rng=rng, **options).pvalue)
