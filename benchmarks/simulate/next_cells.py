"""The stopping rule of a replacement study against its fixed grid: cells needed, and whether the choice stands.

In: planted losses, and after how many seeds a study is looked at. Out: rows of a table.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.simulate import price_truths as truths
from littlehuman.economics import stopping
from littlehuman.economics.response_shapes import Array
from littlehuman.study.blocks import CHECKED_FROM
from littlehuman.study.look_design import LOOKS

HEAD = (
    "| truth | sd of a seed | looks | cells of 40 | stands after the full grid | right: rule | right: full grid |\n"
    + "|---" * 7
    + "|"
)
CHECKS = (CHECKED_FROM, *LOOKS)  # when the default of `littlehuman next` asks whether the study may stop
PLANS = (CHECKS, LOOKS)  # and, to compare, the looks alone
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)


@dataclass(frozen=True, slots=True)
class NextRow:
    """Mean cells until the stop; how often the choice stands by the full grid and by the truth."""

    truth: str
    sd: float
    looks: tuple[int, ...]
    cells: float
    agrees: float
    right: float
    right_full: float

    def line(self) -> str:
        numbers = f"{self.cells:.1f} | {self.agrees:.3f} | {self.right:.3f} | {self.right_full:.3f}"
        return f"| {self.truth} | {self.sd} | {', '.join(map(str, self.looks))} | {numbers} |"


def simulate(truth: str, sd: float, studies: int, seeds: Sequence[int] = CHECKS) -> NextRow:
    """Studies of 8 shares, delta 2 points, looked at after these numbers of `seeds`; no verdict stops them."""
    loss = np.concatenate([[0.0], truths.LOSS[truth](np.array(SHARES[1:]))])
    rules, rng = _rules(seeds), np.random.default_rng(zlib.crc32(f"{truth} {sd}".encode()))
    found = []
    for _ in range(studies):
        items = 0.35 * rng.standard_normal(
            (len(SHARES), 1)
        )  # the same test items in every seed: half a point in a difference
        scores = items - loss[:, None] + sd * rng.standard_normal((len(SHARES), rules.most_seeds))
        advice, needed = _followed(scores, rules, seeds)
        own, full = SHARES.index(advice.choice), _losses(scores)[None]
        whole = int(stopping.choices(full, rules.delta)[0])
        by_truth = [bool(stopping.stands(choice, loss[None, 1:], rules)[0]) for choice in (own, whole)]
        found.append((len(SHARES) * needed, bool(stopping.stands(own, full, rules)[0]), *by_truth))
    return NextRow(truth, sd, tuple(seeds), *(float(x) for x in np.mean(found, axis=0)))


def _rules(seeds: Sequence[int]) -> stopping.Rules:
    return stopping.Rules(SHARES, delta=2.0, most_seeds=seeds[-1], most_looks=len(seeds))


def _followed(scores: Array, rules: stopping.Rules, looks: Sequence[int]) -> tuple[stopping.Advice, int]:
    for number, seeds in enumerate(looks, 1):
        look = stopping.look_at(scores[:, :seeds], [False] * (len(scores) - 1), number)
        advice = stopping.advise(rules, look)
        if advice.stop is not stopping.Stop.GO_ON:
            break
    return advice, seeds


def _losses(scores: Array) -> Array:
    means = scores.mean(axis=1)
    return np.asarray(means[0] - means[1:])
