"""False alarms and power of the comparisons with the base, as one family at 5 %."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.simulate.means import Design, studies
from benchmarks.simulate.verdicts import Row, at_least, at_most, rate
from littlehuman.stats import model
from littlehuman.stats.cells import Cells

CHUNK = 4_000
SIX = Design()


def designs() -> list[tuple[Design, float | None]]:
    """Designs with the most false alarms that they may give (None: reported without a limit), or the least power."""
    found: list[tuple[Design, float | None]] = []
    for items, se in ((500, 1.0), (10_000, 0.22)):
        for arms in (2, 3, 6, 11):
            base = replace(SIX, arms=arms, item_se=se, clusters=min(items, 2_000))
            found += [(replace(base, seeds=seeds), 0.055) for seeds in (2, 3, 5)]
            found += [(replace(base, seeds=seeds, wild=arms - 1), 0.055) for seeds in (3, 5)]
        base = replace(SIX, item_se=se, clusters=min(items, 2_000))
        found += [(replace(base, seeds=seeds, wild=0), None) for seeds in (3, 5)] + [
            (replace(base, seeds=2, wild=5), None)
        ]
    # all that the items add differs by seed: the hardest case for telling both apart
    unlike = [replace(SIX, repeated=0.0, seeds=seeds, item_se=se) for seeds in (2, 3, 5) for se in (0.5, 1.0)]
    found += [(design, 0.055) for design in unlike]
    found += [(replace(SIX, repeated=0.0, item_se=se, wild=5), 0.055) for se in (0.5, 1.0)]
    found += [(replace(SIX, repeated=0.0, drop=5, item_se=se), least) for se, least in ((0.5, 0.9), (1.0, 0.7))]
    for seeds, drop, limits in ((3, 5, (0.9, 0.7)), (3, 8, (0.98, 0.98)), (2, 8, (0.9, 0.9))):
        found += [
            (replace(SIX, seeds=seeds, drop=drop, item_se=se), least)
            for se, least in zip((0.5, 1.0), limits, strict=True)
        ]
    return found


def rows(design: Design, limit: float | None, number: int, rng: np.random.Generator) -> Iterator[Row]:
    """Share of studies that find any difference, or the one that is there."""
    found = np.concatenate([_found(studies(design, n, rng)) for n in _chunks(number)])
    any_found = np.asarray(found.any(-1))
    if design.drop and limit:
        yield at_least("power", design, found[:, -1], limit)
    elif limit:
        yield at_most("false alarms", design, any_found, limit)
    else:
        yield Row("false alarms", str(design), rate(any_found), "no limit", None)


def _found(cells: Cells) -> npt.NDArray[np.bool_]:
    return np.asarray(model.compare(cells, 0.05).p < 0.05)


def _chunks(number: int) -> list[int]:
    return [min(CHUNK, number - start) for start in range(0, number, CHUNK)]
