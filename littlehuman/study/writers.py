"""What writers change: cells whose twins are by a tuned prompt model, against the same cells without one.

In: the frame of `results.load`. Out: a frame, a row per mixture and writer: the score with its interval, its change
against the prompt model as it is (in rounds: against round 0), and how different the texts of the twins are. A change
is paired over seeds and test items and comes from the model of the curves; its interval is simultaneous over the
writers of one mixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from littlehuman import stats
from littlehuman.stats import curve
from littlehuman.store import digest
from littlehuman.study.clusters import ClusterIndex
from littlehuman.study.comparisons import statistics_of
from littlehuman.study.run_files import is_annotator, result_of

REPLACE, ACCUMULATE, WRITER = "replace", "accumulate", "writer"
DIVERSITY = ("texts", "unique_texts", "distinct_1", "distinct_2", "distinct_3")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A complete cell with twins: the mixture that it shares with others, who wrote the twins, and its files."""

    mixture: str
    design: (
        str  # replace or accumulate (rounds), or writer; of a cell without a writer: the designs that it is a base of
    )
    arm: int  # round, or 0 without and 1 with a writer
    label: str
    seed: int
    folder: str
    result: Mapping[str, Any]


def compare(frame: pd.DataFrame, index: ClusterIndex, delta: float = curve.DELTA) -> pd.DataFrame:
    """The table; empty where no cell has a writer.

    Columns: `dataset`, `n_train`, `synth_frac`, `design` (replace, accumulate, writer), `arm`, `label`, `metric`,
    `seeds`, `score` and `change` with `_low` and `_high`, `verdict`, and the means of `DIVERSITY` over seeds.
    """
    cells = sorted(_cells(frame), key=lambda cell: (cell.mixture, cell.design, cell.arm, cell.label, cell.seed))
    rows = [row for _, own in groupby(cells, lambda c: (c.mixture, c.design)) for row in _rows(list(own), index, delta)]
    found = pd.DataFrame(rows)
    return found.sort_values(["dataset", "n_train", "design", "synth_frac", "arm"]) if rows else found


def _cells(frame: pd.DataFrame) -> Iterator[_Cell]:
    for folder in frame.loc[frame["state"] == "done", "folder"]:
        result = result_of(folder)
        knobs = result.get("knobs", {})
        if "prompt_model" in knobs and not is_annotator(knobs):
            yield from _placed(result, knobs, str(folder))


def _placed(result: Mapping[str, Any], knobs: Mapping[str, Any], folder: str) -> Iterator[_Cell]:
    """The cell in each design that it belongs to; round 0 begins both, and a cell without rounds has one."""
    model = {key: value for key, value in knobs["prompt_model"].items() if key != "adapter"}
    rest = {key: value for key, value in knobs.items() if key not in ("seed", "generation", "writer", "prompt_model")}
    mixture, named = digest([rest, model]), knobs["prompt_model"].get("adapter")
    seed, rounds = int(knobs["seed"]), knobs.get("generation")
    if rounds is None:
        label = f"writer {named}" if named else "as it is"
        yield _Cell(mixture, WRITER, int(bool(named)), label, seed, folder, result)
        return
    number = int(rounds["round"])
    designs = (REPLACE, ACCUMULATE) if number == 0 else (ACCUMULATE if rounds.get("accumulate") else REPLACE,)
    for design in designs:
        yield _Cell(mixture, design, number, f"round {number}", seed, folder, result)


def _rows(cells: Sequence[_Cell], index: ClusterIndex, delta: float) -> Iterator[dict[str, Any]]:
    """Rows of one mixture and design; none where no writer was tuned in it."""
    labels = list(dict.fromkeys(cell.label for cell in cells))
    if not any(cell.arm for cell in cells):
        return
    metric = str(cells[0].result["headline"])
    placed = pd.DataFrame(
        {"synth_frac": float(labels.index(cell.label)), "seed": cell.seed, "folder": cell.folder} for cell in cells
    )
    known = statistics_of(placed, metric, index)
    has_base = cells[0].arm == 0 and len(labels) > 1
    found = curve.of_cells(known.cells, base=0, delta=delta) if known and has_base else None
    scores = curve.score_intervals(known.cells) if known else ()
    for at, label in enumerate(labels):
        own = [cell for cell in cells if cell.label == label]
        row = _described(own[0], metric) | {"seeds": len({cell.seed for cell in own})} | _diversity(own)
        row |= _interval("score", scores[at] if scores else None)
        change = found.differences[at] if found else None
        yield (
            row
            | _interval("change", change.interval if change else None)
            | {"verdict": change.verdict.value if change else None}
        )


def _described(cell: _Cell, metric: str) -> dict[str, Any]:
    knobs = cell.result["knobs"]
    place = {"dataset": knobs["dataset"]["name"], "n_train": knobs["n_train"], "synth_frac": knobs["synth_frac"]}
    return place | {"design": cell.design, "arm": cell.arm, "label": cell.label, "metric": metric}


def _diversity(cells: Sequence[_Cell]) -> dict[str, float | None]:
    entries = [cell.result.get("diversity", {}) for cell in cells]
    values = {name: [entry[name] for entry in entries if entry.get(name) is not None] for name in DIVERSITY}
    return {name: sum(own) / len(own) if own else None for name, own in values.items()}


def _interval(name: str, found: stats.Interval | None) -> dict[str, float | None]:
    ends = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
