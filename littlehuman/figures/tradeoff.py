"""Score over the number of synthetic points, and what human points are worth on that axis: the paper's Section 4.

In: trade-offs of `economics.price`. Out: one facet per series: runs on synthetic points alone with the curve
a0 + a1 ln x and its band, runs with human points beside them, and an arrow from each of those to the synthetic
size that has the same score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman import cli, formatting
from littlehuman.errors import DataError
from littlehuman.figures import style, text_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.economics.price import Tradeoff
    from littlehuman.economics.size_curve import SizeCurve
    from littlehuman.economics.valuation import HumanValue

REACH = 12.0  # the axis ends at most at so many times the largest size that was tried
CROWD = 25  # runs from which the mean per size has the arrow, not each run
SHOWN = 3  # numbers of human points that are drawn; the one that is valued comes first
FALLS = "more synthetic data does not help here: no finite equivalent"
UNSHOWN = "more synthetic data is not shown to help here: no finite equivalent is named"
NOTHING = (
    "nothing to draw: no series has runs on synthetic points alone of three sizes\n"
    "Try: three or more values of n_train at synth_frac=1, such as: "
)
_HEIGHT = 2.6  # inches of a facet
Looks = dict[int, dict[str, Any]]  # of runs with so many human points


def tradeoff(tradeoffs: Sequence[Tradeoff]) -> Figure:
    """Two or three facets a row.

    Raises:
        DataError: when there are no trade-offs.
    """
    if not tradeoffs:
        raise DataError(NOTHING + cli.sweep_command(["experiment=tradeoff"]))
    rows, columns = style.shape(len(tradeoffs), 2 if len(tradeoffs) in (2, 4) else 3)
    looks = _looks(tradeoffs)
    with style.look():
        figure = style.blank(style.WIDTH if columns > 1 else style.ALONE, _HEIGHT * rows + 0.9)
        axes = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for one, (row, column) in zip(tradeoffs, style.grid_places(rows, columns), strict=False):
            handles |= _facet(axes[row][column], one, looks)
        for row, column in style.grid_places(rows, columns)[len(tradeoffs) :]:
            axes[row][column].remove()
        text_layout.finish(figure, handles, caption(tradeoffs))
    return figure


def _looks(tradeoffs: Sequence[Tradeoff]) -> Looks:
    """One look for a number of human points, in all facets."""
    shown = dict.fromkeys(worth.human_points for one in tradeoffs for worth in one.price.valuation.by_human[:SHOWN])
    return {human: style.of_series(nth + 1) for nth, human in enumerate(shown)}


def _facet(axes: Axes, one: Tradeoff, looks: Looks) -> dict[str, Any]:
    curve, worths = one.price.valuation.curve, one.price.valuation.by_human
    right = _right_edge(curve, worths[:1])
    handles = _curve(axes, curve, right)
    for worth in worths[:SHOWN]:
        handles[f"+ {formatting.count(worth.human_points)} human points"] = _runs(
            axes, worth, looks[worth.human_points]
        )
    axes.set_xscale("log")
    axes.set_xlim(0.8 * min(curve.x.min(), *(e.n_synthetic for w in worths for e in w.equivalents), right), right)
    if worths and curve.rises:
        _arrows(axes, curve, worths[0], looks[worths[0].human_points]["color"])
    text_layout.title(axes, one.scored.name, _why_no_arrows(curve))
    axes.set_xlabel("synthetic training points")
    axes.set_ylabel(f"{formatting.named(one.scored.metric)} (%)")
    text_layout.of_sizes(axes)
    return handles


def _why_no_arrows(curve: SizeCurve) -> str:
    """Why there are no arrows; it stands above the axes, as no place among the points is free in every study."""
    if curve.rises:
        return ""
    return UNSHOWN if curve.log.parameters["a1"] > 0 else FALLS


def _runs(axes: Axes, worth: HumanValue, look: dict[str, Any]) -> Any:
    """A marker per run; where there are many, pale ones, and the mean of each size in full colour."""
    options = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
    runs = [(e.n_synthetic, 100 * e.score) for e in worth.equivalents]
    if len(runs) > CROWD:
        axes.plot(*zip(*runs, strict=True), **options, alpha=0.3, zorder=3, markersize=3)
        runs = [
            (size, float(np.mean([score for n, score in runs if n == size]))) for size in sorted({n for n, _ in runs})
        ]
    return axes.plot(*zip(*runs, strict=True), **options, zorder=4)[0]


def _curve(axes: Axes, curve: SizeCurve, right: float) -> dict[str, Any]:
    """Runs, the logarithm with its band (dashed beyond the runs), and a better fitting curve that levels off."""
    look = style.of_series(0)
    dots = axes.plot(
        curve.x, 100 * curve.y, marker="o", markerfacecolor="white", color=look["color"], linestyle="none", zorder=3
    )[0]
    tried, beyond = np.geomspace(curve.x.min(), curve.x.max(), 60), np.geomspace(curve.x.max(), right, 30)
    line = axes.plot(tried, 100 * curve.log.predict(tried), color=look["color"])[0]
    axes.plot(beyond, 100 * curve.log.predict(beyond), color=look["color"], linestyle=(0, (4, 2)), linewidth=1)
    everywhere = np.concatenate([tried, beyond])
    half = _half_width(curve, everywhere)
    middle = curve.log.predict(everywhere)
    axes.fill_between(
        everywhere, 100 * (middle - half), 100 * (middle + half), color=look["color"], alpha=0.12, linewidth=0
    )
    handles = {"synthetic points alone": dots, "fit a0 + a1 ln x": line}
    if curve.levelling is not None:
        handles["a curve that levels off"] = axes.plot(
            everywhere, 100 * curve.levelling.predict(everywhere), color="#333333", linestyle=(0, (1, 1.5)), linewidth=1
        )[0]
    return handles


def _half_width(curve: SizeCurve, x: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Half of the 95 % confidence band of a fitted mean (any text on regression, e.g. Draper and Smith 1998, 1.4)."""
    from scipy import stats

    from littlehuman.economics import curves

    sd = curve.log.residual_sd
    if sd is None:
        return np.zeros_like(x)
    away = np.log(x) - np.log(curve.x).mean()
    return stats.t.ppf(0.975, curve.log.df) * sd * np.sqrt(1 / len(curve.x) + away**2 / curves.spread(curve.x))


