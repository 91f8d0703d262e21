"""Score over the synthetic share of the training set: the paper's Figures 1 and 2.

In: lines of `reporting.lines`. Out: one facet per dataset and size: scores above, change against the
smallest share below; and `zoom`, the same for the last tenth with room between its points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman.figures import style
from littlehuman.reporting import formatting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.reporting.lines import Line

LAST_TENTH = 0.9
BANDS = 3  # lines in a facet up to which bands between the bars help more than they hide
Places = Callable[[pd.Series], list[float]]
_HEIGHTS = (1.95, 1.45)  # inches of the two panels


def replacement(lines: Sequence[Line], controls: Sequence[Line], delta: float) -> Figure:
    """Two panels per facet, at most four facets a row; conditions without any result are crosses on the axis.

    Args:
        lines: the curves, one or more per facet.
        controls: the human points of the mixtures alone, drawn in grey dashes.
        delta: the margin, as a share of 1; a dotted line where the change reaches it.
    """
    return _draw(lines, controls, delta, lambda fractions: [100 * float(f) for f in fractions], _share_axis)


def zoom(lines: Sequence[Line], delta: float) -> Figure | None:
    """The shares from 90 % on, evenly spaced and with their human points; None where no line has two of them."""
    kept = [replace(line, gaps=tuple(_late(line.gaps))) for line in lines if len(_late(line.table["synth_frac"])) > 1]
    if not kept:
        return None
    fractions = sorted({f for line in kept for f in (*_late(line.table["synth_frac"]), *line.gaps)})
    place = {fraction: float(i) for i, fraction in enumerate(fractions)}

    def label(axes: Axes, lines: Sequence[Line]) -> None:
        human = {float(f): n for line in lines for f, n in zip(line.table["synth_frac"], line.table["n_human"], strict=True)}
        names = [f"{formatting.share(f)}\n{formatting.count(human.get(f))}" for f in fractions]
        axes.set_xticks(list(place.values()), names, fontsize=8 if len(fractions) < 5 else 7.5)
        axes.set_xlim(-0.4, len(fractions) - 0.6)
        axes.set_xlabel("synthetic share, human points")

    return _draw(kept, [], delta, lambda fractions: [place.get(float(f), math.nan) for f in fractions], label, most=2, dodge=0.06)


def _late(fractions: Iterable[float]) -> list[float]:
    return [float(f) for f in fractions if f >= LAST_TENTH]


def _draw(
    lines: Sequence[Line],
    controls: Sequence[Line],
    delta: float,
    places: Places,
    label_axis: Callable[[Axes, Sequence[Line]], None],
    most: int = 4,
    dodge: float = 0.0,
) -> Figure:
    facets = list(dict.fromkeys(line.facet for line in lines))
    styles = {label: style.of_series(i) for i, label in enumerate(dict.fromkeys(line.label for line in lines))}
    rows, columns = style.shape(len(facets), most)
    with style.look():
        figure = style.blank(style.WIDTH if columns > 1 else style.ALONE, rows * sum(_HEIGHTS) + 0.9)
        axes = figure.subplots(2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": list(_HEIGHTS) * rows})
        handles: dict[str, Any] = {}
        several = len({line.metric for line in lines}) > 1
        for facet, (row, column) in zip(facets, style.grid_places(rows, columns), strict=False):
            pair = axes[2 * row][column], axes[2 * row + 1][column]
            mine = [line for line in lines if line.facet == facet]
            alone = [line for line in controls if line.facet == facet]
            handles |= _facet(pair, mine, alone, styles, places, delta, column == 0 or several, dodge)
            label_axis(pair[1], mine)
        for row, column in style.grid_places(rows, columns)[len(facets) :]:
            axes[2 * row][column].remove()
            axes[2 * row + 1][column].remove()
        style.legend(figure, handles)
        style.caption(figure, caption(lines, delta))
    return figure


def _facet(
    pair: tuple[Axes, Axes],
    lines: Sequence[Line],
    controls: Sequence[Line],
    styles: dict[str, dict[str, Any]],
    places: Places,
    delta: float,
    labelled: bool,
    dodge: float,
) -> dict[str, Any]:
    """Both panels of one dataset and size; returns the legend's handles by name."""
    upper, lower = pair
    handles, band = {}, len(lines) <= BANDS
    for line in controls:
        handles[line.label] = _control(upper, line, places)
    for nth, line in enumerate(lines):
        look, beside = styles[line.label], dodge * (nth - (len(lines) - 1) / 2)
        handles[line.label] = _line(upper, line, places, ("mean", "low", "high"), look, beside, band)
        _line(lower, line, places, ("relative", "relative_low", "relative_high"), look, beside, band)
        crosses = [x for x in places(pd.Series(line.gaps, dtype=float)) if not math.isnan(x)]
        style.cross(upper, crosses, look["color"])
    _margin(lower, lines, delta)
    metric = formatting.named(lines[0].metric)
    upper.set_title(f"{lines[0].place}, n = {formatting.count(lines[0].curve.n_train)}")
    upper.tick_params(labelbottom=False)
    upper.sharex(lower)
    if labelled:
        upper.set_ylabel(f"{metric} (%)")
        lower.set_ylabel(f"change of\n{metric} (%)")
    return handles


