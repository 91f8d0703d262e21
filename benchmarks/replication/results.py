"""What survives of the runs: one results file per study, and the recorded completions.

`results/NAME.json.gz`: per complete cell its configuration, counts and costs (of `result.json`) and the score of each
test item (ten-thousandths; a string of 0 and 1 where all are right or wrong), beside ids and cluster digests of the
items, which cells share. No texts. `unpack` makes a study folder of it again, which `littlehuman report` reads.

`recordings/NAME.jsonl.gz`: digest of each request and its completion (`prompt_model=recorded`), no prompt.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from littlehuman.errors import DataError
from littlehuman.runs.artifacts import PREDICTIONS, RESULT, STATUS, read_result
from littlehuman.store import read_jsonl, write_json, write_jsonl
from littlehuman.study.floors import floors_of
from littlehuman.study.load import load
from littlehuman.study.run_files import predictions_of
from littlehuman.study.series import Series

KEPT = (  # of `result.json`
    *("id", "scores", "headline", "knobs", "counts", "human_labels", "rejected_twins", "rejected_because", "audit"),
    *("cost", "fingerprints", "test_items_in_training", "training", "seconds", "versions"),
)
UNIT = 10_000
_NEAR = 1e-4  # of the mean of rounded scores to the score that the run states


def pack(study: Path, file: Path, cpu_s: Mapping[str, float] | None = None) -> None:
    """Write the results file of a study; `cpu_s` are the seconds of CPU that its steps took."""
    frame = load(study)
    tables: dict[str, dict[str, Any]] = {}
    cells = {}
    for folder in frame.loc[frame["state"] == "done", "folder"]:
        result, read = read_result(Path(folder)), predictions_of(folder)
        if read is None:
            raise DataError(f"{folder}: {PREDICTIONS} is gone\nTry: rm {folder}/{RESULT}, then the step again")
        metric = str(result["headline"])
        columns = {"ids": list(read.ids), "clusters": {k: list(v) for k, v in (read.clusters or {}).items()}}
        table = tables.setdefault(json.dumps(columns), columns | {"floor": _floor(frame, metric, folder)})
        own = {key: result[key] for key in KEPT if key in result}
        commonest = None if read.answers is None else round(read.answers.commonest[1], 4)
        cells[Path(folder).name] = own | {
            "items": list(tables.values()).index(table),
            "commonest_answer": commonest,
            "item_scores": _encoded(read.scores[metric]),
        }
    left = frame.loc[frame["state"] != "done", ["cell", "state", "synth_frac", "n_train", "seed"]]
    value = {
        "items": list(tables.values()),
        "cells": cells,
        "incomplete": left.astype(str).to_dict("records"),
        "cpu_s": dict(cpu_s or {}),
    }
    _write(file, json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n")


def read(file: Path) -> dict[str, Any]:
    """A results file.

    Raises:
        DataError: where it is none.
    """
    try:
        value: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
        value["items"], value["cells"]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise DataError(f"{file}: is no results file ({error})\nTry: git checkout {file}") from None
    return value


def unpack(file: Path, folder: Path) -> Path:
    """Make a study folder of a results file: each cell with its result and its items' scores.

    Raises:
        DataError: where item scores do not come to the score that their cell states.
    """
    value = read(file)
    for name, own in value["cells"].items():
        table, scores = value["items"][own["items"]], decoded(own["item_scores"])
        stated = own["scores"][own["headline"]]["value"]
        if len(scores) != len(table["ids"]) or not abs(float(np.nan_to_num(np.nanmean(scores))) - stated) < _NEAR:
            raise DataError(f"{file}: the item scores of {name} do not come to {stated}\nTry: git checkout {file}")
        write_json(folder / name / STATUS, {"state": "done", "stage": "scoring", "knobs": own["knobs"]})
        write_json(folder / name / RESULT, {key: own[key] for key in KEPT if key in own})
        write_jsonl(folder / name / PREDICTIONS, _rows(table, own["headline"], scores))
    return folder


def record(cache: Path, file: Path) -> int:
    """Write the completions of a cache, sorted by request; returns how many."""
    rows = {str(row["key"]): row for found in sorted(cache.rglob("*.jsonl")) for row in read_jsonl(found)}
    if rows:
        _write(file, "".join(json.dumps(rows[key], ensure_ascii=False) + "\n" for key in sorted(rows)))
    return len(rows)


def _floor(frame: Any, metric: str, folder: str) -> float | None:
    """The score of the best constant answer on the items of a run."""
    floors = floors_of(Series("", frame[frame["folder"] == folder]), metric, folder)
    return max((round(floor.value, 6) for floor in floors if floor.answer), default=None)


def _encoded(scores: np.ndarray) -> str | list[int | None]:
    known = [None if np.isnan(score) else round(UNIT * float(score)) for score in scores]
    return "".join(str(one // UNIT) for one in known if one is not None) if set(known) <= {0, UNIT} else known


def decoded(scores: str | Sequence[int | None]) -> np.ndarray:
    """Scores in 0..1 of a results file, nan where an item has none."""
    if isinstance(scores, str):
        return np.array([float(one) for one in scores])
    return np.array([np.nan if one is None else one / UNIT for one in scores])


def _rows(table: Mapping[str, Any], metric: str, scores: np.ndarray) -> Iterator[dict[str, Any]]:
    for at, (name, score) in enumerate(zip(table["ids"], scores, strict=True)):
        clusters = {level: own[at] for level, own in table["clusters"].items() if own[at] is not None}
        yield {"id": name, "scores": {} if np.isnan(score) else {metric: float(score)}, "clusters": clusters}


def _write(file: Path, text: str) -> None:
    """The same text gives the same bytes: no time stands in the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0))