def _right_edge(curve: SizeCurve, worths: Iterable[HumanValue]) -> float:
    """Far enough for the arrows, but not for the farthest ones."""
    largest = float(curve.x.max())
    ends = [end for worth in worths for _, _, end in _levels(curve, worth) if math.isfinite(end)] if curve.rises else []
    return max(1.6 * largest, min(1.25 * max(ends, default=0.0), REACH * largest))


def _levels(curve: SizeCurve, worth: HumanValue) -> list[tuple[float, float, float]]:
    """Size, score and equivalent size of each run; of the mean per size where there are many."""
    runs = [(float(e.n_synthetic), e.score) for e in worth.equivalents]
    if len(runs) > CROWD:
        sizes = sorted({n for n, _ in runs})
        runs = [(size, float(np.mean([score for n, score in runs if n == size]))) for size in sizes]
    return [
        (n, score, float(end))
        for (n, score), end in zip(runs, curve.sizes(np.array([score for _, score in runs])), strict=True)
    ]


def _arrows(axes: Axes, curve: SizeCurve, worth: HumanValue, colour: str) -> None:
    left, right = axes.get_xlim()
    for size, score, end in _levels(curve, worth):
        inside = end < right
        options = {"arrowstyle": "->", "color": colour, "linewidth": 0.7, "shrinkA": 3, "shrinkB": 0}
        axes.annotate("", (max(end, left) if inside else right, 100 * score), (size, 100 * score), arrowprops=options)
        if not inside:  # beyond the axes, where layout leaves room for it
            axes.text(1.01, 100 * score, ">", color=colour, va="center", transform=axes.get_yaxis_transform())


def caption(tradeoffs: Sequence[Tradeoff]) -> str:
    """Protocol, what a point is, and what band, arrows and `>` mean."""
    parts = [
        f"protocol {', '.join(sorted({t.protocol for t in tradeoffs}))}",
        "each point is one run",
        "band: 95 % confidence of the fit",
    ]
    if any(t.price.valuation.curve.rises and t.price.headline for t in tradeoffs):
        parts.append("arrows: to the synthetic size with the same score (> beyond the axis)")
    if any(len(w.equivalents) > CROWD for t in tradeoffs for w in t.price.valuation.by_human[:1]):
        parts.append("of many runs with human points the mean per size is drawn over pale single runs")
    return "; ".join(parts)
