"""Fidelity: how far twins are from human texts, by the features of `mixture.text_features` and by a classifier.

Effects are standardised: Cohen's d of pairs over the pooled deviation for numbers, Cramér's V for kinds (openings,
labels). p values are of a paired t test and of a chi-square test, adjusted by Holm over the features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from littlehuman.stats.holm import holm

NUMBERS, KINDS = ("words", "answer_words", "bleu", "position"), ("opening", "target")
LEAST = 20
LARGEST = 10.0  # effect: of two constants there is no deviation


@dataclass(frozen=True)
class Effect:
    """One feature: means (or None) of both sides, effect size, p adjusted over the features, pairs."""

    human: float | None
    synthetic: float | None
    effect: float
    p: float
    n: int


def effects(profile: Mapping[str, Any]) -> dict[str, Effect]:
    """Effect of each feature in a profile (`text_features.profile`) that at least 20 pairs have."""
    found: dict[str, Effect] = {}
    for name in (*NUMBERS, *KINDS):
        sides = [profile[side].get(name, []) for side in ("human", "synthetic")]
        pairs = [(a, b) for a, b in zip(*sides, strict=True) if a is not None and b is not None]
        if len(pairs) >= LEAST:
            found[name] = _of_numbers(pairs) if name in NUMBERS else _of_kinds(pairs)
    return _holm(found)


def _of_numbers(pairs: Sequence[tuple[float, float]]) -> Effect:
    from scipy import stats

    human, synthetic = np.array(pairs, float).T
    spread = float(np.sqrt((human.var(ddof=1) + synthetic.var(ddof=1)) / 2))
    change = synthetic - human
    p = float(stats.ttest_1samp(change, 0).pvalue) if change.std() > 0 else 1.0 if not change.any() else 0.0
    effect = float(np.clip(change.mean() / max(spread, 1e-9), -LARGEST, LARGEST))
    return Effect(float(human.mean()), float(synthetic.mean()), effect, p, len(pairs))


def _of_kinds(pairs: Sequence[tuple[str, str]]) -> Effect:
    from scipy import stats

    sides = [Counter(side) for side in zip(*pairs, strict=True)]
    kinds = sorted(sides[0] | sides[1])
    if len(kinds) < 2:
        return Effect(None, None, 0.0, 1.0, len(pairs))
    table = np.array([[side[kind] for kind in kinds] for side in sides])
    statistic, p, _, _ = stats.chi2_contingency(table, correction=False)
    return Effect(None, None, float(np.sqrt(statistic / table.sum())), float(p), len(pairs))


def _holm(found: Mapping[str, Effect]) -> dict[str, Effect]:
    values = holm([effect.p for effect in found.values()])
    return {
        name: Effect(e.human, e.synthetic, e.effect, p, e.n) for (name, e), p in zip(found.items(), values, strict=True)
    }
