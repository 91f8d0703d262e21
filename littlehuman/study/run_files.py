"""Files of run folders as a study reads them, each once: `result.json` and `predictions.jsonl`.

Predictions are read by columns (pyarrow): a report of 2,000 cells reads a million of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError
from littlehuman.runs.artifacts import PREDICTIONS, RESULT, read_result
from littlehuman.schema import Method
from littlehuman.store import read_jsonl

Floats = NDArray[np.float64]
RUNS = 8192  # kept in memory: a report looks at one run several times


@dataclass(frozen=True, eq=False)
class TextCodes:
    """Texts of items: item i has `texts[codes[i]]`; each text stands once."""

    texts: tuple[str, ...]
    codes: NDArray[np.int64]

    @cached_property
    def commonest(self) -> tuple[str, float]:
        """The most frequent text and the share of items that have it."""
        counts = np.bincount(self.codes)
        return self.texts[int(counts.argmax())], float(counts.max() / len(self.codes))


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of one run on its test items.

    `scores` by metric `[items]`, nan where an item has none. `clusters`: level (passage, document) -> cluster of each
    item, fine to coarse; None where the run did not say (older versions). `targets` and `answers` are None where the
    file does not have them.
    """

    ids: tuple[str, ...]
    scores: Mapping[str, Floats]
    clusters: Mapping[str, Sequence[str | None]] | None
    targets: TextCodes | None = None  # the first target of each item
    answers: TextCodes | None = None


def result_of(folder: Path | str) -> Mapping[str, Any]:
    """`result.json` of a run; empty where it is absent, torn or not whole."""
    file = f"{folder}/{RESULT}"
    modified = _modified(file)
    return {} if modified is None else _result(file, modified)


def is_annotator(knobs: Mapping[str, Any]) -> bool:
    """Whether a run, by the knobs of its result, has the prompt model's own labels: nothing was trained."""
    return bool(knobs.get("method") == Method.annotator)


def predictions_of(folder: Path | str) -> Predictions | None:
    """Predictions of a run; None where the file is gone.

    Raises:
        DataError: when the file holds no prediction.
    """
    file = f"{folder}/{PREDICTIONS}"
    modified = _modified(file)
    return None if modified is None else _predictions(file, modified)


def answers_of(folder: Path | str) -> list[tuple[tuple[str, ...], str]]:
    """Targets and prediction of each test item, in the order of `Predictions.ids`; empty where it lacks them."""
    file = Path(folder) / PREDICTIONS
    rows = read_jsonl(file) if file.is_file() else iter(())
    found = [
        (tuple(row.get("targets") or ([row["target"]] if "target" in row else [])), str(row.get("prediction", "")))
        for row in rows
        if "id" in row and isinstance(row.get("scores"), dict)
    ]
    return found if all(targets for targets, _ in found) else []


def _modified(file: str) -> int | None:
    """When a file was written, in nanoseconds; None where it is gone. Asked for often: no `Path`, which is slow."""
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=RUNS)
def _result(file: str, _modified: int) -> Mapping[str, Any]:
    return read_result(Path(file).parent)


@lru_cache(maxsize=RUNS)
def _predictions(name: str, _modified: int) -> Predictions:
    import pyarrow as pa
    from pyarrow import json as reader

    file = Path(name)
    # One block: an answer may be longer than a default one. Texts by schema: a column of dates would become timestamps.
    whole = reader.ReadOptions(use_threads=False, block_size=max(file.stat().st_size, 1))
    texts = pa.schema([(name, pa.string()) for name in ("id", "target", "prediction")])
    try:
        table = reader.read_json(file, whole, reader.ParseOptions(explicit_schema=texts))
    except pa.ArrowInvalid:  # half a surrogate pair in an answer, or a torn line
        return _line_by_line(file)
    scores = table["scores"].combine_chunks()
    return Predictions(
        tuple(table["id"].to_pylist()),
        {
            field.name: scores.field(field.name).to_numpy(zero_copy_only=False).astype(np.float64)
            for field in scores.type
        },
        _clusters(table["clusters"].combine_chunks()) if "clusters" in table.column_names else None,
        _codes(table["target"]),
        _codes(table["prediction"]),
    )


def _clusters(column: Any) -> dict[str, Sequence[str | None]]:
    import pyarrow as pa

    found = {field.name: column.field(field.name) for field in column.type} if pa.types.is_struct(column.type) else {}
    return {level: values.to_pylist() for level, values in found.items() if values.null_count < len(values)}


def _codes(column: Any) -> TextCodes | None:
    """None where an item lacks a text."""
    if column.null_count or not len(column):
        return None
    encoded = column.combine_chunks().dictionary_encode()
    return TextCodes(tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64))


def _line_by_line(file: Path) -> Predictions:
    rows = [row for row in read_jsonl(file) if "id" in row and isinstance(row.get("scores"), dict)]
    if not rows:
        raise DataError(f"{file}: holds no predictions\nTry: remove this run's folder and run its cell again")
    names = dict.fromkeys(name for row in rows for name in row["scores"])
    nan = float("nan")
    scores = {name: np.array([row["scores"].get(name, nan) for row in rows], dtype=float) for name in names}
    levels = dict.fromkeys(level for row in rows for level in row.get("clusters", ()))
    clusters = {level: [row.get("clusters", {}).get(level) for row in rows] for level in levels}
    known = any("clusters" in row for row in rows)
    texts = (_codes_of([row.get(name) for row in rows]) for name in ("target", "prediction"))
    return Predictions(tuple(str(row["id"]) for row in rows), scores, clusters if known else None, *texts)


def _codes_of(values: Sequence[Any]) -> TextCodes | None:
    """None where an item lacks a text."""
    if any(value is None for value in values):
        return None
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(str(value), len(place)) for value in values], np.int64)
    return TextCodes(tuple(place), codes)
