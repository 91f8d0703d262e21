"""What the cells of a study say about each other: means over seeds, and paired differences.

In: the frame of `results.load`. Out: tables (one row per condition) with two-level intervals, and
for each replacement curve the comparison of every fraction with the smallest one: difference,
relative change, tests, smallest detectable effect, and whether the loss is at most `delta`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from littlehuman import stats
from littlehuman.study import item_scores
from littlehuman.study.item_scores import ScoreMatrix
from littlehuman.study.series import Series, split

DELTA = 0.02
CONDITION = ["n_train", "extra_human", "synthetic", "synth_frac"]


@dataclass(frozen=True)
class CurveCells:
    """Complete cells of one series that differ in the fraction and the seed alone."""

    name: str
    series: Series
    n_train: int
    cells: pd.DataFrame
    control: bool = False  # the human points of the mixtures alone

    @property
    def fractions(self) -> list[float]:
        """Fractions that have at least one complete cell, ascending."""
        return sorted({float(value) for value in self.cells["synth_frac"]})

    def sheet(self, fraction: float, metric: str | None = None) -> ScoreMatrix | None:
        """Item scores at one fraction, one row per seed."""
        return item_scores.score_matrix(self.cells[self.cells["synth_frac"] == fraction], metric or self.series.metric)


def replacement_curves(frame: pd.DataFrame, *, control: bool = False) -> list[CurveCells]:
    """Curves of score over the synthetic fraction, one per series and size, that have two fractions or more.

    With `control` those of the human points alone (`synthetic=false`); both share their cells at fraction 0.
    """
    return [curve for series in split(frame) for curve in _curves(series, control) if len(curve.fractions) > 1]


def _curves(series: Series, control: bool) -> Iterator[CurveCells]:
    cells = series.complete
    cells = cells[cells["extra_human"] == 0]
    wanted = cells[(cells["synthetic"] != control) | (cells["synth_frac"] == 0)]
    several = cells["n_train"].nunique() > 1
    for size, same in wanted.groupby("n_train", sort=True):
        if size and (same["synthetic"] != control).any() and (control or not same["twinless"].all()):
            name = f"{series.name}, n={int(size)}" if several else series.name
            yield CurveCells(name, series, int(size), same, control)


def along(
    curve: CurveCells, *, metric: str | None = None, base: float | None = None, delta: float = DELTA
) -> pd.DataFrame:
    """One row per fraction: mean with interval, and the comparison with `base` (default: the smallest fraction).

    Columns: `synth_frac`, `n_human`, `n_synthetic`, `seeds`, `items`, `mean`, `low`, `high`;
    `change`, `relative` (each with `_low`, `_high`), `p` (seeds and items), `p_items` (other test items,
    these trained models), `p_holm` (over the rows of this table), `smallest_detectable`, `at_most` (p of
    "loses at most delta"), `shown`, `pairs` (seeds that both have). All scores in 0..1. Metrics without item scores have means alone.
    """
    fractions = curve.fractions
    base = fractions[0] if base is None else base
    ground = curve.sheet(base, metric)
    rows = [
        _at(curve, fraction, metric) | _against(curve.sheet(fraction, metric), ground, delta, fraction == base)
        for fraction in fractions
    ]
    table = pd.DataFrame(rows)
    chosen = [row.get("p") if row.get("p") is not None else row.get("p_items") for row in rows]
    table.insert(len(table.columns), "p_holm", stats.holm(chosen))
    return table


def over_seeds(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Results over seeds: one row per condition of a series, with mean and 95 % interval of each metric.

    The interval is for new seeds and new test items; with one seed for new test items alone (see `seeds`);
    of metrics without item scores (corpus BLEU, macro F1) over seeds alone, and none with one seed.
    """
    rows = []
    for series in split(frame):
        names = list(metrics or _metrics(series.complete))
        for key, cells in series.complete.groupby(CONDITION, sort=True):
            one = cells.drop_duplicates("seed")
            row = {"series": series.name, "protocol": series.protocol, **dict(zip(CONDITION, key, strict=True))}
            row |= {"seeds": len(one), "n_human": one["n_human"].mean(), "n_synthetic": one["n_synthetic"].mean()}
            for name in names:
                row |= _mean(one, name)
            rows.append(row | {"usd": one["usd"].sum(), "seconds": one["seconds"].sum()})
    return pd.DataFrame(rows)


def _at(curve: CurveCells, fraction: float, metric: str | None) -> dict[str, Any]:
    cells = curve.cells[curve.cells["synth_frac"] == fraction].drop_duplicates("seed")
    name = metric or curve.series.metric
    mean = {key.removeprefix(f"{name}_") if key != name else "mean": value for key, value in _mean(cells, name).items()}
    return {
        "synth_frac": fraction,
        "n_human": cells["n_human"].mean(),
        "n_synthetic": cells["n_synthetic"].mean(),
        "seeds": len(cells),
        **mean,
    }


def _against(new: ScoreMatrix | None, base: ScoreMatrix | None, delta: float, itself: bool) -> dict[str, Any]:
    if new is None or base is None or itself or not set(new.seeds) & set(base.seeds):
        return {}
    scores, ground = item_scores.paired(new, base)
    found, relative = stats.compare(scores, ground), stats.relative_change(scores, ground)
    loss = stats.at_most(scores, ground, delta)
    return {
        "change": found.difference.value,
        "change_low": found.difference.low,
        "change_high": found.difference.high,
        "relative": relative.value,
        "relative_low": relative.low,
        "relative_high": relative.high,
        "p": found.p,
        "p_items": found.p_items,
        "smallest_detectable": found.smallest_detectable,
        "at_most": loss.p,
        "shown": loss.shown,
        "pairs": len(scores),
    }


def _mean(cells: pd.DataFrame, metric: str) -> dict[str, Any]:
    sheet = item_scores.score_matrix(cells, metric)
    if sheet is not None:
        found = stats.two_level(sheet.scores)
        return {metric: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high, "items": found.items}
    values = cells[metric].dropna().astype(float) if metric in cells else pd.Series(dtype=float)
    if len(values) < 2:
        return {metric: values.mean() if len(values) else None, f"{metric}_low": None, f"{metric}_high": None}
    found = stats.over_seeds(values.to_numpy())
    return {metric: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high}


def _metrics(cells: pd.DataFrame) -> list[str]:
    found = [c.removesuffix("_low") for c in cells.columns if c.endswith("_low") and cells[c].notna().any()]
    headline = str(cells["metric"].iloc[0])
    return sorted(found, key=lambda name: name != headline)
