"""A study as one tidy frame: what statistics, reports and notebooks start from.

In: a study folder. Out: a row per cell, complete or not. Users call it `results.load`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from littlehuman.errors import DataError, did_you_mean
from littlehuman.runs.artifacts import rows
from littlehuman.study import series


def load(study: Path | str) -> pd.DataFrame:
    """The tidy frame of a study: one row per cell, complete or not.

    Columns: those of `table.csv` (`cell`, `state`, the knobs, `n_human`, `n_synthetic`, `metric` and
    `score` for the headline, every metric in 0..1 with its interval, `usd` that were paid and `usd_saved`
    by the cache, `requests` and how many of them came `from_cache`, `seconds`, `error`) and
    `series`, the readable name of all that is equal between cells but seed, size and fraction.
    Counts and scores of cells that are not complete are missing (NaN).

    Raises:
        DataError: when there is no such folder, or it holds no cells.
    """
    folder = Path(study)
    table = rows(folder)
    if not table:
        raise DataError(
            f"{folder}: {'holds no cells' if folder.is_dir() else 'is no folder'}\nTry: a folder multirun/STUDY"
        )
    frame = pd.DataFrame(table).replace("", None)
    frame.insert(0, "folder", [str(folder / cell) for cell in frame["cell"]])
    return series.named(frame)


def metric_names(frame: pd.DataFrame) -> list[str]:
    """The metrics of a frame: its columns that have an interval."""
    return [column.removesuffix("_low") for column in frame.columns if column.endswith("_low")]


def check_metric(study: Path, frame: pd.DataFrame, metric: str | None) -> None:
    """Refuse a metric that no cell of a frame has.

    Raises:
        DataError: which names those that there are.
    """
    known = metric_names(frame)
    if metric and metric not in known:
        raise DataError(f"{study}: no cell has a metric {metric!r}; {did_you_mean(metric, known)}")
