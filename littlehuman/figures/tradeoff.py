"""Score over the number of synthetic points, and what human points are worth on that axis: the paper's Section 4.

In: trade-offs of `economics.price`. Out: one facet per series: runs on synthetic points alone with the curve of the
response model and its band, runs with human points beside them, and arrows from sizes with human points to the
synthetic size that scores the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman import cli, formatting
from littlehuman.errors import DataError
from littlehuman.figures import style, text_layout
from littlehuman.stats.interval import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.economics.price import Price, Tradeoff

REACH = 12.0  # the axis ends at most at so many times the largest size that was tried
CROWD = 25  # runs from which single runs are pale beside the mean per size
ARROWS = 8  # sizes that have one
CURVE = "curve over synthetic points"
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
    shown = dict.fromkeys(human for one in tradeoffs for human in _human_levels(one))
    return {human: style.of_series(nth + 1) for nth, human in enumerate(shown)}


def _human_levels(one: Tradeoff) -> list[int]:
    """The numbers of human points that are drawn."""
    scored = one.scored
    if one.price is not None:
        return [int(worth.human_points) for worth in one.price.by_human[:SHOWN]]
    return [int(h) for h in np.unique(scored.n_human[(scored.n_human > 0) & (scored.n_synthetic > 0)])[:SHOWN]]


def _facet(axes: Axes, one: Tradeoff, looks: Looks) -> dict[str, Any]:
    scored = one.scored
    alone = (scored.n_human == 0) & (scored.n_synthetic > 0)
    look = style.of_series(0)
    options = {"marker": "o", "markerfacecolor": "white", "color": look["color"], "linestyle": "none", "zorder": 3}
    dots = axes.plot(scored.n_synthetic[alone], 100 * scored.score[alone], **options)[0]
    handles: dict[str, Any] = {"synthetic points alone": dots}
    drawn = scored.n_synthetic[scored.n_synthetic > 0]
    levels = [] if one.price is None or _why_no_arrows(one) else _levels(one.price)
    right = _right_edge(float(scored.n_synthetic[alone].max()), [end for _, _, end in levels])
    if one.price is not None:
        handles[CURVE] = _curve(axes, one.price, right)
    for human in _human_levels(one):
        handles[f"+ {formatting.count(human)} human points"] = _runs(axes, one, human, looks[human])
    axes.set_xscale("log")
    axes.set_xlim(0.8 * float(drawn.min()), right)
    if levels:
        _arrows(axes, levels, looks[_human_levels(one)[0]]["color"])
    text_layout.title(axes, scored.name, _why_no_arrows(one))
    axes.set_xlabel("synthetic training points")
    axes.set_ylabel(f"{formatting.named(scored.metric)} (%)")
    text_layout.of_sizes(axes)
    return handles


def _why_no_arrows(one: Tradeoff) -> str:
    """Why there are no arrows, above the axes: there is no place among the points that is free in every study."""
    if one.price is None:
        return f"no worth can be told: {one.why}"
    rises = next((r for r in one.price.headline.reasons if r.kind == "does_not_rise"), None)
    if rises is None:
        return ""
    return FALLS if rises.parts["high"] <= 0 else UNSHOWN


def _runs(axes: Axes, one: Tradeoff, human: int, look: dict[str, Any]) -> Any:
    """A marker per run; where there are many, pale ones, and the mean of each size in full colour."""
    options = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
    beside = (one.scored.n_human == human) & (one.scored.n_synthetic > 0)
    sizes, scores = one.scored.n_synthetic[beside], 100 * one.scored.score[beside]
    if len(sizes) > CROWD:
        axes.plot(sizes, scores, **options, alpha=0.3, zorder=3, markersize=3)
        scores = np.array([scores[sizes == n].mean() for n in np.unique(sizes)])
        sizes = np.unique(sizes)
    return axes.plot(sizes, scores, **options, zorder=4)[0]


def _curve(axes: Axes, price: Price, right: float) -> Any:
    """Median and 95 % band of the draws for synthetic points alone; dashed where nothing was tried."""
    colour, scale = style.of_series(0)["color"], price.model.response.scale
    tried, beyond = (
        np.geomspace(*ends)
        for ends in ((scale.least_synthetic, scale.most_synthetic, 40), (scale.most_synthetic, right, 20))
    )
    everywhere = np.concatenate([tried, beyond])
    shares = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
    low, middle, high = 100 * np.quantile(price.model.response.score(everywhere, 0.0), shares, axis=1)
    line = axes.plot(tried, middle[: len(tried)], color=colour)[0]
    axes.plot(beyond, middle[len(tried) :], color=colour, linestyle=(0, (4, 2)), linewidth=1)
    axes.fill_between(everywhere, low, high, color=colour, alpha=0.12, linewidth=0)
    return line


def _right_edge(largest: float, ends: Iterable[float]) -> float:
    """Far enough for the arrows, but not for the farthest ones."""
    finite = [end for end in ends if math.isfinite(end)]
    return max(1.6 * largest, min(1.25 * max(finite, default=0.0), REACH * largest))


def _levels(price: Price) -> list[tuple[float, float, float]]:
    """Of some tried sizes: the size, the score with the headline's human points, and the synthetic size with the same
    score (infinite where there is none)."""
    from littlehuman.economics.human_worth import worth_draws

    model, human = price.model, price.headline.human_points
    tried = np.unique(model.n_synthetic[(model.n_human == human) & (model.n_synthetic > 0)])
    if not len(tried):
        return []
    sizes = tried[np.unique(np.linspace(0, len(tried) - 1, min(ARROWS, len(tried))).round().astype(int))]
    scores = np.median(model.response.score(sizes, human), axis=1)
    worth = worth_draws(model.response, sizes, human).limits()[0]
    return [(float(n), float(y), float(n + w * human)) for n, y, w in zip(sizes, scores, worth, strict=True)]


def _arrows(axes: Axes, levels: Sequence[tuple[float, float, float]], colour: str) -> None:
    left, right = axes.get_xlim()
    for size, score, end in levels:
        inside = end < right
        options = {"arrowstyle": "->", "color": colour, "linewidth": 0.7, "shrinkA": 3, "shrinkB": 0}
        axes.annotate("", (max(end, left) if inside else right, 100 * score), (size, 100 * score), arrowprops=options)
        if not inside:  # beyond the axes, where layout leaves room for it
            axes.text(1.01, 100 * score, ">", color=colour, va="center", transform=axes.get_yaxis_transform())


def caption(tradeoffs: Sequence[Tradeoff]) -> str:
    """Protocol, what a point is, and what band, arrows and `>` mean."""
    protocols = ", ".join(sorted({t.protocol for t in tradeoffs}))
    parts = [f"protocol {protocols}; each point is one run"]
    if any(t.price is not None for t in tradeoffs):
        parts.append("band: 95 % interval of the curve, averaged over models")
    if any(t.price is not None and not _why_no_arrows(t) for t in tradeoffs):
        parts.append("arrows: to the synthetic size with the same score (> beyond the axis)")
    if any(np.sum(t.scored.n_human == human) > CROWD for t in tradeoffs for human in _human_levels(t)[:1]):
        parts.append("of many runs with human points the mean per size is drawn over pale single runs")
    return "; ".join(parts)
