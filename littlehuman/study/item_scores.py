"""Scores of single test items, aligned between runs, as paired statistics need them.

In: cells of a study and a metric. Out: `ItemScores` `[arms, seeds, items]`, the same items in the same order everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from littlehuman.errors import DataError
from littlehuman.study.run_files import predictions_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ItemScores:
    """Scores `[arms, seeds, items]` in 0..1; a cell that was not run is nan in all its items.

    `arms` are the synthetic shares, ascending; `folders` the run folders, as far as they have scores.
    """

    arms: tuple[float, ...]
    seeds: tuple[int, ...]
    items: tuple[str, ...]
    scores: Floats
    folders: tuple[str, ...]


def item_scores(cells: pd.DataFrame, metric: str) -> ItemScores | None:
    """Item scores of complete cells that differ in synthetic share and seed alone; None where the metric has none.

    Items that a run could not score are left out of every cell, so that means stay comparable; a cell whose
    predictions are gone is missing.

    Raises:
        DataError: when the cells were not tested on the same items.
    """
    ordered = cells.sort_values(["synth_frac", "seed"], kind="stable").drop_duplicates(["synth_frac", "seed"])
    found: dict[tuple[float, int], tuple[tuple[str, ...], Floats]] = {}
    folders = []
    for share, seed, folder in zip(ordered["synth_frac"], ordered["seed"], ordered["folder"], strict=True):
        if (scored := scores_of(folder, metric)) is not None:
            found[float(share), int(seed)] = scored
            folders.append(str(folder))
    if not found:
        return None
    items = _common([ids for ids, _ in found.values()], folders)
    arms, seeds = sorted({arm for arm, _ in found}), sorted({seed for _, seed in found})
    table = np.full((len(arms), len(seeds), len(items)), np.nan)
    for (arm, seed), (ids, values) in found.items():
        table[arms.index(arm), seeds.index(seed)] = _aligned(ids, values, items)
    return ItemScores(tuple(arms), tuple(seeds), items, table, tuple(folders))


def scores_of(folder: str, metric: str) -> tuple[tuple[str, ...], Floats] | None:
    """Ids and scores of the test items of one run that have a score; None where the metric has no scores of single items."""
    read = predictions_of(folder)
    if read is None or (values := read.scores.get(metric)) is None:
        return None
    kept = ~np.isnan(values)
    if kept.all():
        return read.ids, values
    return tuple(i for i, keep in zip(read.ids, kept, strict=True) if keep), values[kept]


def _common(ids: Sequence[tuple[str, ...]], folders: Sequence[str]) -> tuple[str, ...]:
    if all(own == ids[0] for own in ids):
        return ids[0]
    shared = set(ids[0]).intersection(*ids[1:])
    if not shared:
        raise DataError(f"these runs share no test item: {', '.join(folders)}\nTry: compare runs with one test split")
    return tuple(i for i in ids[0] if i in shared)


def _aligned(ids: tuple[str, ...], values: Floats, items: tuple[str, ...]) -> Floats:
    if ids == items:
        return values
    place = {item: at for at, item in enumerate(ids)}
    return values[[place[item] for item in items]]
