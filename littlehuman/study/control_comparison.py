"""What the twins of a mixture add to its human points: each mixture against the same human points alone.

In: replacement curves and their controls. Out: a frame, a row per curve and share that both have. The variances come from
one model of both curves; the comparisons of a curve are one family (Bonferroni, each share has a base of its own).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from littlehuman import stats
from littlehuman.stats.curve import detectable, verdict
from littlehuman.study.curve_table import VERDICTS, WITHHELD, item_p_values, unadjusted_p
from littlehuman.study.item_scores import ItemScores
from littlehuman.study.replacement import ReplacementCurve


def compare_with_controls(curves: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve]) -> pd.DataFrame:
    """One row per curve and share above 0 that has a control on shared seeds; empty where there is none.

    Columns: `line` (the curve's name), `facet`, `label`, `synth_frac`, `n_human`, `n_synthetic`, `seeds` (that both have), `mixture` and
    `alone` (scores), `change` with its simultaneous interval, `p`, `p_items`, `p_holm` (adjusted for all rows of the
    curve), `smallest_detectable`, `verdict`, `withheld_because`.
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
    cells = stats.cells_of(scores, curve.statistics.clusters.labels[kept])
    for share in shares:
        arm, base = mixed.arms.index(share), len(mixed.arms) + alone.arms.index(share)
        found = stats.of_cells(cells, base=base, delta=curve.analysis.delta).differences[arm]
        if found is not None and found.interval.seeds:
            row = _row(curve, control, share, found, curve.analysis.alpha / len(shares))
            yield row | {"p_items": item_p_values(cells, base).get(arm)}


def _joined(mixed: ItemScores, alone: ItemScores) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores `[arms of both, seeds, items]` on shared items, and which items of the curve these are; None where none are shared."""
    place = {item: at for at, item in enumerate(alone.items)}
    kept = np.array([item in place for item in mixed.items])
    if not kept.any():
        return None
    theirs = [place[item] for item in mixed.items if item in place]
    seeds = sorted({*mixed.seeds, *alone.seeds})
    parts = []
    for one, items in ((mixed, np.flatnonzero(kept)), (alone, np.array(theirs))):
        part = np.full((len(one.arms), len(seeds), len(items)), np.nan)
        part[:, [seeds.index(seed) for seed in one.seeds]] = one.scores[..., items]
        parts.append(part)
    return np.concatenate(parts), kept


def _row(
    curve: ReplacementCurve, control: ReplacementCurve, share: float, found: stats.Difference, local: float
) -> dict[str, Any]:
    row = curve.table[curve.table["synth_frac"] == share].iloc[0]
    human = control.table[control.table["synth_frac"] == share].iloc[0]
    change = found.interval
    half = -float(special.stdtrit(change.df, local / 2)) * change.se if change.known else math.nan
    interval = stats.Interval(
        change.value, change.value - half, change.value + half, change.se, change.df, change.seeds, change.items
    )
    p = unadjusted_p(change) if change.known else None
    told = verdict(interval, found.delta) if found.of_seeds else stats.Verdict.UNKNOWN
    reasons = [
        w
        for one in (curve, control)
        for w in one.warnings
        if w.withholds and (w.share is None and one is curve or w.share == share)
    ]
    return {
        "line": curve.curve.name,
        "facet": curve.facet,
        "label": curve.label,
        "synth_frac": share,
        "n_human": row["n_human"],
        "n_synthetic": row["n_synthetic"],
        "seeds": change.seeds,
        "mixture": row["mean"],
        "alone": human["mean"],
        "change": change.value,
        "change_low": interval.low,
        "change_high": interval.high,
        "p": p if found.of_seeds else None,
        "p_items": None,
        "p_holm": None if p is None else min(p * (1 - change.level) / local, 1.0),
        "smallest_detectable": detectable(change.se, change.df, local) if change.known else None,
        "verdict": WITHHELD if reasons else VERDICTS[told],
        "withheld_because": "; ".join(dict.fromkeys(w.kind.value for w in reasons)) or None,
    }
