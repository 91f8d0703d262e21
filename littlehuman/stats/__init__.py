"""What scores over seeds and test items allow to be said, and what not.

A curve (several arms on the same seeds and items, one of them the base) is analysed by `analyse`: one model,
simultaneous intervals that decide, one verdict per arm (`curve`). Metrics without item scores come in by
`counts.cells_of`; levels for repeated looks are in `looks`, power before running in `power`.
"""

from littlehuman.stats.cells import Cells, cells_of
from littlehuman.stats.clusters import coarsest
from littlehuman.stats.curve import Caveat, Curve, Difference, Parts, Verdict, analyse, of_cells
from littlehuman.stats.equivalence import Equivalence, at_most
from littlehuman.stats.interval import LEVEL, Interval
from littlehuman.stats.intervals import of_items, over_seeds, relative_change, two_level
from littlehuman.stats.paired import Comparison, compare, difference, holm

__all__ = [
    "LEVEL",
    "Caveat",
    "Cells",
    "Comparison",
    "Curve",
    "Difference",
    "Equivalence",
    "Interval",
    "Parts",
    "Verdict",
    "analyse",
    "at_most",
    "cells_of",
    "coarsest",
    "compare",
    "difference",
    "holm",
    "of_cells",
    "of_items",
    "over_seeds",
    "relative_change",
    "two_level",
]
