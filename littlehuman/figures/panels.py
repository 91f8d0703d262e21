"""The two panels of one dataset and size: scores above, change against the smallest synthetic share below.

In: replacement curves of one facet, and where the shares lie on the x axis. Out: drawn axes, legend handles by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman import formatting
from littlehuman.figures import style, text_layout
from littlehuman.study.curve_table import WITHHELD
from littlehuman.study.floors import FloorKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from littlehuman.study.replacement import ReplacementCurve

_BESIDE = 4  # points between a mean and the dots of its seeds
BANDS = 3  # lines in a facet up to which bands between the bars help more than they hide
FLOORS: dict[str, Any] = {  # dashes of each kind
    FloorKind.COMMONEST_LABEL.value: (0, (5, 2, 1, 2)),
    FloorKind.CONSTANT_ANSWER.value: (0, (5, 2, 1, 2)),
    FloorKind.UNTRAINED.value: (0, (1, 3)),
}
Pair = tuple["Axes", "Axes"]
WITHHELD_RING = "#b34700"
_SCORE, _CHANGE = ("mean", "low", "high"), ("change", "change_low", "change_high")


@dataclass(frozen=True)
class Shares:
    """An axis of synthetic shares: where fractions lie (NaN: not on it), and what is written below it."""

    places: Callable[[pd.Series], list[float]]
    label: Callable[[Axes, Sequence[ReplacementCurve]], None]
    start: float = 0.0  # the smallest share on it
    most: int = 4  # facets a row
    dodge: float = 0.0  # by how much lines stand beside each other, so that bars do not cover bars


@dataclass(frozen=True)
class FacetStyle:
    """What all facets of a figure share: the x axis, the margin delta (0..1), and the style of each curve's label."""

    shares: Shares
    delta: float
    looks: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _LineStyle:
    """How one curve of a facet is drawn."""

    look: dict[str, Any]
    offset: float  # along x
    band: bool


def facet(
    pair: Pair, lines: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve], common: FacetStyle
) -> dict[str, Any]:
    """Draw both panels; returns the legend's handles by name."""
    upper, lower = pair
    handles = {line.label: _control(upper, line, common) for line in controls}
    for nth, line in enumerate(lines):
        offset = common.shares.dodge * (nth - (len(lines) - 1) / 2)
        drawing = _LineStyle(common.looks[line.label], offset, len(lines) <= BANDS)
        if line.seeds[-1] > 1:
            _seeds(pair, line, common, drawing)
        handles[line.label] = _line(upper, _points(line, common, _SCORE), drawing)
        changes = _points(line, common, _CHANGE)
        _line(lower, changes, drawing)
        rings = changes[changes["withheld"]]
        lower.scatter(rings["x"] + offset, rings["value"], s=70, facecolors="none", edgecolors=WITHHELD_RING, zorder=4)
        crosses = [x for x in common.shares.places(pd.Series(line.missing, dtype=float)) if not math.isnan(x)]
        style.cross(upper, crosses, drawing.look["color"])
    for floor in sorted({(floor.kind.value, floor.value) for line in lines for floor in line.floors}):
        drawn = upper.axhline(100 * floor[1], color=text_layout.DARK, linewidth=0.9, linestyle=FLOORS[floor[0]])
        handles[floor[0]] = drawn
    _margin(lower, lines, common.delta)
    text_layout.title(upper, f"{lines[0].place}, n = {formatting.count(lines[0].curve.n_train)}")
    upper.tick_params(labelbottom=False)
    upper.sharex(lower)
    common.shares.label(lower, lines)
    return handles


def label_scores(pair: Pair, metric: str) -> None:
    """Write the metric beside both panels."""
    pair[0].set_ylabel(f"{formatting.named(metric)} (%)")
    pair[1].set_ylabel(f"change of {formatting.named(metric)}\n(percentage points)")


def seeds_behind(line: ReplacementCurve, *, changes: bool) -> pd.Series:
    """Numbers of seeds behind the scores of a line, or behind its changes: the seeds that both shares have."""
    seeds = line.table["seeds"].astype(float)
    return line.table["pairs"].astype(float).fillna(seeds) if changes else seeds


