"""What each test item adds to a score, aligned between runs, as paired statistics need it.

In: cells of a study and a metric. Out: `ItemScores` `[arms, seeds, items]`, the same items in the same order
everywhere. Metrics of whole test sets (macro F1, corpus BLEU) have counts per item instead, whose sums make the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from littlehuman import stats
from littlehuman.errors import DataError
from littlehuman.languages import rules_of_result
from littlehuman.metrics.corpus import CORPUS_METRICS, confusion_rows
from littlehuman.stats import counts
from littlehuman.study.run_files import Predictions, answers_of, predictions_of, result_of

Floats = NDArray[np.float64]
OfItems = tuple[tuple[str, ...], Floats]  # ids, and scores `[items]` or counts `[items, statistics]`
OF_COUNTS: Mapping[str, Callable[[Floats], Floats]] = {"macro_f1": counts.macro_f1, "corpus_bleu": counts.corpus_bleu}
_ROUNDING = 1e-5  # of scores in `result.json`


@dataclass(frozen=True, eq=False)
class ItemScores:
    """Scores `[arms, seeds, items]` in 0..1, or counts `[arms, seeds, items, statistics]` for metrics in `OF_COUNTS`.

    A cell that was not run is nan throughout. `arms` are the synthetic shares, ascending; `folders` the run folders
    that have scores.
    """

    arms: tuple[float, ...]
    seeds: tuple[int, ...]
    items: tuple[str, ...]
    scores: Floats
    folders: tuple[str, ...]
    metric: str

    def cells(self, clusters: NDArray[np.int64]) -> stats.Cells:
        """Means of the cells and their covariance over clusters of items `[items]`."""
        return cells_of(self.scores, clusters, self.metric)


def cells_of(scores: Floats, clusters: NDArray[np.int64], metric: str) -> stats.Cells:
    """Means of cells and their covariance, of scores or of counts."""
    if scores.ndim == 3:
        return stats.cells_of(scores, clusters)
    return counts.cells_of(scores, OF_COUNTS[metric], clusters)


def item_scores(cells: pd.DataFrame, metric: str) -> ItemScores | None:
    """Item scores of complete cells that differ in synthetic share and seed alone; None where the metric has none.

    Items that a run could not score are left out of every cell, so that means stay comparable; a cell whose
    predictions are gone is missing.

    Raises:
        DataError: when the cells were not tested on the same items.
    """
    ordered = one_per_seed(cells)
    read = counts_of if metric in OF_COUNTS else scores_of
    found: dict[tuple[float, int], OfItems] = {}
    folders = []
    for share, seed, folder in zip(ordered["synth_frac"], ordered["seed"], ordered["folder"], strict=True):
        if (own := read(str(folder), metric)) is not None:
            found[float(share), int(seed)] = own
            folders.append(str(folder))
    widths = {values.shape[1:] for _, values in found.values()}
    if len(widths) != 1:  # none, or runs that counted other classes
        return None
    items = _common([ids for ids, _ in found.values()], folders)
    arms, seeds = sorted({arm for arm, _ in found}), sorted({seed for _, seed in found})
    table = np.full((len(arms), len(seeds), len(items), *widths.pop()), np.nan)
    for (arm, seed), (ids, values) in found.items():
        table[arms.index(arm), seeds.index(seed)] = _aligned(ids, values, items)
    return ItemScores(tuple(arms), tuple(seeds), items, table, tuple(folders), metric)


def one_per_seed(cells: pd.DataFrame) -> pd.DataFrame:
    """Share, seed and folder of each run of a curve, in order; the first where a share has a seed twice."""
    placed = cells[["synth_frac", "seed", "folder"]]
    return placed.sort_values(["synth_frac", "seed"], kind="stable").drop_duplicates(["synth_frac", "seed"])


def scores_of(folder: str, metric: str) -> OfItems | None:
    """Ids and scores of the test items of a run that have a score; None where the metric scores no single items."""
    read = predictions_of(folder)
    if read is None or (values := read.scores.get(metric)) is None:
        return None
    kept = ~np.isnan(values)
    if kept.all():
        return read.ids, values
    return tuple(i for i, keep in zip(read.ids, kept, strict=True) if keep), values[kept]


def counts_of(folder: str, metric: str) -> OfItems | None:
    """Ids and counts of the test items of a run; None where they do not come to the score that the run states."""
    read, result = predictions_of(folder), result_of(folder)
    stated = result.get("scores", {}).get(metric, {}).get("value")
    rows = None if read is None or stated is None else _rows(folder, metric, read, result)
    if read is None or rows is None:
        return None
    value = float(OF_COUNTS[metric](rows.sum(0, keepdims=True))[0])
    return (read.ids, rows) if abs(value - stated) < _ROUNDING else None


def _rows(folder: str, metric: str, read: Predictions, result: Mapping[str, Any]) -> Floats | None:
    if metric == "macro_f1":
        return _confusions(read, result["knobs"].get("task", {}).get("classes"))
    answers = answers_of(folder)
    return CORPUS_METRICS[metric](answers, (), rules_of_result(result)).rows if answers else None


def _confusions(read: Predictions, classes: Sequence[str] | None) -> Floats | None:
    """Counts of classes, those of the task or of the targets; an answer that is none of them is no prediction."""
    wanted, said = read.targets, read.answers
    if wanted is None or said is None:
        return None
    place = {name: at for at, name in enumerate(sorted(classes or wanted.texts))}
    if not place.keys() >= set(wanted.texts):
        return None
    targets, answers = (np.array([place.get(text, -1) for text in own.texts])[own.codes] for own in (wanted, said))
    return confusion_rows(targets, answers, len(place))


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
