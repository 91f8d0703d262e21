"""Levels for a study that is looked at while its seeds come in (group-sequential design with alpha spending).

A block is one new seed on all arms. Before the first look it is fixed after how many seeds the study is looked at, at
most `MOST` times; at each look the model is asked at the level that `Looks.level` gives, and the family-wise error over
all looks stays at alpha. Levels are those of normal boundaries (Lan and DeMets 1983, Biometrika 70), used on the t
scale: each look compares its p value with the look's nominal level (Pocock 1977, Biometrika 64). Items do not renew
between looks, so that these are more alike than the boundaries assume, which errs on the safe side.

The default spends evenly (Pocock-like): the O'Brien-Fleming-like boundary spends so little at two seeds that hardly
anything is found there, and needs more seeds on average (`make simulate`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import special

from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.stats.clusters import Floats
from littlehuman.stats.interval import LEVEL

MOST = 4
_GRID = 1_201
_HALVINGS = 50
Spending = Callable[[float, float], float]


def pocock(fraction: float, alpha: float) -> float:
    """Alpha spent at this fraction of the information, nearly evenly."""
    return alpha * math.log1p((math.e - 1) * fraction)


def obrien_fleming(fraction: float, alpha: float) -> float:
    """Alpha spent at this fraction of the information, half on each side, most of it at the end."""
    return float(4 * special.ndtr(special.ndtri(alpha / 4) / math.sqrt(fraction)))


SPENDING: dict[str, Spending] = {"pocock": pocock, "obrien-fleming": obrien_fleming}


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks planned after these numbers of `seeds`, ascending, and the family-wise `alpha` over all of them.

    Raises:
        ConfigError: when there are none or more than four, they do not ascend from 2 on, or alpha or spending is none.
    """

    seeds: tuple[int, ...]
    alpha: float = 1 - LEVEL
    spending: str = "pocock"

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError(problems, "Looks(seeds=(3, 4, 5))")

    def _problems(self) -> Iterator[Problem]:
        if not 1 <= len(self.seeds) <= MOST:
            yield Problem(f"seeds={self.seeds}", f"has {len(self.seeds)} looks; plan 1 to {MOST}")
        elif self.seeds[0] < 2 or any(b <= a for a, b in pairwise(self.seeds)):
            yield Problem(f"seeds={self.seeds}", "must ascend, the first look after at least 2 seeds")
        if not 0 < self.alpha < 1:
            yield Problem(f"alpha={self.alpha}", "must lie between 0 and 1")
        if self.spending not in SPENDING:
            yield Problem(f"spending={self.spending}", f"is not known; {did_you_mean(self.spending, SPENDING)}")

    @property
    def levels(self) -> tuple[float, ...]:
        """Family-wise level of the model at each look."""
        return _levels(self.seeds, self.alpha, self.spending)

    def level(self, seeds: int) -> float:
        """Level at the look after `seeds` seeds; 0 between looks: nothing may be decided there."""
        return dict(zip(self.seeds, self.levels, strict=True)).get(seeds, 0.0)


@lru_cache(maxsize=64)
def _levels(seeds: Sequence[int], alpha: float, spending: str) -> tuple[float, ...]:
    """Nominal two-sided levels by recursive integration of Brownian motion (Armitage, McPherson and Rowe 1969, JRSS A
    132)."""
    fractions = [count / seeds[-1] for count in seeds]
    spent, levels, at, density = 0.0, [], np.zeros(1), np.ones(1)
    for before, now in zip([0.0, *fractions], fractions, strict=False):
        goal = SPENDING[spending](now, alpha) - spent
        step = math.sqrt(now - before)
        bound = _bound(at, density, step, goal)
        spent += goal
        levels.append(float(2 * special.ndtr(-bound / math.sqrt(now))))
        at, density = _moved(at, density, step, bound)
    return tuple(levels)


def _bound(at: Floats, density: Floats, step: float, goal: float) -> float:
    """Where the probability of leaving is `goal`."""
    low, high = 0.0, 12.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        leaving = float((density * (special.ndtr((at - middle) / step) + special.ndtr((-middle - at) / step))).sum())
        low, high = (middle, high) if leaving > goal else (low, middle)
    return (low + high) / 2


def _moved(at: Floats, density: Floats, step: float, bound: float) -> tuple[Floats, Floats]:
    """Probabilities on a grid between the bounds after one more step (trapezoidal rule)."""
    grid = np.linspace(-bound, bound, _GRID)
    weights = np.full(_GRID, grid[1] - grid[0])
    weights[[0, -1]] /= 2
    steps = np.exp(-(((grid[:, None] - at) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi))
    return grid, weights * (steps @ density)
