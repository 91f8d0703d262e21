"""The table of one replacement curve: a row per synthetic share with its score and its comparison with the smallest one.

In: the cells of a curve and the analysis of its scores. Out: a frame; all numbers of a row come from one model, so
verdict, interval, p values and detectable difference agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from littlehuman import stats
from littlehuman.stats.layout import comparison_forms
from littlehuman.study.comparisons import CurveCells
from littlehuman.study.curve_warnings import CurveWarning

COLUMNS = (
    *("synth_frac", "n_human", "n_synthetic", "seeds", "items", "mean", "low", "high"),
    *("change", "change_low", "change_high", "relative", "relative_low", "relative_high"),
    *("p", "p_items", "p_holm", "smallest_detectable", "at_most", "shown", "pairs"),
    *("verdict", "withheld_because", "clusters", "icc", "effective_items"),
)
WITHHELD = "withheld"
VERDICTS = {
    stats.Verdict.WORSE: "worse",
    stats.Verdict.BETTER: "better",
    stats.Verdict.EQUAL: "equal",
    stats.Verdict.UNKNOWN: "unknown",
}


def curve_table(
    curve: CurveCells,
    metric: str,
    shares: Sequence[float],
    analysis: stats.Curve | None,
    cells: stats.Cells | None,
    warnings: Sequence[CurveWarning],
) -> pd.DataFrame:
    """One row per share; scores and differences in 0..1.

    Columns: `synth_frac`, `n_human`, `n_synthetic`, `seeds`, `items`; `mean`, `low`, `high` (95 % interval);
    `change` against the smallest share with its simultaneous interval, `relative` (new / base - 1) with its own;
    `p` (new seeds and items, this comparison alone), `p_items` (these trained models on other test items), `p_holm` (adjusted for all
    shares of the curve, single-step; the name is from earlier versions), `smallest_detectable` (found in 80 % of studies
    at the level that decides), `at_most` (adjusted p of "loses delta or more"), `shown` (whether the interval rules such a loss
    out), `pairs` (seeds that both shares have); `verdict` (worse, better, equal within delta, unknown, withheld) and `withheld_because`;
    `clusters` of test items, their intra-cluster correlation `icc`, and `effective_items`.
    Metrics without scores of items have means alone.
    """
    items = {} if cells is None or analysis is None else item_p_values(cells, analysis.base)
    rows = []
    for share in curve.fractions:
        row = _counts(curve, metric, share)
        if analysis is not None and share in shares:
            arm = list(shares).index(share)
            row |= _score(analysis, arm) | {"p_items": items.get(arm)}
            row |= _difference(analysis, arm) | _verdict(analysis, arm, shares, warnings)
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def withheld_because(warnings: Sequence[CurveWarning], share: float, base: float) -> tuple[CurveWarning, ...]:
    """Warnings for which a comparison of these two shares has no verdict."""
    return tuple(w for w in warnings if w.withholds and (w.share is None or w.share in (share, base)))


def unadjusted_p(difference: stats.Interval, distance: float | None = None) -> float:
    """Two-sided p of one difference alone, or of `distance` from its value, from its standard error and degrees of freedom."""
    away = abs(difference.value) if distance is None else distance
    return float(2 * special.stdtr(difference.df, -away / difference.se)) if difference.se > 0 else math.nan


def adjusted_p(local: float, analysis: stats.Curve) -> float:
    """Family-wise p of a p value of one comparison: Sidak's with as many tests as match the curve's own levels.

    It is exact at the level of the curve, so it decides as the simultaneous intervals do.
    """
    tests = math.log1p(-analysis.alpha) / math.log1p(-analysis.local_level)
    return float(-math.expm1(tests * math.log1p(-min(local, 1 - 1e-12))))


def item_p_values(cells: stats.Cells, base: int) -> dict[int, float]:
    """Two-sided p of each arm against the base for these trained models on other test items (cluster-robust t test)."""
    forms, df = comparison_forms(cells.present, base), float(cells.clusters.df)
    found = {}
    for arm, weights, seeds in zip(forms.others, forms.weights, forms.seeds, strict=True):
        if seeds > 0 and df == df:
            variance, value = float(weights @ cells.covariance @ weights), float(weights @ cells.flat)
            alike = variance < 1e-18  # no cluster differs
            found[arm] = 1.0 if alike else float(2 * special.stdtr(df, -abs(value) / np.sqrt(variance)))
    return found


def _counts(curve: CurveCells, metric: str, share: float) -> dict[str, Any]:
    cells = curve.cells[curve.cells["synth_frac"] == share].drop_duplicates("seed")
    counts = {"n_human": cells["n_human"].mean(), "n_synthetic": cells["n_synthetic"].mean(), "seeds": len(cells)}
    values = cells[metric].dropna().astype(float) if metric in cells else pd.Series(dtype=float)
    found = stats.over_seeds(values.to_numpy()) if len(values) else None
    score = {} if found is None else {"mean": found.value, "low": found.low, "high": found.high}
    return {"synth_frac": share, **counts, **score}


def _score(analysis: stats.Curve, arm: int) -> dict[str, Any]:
    score, parts = analysis.scores[arm], analysis.parts
    row = {"mean": score.value, "low": score.low, "high": score.high, "items": score.items}
    return row | {"clusters": parts.clusters, "icc": parts.icc, "effective_items": parts.effective_items}


def _difference(analysis: stats.Curve, arm: int) -> dict[str, Any]:
    found = analysis.differences[arm]
    if found is None or not found.interval.seeds:
        return {}
    change, relative = found.interval, found.relative
    loss = unadjusted_p(change, change.value + found.delta) if change.value > -found.delta else 1.0
    return {
        "change": change.value,
        "change_low": change.low,
        "change_high": change.high,
        "relative": relative.value,
        "relative_low": relative.low,
        "relative_high": relative.high,
        "p": unadjusted_p(change) if found.of_seeds else None,
        "p_holm": found.p,
        "smallest_detectable": found.detectable,
        "at_most": adjusted_p(loss, analysis) if change.known else None,
        "shown": found.loss_below_delta,
        "pairs": change.seeds,
    }


def _verdict(
    analysis: stats.Curve, arm: int, shares: Sequence[float], warnings: Sequence[CurveWarning]
) -> dict[str, Any]:
    found = analysis.differences[arm]
    if found is None:
        return {}
    reasons = withheld_because(warnings, shares[arm], shares[analysis.base])
    told = "; ".join(dict.fromkeys(warning.kind.value for warning in reasons))
    return {"verdict": WITHHELD if reasons else VERDICTS[found.verdict], "withheld_because": told or None}
