"""Score over the number of human labels: measured scores with their intervals, and the fitted curve with its band.

In: learning curves of `economics.learning_curve`. Out: one facet per curve, with a logarithmic axis to twice the most
labels, and the scores that need no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman import formatting
from littlehuman.figures import style, text_layout
from littlehuman.figures.panels import FLOORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.economics.learning_curve import LearningCurve

_HEIGHT = 2.6  # inches of a facet
_MEASURED, _FITTED, _AHEAD, _RUNS = "measured, 95 % interval", "fitted curve", "beyond the most labels", "one run"


def learning_curves(curves: Sequence[LearningCurve]) -> Figure:
    """Two or three facets a row."""
    rows, columns = style.shape(len(curves), 2 if len(curves) in (2, 4) else 3)
    with style.look():
        figure = style.blank(style.WIDTH if columns > 1 else style.ALONE, _HEIGHT * rows + 0.9)
        axes = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for one, (row, column) in zip(curves, style.grid_places(rows, columns), strict=False):
            handles |= _facet(axes[row][column], one)
        for row, column in style.grid_places(rows, columns)[len(curves) :]:
            axes[row][column].remove()
        text_layout.finish(figure, handles, caption(curves))
    return figure


def _facet(axes: Axes, one: LearningCurve) -> dict[str, Any]:
    colour = style.of_series(0)["color"]
    handles = {_RUNS: _runs(axes, one), _MEASURED: _measured(axes, one, colour), **_fitted(axes, one, colour)}
    for floor in one.measured.floors:
        line = {"color": text_layout.DARK, "linewidth": 0.9, "linestyle": FLOORS[floor.kind.value]}
        handles[floor.kind.value] = axes.axhline(100 * floor.value, **line)
    axes.set_xscale("log")
    axes.set_xlim(0.8 * one.sizes[0].n_human, (2.3 if one.curve else 1.25) * one.most)
    text_layout.title(axes, one.measured.curve.name, one.why and f"no curve is drawn: {one.why}")
    axes.set_xlabel("human labels")
    axes.set_ylabel(f"{formatting.named(one.measured.metric)} (%)")
    text_layout.of_sizes(axes)
    return handles


def _runs(axes: Axes, one: LearningCurve) -> Any:
    cells = one.measured.curve.cells
    scores = 100 * cells[one.measured.metric].astype(float)
    return axes.plot(cells["n_human"], scores, color="#999999", marker=".", markersize=4, linestyle="none")[0]


def _measured(axes: Axes, one: LearningCurve, colour: str) -> Any:
    table = one.measured.table.astype({name: float for name in ("mean", "low", "high")})
    bars = 100 * np.nan_to_num(np.stack([table["mean"] - table["low"], table["high"] - table["mean"]]))
    options: dict[str, Any] = {"fmt": "o", "color": colour, "elinewidth": 0.8, "capsize": 2, "zorder": 4}
    return axes.errorbar(table["n_human"], 100 * table["mean"], yerr=bars, **options)


def _fitted(axes: Axes, one: LearningCurve, colour: str) -> dict[str, Any]:
    """The fitted median and its band; dashed beyond the most labels."""
    if not one.curve:
        return {}
    sizes = np.array([n for n, _ in one.curve])
    low, middle, high = 100 * np.array([(s.low, s.value, s.high) for _, s in one.curve]).T
    axes.fill_between(sizes, low, high, color=colour, alpha=0.12, linewidth=0)
    within, beyond = sizes <= one.most * (1 + 1e-9), sizes >= one.most * (1 - 1e-9)
    beyond |= np.append(within[1:] < within[:-1], False)  # the dashes begin where the line ends
    line = axes.plot(sizes[within], middle[within], color=colour)[0]
    ahead = axes.plot(sizes[beyond], middle[beyond], color=colour, linestyle=(0, (4, 2)), linewidth=1)[0]
    return {_FITTED: line, _AHEAD: ahead}


def caption(curves: Sequence[LearningCurve]) -> str:
    """Protocol, and what bars and band are."""
    protocols = ", ".join(sorted({one.measured.protocol for one in curves}))
    band = (
        "; band: 95 % interval of the curve over new seeds, averaged over models"
        if any(c.curve for c in curves)
        else ""
    )
    return f"protocol {protocols}; bars: 95 % intervals over seeds and test items{band}; no synthetic points"
