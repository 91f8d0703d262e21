"""Ticks for narrow facets: as many labels as stand side by side.

In: axes with their limits. Out: ticks at round numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from littlehuman.figures import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGIT, _BETWEEN = 0.075, 0.06  # inches: a digit of 8 points, and the least room between two labels


def few(axes: Axes) -> None:
    """At most four labels along x: with more, "0.025" and "0.050" run together."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(3))


def of_sizes(axes: Axes) -> None:
    """Sizes along a logarithmic x, as they are written (2,000)."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.xaxis.set_major_locator(FixedLocator(sizes(*axes.get_xlim(), words.room(axes))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def sizes(low: float, high: float, inches: float) -> list[float]:
    """Round sizes between two above 0: 1, 2, 5 or 1, 3 of each power of ten, or some powers, as there is room for their labels."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    apart = (_DIGIT * len(f"{high:,.0f}") + _BETWEEN) / inches * math.log10(high / low)  # in powers of ten
    for digits, least in (((1, 2, 5), math.log10(2)), ((1, 3), math.log10(3))):
        if least >= apart:
            found = [digit * 10.0**decade for decade in decades for digit in digits]
            break
    else:
        found = [10.0**decade for decade in decades if decade % math.ceil(apart) == 0]
    return [size for size in found if low <= size <= high]
