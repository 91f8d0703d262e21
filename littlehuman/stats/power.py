"""What a design finds, before it is run: power for a drop, and the smallest drop that it finds.

In: how scores vary (`Variation`: of a pilot, or stated) and a `Design`. Out: the power of the comparison of one arm
with the base, at the level that decides, and the smallest detectable difference. Both come from the model itself
(`model.compare`), run on drawn tables of cell means whose truth is the stated variation: what the model loses by not
knowing the variances is in the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.seeding import number
from littlehuman.stats import clusters as clustered
from littlehuman.stats import model
from littlehuman.stats.cells import Cells
from littlehuman.stats.clusters import Floats
from littlehuman.stats.curve import POWER, Curve, Parts
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.tails import half_width

STUDIES = 1_000
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Variation:
    """Standard deviations in score units. `seed_sd`: between the seeds of one arm (what all arms share does not
    matter); `stable_sd`, `noise_sd`: per item, of the difference of two cells, what all seeds repeat and what they do
    not; `icc`: intra-cluster correlation of these differences."""

    seed_sd: float
    stable_sd: float
    noise_sd: float
    icc: float = 0.0

    def __post_init__(self) -> None:
        for name in ("seed_sd", "stable_sd", "noise_sd"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _refused(name, getattr(self, name), "must be a number of at least 0", "0.01 is one point")
        if not 0 <= self.icc <= 1:
            raise _refused("icc", self.icc, "must lie in 0..1", "icc=0 for items without clusters")


@dataclass(frozen=True, slots=True)
class Design:
    """A study: `arms` (the base among them), `seeds` on each, `items` in the test set, in equally large `clusters`
    (None: each its own)."""

    arms: int
    seeds: int
    items: int
    clusters: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("arms", 2), ("seeds", 2), ("items", 2)):
            if getattr(self, name) < least:
                raise _refused(name, getattr(self, name), f"must be at least {least}", f"{name}={least}")
        if self.clusters is not None and not 2 <= self.clusters <= self.items:
            what = f"must lie between 2 and the {self.items} items"
            raise _refused("clusters", self.clusters, what, "clusters=None takes each item alone")


def variation(pilot: Curve | Parts) -> Variation:
    """The variation that a pilot study showed.

    Raises:
        DataError: when no arm and the base have two seeds in common.
    """
    parts = pilot.parts if isinstance(pilot, Curve) else pilot
    if math.isnan(parts.seed_sd):
        what = "the pilot has one seed: how much seeds differ is not known"
        raise DataError(f"{what}\nTry: run its cells with a second seed, or state the variation")
    icc = 0.0 if math.isnan(parts.icc_differences) else min(max(parts.icc_differences, 0.0), 1.0)
    return Variation(parts.seed_sd, parts.stable_sd, parts.noise_sd, icc)


def power(drop: float, design: Design, varies: Variation, alpha: float = 1 - LEVEL, *, studies: int = STUDIES) -> float:
    """Probability that a true difference of `drop` between one arm and the base is found, at the family-wise level
    `alpha`; over so many drawn `studies`."""
    halves, se = _halves(design, varies, alpha, studies)
    if se == 0:
        return float((abs(drop) > halves).mean())
    return float(special.ndtr((abs(drop) - halves) / se).mean() + special.ndtr((-abs(drop) - halves) / se).mean())


def smallest_detectable(
    design: Design, varies: Variation, chance: float = POWER, alpha: float = 1 - LEVEL, *, studies: int = STUDIES
) -> float:
    """The difference that is found with probability `chance`; over so many drawn `studies`.

    Raises:
        ConfigError: when `chance` is not between alpha and 1.
    """
    if not alpha < chance < 1:
        raise _refused("chance", chance, f"must lie between {alpha:g} and 1", "chance=0.8")
    halves, se = _halves(design, varies, alpha, studies)
    low, high = 0.0, float(halves.max()) + 10 * se
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, design, varies, alpha, studies=studies) > chance else (middle, high)
    return high


def standard_error(design: Design, varies: Variation) -> float:
    """True standard error of a difference between an arm and the base."""
    noise, stable = _of_items(design, varies)
    return math.sqrt(2 * ((varies.seed_sd**2 + noise) / design.seeds + stable))


def _of_items(design: Design, varies: Variation) -> tuple[float, float]:
    """What the items add to the variance of one cell's mean: new in every cell, and repeated under every seed."""
    size = 1.0 if design.clusters is None else design.items / design.clusters
    inflated = (1 + (size - 1) * varies.icc) / design.items
    return varies.noise_sd**2 * inflated / 2, varies.stable_sd**2 * inflated / 2


@lru_cache(maxsize=256)
def _halves(design: Design, varies: Variation, alpha: float, studies: int) -> tuple[Floats, float]:
    """Half widths of the last arm's interval over drawn studies, and the true standard error of its difference."""
    count = design.items if design.clusters is None else design.clusters
    noise, stable = _of_items(design, varies)
    items = _items(design, noise, stable)
    generator = np.random.default_rng(number(0, "power", design.arms, design.seeds))
    draws = generator.standard_normal((studies, design.arms, design.seeds))
    means = math.sqrt(varies.seed_sd**2 + noise) * draws
    known = clustered.Clusters(
        design.items, np.full(count, 1 / count), np.ones(count), np.asarray(np.nan), np.asarray(count - 1.0)
    )
    present = np.ones((design.arms, design.seeds), bool)
    cells = Cells(means, items[None], present, known, np.full(design.arms, 3 / (count - 1)), np.asarray(np.nan))
    family = model.compare(cells, alpha)
    halves = half_width(family.rows.only(design.arms - 2), family.local)[:, 0]
    return halves, standard_error(design, varies)


def _items(design: Design, noise: float, stable: float) -> Floats:
    """Covariance of the cell means over items: what an arm repeats under every seed, and what it does not."""
    same_arm = np.kron(np.eye(design.arms), np.ones((design.seeds, design.seeds)))
    return np.asarray(stable * same_arm + noise * np.eye(design.arms * design.seeds))


def _refused(name: str, value: object, what: str, hint: str) -> ConfigError:
    return ConfigError([Problem(f"{name}={value}", what)], hint)
