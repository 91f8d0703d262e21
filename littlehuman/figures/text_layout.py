"""Titles, legend, caption and tick labels of figures: wrapped to their room, and the figure grows for them.

In: names of any length, axes with limits. Out: text that neither overlaps nor is cut, axes that keep their height.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#555555"
DARK = "#333333"
LETTERS = 12.5  # an inch of a title (9 points) holds so many
SMALL = 14.5  # and of a legend or a note (8 points)
BESIDE = 0.5  # inches of a facet's share of the width that tick labels and the axis' name take
NOTE = "note"
_DIGIT, _BETWEEN = 0.075, 0.06  # inches: a digit of 8 points, and the least room between two labels
_LEGEND_ROW, _TITLE_LINE, _SMALL_LINE = 0.17, 0.15, 0.13  # inches
_CAPTION_LINES = 2  # that figures have room for as they are made
_PARTS = re.compile(r"(?<= / )|(?<=, )")  # where a name is broken first
# Within a part that is longer than a line: at spaces (but not in "n = 5,000" or "30 twins"), hyphens and underscores.
_WORDS = re.compile(r"(?<=[^=\d] )(?![=/])|(?<=[-_])(?=[^-_ ])")


def wrapped(text: str, letters: float) -> str:
    """The text on lines of at most so many letters; a piece that is longer by itself is cut where the line ends."""
    width = max(6, int(letters))
    lines = [""]
    for piece in _pieces(text, width):
        if len((lines[-1] + piece).rstrip()) <= width:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(line.strip() for line in lines if line.strip())


def _pieces(text: str, width: int) -> Iterator[str]:
    for part in _PARTS.split(text):
        for piece in [part] if len(part.rstrip()) <= width else _WORDS.split(part):
            yield from (
                (piece[i : i + width] for i in range(0, len(piece.rstrip()), width))
                if len(piece.rstrip()) > width
                else (piece,)
            )


def room(axes: Axes) -> float:
    """Inches that a facet's axes will have, about: layout is done when the figure is drawn."""
    spec, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert spec is not None and figure is not None  # axes of a grid on a figure
    return float(figure.get_figwidth()) / spec.get_gridspec().ncols - BESIDE


def title(axes: Axes, text: str, note: str = "") -> None:
    """A facet's title, and a small note between it and the axes."""
    from matplotlib.transforms import ScaledTranslation

    small = wrapped(note, room(axes) * SMALL) if note else ""
    lines = small.count("\n") + 1 if small else 0
    axes.set_title(wrapped(text, room(axes) * LETTERS), pad=5 + 72 * _SMALL_LINE * lines)
    if small:
        figure = axes.get_figure(root=True)
        assert figure is not None
        above = axes.transAxes + ScaledTranslation(0, 4 / 72, figure.dpi_scale_trans)
        axes.text(0.5, 1, small, transform=above, ha="center", va="bottom", linespacing=1.1, color=DARK, label=NOTE)


def finish(figure: Figure, handles: Mapping[str, Any], text: str) -> None:
    """Put the legend and the caption, then make the figure higher by what they and the titles take."""
    extra = _LEGEND_ROW * max(0, _legend(figure, handles) - 1)
    extra += _SMALL_LINE * max(0, _caption(figure, text) - _CAPTION_LINES)
    figure.set_figheight(figure.get_figheight() + extra + _above(figure))


def few(axes: Axes) -> None:
    """At most four labels along x: with more, "0.025" and "0.050" run together."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(3))


def of_sizes(axes: Axes) -> None:
    """Sizes along a logarithmic x, as they are written (2,000)."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.xaxis.set_major_locator(FixedLocator(sizes(*axes.get_xlim(), room(axes))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def sizes(low: float, high: float, inches: float) -> list[float]:
    """Round sizes between two above 0: 1, 2, 5 or 1, 3 of each power of ten, or some powers, as labels have room."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    apart = (_DIGIT * len(f"{high:,.0f}") + _BETWEEN) / inches * math.log10(high / low)  # in powers of ten
    for digits, least in (((1, 2, 5), math.log10(2)), ((1, 3), math.log10(3))):
        if least >= apart:
            found = [digit * 10.0**decade for decade in decades for digit in digits]
            break
    else:
        found = [10.0**decade for decade in decades if decade % math.ceil(apart) == 0]
    return [size for size in found if low <= size <= high]


def _legend(figure: Figure, handles: Mapping[str, Any]) -> int:
    """One legend above all axes, as many columns as the longest name leaves room for; returns its lines."""
    if not handles:
        return 0
    letters = figure.get_figwidth() * SMALL
    names = [wrapped(name, letters - 8) for name in handles]
    columns = min(max(1, int(letters / (max(map(len, names)) + 6))), len(names))
    figure.legend(list(handles.values()), names, loc="outside upper center", ncols=columns)
    return -(-len(names) // columns) + sum(name.count("\n") for name in names)


def _caption(figure: Figure, text: str) -> int:
    """The small line under a figure: protocol, seeds, what the bars are; returns its lines."""
    lines = textwrap.wrap(text, max(40, int(figure.get_figwidth() * 15.5)))
    figure.supxlabel("\n".join(lines), fontsize=8, color=GREY, x=0.01, ha="left")
    return len(lines)


def _above(figure: Figure) -> float:
    """Inches of titles beyond their first lines, and of notes, the most of each row of facets."""
    rows: Counter[int] = Counter()
    for axes in figure.axes:
        spec = axes.get_subplotspec()
        notes = [text.get_text().count("\n") + 1 for text in axes.texts if text.get_label() == NOTE]
        inches = _TITLE_LINE * axes.get_title().count("\n") + _SMALL_LINE * sum(notes)
        row = spec.rowspan.start if spec is not None else 0
        rows[row] = max(rows[row], round(1000 * inches))
    return sum(rows.values()) / 1000
