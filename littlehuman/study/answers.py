"""What a study says of its curves as plain values: comparisons, floors, variance parts, clusters, warnings.

In: a `ReplacementCurve`. Out: a dict of numbers (scores and differences in 0..1, not rounded), texts, lists and None
(not known, never NaN) that JSON can hold. `reporting/answers.py` puts those of a study together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from littlehuman import stats
from littlehuman.study.curve_table import WITHHELD
from littlehuman.study.curve_warnings import WarningKind
from littlehuman.study.replacement import ReplacementCurve

OF_SEEDS, OF_ITEMS = "seeds and items", "items"
_COUNTS = ("n_human", "n_synthetic", "seeds", "items", "pairs")
_DECIDING = {  # key -> column; of one seed they would be of other test items alone, and decide nothing
    "p": "p",
    "p_adjusted": "p_holm",
    "p_loss_of_delta": "at_most",
    "detectable": "smallest_detectable",
    "power_at_delta": "power_at_delta",
}
_NAMES = {kind.value: kind.name for kind in WarningKind}


def as_json(curve: ReplacementCurve, added: pd.DataFrame | None = None) -> dict[str, Any]:
    """All that is said about one curve; warnings, floors and caveats by the names of their enums (`NOTHING_LEARNT`).

    `shares` has a comparison per synthetic share, against `base`; with `added` (of `compare_with_controls`, the rows of
    this curve) `against_human_points_alone` those of its mixtures against their human points without the twins.
    """
    analysis, cells = curve.analysis, curve.curve
    found = {
        "series": cells.series.name,
        "curve": cells.name,
        "label": curve.label,
        "place": curve.place,
        "protocol": curve.protocol,
        "n_train": cells.n_train,
        "human_points_alone": cells.control,
        "metric": curve.metric,
        "base": curve.shares[0] if curve.shares else None,
        "delta": analysis.delta if analysis else None,
        "level": 1 - analysis.alpha if analysis else None,
        "alpha_of_one_comparison": analysis.local_level if analysis else None,
        "within_delta_up_to": curve.within_delta_up_to,
        "learnt": curve.learnt,
        "floors": [{"kind": f.kind.name, "score": f.value, "answer": f.answer} for f in curve.floors],
        "shares": [_share(row) for row in curve.table.to_dict("records")],
        "against_human_points_alone": _added(analysis, added),
        "missing_shares": list(curve.missing),
        "clusters": _clusters(curve),
        "variance": asdict(analysis.parts) if analysis else None,
        "caveats": [caveat.name for caveat in analysis.caveats] if analysis else [],
        "warnings": [{**asdict(w), "kind": w.kind.name, "text": w.kind.value} for w in curve.warnings],
        "cells": sorted(map(str, cells.cells["cell"])),
    }
    plain: dict[str, Any] = known(found)
    return plain


def known(value: Any) -> Any:
    """Plain Python values, None for what is not known."""
    if isinstance(value, Mapping):
        return {key: known(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [known(own) for own in value]
    if hasattr(value, "item"):  # NumPy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _share(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"synth_frac": row["synth_frac"], "score": _interval(row, "mean", "low", "high")} | _comparison(row)


def _comparison(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One share against a base: the interval that decides, and all that follows from it."""
    counts = {name: _whole(row.get(name)) for name in _COUNTS}
    of_seeds = known(row.get("p")) is not None
    change = _interval(row, "change", "change_low", "change_high")
    return {
        "n_human": counts["n_human"],
        "n_synthetic": counts["n_synthetic"],
        "seeds": counts["seeds"],
        "items": counts["items"],
        "verdict": known(row.get("verdict")),
        "withheld_because": _withheld(row),
        "change": change,
        "change_speaks_of": None if change is None else OF_SEEDS if of_seeds else OF_ITEMS,
        "relative_change": _interval(row, "relative", "relative_low", "relative_high"),
        **{key: row.get(column) if of_seeds else None for key, column in _DECIDING.items()},
        "p_items": row.get("p_items"),
        "seeds_of_both": counts["pairs"],
    }


def _added(analysis: stats.Curve | None, added: pd.DataFrame | None) -> dict[str, Any] | None:
    """Mixtures against their human points alone: one family, each share with a base of its own."""
    if analysis is None or added is None or added.empty:
        return None
    rows: Sequence[dict[Any, Any]] = added.to_dict("records")
    shares = [
        {"synth_frac": row["synth_frac"], "score": row["mixture"], "base_score": row["alone"]}
        | _comparison(row | {"pairs": row["seeds"], "items": analysis.parts.items})
        for row in rows
    ]
    return {"alpha_of_one_comparison": analysis.alpha / len(rows), "shares": shares}


def _interval(row: Mapping[Any, Any], *columns: str) -> dict[str, Any] | None:
    value, low, high = (row.get(column) for column in columns)
    return None if known(value) is None else {"value": value, "low": low, "high": high}


def _whole(value: Any) -> int | float | None:
    number = known(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _withheld(row: Mapping[Any, Any]) -> list[str]:
    if row.get("verdict") != WITHHELD or not row.get("withheld_because"):
        return []
    return [_NAMES[text] for text in str(row["withheld_because"]).split("; ")]


def _clusters(curve: ReplacementCurve) -> dict[str, Any] | None:
    if curve.analysis is None:
        return None
    parts: stats.Parts = curve.analysis.parts
    return {
        "level": curve.cluster_level,
        "count": parts.clusters,
        "items": parts.items,
        "icc": parts.icc,
        "effective_items": parts.effective_items,
        "notice": curve.cluster_notice or None,
    }
