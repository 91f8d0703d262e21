"""The stopping rule of a replacement study against its fixed grid: cells needed, and whether the choice stands.

In: planted losses. Out: rows of a table.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.simulate import price_truths as truths
from littlehuman.economics import stopping
from littlehuman.economics.response_shapes import Array

HEAD = (
    "| truth | sd of a seed | cells of 40 | stands after the full grid | right: rule | right: full grid |\n"
    + "|---" * 6
    + "|"
)
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)


@dataclass(frozen=True, slots=True)
class NextRow:
    """Mean cells until the stop; how often the choice stands by the full grid and by the truth."""

    truth: str
    sd: float
    cells: float
    agrees: float
    right: float
    right_full: float

    def line(self) -> str:
        numbers = f"{self.cells:.1f} | {self.agrees:.3f} | {self.right:.3f} | {self.right_full:.3f}"
        return f"| {self.truth} | {self.sd} | {numbers} |"


def simulate(truth: str, sd: float, studies: int) -> NextRow:
    """Studies of 8 shares, at most 5 seeds, delta 2 points, read after 2, 3, 4 and 5 seeds; no verdict stops them."""
    loss = np.concatenate([[0.0], truths.LOSS[truth](np.array(SHARES[1:]))])
    rules, rng = stopping.Rules(SHARES, delta=2.0), np.random.default_rng(zlib.crc32(f"{truth} {sd}".encode()))
    found = []
    for _ in range(studies):
        items = 0.35 * rng.standard_normal(
            (len(SHARES), 1)
        )  # the same test items in every seed: half a point in a difference
        scores = items - loss[:, None] + sd * rng.standard_normal((len(SHARES), rules.most_seeds))
        advice, seeds = _followed(scores, rules)
        own, full = SHARES.index(advice.choice), _losses(scores)[None]
        whole = int(stopping.choices(full, rules.delta)[0])
        by_truth = [bool(stopping.stands(choice, loss[None, 1:], rules)[0]) for choice in (own, whole)]
        found.append((len(SHARES) * seeds, bool(stopping.stands(own, full, rules)[0]), *by_truth))
    return NextRow(truth, sd, *(float(x) for x in np.mean(found, axis=0)))


def _followed(scores: Array, rules: stopping.Rules) -> tuple[stopping.Advice, int]:
    for seeds in range(stopping.FEWEST_SEEDS, rules.most_seeds + 1):
        seen = scores[:, :seeds]
        sd, df = float(np.sqrt(seen.var(axis=1, ddof=1).mean())), len(scores) * (seeds - 1)
        look = stopping.Look(_losses(seen), np.full(len(scores), sd), df, [False] * (len(scores) - 1), seeds, seeds - 1)
        advice = stopping.advise(rules, look, range(seeds))
        if advice.stop is not stopping.Stop.GO_ON:
            break
    return advice, seeds


def _losses(scores: Array) -> Array:
    means = scores.mean(axis=1)
    return np.asarray(means[0] - means[1:])
