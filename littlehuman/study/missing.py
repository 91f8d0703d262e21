"""What a study lacks: cells that failed, that still run, or that a sweep never reached.

In: the frame of `results.load`. Out: a table of cells without a result, each with its state and cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from littlehuman.study.comparisons import CONDITION
from littlehuman.study.series import Cells, Series, split


def missing_conditions(frame: Cells) -> pd.DataFrame:
    """Cells without a result that were begun, or that the rest of their curve has: the sweep stopped before them.

    A seed is expected at a condition when more than half of its neighbours along one axis have it: the other
    shares of its size, or the other sizes of its share.
    Columns: `series`, the condition, `seed`, `state` (failed, running, not run), `error`. A cell that several series
    share is listed once.
    """
    rows = [row for series in split(frame) for row in _missing(series)]
    table = pd.DataFrame(rows, columns=["series", *CONDITION, "seed", "state", "error", "shared"])
    again = table["shared"].notna() & table.duplicated(["shared", *CONDITION, "seed"])
    return table[~again].drop(columns="shared").reset_index(drop=True)


def _missing(series: Series) -> Iterator[dict[str, Any]]:
    grid: dict[tuple[Any, ...], dict[int, Any]] = {}
    for cell in series.cells.itertuples():
        place = grid.setdefault((cell.n_train, cell.extra_human, cell.synthetic, cell.synth_frac), {})
        if cell.seed not in place or cell.state == "done":
            place[cell.seed] = cell
    seeds = sorted({seed for place in grid.values() for seed in place})
    for key, cells in grid.items():
        for seed in seeds:
            cell = cells.get(seed)
            if (cell is None and _expected(seed, key, grid)) or (cell is not None and cell.state != "done"):
                state, error = ("not run", None) if cell is None else (cell.state, cell.error)
                without_twins = not key[CONDITION.index("synthetic")] or key[CONDITION.index("synth_frac")] == 0
                shared = series.cells["control_id"].iloc[0] if without_twins else None
                row = {"series": series.name, **dict(zip(CONDITION, key, strict=True)), "seed": seed}
                yield row | {"state": state, "error": error, "shared": shared}


def _expected(seed: int, key: tuple[Any, ...], grid: Mapping[tuple[Any, ...], Mapping[int, Any]]) -> bool:
    for axis in (CONDITION.index("synth_frac"), CONDITION.index("n_train")):
        beside = [
            seed in cells
            for other, cells in grid.items()
            if _without(other, axis) == _without(key, axis) and other != key
        ]
        if beside and sum(beside) > len(beside) / 2:
            return True
    return False


def _without(key: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    return (*key[:axis], *key[axis + 1 :])
