"""How often intervals of scores and of differences hold the truth, on item scores (0/1 and F1-like) in clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.simulate.items import Floats, Setting, studies
from benchmarks.simulate.verdicts import Row, covers
from littlehuman.stats import bounded, model
from littlehuman.stats.cells import Cells, reduced

WIDTHS = 1_000  # studies whose half widths are computed
SHAPES = (  # clusters, items in each, intra-cluster correlation
    (20, (1, 1), 0.0),
    (20, (1, 33), 0.05),
    (20, (1, 33), 0.3),
    (20, (12, 12), 0.4),
    (48, (5, 5), 0.1),
    (48, (1, 33), 0.4),
    (100, (10, 10), 0.3),
    (200, (1, 1), 0.0),
    (200, (1, 10), 0.05),
    (500, (1, 1), 0.0),
    (500, (1, 5), 0.4),
)
SEEDS = (  # seeds, sd, correlation between arms
    (3, 0.0, 0.8),
    (3, 0.01, 0.3),
    (3, 0.037, 0.8),
    (5, 0.037, 0.3),
    (5, 0.0, 0.3),
    (5, 0.01, 0.8),
)


def settings() -> list[Setting]:
    """A fraction of all combinations: each shape with each kind and mean, under one of the six seeds' settings."""
    found: list[Setting] = []
    for kind in ("binary", "f1"):
        for mean in (0.7, 0.93):
            for clusters, sizes, icc in SHAPES:
                seeds, sd, r = SEEDS[(5 * len(found) + len(found) // 6) % len(SEEDS)]
                found.append(Setting(kind, mean, 6, seeds, clusters, sizes, icc, r, sd))
    few = Setting("binary", 0.7, 6, 3, 12, (1, 33), 0.3, 0.8, 0.01)
    found += [few, replace(few, mean=0.93), replace(few, kind="f1", sizes=(1, 1), icc=0.0, seeds=5)]
    pair = Setting("binary", 0.7, 2, 3, 48, (5, 5), 0.1, 0.8, 0.01)
    unlike = [Setting("binary", 0.7, 6, seeds, 100, (3, 3), 0.1, r, sd, 0.0) for seeds, sd, r in SEEDS]
    return [*found, *unlike, pair, replace(pair, arms=3, seed_sd=0.037), replace(pair, kind="f1", mean=0.93, arms=11)]


def rows(setting: Setting, number: int, rng: np.random.Generator) -> Iterator[Row]:
    """Coverage of the scores (mean over arms), and of all differences at once."""
    held: list[Floats] = []
    kept, values, gaps, widths, halves = (list[Floats]() for _ in range(5))
    for table, labels in studies(setting, number, rng):
        cells = reduced(table, labels)
        found, family = bounded.scores(cells, 0.95), model.compare(cells, 0.05)
        held.append(((found.low <= setting.mean) & (setting.mean <= found.high)).mean(-1))
        kept.append(np.asarray((family.p >= 0.05).all(-1), float))
        values.append(found.value)
        gaps.append(family.rows.value)
        widths.append(found.high - found.low)
        if sum(len(part) for part in halves) < WIDTHS:
            halves.append(model.compare(_first(cells, WIDTHS), 0.05).half_width)
    least = 0.9 if setting.clusters < 20 else 0.93
    score_sd, gap = np.concatenate(values).std(0), np.concatenate(gaps)
    width = float((np.concatenate(widths) / (2 * 1.96 * score_sd)).mean())
    yield covers("coverage, score", setting, np.concatenate(held), width, least)
    sd = gap.std(0)
    oracle = float(np.quantile((np.abs(gap) / sd).max(-1), 0.95))
    ratio = float((np.concatenate(halves) / (oracle * sd)).mean())
    yield covers("coverage, differences", setting, np.concatenate(kept), ratio, least)


def _first(cells: Cells, number: int) -> Cells:
    known = cells.clusters
    few = replace(known, weights=known.weights[:number], icc=known.icc[:number], df=known.df[:number])
    return Cells(
        cells.means[:number],
        cells.covariance[:number],
        cells.present,
        few,
        cells.fourth[:number],
        cells.icc_of_differences[:number],
    )
