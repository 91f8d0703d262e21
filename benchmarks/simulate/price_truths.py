"""Planted truths: scores (0 to 100) over synthetic and human points, and what a human point is worth under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from littlehuman.economics.response_shapes import Array

Truth = Callable[[Array, Array], Array]
HUMAN = 200.0

PRICE: Mapping[str, Truth] = {
    "log": lambda s, h: 40 + 4 * np.log(s + 40 * h),
    "power": lambda s, h: 90 - 400 * (s + 40 * h) ** -0.4,
    "saturating": lambda s, h: 85 - 30 * np.exp(-(s + 40 * h) / 6000),
    "constant lift": lambda s, h: 40 + 4 * np.log(s) + 2 * (h > 0),
    "saturating, lift": lambda s, h: 85 - 30 * np.exp(-s / 6000) + 2 * (h > 0),
    "falling": lambda s, h: 80 - 2 * np.log(s) + 3 * (h > 0),
    "no gain": lambda s, h: 40 + 4 * np.log(s) + 0 * h,
    "a little of both": lambda s, h: 40 + 4 * np.log(s + 20 * h) + 1.0 * (h > 0),
    "fading": lambda s, h: 40 + 4 * np.log(s) + 3 * (1 - np.log(s / 1000) / np.log(20)) * (h > 0),
    "growing": lambda s, h: 40 + 4 * np.log(s) + (0.5 + 2 * np.log(s / 1000) / np.log(20)) * (h > 0),
}
PLAN: Mapping[str, Truth] = {
    "log exchange": lambda s, h: 35 + 5 * np.log(s + 20 * h + 1),
    "power exchange": lambda s, h: 90 - 120 * (s + 8 * h + 10) ** -0.3,
    "saturating exchange": lambda s, h: 85 - 35 * np.exp(-(s + 10 * h) / 4000),
    "constant lift": lambda s, h: 40 + 4 * np.log1p(s) + 3 * (1 - np.exp(-h / 60)),
    "substitutes": lambda s, h: 20 + 5 * np.log1p(s) + 7 * np.log1p(h) - 0.6 * np.log1p(s) * np.log1p(h),
    "falling": lambda s, h: 60 - 1.2 * np.log1p(s) + 4 * np.log1p(h),
    "useless synthetic": lambda s, h: 50 + 5 * np.log1p(h / 10) + 0 * s,
    "both needed": lambda s, h: 40 + 10 * (1 - np.exp(-h / 150)) + 4 * np.log1p(s / 50),
}
# Loss in points against all human, by the synthetic share.
LOSS: Mapping[str, Callable[[Array], Array]] = {
    "none": lambda x: 0 * x,
    "2 at the end": lambda x: np.where(x == 1, 2.0, 0.0),
    "5 at the end": lambda x: np.where(x == 1, 5.0, 0.0),
    "8 over the last tenth": lambda x: np.interp(x, [0.9, 1], [0, 8]),
    "as in the paper": lambda x: np.interp(x, [0, 0.9, 0.95, 1], [0, 0.5, 2, 6]),
    "5, evenly": lambda x: 5 * x,
    "10, evenly": lambda x: 10 * x,
    "4 from the middle on": lambda x: np.where(x > 0.5, 4.0, 0.0),
    "half a point": lambda x: 0.5 + 0 * x,
    "a gain": lambda x: -2 * x,
}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Cells [k] of a study, each run with every seed."""

    synthetic: Array
    human: Array

    def runs(self, seeds: int) -> tuple[Array, Array, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        """n_synthetic, n_human and seed of all runs [k * seeds]."""
        return (
            np.tile(self.synthetic, seeds),
            np.tile(self.human, seeds),
            np.repeat(np.arange(seeds), len(self.synthetic)),
        )


def tradeoff(*sizes: float) -> Layout:
    """N synthetic points with and without human ones."""
    return Layout(np.array([*sizes, *sizes], dtype=np.float64), np.repeat([0.0, HUMAN], len(sizes)))


def replacement(n: int) -> Layout:
    """All runs on one line n_s + n_h = n."""
    synthetic = np.round(n * np.array([0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1]))
    return Layout(synthetic, n - synthetic)


def crossed(synthetic: tuple[int, ...], human: tuple[int, ...]) -> Layout:
    """Every pair but none of both."""
    cells = np.array([(s, h) for s in synthetic for h in human if s + h], dtype=np.float64)
    return Layout(cells[:, 0], cells[:, 1])


LAYOUTS = {
    "20 sizes": tradeoff(*(1000.0 * i for i in range(1, 21))),
    "4 sizes": tradeoff(1000, 3000, 8000, 20000),
    "3 sizes": tradeoff(1000, 2000, 3000),
    "crossed": crossed((0, 500, 1000, 3000, 8000), (0, 50, 200, 500)),
}


def worth(truth: Truth, n: float) -> float:
    """Synthetic points that one of 200 human points replaces beside n; infinite where none do."""
    sizes = np.geomspace(1, 1e9, 900_001)
    curve, target = truth(sizes, np.zeros_like(sizes)), float(truth(np.array([n]), np.array([HUMAN]))[0])
    if curve[-1] <= curve[0] or target >= curve[-1]:
        return np.inf
    return (float(np.interp(target, curve, sizes)) - n) / HUMAN


def scores(
    truth: Truth, layout: Layout, seeds: int, sds: tuple[float, float, float], studies: int, rng: np.random.Generator
) -> Array:
    """Scores [n, studies]: `sds` of a run, of a seed and of a seed's draw of human points."""
    s, h, seed = layout.runs(seeds)
    run, by_seed, by_draw = sds
    level, lift = by_seed * rng.standard_normal((seeds, studies)), by_draw * rng.standard_normal((seeds, studies))
    noise = run * rng.standard_normal((len(s), studies))
    return np.asarray(truth(s, h)[:, None] + level[seed] + lift[seed] * (h > 0)[:, None] + noise)
