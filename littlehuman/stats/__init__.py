"""What scores over seeds and test items allow to be said, and what not.

A curve (several arms on the same seeds and items, one of them the base) is analysed by `analyse`: one model,
simultaneous intervals that decide, one verdict per arm (`curve`). Metrics without item scores come in by
`counts.cells_of`; levels for repeated looks are in `looks`, power before running in `power`. One run alone has
`of_items`, two runs have `paired.mcnemar`.
"""

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