def _line(axes: Axes, points: pd.DataFrame, drawing: _LineStyle) -> Any:
    """A line that breaks at gaps, hollow where it has fewer seeds; bars for the interval, and a light band."""
    look, x = drawing.look, points["x"] + drawing.offset
    if drawing.band:
        axes.fill_between(x, points["low"], points["high"], color=look["color"], alpha=0.10, linewidth=0)
    bars = [points["value"] - points["low"], points["high"] - points["value"]]
    axes.errorbar(
        x, points["value"], yerr=bars, fmt="none", ecolor=look["color"], elinewidth=0.8, capsize=2, capthick=0.8
    )
    drawn = axes.plot(x, points["value"], **look)[0]
    if (thin := points["thin"]).any():
        axes.plot(x[thin], points["value"][thin], **{**look, "linestyle": "none"}, markerfacecolor="white", zorder=3)
    return drawn


def _control(axes: Axes, line: ReplacementCurve, common: FacetStyle) -> Any:
    points = _points(line, common, _SCORE)
    return axes.plot(
        points["x"], points["value"], color="#777777", linestyle=(0, (3, 2)), linewidth=1.2, marker=".", markersize=4
    )[0]


def _points(line: ReplacementCurve, common: FacetStyle, columns: tuple[str, str, str]) -> pd.DataFrame:
    """Place `x`, percent `value`, `low`, `high`, whether `thin` of seeds and its verdict `withheld`, along the axis.

    The fraction that is compared with has change 0, and gaps are NaN.
    """
    table = line.table[["synth_frac", "verdict", *columns]].assign(
        thin=seeds_behind(line, changes=columns == _CHANGE) < line.table["seeds"].max()
    )
    table = pd.concat([table, pd.DataFrame({"synth_frac": list(line.missing)})]).sort_values("synth_frac")
    if columns == _CHANGE:
        table.loc[table["synth_frac"] == line.curve.fractions[0], list(columns)] = 0.0
    percents = {
        name: 100 * table[column].astype(float) for name, column in zip(("value", "low", "high"), columns, strict=True)
    }
    marks = {"thin": table["thin"].eq(True), "withheld": table["verdict"].eq(WITHHELD)}
    points = pd.DataFrame({"x": common.shares.places(table["synth_frac"]), **percents, **marks})
    return points[points["x"].notna()].reset_index(drop=True)


def _margin(axes: Axes, lines: Sequence[ReplacementCurve], delta: float) -> None:
    """Zero, and the band in which a change is equal within delta."""
    axes.axhline(0, color=text_layout.DARK, linewidth=0.8)
    axes.axhspan(-100 * delta, 100 * delta, color="#999999", alpha=0.18, linewidth=0, zorder=0)
    if all(line.table["change"].isna().all() for line in lines):
        text = text_layout.wrapped("no share can be compared", text_layout.room(axes) * text_layout.SMALL)
        axes.text(0.5, 0.85, text, transform=axes.transAxes, ha="center", va="center", color=text_layout.DARK)
        axes.set_yticks([0])


def _seeds(pair: Pair, line: ReplacementCurve, common: FacetStyle, drawing: _LineStyle) -> None:
    """A small dot per seed, right of the mean: its score, and its change where it has the base too."""
    from matplotlib.transforms import ScaledTranslation

    cells = line.curve.cells[["synth_frac", "seed", line.metric]].drop_duplicates(["synth_frac", "seed"])
    scores = cells.set_index(["seed", "synth_frac"])[line.metric].astype(float)
    at_base = scores[scores.index.get_level_values("synth_frac") == line.curve.fractions[0]].droplevel("synth_frac")
    changes = scores - at_base.reindex(scores.index.get_level_values("seed")).to_numpy()
    for axes, values in zip(pair, (scores, changes), strict=True):
        x = [at + drawing.offset for at in common.shares.places(values.index.to_frame()["synth_frac"])]
        figure = axes.get_figure(root=True)
        assert figure is not None
        beside = axes.transData + ScaledTranslation(_BESIDE / 72, 0, figure.dpi_scale_trans)
        dots: dict[str, Any] = {"s": 7, "alpha": 0.55, "linewidths": 0, "zorder": 1.5, "transform": beside}
        axes.scatter(x, 100 * values, color=drawing.look["color"], **dots)
        axes.update_datalim([(a, b) for a, b in zip(x, 100 * values, strict=True) if not math.isnan(a + b)])
