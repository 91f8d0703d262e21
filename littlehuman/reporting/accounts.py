"""What a study cost, and how clean its training sets are.

In: the frame of `results.load`, and the results of its complete cells. Out: a row per series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from littlehuman.study.series import split

AUDITED = (
    "twins_equal_to_their_human_point",
    "twins_near_their_human_point",
    "twins_equal_to_a_shown_example",
    "repeated_twins",
    "training_points_in_test",
    "training_points_on_test_evidence",
)


def cost(frame: pd.DataFrame) -> pd.DataFrame:
    """Per series: complete cells, money saved by the cache, requests, time in all, human labels per cell (least and most).

    Money that was paid is that of all cells, whether they came to an end or not.
    """
    rows = []
    for series in split(frame):
        cells = series.complete
        row: dict[str, Any] = {
            "series": series.name,
            "cells": len(cells),
            "usd": pd.to_numeric(series.cells["usd"]).sum(),
            "seconds": cells["seconds"].sum(),
        }
        row |= {name: pd.to_numeric(cells[name]).sum() for name in ("usd_saved", "requests", "from_cache")}
        for key, column in (("in_training", "n_human"), ("in_prompts", "human_in_prompts"), ("in_all", "human_labels")):
            row |= {f"{key}_low": cells[column].min(), f"{key}_high": cells[column].max()}
        rows.append(row)
    return pd.DataFrame(rows)


def audit(frame: pd.DataFrame, finished: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Per series the largest share of any cell: copies of human points, repeated twins, training points in the test split."""
    rows = []
    for series in split(frame):
        shares = [_audited(finished[folder]) for folder in series.complete["folder"] if finished[folder].get("audit")]
        if shares:
            rows.append({"series": series.name, "cells": len(shares), **pd.DataFrame(shares).max().to_dict()})
    return pd.DataFrame(rows, columns=["series", "cells", *AUDITED])


def _audited(result: Mapping[str, Any]) -> dict[str, float]:
    found, counts = result["audit"], result.get("counts", {})
    twins, points = counts.get("synthetic", 0), counts.get("total", 0)
    of_twins = {name: found.get(name, math.nan) for name in AUDITED[:3]} | {"repeated_twins": twins - found["distinct_twins"]}
    shares = {name: value / twins if twins else 0.0 for name, value in of_twins.items()}
    return shares | {name: found[name] / points if points else 0.0 for name in AUDITED[4:]}
