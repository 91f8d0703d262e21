"""The replacement curves of a study, each with its statistics.

In: the frame of `results.load`. Out: a `Line` per curve, those of the human points alone beside them,
and what the twins add to those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from littlehuman import stats
from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.study import comparisons, item_scores
from littlehuman.study.comparisons import CurveCells
from littlehuman.study.series import Series

COLUMNS = (
    *("synth_frac", "n_human", "n_synthetic", "seeds", "items", "mean", "low", "high"),
    *("change", "change_low", "change_high", "relative", "relative_low", "relative_high"),
    *("p", "p_items", "p_holm", "smallest_detectable", "at_most", "shown", "pairs"),
)


@dataclass(frozen=True, eq=False)
class ReplacementCurve:
    """One curve over the synthetic fraction: `table` is `comparisons.along`, `gaps` the fractions without any result."""

    label: str
    curve: CurveCells
    metric: str
    table: pd.DataFrame
    gaps: tuple[float, ...] = ()

    @property
    def place(self) -> str:
        """What is trained and tested on: lines of one place are drawn together."""
        return self.curve.series.place

    @property
    def facet(self) -> tuple[str, int, str]:
        """Place, size and metric: lines that share them are comparable."""
        return self.place, self.curve.n_train, self.metric

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return self.curve.series.protocol

    @property
    def floor(self) -> float | None:
        """Accuracy of always saying the commonest label; None for other metrics."""
        cells = self.curve.cells
        if self.metric != "accuracy" or "majority" not in cells or not cells["majority"].notna().any():
            return None
        return float(cells["majority"].astype(float).mean())

    @property
    def learnt(self) -> bool:
        """Whether it is shown at any share that more was learnt than which label is the commonest."""
        return self.floor is None or bool((self.table["low"].astype(float) > self.floor).any())

    @property
    def seeds(self) -> list[int]:
        """Numbers of seeds that stand behind its points."""
        return sorted({int(n) for n in self.table["seeds"]})


def curves_of_study(
    frame: pd.DataFrame, metric: str | None, delta: float, *, control: bool = False
) -> tuple[ReplacementCurve, ...]:
    """The replacement curves of a study with their statistics; controls that several series share come once."""
    seen, lines = set(), []
    for curve in comparisons.replacement_curves(frame, control=control):
        cells = frozenset(curve.cells["cell"])
        if cells not in seen:
            seen.add(cells)
            name = metric if metric and _has(curve.series, metric) else curve.series.metric
            table = comparisons.along(curve, metric=name, delta=delta).reindex(columns=list(COLUMNS))
            lines.append(ReplacementCurve(_label(curve), curve, name, table, _gaps(curve)))
    return tuple(lines)


def added(lines: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve]) -> pd.DataFrame:
    """What twins add to the human points that a mixture has anyway: one row per line and fraction with both."""
    rows = [
        row for line in lines for control in controls if _comparable(line, control) for row in _added(line, control)
    ]
    table = pd.DataFrame(rows)
    if not table.empty:
        chosen = [None if pd.isna(p) else float(p) for p in table["p"].where(table["p"].notna(), table["p_items"])]
        table["p_holm"] = stats.holm(chosen)
    return table


def _added(line: ReplacementCurve, control: ReplacementCurve) -> Iterator[dict[str, Any]]:
    for fraction in line.curve.fractions:
        if fraction not in control.curve.fractions or fraction == 0:
            continue
        both, alone = line.curve.sheet(fraction, line.metric), control.curve.sheet(fraction, line.metric)
        if both is None or alone is None or set(both.seeds).isdisjoint(alone.seeds):
            continue
        found = stats.compare(*item_scores.paired(both, alone))
        row = line.table[line.table["synth_frac"] == fraction].iloc[0]
        human = float(control.table.loc[control.table["synth_frac"] == fraction, "mean"].iloc[0])
        yield {
            "line": line.curve.name,
            "facet": line.facet,
            "label": line.label,
            "synth_frac": fraction,
            "n_human": row["n_human"],
            "n_synthetic": row["n_synthetic"],
            "seeds": found.difference.seeds,
            "mixture": row["mean"],
            "alone": human,
            "change": found.difference.value,
            "change_low": found.difference.low,
            "change_high": found.difference.high,
            "p": found.p,
            "p_items": found.p_items,
        }


def _comparable(line: ReplacementCurve, control: ReplacementCurve) -> bool:
    """Whether a control has the human points of this line: its cells serve the line's series."""
    return line.facet == control.facet and not set(line.curve.series.cells["cell"]).isdisjoint(
        control.curve.cells["cell"]
    )


def _label(curve: CurveCells) -> str:
    """The series' name without what its facet says anyway; a lone series is told by who wrote its twins."""
    told = ", ".join(parts := curve.series.name.split(", ")[1:])
    if curve.control:  # whoever would have written the twins has no part in it
        kept = [part for part in parts if not _is_of_twins(part, curve)]
        return f"human points alone ({', '.join(kept)})" if kept else "human points alone"
    if told or "prompt_model" not in curve.cells:
        return told or "synthetic"
    return f"twins by {', '.join(sorted({str(name) for name in curve.cells['prompt_model'].dropna()}))}"


def _is_of_twins(part: str, curve: CurveCells) -> bool:
    """Whether a part of a series' name tells how twins are written: `twins by x`, `few_shot`, `strategy.seed=1`."""
    names = {str(value) for group in TWIN_GROUPS for value in curve.series.cells[group].dropna()}
    return part.removeprefix("twins by ").removeprefix("filter ") in names or part.split(".")[0] in TWIN_GROUPS


def _gaps(curve: CurveCells) -> tuple[float, ...]:
    """Fractions that were begun, and of which no cell is complete."""
    cells = curve.series.cells
    begun = cells[
        (cells["n_train"] == curve.n_train) & (cells["extra_human"] == 0) & (cells["synthetic"] != curve.control)
    ]
    return tuple(sorted({float(f) for f in begun["synth_frac"]} - set(curve.fractions)))


def _has(series: Series, metric: str) -> bool:
    return metric in series.complete and bool(series.complete[metric].notna().any())
