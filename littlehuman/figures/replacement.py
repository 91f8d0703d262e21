"""Score over the synthetic share of the training set: the paper's Figures 1 and 2.

In: replacement curves. Out: one facet per dataset and size: scores above, change against the smallest share below;
and `zoom`, the same for the last tenth with room between its points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman import cli, formatting
from littlehuman.errors import DataError
from littlehuman.figures import panels, style, text_layout
from littlehuman.figures.panels import FacetStyle, Shares
from littlehuman.study.curve_table import WITHHELD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.study.replacement import ReplacementCurve

LAST_TENTH = 0.9
NOTHING = (
    "nothing to draw: there is no curve over the synthetic share\nTry: two or more values of synth_frac, such as: "
)
_HEIGHTS = (1.95, 1.45)  # inches of the two panels
_WIDE = 2.0  # inches of axes that have room for seven tick labels


def replacement(lines: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve], delta: float) -> Figure:
    """Two panels per facet, at most four facets a row; conditions without any result are crosses on the axis.

    Args:
        lines: the curves, one or more per facet.
        controls: the human points of the mixtures alone, drawn in grey dashes.
        delta: the margin, as a share of 1; a grey band in the lower panels.

    Raises:
        DataError: when there are no lines.
    """
    if not lines:
        raise DataError(NOTHING + cli.sweep_command(["experiment=replacement"]))
    return _draw(lines, controls, delta, Shares(lambda fractions: [100 * float(f) for f in fractions], _share_axis))


def zoom(lines: Sequence[ReplacementCurve], delta: float) -> Figure | None:
    """The shares from 90 % on, evenly spaced and with their human points; None where no line has two of them."""
    kept = [
        replace(line, missing=tuple(_late(line.missing))) for line in lines if len(_late(line.table["synth_frac"])) > 1
    ]
    if not kept:
        return None
    fractions = sorted({f for line in kept for f in (*_late(line.table["synth_frac"]), *line.missing)})
    place = {fraction: float(i) for i, fraction in enumerate(fractions)}

    def label(axes: Axes, lines: Sequence[ReplacementCurve]) -> None:
        human = {
            float(f): n for line in lines for f, n in zip(line.table["synth_frac"], line.table["n_human"], strict=True)
        }
        names = [f"{formatting.share(f)}\n{formatting.count(human.get(f))}" for f in fractions]
        axes.set_xticks(list(place.values()), names, fontsize=8 if len(fractions) < 5 else 7.5)
        axes.set_xlim(-0.4, len(fractions) - 0.6)
        axes.set_xlabel("synthetic share, human points")

    shares = Shares(
        lambda fractions: [place.get(float(f), math.nan) for f in fractions], label, LAST_TENTH, most=2, dodge=0.06
    )
    return _draw(kept, [], delta, shares)


def _late(fractions: Iterable[float]) -> list[float]:
    return [float(f) for f in fractions if f >= LAST_TENTH]


def _draw(
    lines: Sequence[ReplacementCurve], controls: Sequence[ReplacementCurve], delta: float, shares: Shares
) -> Figure:
    facets = list(dict.fromkeys(line.facet for line in lines))
    common = FacetStyle(
        shares,
        delta,
        {label: style.of_series(i) for i, label in enumerate(dict.fromkeys(line.label for line in lines))},
    )
    several = len({line.metric for line in lines}) > 1
    with style.look():
        figure, pairs, columns = _empty_figure(len(facets), shares.most)
        handles: dict[str, Any] = {}
        for nth, (facet, pair) in enumerate(zip(facets, pairs, strict=True)):
            mine, alone = ([line for line in group if line.facet == facet] for group in (lines, controls))
            handles |= panels.facet(pair, mine, alone, common)
            if several or nth % columns == 0:
                panels.label_scores(pair, mine[0].metric)
        for floor in [name for name in panels.FLOORS if name in handles]:
            handles[floor] = handles.pop(floor)  # after all curves
        text_layout.finish(figure, handles, caption(lines, delta, shares.start))
    return figure


def _empty_figure(facets: int, most: int) -> tuple[Figure, list[panels.Pair], int]:
    """An empty figure, its pairs of panels in reading order, and how many stand in a row."""
    rows, columns = style.shape(facets, most)
    figure = style.blank(style.WIDTH if columns > 1 else style.ALONE, rows * sum(_HEIGHTS) + 0.9)
    axes = figure.subplots(2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": list(_HEIGHTS) * rows})
    pairs = [(axes[2 * row][column], axes[2 * row + 1][column]) for row, column in style.grid_places(rows, columns)]
    for upper, lower in pairs[facets:]:
        upper.remove()
        lower.remove()
    return figure, pairs[:facets], columns


def _share_axis(axes: Axes, lines: Sequence[ReplacementCurve]) -> None:
    """Shares in percent; where shares lie between 90 and 100 %, this tenth takes 40 % of the axis."""
    stretched = _stretches(lines)
    if stretched:
        axes.set_xscale("function", functions=(_stretch, _shrink))
        axes.axvline(100 * LAST_TENTH, color="#bbbbbb", linewidth=0.6, zorder=0)
    wide = text_layout.room(axes) > _WIDE
    few = [0, 50, 90, 100] if stretched else [0, 25, 50, 75, 100]
    axes.set_xticks([0, 25, 50, 75, 90, 95, 100] if stretched and wide else few)
    axes.set_xticks([], minor=True)
    axes.set_xlim(-4, 101.5 if stretched else 104)
    axes.set_xlabel("synthetic share (%)")


def _stretches(lines: Sequence[ReplacementCurve]) -> bool:
    return any(LAST_TENTH < f < 1 for line in lines for f in line.table["synth_frac"])


def _stretch(percent: Any) -> Any:
    """Place on an axis from 0 to 100 on which the percents from 90 on have 40 places."""
    x = np.asarray(percent, dtype=float)
    return np.where(x < 90, x * 60 / 90, 60 + (x - 90) * 4)


def _shrink(place: Any) -> Any:
    y = np.asarray(place, dtype=float)
    return np.where(y < 60, y * 90 / 60, 90 + (y - 60) / 4)


def caption(lines: Sequence[ReplacementCurve], delta: float, start: float = 0.0) -> str:
    """Protocol, seeds, and what bars, hollow points, band, dots and crosses mean, for shares from `start` on."""
    parts = [f"protocol {', '.join(sorted({line.protocol for line in lines}))}", *_over(lines, start)]
    parts.append(
        "lower panels: change in percentage points against the smallest synthetic share, paired by seed; "
        f"its bars hold for all shares at once; grey band: within {100 * delta:g} percentage points"
    )
    if levels := sorted({f"{100 * (1 - line.blocks.level):.1f} %" for line in lines if line.blocks}):
        parts.append(f"bars of changes at {' or '.join(levels)} where looks were fixed")
    if any(line.seeds[-1] > 1 for line in lines):
        parts.append("small dots: single seeds")
    if not start and _stretches(lines):
        parts.append("the x axis is stretched from 90 % on")
    if any(line.table["verdict"].eq(WITHHELD).any() for line in lines):
        parts.append("ringed: no verdict rests on these runs")
    if any(line.missing for line in lines):
        parts.append("crosses: no run is complete there")
    return "; ".join(parts)


def _over(lines: Sequence[ReplacementCurve], start: float) -> list[str]:
    """What the points are means of, and what their bars are."""
    seeds, fewer = set[int](), False
    for line in lines:
        for changes in (False, True):
            behind = panels.seeds_behind(line, changes=changes)[line.table["synth_frac"] >= start]
            seeds |= {int(n) for n in behind}
            fewer |= bool((behind < line.table["seeds"].max()).any())
    if seeds == {1} and not fewer:
        return ["one seed", "bars: 95 % interval over test items alone"]
    said = [f"mean of {formatting.span(min(seeds), max(seeds))} seeds", "bars: 95 % interval over seeds and test items"]
    if fewer:
        said.append("hollow: fewer seeds")
    return [*said, "of one seed the bar is over test items alone"] if 1 in seeds else said
