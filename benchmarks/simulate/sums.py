"""Coverage of macro F1 by jackknife values of its items, on labels that clusters, arms and seeds share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.simulate.verdicts import Row, covers
from littlehuman.stats import bounded, counts, model
from littlehuman.stats.interval import LEVEL

Floats = npt.NDArray[np.float64]
CLASSES = 3
TRUTH = 400_000  # items behind the true value


@dataclass(frozen=True)
class Labels:
    """Three classes with these shares; an item is right with a chance that its cluster, arm and seed shift."""

    clusters: int = 100
    size: int = 5
    arms: int = 4
    seeds: int = 3
    seed_sd: float = 0.1  # on the latent scale
    cluster_sd: float = 0.5
    shares: tuple[float, float, float] = (0.5, 0.3, 0.2)

    def __str__(self) -> str:
        text = f"macro F1, {self.clusters} clusters x {self.size}, latent sd of clusters {self.cluster_sd:g}"
        return f"{text}, of seeds {self.seed_sd:g}, {self.seeds} seeds, {self.arms} arms"


def settings() -> list[Labels]:
    """Few and many clusters, one item each and several."""
    return [Labels(), Labels(40, 10, seeds=5), Labels(500, 1, cluster_sd=0.0, seed_sd=0.05), Labels(30, 4, seed_sd=0.0)]


def rows(setting: Labels, number: int, rng: np.random.Generator) -> Iterator[Row]:
    """Coverage of the scores and of all differences, on a tenth of the studies: each is analysed on its own."""
    truth = _truth(setting)
    held, kept, width, halves, values, gaps = [], [], [], [], [], []
    for _ in range(max(number // 10, 50)):
        table, labels = _draw(setting, rng)
        cells = counts.cells_of(table, counts.macro_f1, labels)
        found, family = bounded.scores(cells, LEVEL), model.compare(cells, 1 - LEVEL)
        held.append(((found.low <= truth) & (truth <= found.high)).mean())
        kept.append(bool((family.p >= 1 - LEVEL).all()))
        width.append(found.high - found.low)
        halves.append(family.half_width)
        values.append(found.value)
        gaps.append(family.rows.value)
    sd, gap = np.std(values, 0), np.array(gaps)
    yield covers("coverage, score", setting, np.array(held), float((np.array(width) / (2 * 1.96 * sd)).mean()))
    oracle = float(np.quantile((np.abs(gap) / gap.std(0)).max(-1), LEVEL))
    yield covers(
        "coverage, differences",
        setting,
        np.array(kept, float),
        float((np.array(halves) / (oracle * gap.std(0))).mean()),
    )


def _draw(
    setting: Labels, rng: np.random.Generator, clusters: int | None = None
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Counts `[arms, seeds, items, 9]`: hits, predictions and targets by class."""
    labels = np.repeat(np.arange(clusters or setting.clusters), setting.size)
    shape = (setting.arms, setting.seeds)
    wanted = rng.choice(CLASSES, len(labels), p=setting.shares)
    level = np.array([1.2, 0.8, 0.4])[wanted] + setting.cluster_sd * rng.standard_normal(labels[-1] + 1)[labels]
    latent = level + rng.standard_normal(len(labels)) + setting.seed_sd * rng.standard_normal((*shape, 1))
    right = latent + 0.7 * rng.standard_normal((*shape, len(labels))) > 0
    wrong = (wanted + 1 + (rng.random((*shape, len(labels))) < 0.3)) % CLASSES
    predicted = np.where(right, wanted, wrong)
    hot = np.eye(CLASSES)
    return np.concatenate(
        [hot[wanted] * right[..., None], hot[predicted], np.broadcast_to(hot[wanted], (*shape, len(labels), CLASSES))],
        -1,
    ), labels


def _truth(setting: Labels) -> float:
    """Mean over seeds of the value on endless items."""
    rng = np.random.default_rng(7)
    small = Labels(setting.clusters, setting.size, 1, 1, setting.seed_sd, setting.cluster_sd)
    total = [
        counts.macro_f1(_draw(small, rng, TRUTH // 40 // setting.size)[0].sum((0, 1, 2))[None])[0] for _ in range(400)
    ]
    return float(np.mean(total))
