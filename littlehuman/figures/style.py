"""One style for all figures, readable in black and white.

In: the place of a series in a figure. Out: its colour, dashes and marker; figures saved as PNG and SVG, reproducible
byte by byte.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.formatting import plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.7  # inches: 17 cm, the text width of a page
DPI = 150
ALONE = 5.2  # inches of a figure with one facet
# Okabe and Ito (2008), "Color Universal Design"; without yellow, which is hardly seen on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (1.2, 1.2)),
    (0, (8, 2)),
    (0, (4, 1, 1, 1, 1, 1)),
    (0, (2, 1)),
)
LOOK: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.2,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a "$" in a name is a dollar sign
    "svg.fonttype": "path",
    "svg.hashsalt": "littlehuman",
}


def look() -> AbstractContextManager[None]:
    """A context in which figures have the common style."""
    import matplotlib

    settings: Any = LOOK  # its type lists every key that there is
    return matplotlib.rc_context(settings)


def blank(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, which belongs to no window and to no list of open figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def of_series(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of a figure's series number `place`: all three differ between the first seven."""
    turn = place // len(COLOURS)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[(place + turn) % len(DASHES)],
        "marker": MARKERS[(place + 2 * turn) % len(MARKERS)],
    }


def shape(facets: int, most: int = 4) -> tuple[int, int]:
    """Rows and columns for so many facets, at most `most` a row and as even as can be."""
    rows = -(-facets // most)
    return rows, -(-facets // rows)


def cross(axes: Axes, places: Sequence[float], colour: str) -> None:
    """Mark on the axis itself where a result is missing."""
    if places:
        options: dict[str, Any] = {"color": colour, "zorder": 5, "markersize": 6, "clip_on": False, "in_layout": False}
        axes.plot(places, [0] * len(places), "x", transform=axes.get_xaxis_transform(), **options)


def save(figure: Figure, folder: Path, name: str, dpi: int = DPI) -> tuple[Path, Path]:
    """Write `name.png` and `name.svg` into the folder; the same figure gives the same bytes.

    Texts lose control characters, which no SVG may hold. A letter that the font lacks is a box, and no warning on the
    console. The layout is made once, for both: it takes longer than the drawing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if (plain := plain_text(text.get_text())) != text.get_text():
            text.set_text(plain)
    with look(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
        figure.savefig(png, dpi=dpi, metadata={"Software": None})
    return png, svg


def grid_places(rows: int, columns: int) -> list[tuple[int, int]]:
    """Row and column of each facet, in reading order."""
    return list(product(range(rows), range(columns)))
