"""Does one run answer more test items rightly than another? For these two trained models, on other test items.

In: right (1) or wrong (0) of two runs on the same items. Out: a p value. Curves over several seeds, and scores between
0 and 1, are compared by `curve.analyse`.
"""

from __future__ import annotations

import numpy.typing as npt

from littlehuman.errors import DataError
from littlehuman.stats.interval import checked


def mcnemar(new: npt.ArrayLike, base: npt.ArrayLike) -> float:
    """Two-sided p of the exact McNemar test (1947, from statsmodels): only items on which the two disagree count.

    Args:
        new: `[items]`, each 0 or 1.
        base: the same items.

    Raises:
        DataError: when the two do not fit together, or a score is neither 0 nor 1.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact

    above, below = checked(new, "new scores"), checked(base, "base scores")
    if above.shape != below.shape:
        shapes = f"new scores have the shape {above.shape}, base scores {below.shape}"
        raise DataError(f"{shapes}; a comparison needs the same items in the same order")
    for name, scores in (("new", above), ("base", below)):
        if (between := scores[(scores > 0) & (scores < 1)]).size:
            raise DataError(
                f"{name} scores: {between[0]:g} is neither 0 nor 1\nTry: littlehuman.stats.analyse for such scores"
            )
    won, lost = int((above > below).sum()), int((above < below).sum())
    return float(exact([[0, won], [lost, 0]], exact=True).pvalue) if won + lost else 1.0
