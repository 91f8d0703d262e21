"""Whether the files of a complete run are whole and fit together: result, mixture, adapter, predictions.

In: a run folder. Out: what is wrong with it, each with the step of the chain that it concerns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.runs.artifacts import MIXTURE, PREDICTIONS, RESULT, missing_in
from littlehuman.runs.digests import ADAPTER, Fault, faults
from littlehuman.store import digest, read_json, read_jsonl

_ROUNDING = 1e-5  # of scores in `result.json`


def check_files(folder: Path) -> list[Fault]:
    """What is wrong with the files of a run; empty where they are whole."""
    result = read_json(folder / RESULT)
    if not result:
        return [Fault(RESULT, "is absent, or no JSON object")]
    if lack := missing_in(result):
        return [Fault(RESULT, lack)]
    changed = faults(folder, result, deep=True)
    named = {fault.file for fault in changed}
    rest = [
        *_of_result(result),
        *(_of_mixture(result, folder) if MIXTURE not in named else ()),
        *(_of_predictions(result, folder) if PREDICTIONS not in named else ()),
    ]
    return [*rest, *changed]


def step_of(fault: Fault) -> str:
    """The step of the chain that a file belongs to."""
    steps = {RESULT: "result", MIXTURE: "mixture", PREDICTIONS: "predictions", "texts.json": "mixture"}
    return "adapter" if fault.file.startswith(ADAPTER) else steps.get(fault.file, fault.file)


def _of_result(result: Mapping[str, Any]) -> Iterator[Fault]:
    own = digest(result["knobs"])[: len(str(result["id"]))]
    if own != result["id"]:
        yield Fault(RESULT, f"says it is cell {result['id']}, and its configuration is that of cell {own}")


def _of_mixture(result: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    mixture = read_json(folder / MIXTURE)
    if not mixture:
        yield Fault(MIXTURE, "is absent, or no JSON object")
        return
    said = result.get("fingerprints", {}).get("mixture")
    if said is not None and mixture.get("fingerprint") != said:
        yield Fault(MIXTURE, f"has the fingerprint {mixture.get('fingerprint')}, and the result {said}")
    points, total = len(mixture.get("points", ())), result.get("counts", {}).get("total")
    if total is not None and points != total:
        yield Fault(MIXTURE, f"lists {points:,} points, and the result counts {total:,}")


def _of_predictions(result: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    if not (folder / PREDICTIONS).is_file():
        yield Fault(PREDICTIONS, "is absent")
        return
    rows = [row for row in read_jsonl(folder / PREDICTIONS) if isinstance(row.get("scores"), dict)]
    for name, score in result["scores"].items():
        items = [row["scores"][name] for row in rows if isinstance(row["scores"].get(name), int | float)]
        if items and (what := _difference(items, score)):
            yield Fault(PREDICTIONS, f"{what} for {name}")
            return
    if not rows:
        yield Fault(PREDICTIONS, "holds no prediction")


def _difference(items: Sequence[float], score: Mapping[str, Any]) -> str:
    mean = math.fsum(items) / len(items)
    counted = score.get("n")
    if counted is not None and len(items) != counted:
        return f"holds {len(items):,} scores, and the result counts {counted:,}"
    far = abs(mean - score["value"]) > _ROUNDING
    return f"comes to {mean:.6f}, and the result says {score['value']}," if far else ""