def _line(axes: Axes, line: Line, places: Places, columns: tuple[str, str, str], look: dict[str, Any], beside: float, band: bool) -> Any:
    """A line that breaks at gaps, caps for the interval at its points, and a light band between them."""
    x, value, low, high = _points(line, places, columns)
    x = [place + beside for place in x]
    if band:
        axes.fill_between(x, low, high, color=look["color"], alpha=0.10, linewidth=0)
    bars = [[v - a for v, a in zip(value, low, strict=True)], [b - v for v, b in zip(value, high, strict=True)]]
    axes.errorbar(x, value, yerr=bars, fmt="none", ecolor=look["color"], elinewidth=0.8, capsize=2, capthick=0.8)
    return axes.plot(x, value, **look)[0]


def _control(axes: Axes, line: Line, places: Places) -> Any:
    x, value, _, _ = _points(line, places, ("mean", "low", "high"))
    return axes.plot(x, value, color="#777777", linestyle=(0, (3, 2)), linewidth=1.2, marker=".", markersize=4)[0]


def _points(line: Line, places: Places, columns: tuple[str, str, str]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Places and percent of value, low and high; the fraction that is compared with has change 0, and gaps are NaN."""
    table = pd.concat([line.table, pd.DataFrame({"synth_frac": list(line.gaps)})]).sort_values("synth_frac")
    table = table.astype({name: float for name in columns})
    if columns[0] == "relative":
        table.loc[table["synth_frac"] == line.curve.fractions[0], list(columns)] = 0.0
    value, low, high = ([100 * float(v) for v in table[name]] for name in columns)
    x = places(table["synth_frac"])
    kept = [i for i, place in enumerate(x) if not math.isnan(place)]
    return [x[i] for i in kept], [value[i] for i in kept], [low[i] for i in kept], [high[i] for i in kept]


def _margin(axes: Axes, lines: Sequence[Line], delta: float) -> None:
    """Zero, and where the score has lost `delta` (absolute), for each different score that is compared with."""
    axes.axhline(0, color="#333333", linewidth=0.8)
    if all(line.table["relative"].isna().all() for line in lines):
        axes.text(0.5, 0.75, "no relative change can be said", transform=axes.transAxes, ha="center", color="#333333")
        axes.set_yticks([0])
    for base in sorted({round(float(line.table["mean"].iloc[0]), 4) for line in lines}):
        if base > 0:
            axes.axhline(-100 * delta / base, color="#333333", linewidth=0.8, linestyle=(0, (1, 2)))


def _share_axis(axes: Axes, lines: Sequence[Line]) -> None:
    axes.set_xlim(-4, 104)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("synthetic share (%)")


def caption(lines: Sequence[Line], delta: float) -> str:
    """Protocol, seeds, what the bars are, and what the dotted line and the crosses mean."""
    seeds = sorted({n for line in lines for n in line.seeds})
    protocols = ", ".join(sorted({line.protocol for line in lines}))
    over = (
        "one seed; bars: 95 % interval over test items alone"
        if seeds == [1]
        else f"mean of {formatting.span(seeds[0], seeds[-1])} seeds; bars: 95 % interval over seeds and test items"
    )
    parts = [f"protocol {protocols}; {over}"]
    parts.append(f"lower panels: change against the smallest synthetic share, paired; dotted: a loss of {100 * delta:g} percentage points")
    if any(line.gaps for line in lines):
        parts.append("crosses: no run of the same seeds was completed there")
    return "; ".join(parts)
