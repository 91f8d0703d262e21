"""Whether the power that `stats.power` states before a study is the power that studies have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.simulate import means
from benchmarks.simulate.verdicts import Row, rate
from littlehuman.stats import model
from littlehuman.stats.power import Design, Variation, power, smallest_detectable

NEAR = 0.02  # how far stated and simulated power may lie apart, beyond Monte-Carlo error


def settings() -> list[tuple[int, int, float]]:
    """Arms, seeds, standard error of a difference from the items in points."""
    return [(arms, seeds, se) for arms in (2, 6, 11) for seeds in (2, 3, 5) for se in (0.5, 1.0)]


def rows(arms: int, seeds: int, se: float, number: int, rng: np.random.Generator) -> Iterator[Row]:
    """Simulated power at the difference that is stated to be found with 80 %."""
    items = 500
    half = (se / 100) ** 2 / 2 * items
    design, varies = Design(arms, seeds, items), Variation(0.01, float(np.sqrt(half)), float(np.sqrt(half * seeds)))
    drop = smallest_detectable(design, varies)
    simulated = means.Design(arms=arms, seeds=seeds, item_se=se, clusters=items, drop=100 * drop)
    found = rate(model.compare(means.studies(simulated, number, rng), 0.05).p[:, -1] < 0.05)
    stated = power(drop, design, varies)
    held = found.low - NEAR <= stated <= found.high + NEAR
    text = (
        f"{arms} arms, {seeds} seeds, se of items {se:g}: {100 * drop:.1f} points are found with {100 * stated:.0f} %"
    )
    yield Row("stated power", text, found, f"{100 * stated:.1f} +-2", held)
