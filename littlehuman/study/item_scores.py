"""The scores of single test items, aligned between runs.

In: run folders and a metric. Out: a `Sheet` per condition: one row per seed, one column per test
item, the same items in the same order everywhere, as paired statistics need them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from littlehuman.errors import DataError
from littlehuman.runs.artifacts import PREDICTIONS
from littlehuman.store import read_jsonl

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreMatrix:
    """Scores [seeds, items] in 0..1 of the runs that differ in the seed alone."""

    seeds: tuple[int, ...]
    items: tuple[str, ...]
    scores: Floats


def score_matrix(cells: pd.DataFrame, metric: str) -> ScoreMatrix | None:
    """The sheet of complete cells that differ in the seed alone; None where the metric has no scores of single items.

    Items that a run could not score are left out of every seed, so that means stay comparable; so is
    a seed whose predictions are gone.

    Raises:
        DataError: when the cells were not tested on the same items.
    """
    ordered = cells.sort_values("seed").drop_duplicates("seed")
    columns = {
        int(seed): scores_of(Path(folder), metric)
        for seed, folder in zip(ordered["seed"], ordered["folder"], strict=True)
    }
    found = {seed: column for seed, column in columns.items() if column is not None}
    if not found:
        return None
    common = _common([ids for ids, _ in found.values()], ordered["folder"])
    rows = [_pick(ids, values, common) for ids, values in found.values()]
    return ScoreMatrix(tuple(found), common, np.array(rows))


def paired(new: ScoreMatrix, base: ScoreMatrix) -> tuple[Floats, Floats]:
    """Both sheets on the seeds and items that they share: two arrays [seeds, items].

    Raises:
        DataError: when they share no seed or no item.
    """
    seeds = [seed for seed in base.seeds if seed in new.seeds]
    if not seeds:
        raise DataError(
            f"no seed in common: {list(new.seeds)} and {list(base.seeds)}; run both conditions with the same seeds"
        )
    items = new.items if new.items == base.items else _common([new.items, base.items], [])
    return _on(new, seeds, items), _on(base, seeds, items)


def scores_of(folder: Path, metric: str) -> tuple[tuple[str, ...], Floats] | None:
    """Ids and scores of one run's test items; None where the metric has no scores of single items."""
    file = folder / PREDICTIONS
    return _read(file, file.stat().st_mtime_ns).get(metric) if file.is_file() else None


@lru_cache(maxsize=8192)  # a report looks at one run several times
def _read(file: Path, _stamp: int) -> dict[str, tuple[tuple[str, ...], Floats]]:
    ids, columns = _columns(file)
    found = {}
    for name, values in columns.items():
        kept = ~np.isnan(values)
        found[name] = (ids if kept.all() else tuple(i for i, keep in zip(ids, kept, strict=True) if keep), values[kept])
    return found


def _columns(file: Path) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """Ids, and the scores by metric with NaN where an item has none."""
    import pyarrow as pa
    from pyarrow import json as reader

    whole = reader.ReadOptions(
        use_threads=False, block_size=max(file.stat().st_size, 1)
    )  # a long answer may be longer than a block
    try:
        table = reader.read_json(file, whole, reader.ParseOptions(explicit_schema=pa.schema([("id", pa.string())])))
    except pa.ArrowInvalid:  # half a surrogate pair in an answer, or a torn line
        return _slowly(file)
    scores = table["scores"].combine_chunks()
    names = [field.name for field in scores.type]
    return tuple(table["id"].to_pylist()), {
        n: scores.field(n).to_numpy(zero_copy_only=False).astype(np.float64) for n in names
    }


def _slowly(file: Path) -> tuple[tuple[str, ...], dict[str, Floats]]:
    rows = [row for row in read_jsonl(file) if "id" in row and "scores" in row]
    if not rows:
        raise DataError(f"{file}: holds no predictions\nTry: remove this run's folder and run its cell again")
    names = dict.fromkeys(name for row in rows for name in row["scores"])
    nan = float("nan")
    return tuple(str(row["id"]) for row in rows), {
        n: np.array([row["scores"].get(n, nan) for row in rows], dtype=float) for n in names
    }


def _common(ids: Sequence[tuple[str, ...]], folders: Iterable[str]) -> tuple[str, ...]:
    if all(own == ids[0] for own in ids):
        return ids[0]
    shared = set(ids[0]).intersection(*ids[1:])
    if not shared:
        raise DataError(
            f"these runs share no test item: {', '.join(map(str, folders)) or 'two conditions'}; compare runs with one test split"
        )
    return tuple(i for i in ids[0] if i in shared)


def _pick(ids: tuple[str, ...], values: Floats, items: tuple[str, ...]) -> Floats:
    if ids == items:
        return values
    place = {i: k for k, i in enumerate(ids)}
    return values[[place[i] for i in items]]


def _on(sheet: ScoreMatrix, seeds: Sequence[int], items: tuple[str, ...]) -> Floats:
    rows = sheet.scores[[sheet.seeds.index(seed) for seed in seeds]]
    return np.array([_pick(sheet.items, row, items) for row in rows])
