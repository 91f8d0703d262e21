"""Is a condition no worse than another, by more than can be borne? No difference found is no answer to that.

In: the scores `[seeds, items]` of two conditions with the same seeds and items, and the loss that can
be borne. Out: `Equivalence`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from littlehuman.stats.crossed import estimate
from littlehuman.stats.intervals import as_pair

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What was shown about a margin `delta` (in score units, 0..1).

    `p`: that `new` loses `delta` or more, one-sided; `shown`: p < 0.05.
    `p_equivalent`: that the two differ by `delta` or more in either direction.
    Both are nan, and nothing is shown, where one item tells nothing.
    """

    delta: float
    p: float
    shown: bool
    p_equivalent: float


def at_most(new: npt.ArrayLike, base: npt.ArrayLike, delta: float) -> Equivalence:
    """Test whether `new` loses less than `delta` against `base`, for a new draw of seeds and of test items.

    Non-inferiority and, for both sides, two one-sided tests (Schuirmann 1987). statsmodels'
    `ttost_paired` takes one sample of independent differences; here seeds and items both vary, so the
    standard error and the tails are those of `crossed`. With one seed this speaks of items only.

    Args:
        new: `[seeds, items]` in 0..1, or `[items]` for one seed.
        base: the same seeds and items.
        delta: the loss that can be borne, above 0.

    Raises:
        DataError: when the two do not fit together, or a score is no number in 0..1.
        ValueError: when delta is not above 0.
    """
    if not delta > 0:
        raise ValueError(f"delta={delta}: the loss that can be borne must be above 0")
    above, below = as_pair(new, base)
    found = estimate(above - below)
    lower = float(found.tail((found.mean + delta) / found.se))
    upper = float(found.tail((delta - found.mean) / found.se))
    return Equivalence(delta, lower, lower < ALPHA, max(lower, upper))
