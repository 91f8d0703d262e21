"""What scores over seeds and test items allow to be said, and what not.

A curve (several arms on the same seeds and items, one of them the base) is analysed by `analyse`: one model,
simultaneous intervals that decide, one verdict per arm (`curve`). Metrics without item scores come in by
`counts.cells_of`; levels for repeated looks are in `looks`, power before running in `power`. One run alone has
`of_items`, two runs have `paired.mcnemar`.

Names are imported when they are first used: `interval` alone needs no scipy, and `littlehuman price --help` no half
second for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from littlehuman.stats.cells import Cells, cells_of
    from littlehuman.stats.curve import Caveat, Curve, Difference, Parts, Verdict, analyse, of_cells
    from littlehuman.stats.interval import LEVEL, Interval, of_items, over_seeds

__all__ = [
    "LEVEL",
    "Caveat",
    "Cells",
    "Curve",
    "Difference",
    "Interval",
    "Parts",
    "Verdict",
    "analyse",
    "cells_of",
    "of_cells",
    "of_items",
    "over_seeds",
]
_IN_CELLS, _IN_INTERVAL = ("Cells", "cells_of"), ("LEVEL", "Interval", "of_items", "over_seeds")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "cells" if name in _IN_CELLS else "interval" if name in _IN_INTERVAL else "curve"
    return getattr(import_module(f"{__name__}.{module}"), name)
