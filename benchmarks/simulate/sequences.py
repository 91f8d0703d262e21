"""False alarms, power and seeds needed where a study is looked at while its seeds come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.simulate.means import Design, studies
from benchmarks.simulate.verdicts import Row, at_most, rate
from littlehuman.stats import model
from littlehuman.stats.cells import Cells
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.looks import SPENDING, Looks
from littlehuman.study.look_design import LOOKS, SPENT

CHUNK = 2_000
PLANS = ((2, 3, 4, 5), (3, 4, 5, 6))
SETTINGS = (*((spending, plan) for spending in SPENDING for plan in PLANS), ("pocock", LOOKS))


def designs() -> list[tuple[Design, Looks, float | None]]:
    """Designs with the looks at them, and the most false alarms that they may give (None where there is a drop, or
    none is set)."""
    found: list[tuple[Design, Looks, float | None]] = []
    for spending, plan in SETTINGS:
        looks = Looks(plan, (SPENT if plan == LOOKS else 1) * (1 - LEVEL), spending)
        for items, se in ((500, 1.0), (10_000, 0.22)):
            # `item_se` is that over all seeds of the last look
            base = Design(seeds=plan[-1], item_se=se, clusters=min(items, 2_000))
            found += [(base, looks, 0.055), (replace(base, wild=5), looks, 0.055 if plan[0] > 2 else None)]
        found += [(Design(seeds=plan[-1], item_se=1.0, drop=drop), looks, None) for drop in (3, 5, 8)]
    return found


def rows(design: Design, looks: Looks, limit: float | None, number: int, rng: np.random.Generator) -> Iterator[Row]:
    """Share of studies that find any difference at any look (or the drop), and the mean number of seeds until it is
    found."""
    text = f"{design}; looks {looks.seeds} {looks.spending}"
    done = [_first_found(studies(design, n, rng), looks) for n in [CHUNK] * (number // CHUNK) + [number % CHUNK] if n]
    first = np.concatenate(done)
    if not design.drop:
        hit = np.asarray((first > 0).any(-1))
        yield (
            at_most("false alarms, looks", text, hit, limit)
            if limit
            else Row("false alarms, looks", text, rate(hit), "no limit", None)
        )
        return
    needed = np.where(first[:, -1] > 0, first[:, -1], looks.seeds[-1])
    yield Row("power, looks", text, rate(first[:, -1] > 0), "no limit", None)
    yield Row("100 x seeds, looks", text, rate(needed), "no limit", None)


def _first_found(cells: Cells, looks: Looks) -> npt.NDArray[np.int64]:
    """Seeds at the look at which each comparison was first found `[studies, comparisons]`; 0: never."""
    first = np.zeros((len(cells.means), cells.arms - 1), int)
    for seeds, level in zip(looks.seeds, looks.levels, strict=True):
        p = model.compare(_until(cells, seeds), level).p
        first = np.where((first == 0) & (p < level), seeds, first)
    return first


def _until(cells: Cells, seeds: int) -> Cells:
    """The first seeds of each arm."""
    keep = np.zeros(cells.present.shape, bool)
    keep[:, :seeds] = True
    at = np.flatnonzero(keep.ravel())
    means, covariance = cells.means[..., :seeds], cells.covariance[..., at[:, None], at]
    return replace(cells, means=means, covariance=covariance, present=cells.present[:, :seeds])
