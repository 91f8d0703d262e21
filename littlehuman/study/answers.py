"""What a study says of its curves as plain values: comparisons, floors, variance parts, warnings.

In: a `ReplacementCurve`. Out: a dict of numbers (0..1), texts, lists and None (not known) that JSON can hold. No
command writes it yet.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from littlehuman import stats
from littlehuman.study.curve_table import WITHHELD
from littlehuman.study.replacement import ReplacementCurve

_PLAIN = ("synth_frac", "n_human", "n_synthetic", "seeds", "items", "verdict")
_TESTS = {"p": "p", "p_adjusted": "p_holm", "p_items": "p_items", "p_loss_of_delta": "at_most"}


def as_json(curve: ReplacementCurve) -> dict[str, Any]:
    """All that is said about one curve; warnings, floors and caveats by the names of their enums (`NOTHING_LEARNT`)."""
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
        "alpha": analysis.alpha if analysis else None,
        "alpha_of_one_comparison": analysis.local_level if analysis else None,
        "within_delta_up_to": curve.within_delta_up_to,
        "learnt": curve.learnt,
        "floors": [{"kind": f.kind.name, "score": f.value, "answer": f.answer} for f in curve.floors],
        "shares": [_share(row) | {"withheld_because": _withheld(curve, row)} for row in curve.table.to_dict("records")],
        "missing_shares": list(curve.missing),
        "clusters": _clusters(curve),
        "variance": asdict(analysis.parts) if analysis else None,
        "caveats": [caveat.name for caveat in analysis.caveats] if analysis else [],
        "warnings": [{**asdict(w), "kind": w.kind.name, "text": w.kind.value} for w in curve.warnings],
    }
    plain: dict[str, Any] = _known(found)
    return plain


def _share(row: dict[Any, Any]) -> dict[str, Any]:
    found = {name: row[name] for name in _PLAIN} | {name: row[column] for name, column in _TESTS.items()}
    found["score"] = _interval(row, "mean", "low", "high")
    found["change"] = _interval(row, "change", "change_low", "change_high")
    found["relative_change"] = _interval(row, "relative", "relative_low", "relative_high")
    return found | {"detectable": row["smallest_detectable"], "seeds_of_both": row["pairs"]}


def _interval(row: dict[Any, Any], *columns: str) -> dict[str, Any] | None:
    value, low, high = (row[column] for column in columns)
    return None if _known(value) is None else {"value": value, "low": low, "high": high}


def _withheld(curve: ReplacementCurve, row: dict[Any, Any]) -> list[str]:
    if row["verdict"] != WITHHELD:
        return []
    return list(dict.fromkeys(warning.kind.name for warning in curve.withheld_because(row["synth_frac"])))


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


def _known(value: Any) -> Any:
    """Plain Python values, None for what is not known."""
    if isinstance(value, dict):
        return {key: _known(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_known(own) for own in value]
    if hasattr(value, "item"):  # NumPy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
