"""The table of a replacement curve: a row per synthetic share with its score and its comparison with the smallest one.

In: the cells of a curve and the analysis of its scores. Out: a frame. All numbers of a row come from one model, so
verdict, interval, adjusted p and detectable difference agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from littlehuman import stats
from littlehuman.stats import model
from littlehuman.stats.layout import comparison_forms
from littlehuman.stats.multiplicity import family_p
from littlehuman.stats.tails import Known, two_sided
from littlehuman.study.comparisons import CurveCells, interval_over_seeds
from littlehuman.study.curve_warnings import CurveWarning

COLUMNS = (
    *("synth_frac", "n_human", "n_synthetic", "seeds", "items", "mean", "low", "high"),
    *("change", "change_low", "change_high", "relative", "relative_low", "relative_high"),
    *("p", "p_items", "p_holm", "smallest_detectable", "at_most", "shown", "pairs"),
    *("verdict", "withheld_because", "clusters", "icc", "effective_items", "power_at_delta"),
)
WITHHELD = "withheld"


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
    `p` (new seeds and items, this comparison alone), `p_items` (these trained models on other test items), `p_holm`
    (adjusted for all shares of the curve by the single-step test that the intervals invert; the name is kept from when
    it was Holm's), `smallest_detectable` (true difference found in 80 % of studies at the level that decides),
    `at_most` (adjusted p of "loses delta or more"), `shown` (whether the interval rules such a loss out), `pairs`
    (seeds that both shares have); `verdict` (worse, better, equal within delta, unknown, withheld) and
    `withheld_because`; `clusters` of test items, their intra-cluster correlation `icc`, and `effective_items`;
    `power_at_delta`: the chance that a true difference of delta is found. Metrics without scores of items have means
    alone.
    """
    tests = {} if cells is None or analysis is None else p_values(cells, analysis)
    rows = []
    wanted = ["synth_frac", "seed", "n_human", "n_synthetic", *([metric] if metric in curve.cells else [])]
    runs = curve.cells[wanted].drop_duplicates(["synth_frac", "seed"])
    for share in curve.fractions:
        row = _counts(runs[runs["synth_frac"] == share], metric, share)
        if analysis is not None and share in shares:
            arm = list(shares).index(share)
            row |= _score(analysis, arm) | _difference(analysis, arm) | tests.get(arm, {})
            row |= _verdict(analysis, arm, shares, warnings)
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def withheld_because(warnings: Sequence[CurveWarning], *shares: float) -> tuple[CurveWarning, ...]:
    """Warnings for which a comparison of these shares of the curve has no verdict."""
    return tuple(w for w in warnings if w.withholds and (w.share is None or w.share in shares))


def p_values(cells: stats.Cells, analysis: stats.Curve) -> dict[int, dict[str, float | None]]:
    """`p`, `p_items` and `at_most` (see `curve_table`) of each arm against the base."""
    family = model.compare(cells, analysis.alpha, analysis.base)
    rows, usable = family.rows, family.usable
    alone = two_sided(rows, np.abs(rows.value))
    loss = two_sided(rows, np.abs(rows.value + analysis.delta))
    loss[usable] = family_p(loss[usable], family.loadings)
    found: dict[int, dict[str, float | None]] = {}
    for at, arm in enumerate(comparison_forms(cells.present, analysis.base).others):
        if usable[at] and np.isfinite(alone[at]):
            lost = float(loss[at]) if rows.value[at] > -analysis.delta else 1.0
            of_seeds = bool(np.isfinite(rows.df_seeds[at]))
            found[arm] = {"p": float(alone[at]) if of_seeds else None, "p_items": item_p(rows, at), "at_most": lost}
    return found


def item_p(rows: Known, at: int) -> float:
    """Two-sided p of one comparison for these trained models on other test items (cluster-robust t test)."""
    if rows.by_items[at] < model.NO_VARIANCE:
        return 1.0  # no cluster differs
    return float(2 * special.stdtr(rows.df_items[at], -abs(rows.value[at]) / np.sqrt(rows.by_items[at])))


def _counts(cells: pd.DataFrame, metric: str, share: float) -> dict[str, Any]:
    counts = {"n_human": cells["n_human"].mean(), "n_synthetic": cells["n_synthetic"].mean(), "seeds": len(cells)}
    found = interval_over_seeds(cells, metric)
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
    return {
        "change": change.value,
        "change_low": change.low,
        "change_high": change.high,
        "relative": relative.value,
        "relative_low": relative.low,
        "relative_high": relative.high,
        "p_holm": found.p,
        "smallest_detectable": found.detectable,
        "power_at_delta": found.power,
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
    causes = "; ".join(dict.fromkeys(warning.kind.value for warning in reasons))
    return {"verdict": WITHHELD if reasons else found.verdict.value, "withheld_because": causes or None}
