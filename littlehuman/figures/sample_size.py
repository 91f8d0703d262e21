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
_BETWEEN = (0.3, 0.7, 1.5, 4, 7, 15, 30, 70)  # and where the axis is short
_SHORT = 8.0  # times its lower end
UPPER = "at worst"


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
            if column == 0:
                axes[row][column].set_ylabel(
                    f"difference found with {POWER:.0%} power\n(percentage points)".replace("%", " %")
                )
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
    if sizes.at_upper is not None:
        handles |= _at_upper(axes, sizes)
    axes.axvline(sizes.question.items, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.85 * items[0], 1.18 * items[-1])
    axes.set_ylim(*limits)
    labels = (*_ROUND, *(_BETWEEN if limits[1] < _SHORT * limits[0] else ()))
    axes.yaxis.set_major_locator(FixedLocator(sorted(y for y in labels if limits[0] <= y <= limits[1])))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    text_layout.title(axes, f"{name}, {sizes.question.shares} shares")
    axes.set_xlabel("test items")
    text_layout.of_sizes(axes)
    return handles


def _at_upper(axes: Axes, sizes: SampleSizes) -> dict[str, Any]:
    """The seeds that were asked about, where seeds differ by the upper end of what the pilot allows."""
    seeds = sizes.question.seeds
    found = [(column.items, 100 * column.smallest[seeds]) for column in sizes.at_upper or ()]
    look = {"color": style.of_series(list(sizes.columns[0].smallest).index(seeds))["color"], "linewidth": 0.8}
    return {f"{seeds} seeds, {UPPER}": axes.plot(*zip(*found, strict=True), linestyle=(0, (1, 2)), **look)[0]}


def _limits(answers: Sequence[tuple[str, SampleSizes]]) -> tuple[float, float]:
    """Of the y axis: all lines up to 100 points, and the drop that is sought."""
    columns = [column for _, sizes in answers for column in (*sizes.columns, *(sizes.at_upper or ()))]
    found = [100 * value for column in columns for value in column.smallest.values()]
    found += [100 * sizes.question.drop for _, sizes in answers]
    return 0.85 * min(found), 1.18 * min(max(found), 100.0)


def _caption(answers: Sequence[tuple[str, SampleSizes]]) -> str:
    items = sorted({sizes.question.items for _, sizes in answers})
    parts = ["each share against the smallest, 5 % error over all shares", "logarithmic axes"]
    parts.append(f"grey line: {' and '.join(formatting.count(n) for n in items)} test items, which were asked about")
    if any(sizes.at_upper is not None for _, sizes in answers):
        parts.append("at worst: seeds differ as much as the pilot allows, the upper end of its 95 % interval")
    return "; ".join(parts)
