"""What scores over seeds and test items allow to be said, and what not.

In: scores in 0..1 as arrays `[items]` (one run) or `[seeds, items]` (one condition: every seed is
tested on the same items in the same order); two conditions that are compared share seeds and
items. Out: intervals, comparisons and equivalences as frozen records.
"""

from littlehuman.stats.equivalence import Equivalence, at_most
from littlehuman.stats.intervals import LEVEL, Interval, of_items, over_seeds, relative_change, two_level
from littlehuman.stats.paired import Comparison, compare, difference, holm

__all__ = [
    "LEVEL",
    "Comparison",
    "Equivalence",
    "Interval",
    "at_most",
    "compare",
    "difference",
    "holm",
    "of_items",
    "over_seeds",
    "relative_change",
    "two_level",
]
