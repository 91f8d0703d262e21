"""Confusion matrices of machine labels: human classes in rows, machine labels in columns.

In: `Labelling`s with classes. Out: one panel each; a square is shaded by its share of the row (recall on the diagonal)
and, where there are few classes, bears the number of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from littlehuman.errors import DataError
from littlehuman.figures import style, text_layout
from littlehuman.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from littlehuman.study.labelling import Labelling

SHOWN = 6  # labellers; the table has them all
NUMBERED = 10  # classes up to which the squares have numbers
NAMED = 30  # classes up to which they have names
_LETTERS = 16
_PANEL = 3.0  # inches


def confusion(labellings: Sequence[Labelling], protocol: str) -> Figure:
    """At most `SHOWN` panels, two in a row.

    Raises:
        DataError: when no labeller has classes.
    """
    shown = with_classes(labellings)[:SHOWN]
    if not shown:
        raise DataError("nothing to draw: no cell has machine labels of classes\nTry: method=annotator")
    rows, columns = style.shape(len(shown), most=2)
    with style.look():
        figure = style.blank(style.ALONE if len(shown) == 1 else style.WIDTH, rows * (_PANEL + 0.4) + 0.5)
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in zip(style.grid_places(rows, columns), grid.flat, strict=True):
            nth = place[0] * columns + place[1]
            if nth < len(shown):
                _panel(axes, shown[nth])
            else:
                axes.remove()
        more = len(with_classes(labellings)) - len(shown)
        rest = f"; {more} more are in the table" if more > 0 else ""
        caption = f"protocol {protocol}; shade: share of the row's points; diagonal: labels as people gave them{rest}"
        text_layout.finish(figure, {}, caption)
    return figure


def with_classes(labellings: Sequence[Labelling]) -> list[Labelling]:
    """Those that have a confusion matrix."""
    return [one for one in labellings if one.entry.get("confusion")]


def _panel(axes: Axes, one: Labelling) -> None:
    names = list(one.entry["classes"])
    table = np.array([[one.entry["confusion"].get(h, {}).get(m, 0) for m in names] for h in names], float)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.grid(False)
    if len(names) <= NUMBERED:
        for row, column in np.argwhere(table > 0):
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=7)
    places = range(len(names)) if len(names) <= NAMED else ()
    labels = [_short(names[at]) for at in places]
    axes.set_xticks(list(places), labels, rotation=90 if len(names) > 2 else 0)
    axes.set_yticks(list(places), labels)
    axes.set_xlabel("machine")
    axes.set_ylabel("human")
    kappa = one.entry["kappa"]["value"]
    beyond = "" if kappa is None else f", kappa {kappa:.2f}"
    right = percent(one.entry["accuracy"]["value"])
    width = int(_PANEL * text_layout.LETTERS)
    axes.set_title(text_layout.wrapped(f"{one.name}: {right} % right{beyond}", width), fontsize=8)


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
