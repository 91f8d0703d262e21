"""Which test items of a study are not independent: questions on one passage, passages of one document.

In: run folders and test items. Out: `ItemClusters`, the level by which intervals and tests cluster.

Each run writes the clusters of its test items. Those of older runs come from another run on the same data, else from
the data by a function that the caller passes in (this package loads no data), else they stay unknown, with a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from littlehuman.errors import LittlehumanError
from littlehuman.stats.clusters import coarsest
from littlehuman.study.run_files import predictions_of, result_of

Levels = Mapping[str, Sequence[str | None]]  # level -> cluster of each item, fine to coarse
LoadClusters = Callable[[Path], Mapping[str, Mapping[str, str]]]  # run folder -> item id -> level -> cluster
_MEND = "run one more cell of this study (such as another seed): its predictions carry them, and serve all cells"


@dataclass(frozen=True, eq=False)
class ItemClusters:
    """Clusters of test items at one level.

    `labels` `[items]` numbers them; `level` is None where each item stands for itself. `notice` says that clusters are
    unknown, why, and what mends it; empty where they are known or the data has none.
    """

    labels: NDArray[np.int64]
    level: str | None = None
    notice: str = ""

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(np.unique(self.labels))


class ClusterIndex:
    """Clusters of the test items of a study; every source is read once."""

    def __init__(self, frame: pd.DataFrame, load: LoadClusters | None = None) -> None:
        """Start from the frame of `results.load`; `load` reads the clusters of older runs from their data."""
        self._folders: list[str] = list(frame.loc[frame["state"] == "done", "folder"])
        self._load = load
        self._found: dict[tuple[str, tuple[str, ...]], ItemClusters] = {}
        self._of_data: dict[str, tuple[Mapping[str, Mapping[str, str]] | None, str]] = {}

    def of(self, folders: Iterable[str], items: tuple[str, ...]) -> ItemClusters:
        """Clusters of `items`, which the runs in `folders` were tested on."""
        mine = list(folders)
        key = _fingerprint(mine[0]) or mine[0], items
        if key not in self._found:
            levels, notice = _first(mine, items), ""
            if levels is None:
                levels = _first([folder for folder in self._folders if _fingerprint(folder) == key[0]], items)
            if levels is None:
                levels, notice = self._from_data(key[0], mine[0], items)
            level, labels = choose(levels, len(items))
            self._found[key] = ItemClusters(labels, level, notice)
        return self._found[key]

    def _from_data(self, data: str, folder: str, items: tuple[str, ...]) -> tuple[Levels, str]:
        if data not in self._of_data:
            self._of_data[data] = self._loaded(folder)
        found, notice = self._of_data[data]
        if found is None:
            return {}, notice
        names = dict.fromkeys(level for item in items for level in found.get(item, ()))
        return {level: [found.get(item, {}).get(level) for item in items] for level in names}, ""

    def _loaded(self, folder: str) -> tuple[Mapping[str, Mapping[str, str]] | None, str]:
        reason = "these runs are of a version that did not write it"
        if self._load is not None:
            try:
                return self._load(Path(folder)), ""
            except LittlehumanError as error:
                reason += f", and their data cannot be read ({str(error).splitlines()[0]})"
        return None, f"which test items share a text is not known, so each counts alone: {reason}. Mend: {_MEND}"


def choose(levels: Levels, items: int) -> tuple[str | None, NDArray[np.int64]]:
    """The coarsest level that leaves at least 20 clusters, else the finest, else each item alone; labels `[items]`.

    An item without a cluster at a level stands alone there.
    """
    numbered = {level: _numbers(values) for level, values in levels.items() if any(v is not None for v in values)}
    if not numbered:
        return None, np.arange(items)
    level = coarsest({level: labels.tolist() for level, labels in numbered.items()}) or next(iter(numbered))
    return level, numbered[level]


def _numbers(values: Sequence[str | None]) -> NDArray[np.int64]:
    number: dict[object, int] = {}
    return np.array([number.setdefault(i if v is None else v, len(number)) for i, v in enumerate(values)], np.int64)


def _first(folders: Sequence[str], items: tuple[str, ...]) -> Levels | None:
    """Levels from the first run that tells them for all items; empty where its data has none."""
    for folder in folders:
        found = predictions_of(folder)
        if found is None or found.clusters is None:
            continue
        if found.ids == items:
            return found.clusters
        place = {item: at for at, item in enumerate(found.ids)}
        if all(item in place for item in items):
            return {level: [values[place[i]] for i in items] for level, values in found.clusters.items()}
    return None


def _fingerprint(folder: str) -> str:
    return str(result_of(folder).get("fingerprints", {}).get("dataset", ""))
