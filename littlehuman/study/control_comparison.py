"""What the twins of a mixture add to its human points: each mixture against the same human points alone.

In: replacement curves and their controls. Out: a frame, a row per curve and share that both have. The variances come
from one model of both curves; the comparisons of a curve are one family (Bonferroni: each share has a base of its own).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from littlehuman import stats
from littlehuman.stats import model
from littlehuman.stats.curve import detectable, power_at, verdict
from littlehuman.stats.tails import Known, half_width, two_sided
from littlehuman.study.curve_table import WITHHELD, item_p, withheld_because
from littlehuman.study.curve_warnings import CurveWarning, WarningKind
from littlehuman.study.item_scores import ItemScores, cells_of
from littlehuman.study.replacement import ReplacementCurve


def compare_with_controls(curves: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve]) -> pd.DataFrame:
    """One row per curve and share above 0 that has a control on shared seeds; empty where there is none.

    Columns: `line` (the curve's name), `facet`, `label`, `synth_frac`, `n_human`, `n_synthetic`, `seeds` (that both
    have), `mixture` and `alone` (scores), `change` with its simultaneous interval, `p`, `p_items`, `p_holm` (adjusted
    for all rows of the curve), `smallest_detectable`, `power_at_delta`, `verdict`, `withheld_because`.
    """
    rows = [
        row
        for curve in curves
        for control in controls
        if _comparable(curve, control)
        for row in _of_curve(curve, control)
    ]
    return pd.DataFrame(rows)


def _comparable(curve: ReplacementCurve, control: ReplacementCurve) -> bool:
    """Whether a control has the human points of this curve: its cells serve the curve's series."""
    return curve.facet == control.facet and not set(curve.curve.series.cells["cell"]).isdisjoint(
        control.curve.cells["cell"]
    )


def _of_curve(curve: ReplacementCurve, control: ReplacementCurve) -> Iterator[dict[str, Any]]:
    if curve.statistics is None or control.statistics is None or curve.analysis is None:
        return
    mixed, alone = curve.statistics.scores, control.statistics.scores
    shares = [share for share in mixed.arms if share in alone.arms and share > 0]
    both = _joined(mixed, alone)
    if not shares or both is None:
        return
    scores, kept = both
    cells = cells_of(scores, curve.statistics.clusters.labels[kept], curve.metric)
    for share in shares:
        arm, base = mixed.arms.index(share), len(mixed.arms) + alone.arms.index(share)
        rows, at = model.compare(cells, curve.analysis.alpha, base).rows, arm  # the base is a later arm
        if np.isfinite(rows.seeds[at]) and np.isfinite(rows.variance[at]):
            yield _counts(curve, control, share) | _test(
                rows.only(at), curve.analysis, len(shares), _withheld(curve, control, share)
            )


def _joined(mixed: ItemScores, alone: ItemScores) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores `[arms of both, seeds, items]` on shared items, and which of the curve's items these are."""
    place = {item: at for at, item in enumerate(alone.items)}
    kept = np.array([item in place for item in mixed.items])
    if not kept.any():
        return None
    theirs = [place[item] for item in mixed.items if item in place]
    seeds = sorted({*mixed.seeds, *alone.seeds})
    parts = []
    for one, items in ((mixed, np.flatnonzero(kept)), (alone, np.array(theirs))):
        part = np.full((len(one.arms), len(seeds), len(items), *one.scores.shape[3:]), np.nan)
        part[:, [seeds.index(seed) for seed in one.seeds]] = one.scores[:, :, items]
        parts.append(part)
    return np.concatenate(parts), kept


def _counts(curve: ReplacementCurve, control: ReplacementCurve, share: float) -> dict[str, Any]:
    row = curve.table[curve.table["synth_frac"] == share].iloc[0]
    return {
        "line": curve.curve.name,
        "facet": curve.facet,
        "label": curve.label,
        "synth_frac": share,
        "n_human": row["n_human"],
        "n_synthetic": row["n_synthetic"],
        "mixture": row["mean"],
        "alone": control.table.loc[control.table["synth_frac"] == share, "mean"].iloc[0],
    }


def _test(row: Known, analysis: stats.Curve, count: int, withheld: Sequence[CurveWarning]) -> dict[str, Any]:
    """One comparison of a family of `count`."""
    local = analysis.alpha / count
    value, half = float(row.value[0]), float(half_width(row, np.asarray(local))[0])
    p, of_seeds = float(two_sided(row, np.abs(row.value))[0]), bool(np.isfinite(row.df_seeds[0]))
    interval = stats.Interval(value, value - half, value + half, seeds=int(row.seeds[0]), level=1 - analysis.alpha)
    se = float(row.se[0])
    df = float(special.stdtridf(1 - local / 2, half / se))
    decided = verdict(interval, analysis.delta) if of_seeds else stats.Verdict.UNKNOWN
    return {
        "seeds": interval.seeds,
        "change": value,
        "change_low": interval.low,
        "change_high": interval.high,
        "p": p if of_seeds else None,
        "p_items": item_p(row, 0),
        "p_holm": min(p * count, 1.0),
        "smallest_detectable": detectable(se, df, local),
        "power_at_delta": power_at(analysis.delta, se, df, local),
        "verdict": WITHHELD if withheld else decided.value,
        "withheld_because": "; ".join(dict.fromkeys(warning.kind.value for warning in withheld)) or None,
    }


def _withheld(curve: ReplacementCurve, control: ReplacementCurve, share: float) -> list[CurveWarning]:
    """Warnings about either side; that a control learnt nothing is what twins may mend."""
    alone = withheld_because(control.warnings, share)
    return [
        *withheld_because(curve.warnings, share),
        *(warning for warning in alone if warning.kind is not WarningKind.NOTHING_LEARNT),
    ]
