"""The smallest difference that a study finds, over its number of test items, one line per number of seeds.

In: `SampleSizes` by name. Out: one facet each. Where a line lies below the dashed one, the drop that is sought is found
with 80 % power.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from littlehuman import formatting
from littlehuman.figures import style, text_layout
from littlehuman.stats.curve import POWER
from littlehuman.stats.sample_size import SampleSizes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 2.7  # inches of a facet
_ROUND = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100)  # labels along y, in points


def sample_sizes(answers: Sequence[tuple[str, SampleSizes]]) -> Figure:
    """At most three facets a row, on one scale of differences."""
    rows, columns = style.shape(len(answers), 2 if len(answers) in (2, 4) else 3)
    with style.look():
        figure = style.blank(style.WIDTH if columns > 1 else style.ALONE, _HEIGHT * rows + 0.9)
        axes = figure.subplots(rows, columns, squeeze=False)
        places = style.grid_places(rows, columns)
        handles: dict[str, Any] = {}
        for (name, sizes), (row, column) in zip(answers, places, strict=False):
            handles |= _facet(axes[row][column], name, sizes, _limits(answers))
        for row, column in places[len(answers) :]:
            axes[row][column].remove()
        text_layout.finish(figure, handles, _caption(answers))
    return figure


def _facet(axes: Axes, name: str, sizes: SampleSizes, limits: tuple[float, float]) -> dict[str, Any]:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    items = [column.items for column in sizes.columns]
    handles: dict[str, Any] = {}
    for nth, seeds in enumerate(sizes.columns[0].smallest):
        points = [100 * column.smallest[seeds] for column in sizes.columns]
        handles[f"{seeds} seeds"] = axes.plot(items, points, **style.of_series(nth))[0]
    goal = 100 * sizes.question.drop
    sought = axes.axhline(goal, color=text_layout.DARK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    handles[f"sought: {goal:g} point{'s' * (goal != 1)}"] = sought
    axes.axvline(sizes.question.items, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.85 * items[0], 1.18 * items[-1])
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(FixedLocator([y for y in _ROUND if limits[0] <= y <= limits[1]]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    text_layout.title(axes, f"{name}, {sizes.question.shares} shares")
    axes.set_xlabel("test items")
    axes.set_ylabel(f"difference found with {POWER:.0%} power (points)".replace("%", " %"))
    text_layout.of_sizes(axes)
    return handles


def _limits(answers: Sequence[tuple[str, SampleSizes]]) -> tuple[float, float]:
    """Of the y axis: all lines, and the drop that is sought."""
    found = [100 * value for _, sizes in answers for column in sizes.columns for value in column.smallest.values()]
    found += [100 * sizes.question.drop for _, sizes in answers]
    return 0.85 * min(found), 1.18 * max(found)


def _caption(answers: Sequence[tuple[str, SampleSizes]]) -> str:
    items = sorted({sizes.question.items for _, sizes in answers})
    parts = ["each share against the smallest, 5 % error over all shares", "logarithmic axes"]
    parts.append(f"grey line: {' and '.join(formatting.count(n) for n in items)} test items, which were asked about")
    return "; ".join(parts)
