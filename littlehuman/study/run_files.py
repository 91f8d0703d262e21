"""Files of run folders as a study reads them, each once: `result.json` and `predictions.jsonl`.

Predictions are read by columns (pyarrow): a report of 2,000 cells reads a million of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError
from littlehuman.runs.artifacts import PREDICTIONS, RESULT, read_result
from littlehuman.store import read_jsonl

Floats = NDArray[np.float64]
RUNS = 8192  # kept in memory: a report looks at one run several times


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of one run on its test items.

    `scores` by metric `[items]`, nan where an item has none. `clusters`: level (passage, document) -> cluster of each
    item, fine to coarse; None where the run did not say (older versions). `answer` is the commonest prediction and
    `answer_share` the share of items that have it; `target_share` that of the commonest target (nan: not in the file).
    """

    ids: tuple[str, ...]
    scores: Mapping[str, Floats]
    clusters: Mapping[str, Sequence[str | None]] | None
    answer: str = ""
    answer_share: float = float("nan")
    target_share: float = float("nan")


def result_of(folder: Path | str) -> Mapping[str, Any]:
    """`result.json` of a run; empty where it is absent, torn or not whole."""
    file = Path(folder) / RESULT
    return _result(file, file.stat().st_mtime_ns) if file.is_file() else {}


def predictions_of(folder: Path | str) -> Predictions | None:
    """Predictions of a run; None where the file is gone.

    Raises:
        DataError: when the file holds no prediction.
    """
    file = Path(folder) / PREDICTIONS
    return _predictions(file, file.stat().st_mtime_ns) if file.is_file() else None


def answers_of(folder: Path | str) -> list[tuple[tuple[str, ...], str]]:
    """Targets and prediction of each test item, in the order of `Predictions.ids`; empty where it lacks them."""
    file = Path(folder) / PREDICTIONS
    rows = read_jsonl(file) if file.is_file() else iter(())
    found = [
        (tuple(row.get("targets") or ([row["target"]] if "target" in row else [])), str(row.get("prediction", "")))
        for row in rows
        if "id" in row and "scores" in row
    ]
    return found if all(targets for targets, _ in found) else []


@lru_cache(maxsize=RUNS)
def _result(file: Path, _modified: int) -> Mapping[str, Any]:
    return read_result(file.parent)


@lru_cache(maxsize=RUNS)
def _predictions(file: Path, _modified: int) -> Predictions:
    import pyarrow as pa
    from pyarrow import json as reader

    # One block: an answer may be longer than a default one. Texts by schema: a column of dates would become timestamps.
    whole = reader.ReadOptions(use_threads=False, block_size=max(file.stat().st_size, 1))
    texts = pa.schema([(name, pa.string()) for name in ("id", "target", "prediction")])
    try:
        table = reader.read_json(file, whole, reader.ParseOptions(explicit_schema=texts))
    except pa.ArrowInvalid:  # half a surrogate pair in an answer, or a torn line
        return _line_by_line(file)
    scores = table["scores"].combine_chunks()
    answer, answer_share = _commonest(table["prediction"])
    return Predictions(
        tuple(table["id"].to_pylist()),
        {
            field.name: scores.field(field.name).to_numpy(zero_copy_only=False).astype(np.float64)
            for field in scores.type
        },
        _clusters(table["clusters"].combine_chunks()) if "clusters" in table.column_names else None,
        answer,
        answer_share,
        _commonest(table["target"])[1],
    )


def _clusters(column: Any) -> dict[str, Sequence[str | None]]:
    import pyarrow as pa

    found = {field.name: column.field(field.name) for field in column.type} if pa.types.is_struct(column.type) else {}
    return {level: values.to_pylist() for level, values in found.items() if values.null_count < len(values)}


def _commonest(column: Any) -> tuple[str, float]:
    """The most frequent text and its share; nan where the file does not have the column."""
    from pyarrow import compute

    if column.null_count == len(column):
        return "", float("nan")
    counted = compute.value_counts(column)
    counts = counted.field("counts").to_numpy()
    most = int(counts.argmax())
    return str(counted.field("values")[most]), float(counts[most] / len(column))


def _line_by_line(file: Path) -> Predictions:
    rows = [row for row in read_jsonl(file) if "id" in row and "scores" in row]
    if not rows:
        raise DataError(f"{file}: holds no predictions\nTry: remove this run's folder and run its cell again")
    names = dict.fromkeys(name for row in rows for name in row["scores"])
    nan = float("nan")
    scores = {name: np.array([row["scores"].get(name, nan) for row in rows], dtype=float) for name in names}
    levels = dict.fromkeys(level for row in rows for level in row.get("clusters", ()))
    clusters = {level: [row.get("clusters", {}).get(level) for row in rows] for level in levels}
    known = any("clusters" in row for row in rows)
    return Predictions(tuple(str(row["id"]) for row in rows), scores, clusters if known else None)
