"""Twins beside human texts: the paper's Appendix D as one figure.

In: comparisons of `study.text_comparison`. Out: a row of panels per group: the cumulative distribution of
each measure, and shares of question openings or of classes as paired bars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman.errors import DataError
from littlehuman.figures import style, text_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from littlehuman.study.text_comparison import TextComparison
    from littlehuman.study.twin_tests import Shares

SHOWN = 8  # groups; the table has them all
COLUMNS = 4
WORDS = 8  # openings or classes in a panel
NOTHING = (
    "nothing to draw: no twins are described beside human texts\n"
    "Try: cells with synth_frac above 0, which write texts.json"
)
_HEIGHT, _HEADING = 1.85, 0.15  # inches of a row of panels, and of each line of its heading beyond the first
_SIDES = ("human", "synthetic")
Panel = Callable[["Axes"], dict[str, Any]]


def texts(comparisons: Sequence[TextComparison], protocol: str) -> Figure:
    """At most eight groups, at most four panels each.

    Raises:
        DataError: when there are no groups.
    """
    if not comparisons:
        raise DataError(NOTHING)
    shown = comparisons[:SHOWN]
    names = [
        text_layout.wrapped(f"{group.name}  ({group.n:,} twins)", style.WIDTH * text_layout.LETTERS) for group in shown
    ]
    heights = [_HEIGHT + _HEADING * name.count("\n") for name in names]
    with style.look():
        figure = style.blank(style.WIDTH, sum(heights) + 0.8)
        handles: dict[str, Any] = {}
        parts = figure.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for part, group, name in zip(parts, shown, names, strict=True):
            handles |= _row(part, group)
            part.suptitle(name, x=0.01, ha="left", fontsize=9)
        text_layout.finish(figure, handles, caption(comparisons, protocol))
    return figure


def _row(part: SubFigure, group: TextComparison) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    panels = _panels(group)
    row = part.subplots(1, COLUMNS, squeeze=False)[0]
    for axes, panel in zip(row, panels, strict=False):
        handles |= panel(axes)
    for axes in row[len(panels) :]:
        axes.remove()
    row[0].set_ylabel("texts up to this (%)")
    return handles


def _panels(group: TextComparison) -> list[Panel]:
    """Distributions first; the last place is for shares, where there are any."""
    units = {row.name: row.unit for row in group.rows}
    shares = [
        (shares, name) for shares, name in ((group.openings, "opening"), (group.labels, "label")) if shares is not None
    ]
    bars: list[Panel] = [lambda axes, s=s, name=name: _bars(axes, s, name) for s, name in shares]  # type: ignore[misc]
    curves: list[Panel] = [
        lambda axes, name=name, values=values: _steps(axes, _axis(name, units[name]), values)  # type: ignore[misc]
        for name, values in group.values.items()
    ]
    return [*curves[: COLUMNS - len(bars)], *bars][:COLUMNS]


def _steps(axes: Axes, label: str, values: tuple[list[float], list[float]]) -> dict[str, Any]:
    """Cumulative shares: nothing is binned, so nothing depends on bins."""
    handles = {}
    for nth, (side, found) in enumerate(zip(_SIDES, values, strict=True)):
        look = style.of_series(nth)
        x = np.sort(np.asarray(found, dtype=np.float64))
        y = 100 * np.arange(1, len(x) + 1) / len(x)
        handles[side] = axes.step(x, y, where="post", color=look["color"], linestyle=look["linestyle"])[0]
    axes.set_ylim(0, 101)
    axes.set_xlabel(label)
    text_layout.few(axes)
    return handles


def _bars(axes: Axes, shares: Shares, name: str) -> dict[str, Any]:
    """Paired bars, the commonest on top; the synthetic ones are hatched."""
    words = list(shares.shares)[:WORDS]
    places = np.arange(len(words))[::-1]
    for side in (0, 1):
        colour = style.of_series(side)["color"]
        length = [100 * shares.shares[word][side] for word in words]
        face, hatch = (colour, "") if side == 0 else ("white", "/////")
        axes.barh(
            places + 0.2 - 0.4 * side, length, height=0.38, facecolor=face, edgecolor=colour, hatch=hatch, linewidth=0.8
        )
    axes.set_yticks(places, [word if len(word) <= 14 else f"{word[:13]}…" for word in words])
    axes.set_ylim(min(-0.6, len(words) - 4.6), len(words) - 0.4)
    axes.set_xlabel(f"share of {name}s\n(%)")
    axes.grid(False, axis="y")
    text_layout.few(axes)
    return {}


def _axis(name: str, unit: str) -> str:
    """Name and unit on two lines: panels are narrow."""
    short = {
        "likeness to the evidence": "likeness to evidence",
        "place of the most similar sentence": "place of likest sentence",
    }
    return f"{short.get(name, name)}\n({unit.removeprefix('highest sentence ')})"


def caption(comparisons: Sequence[TextComparison], protocol: str) -> str:
    """Protocol, what is compared, and what was left out of the figure."""
    more = len(comparisons) - SHOWN
    parts = [
        f"protocol {protocol}; each twin beside the human text of the same evidence; cumulative shares; "
        "bars: human filled, twins hatched"
    ]
    return "; ".join(parts + ([f"{more} more groups are in the table"] if more > 0 else []))
