"""The table of writers in a study's report: `study/writers.py` as text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from littlehuman.formatting import NOTHING, absent, count, interval, percent, share
from littlehuman.reporting.tables import VERDICTS, ReportTable


def table(frame: pd.DataFrame) -> ReportTable:
    """Cells whose twins are by a tuned prompt model, beside the same mixtures without one."""
    header = "dataset,n_train,synthetic share,design,twins by,seeds,score (%),change (percentage points),verdict"
    header += ",twins,different texts,distinct-1 (%),distinct-2 (%),distinct-3 (%)"
    rows = [
        (r.dataset, count(r.n_train), share(r.synth_frac), r.design, r.label, count(r.seeds))
        + (interval(r.score, r.score_low, r.score_high), _change(r))
        + (_said(r), count(r.texts), count(r.unique_texts))
        + tuple(percent(value) for value in (r.distinct_1, r.distinct_2, r.distinct_3))
        for r in frame.itertuples()
    ]
    return ReportTable(tuple(header.split(",")), tuple(rows), words=1)


def _change(row: Any) -> str:
    return NOTHING if absent(row.change) else interval(row.change, row.change_low, row.change_high, signed=True)


def _said(row: Any) -> str:
    if absent(row.verdict):
        return "the base" if row.arm == 0 else "not compared"
    return "not known: one seed" if row.seeds == 1 else VERDICTS[str(row.verdict)]
