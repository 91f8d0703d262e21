"""How far a mean over seeds and test items may lie from the mean over all seeds and all items.

In: scores `[..., seeds, items]`, every seed tested on the same items. Out: `Estimate`: the mean,
its standard error, and the distribution by which an interval or a p value is read from the two.

Pooling seeds x items as if they were independent is the trap: three runs on 230 items are not 690
observations. Seeds and items are two crossed random factors, without replication (Brennan 2001,
Generalizability Theory; Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics):

    var(mean) = (MS_seeds + MS_items - MS_residual) / (seeds * items),   at least either MS alone.

The part of the seeds, MS_seeds / (seeds * items), is known with seeds - 1 degrees of freedom only,
the rest with about items - 1. As Cochran and Cox (1957, Experimental Designs, 4.14) weigh the
critical values of two t tables, so the tails of the two t distributions are weighted here by their
parts of the variance. One Student t with Satterthwaite's (1946) degrees of freedom rejects too
often with 3 seeds, most of all in the tail where many comparisons are read: a new draw of seeds
that happen to agree looks like certainty.

MS_seeds holds noise of items too. Comparisons count all of it as the seeds' part, which keeps the
level of their tests (their intervals agree with them). The interval of a score takes a third of
MS_residual off first: of 0, 1/4, 1/3, 1/2 and 1 the share whose coverage lay nearest to 95 % in
simulated studies of 0/1 items with 3 and 5 seeds, 200 and 1,000 items.

Simulated (normal effects, 230 items, true MS_seeds / MS_residual 1.5 to 101, MS_items / MS_residual
1 to 31): the interval of a score covers 92.2-97.2 % with 3 seeds, 93.9-96.9 % with 5, 89-97 % with
2, and up to 98 % where seeds do not differ at all; that of a difference 94.7-99.1 % with 3. Under no
effect p < 0.05 comes up at most 5.7 % of the time with 3 seeds, p < 0.001 0.1 % (Satterthwaite: 7.7 %
and 1.3 %). With two seeds a comparison counts as known by its seeds alone (t with one degree of
freedom), which finds hardly anything. No method sees that a training may collapse where none of the
seeds at hand did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
SAME = 1e-12  # scores that differ by less differ by rounding only
_HALVINGS = 44  # of a bracket below 64: quantiles to 1e-11


@dataclass(frozen=True, slots=True)
class Estimate:
    """Means, standard errors and the seeds' part of the variance `[...]`; nan where one item tells nothing.

    `seed_share` is the part that comparisons count, `narrow_share` the one that intervals of a score count.
    """

    mean: Floats
    se: Floats
    seed_share: Floats
    narrow_share: Floats
    df_seeds: int
    df_items: int

    def of_a_score(self) -> Estimate:
        """The same with the seeds' part that the interval of a score counts."""
        return replace(self, seed_share=self.narrow_share)

    def tail(self, t: npt.ArrayLike) -> Floats:
        """Probability that (mean - truth) / se lies above `t`."""
        down = -np.asarray(t, float)
        by_seeds, by_items = special.stdtr(self.df_seeds, down), special.stdtr(self.df_items, down)
        return np.asarray(self.seed_share * by_seeds + (1 - self.seed_share) * by_items)

    def quantile(self, level: float) -> Floats:
        """Where `tail` is 1 - `level`, for a level above 0.5: between those of the two t distributions."""
        if not self.seed_share.any():
            return np.full(self.mean.shape, special.stdtrit(self.df_items, level))
        low, high = (
            np.full(self.mean.shape, t) for t in sorted(special.stdtrit([self.df_items, self.df_seeds], level))
        )
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = self.tail(middle) > 1 - level
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return high


def estimate(scores: Floats, largest: float = 1.0) -> Estimate:
    """Estimate the mean for a new draw of seeds and of items.

    One seed: for a new draw of items alone (the seed's part is unknown and counted as 0). Scores
    that are all the same do not have the standard error 0: that no item differed says that at most
    z^2 / (items + z^2) of all items do (the end of Wilson's interval, 1927), by at most `largest`.

    Args:
        scores: scores or differences `[..., seeds, items]`.
        largest: the most by which one entry could have differed from the others.
    """
    seeds, items = scores.shape[-2:]
    mean = np.asarray(scores.mean((-2, -1)))
    if items == 1:
        nothing = np.full(mean.shape, np.nan)
        return Estimate(mean, nothing, np.zeros(mean.shape), np.zeros(mean.shape), max(seeds - 1, 1), 1)
    variance, share, narrow = _variance(scores)
    same = scores.max((-2, -1)) - scores.min((-2, -1)) < SAME
    at_least = _unseen(items) * largest / special.stdtrit(items - 1, 0.975)
    se = np.where(same, at_least, np.sqrt(variance))
    return Estimate(
        mean, np.asarray(se), np.where(same, 0.0, share), np.where(same, 0.0, narrow), max(seeds - 1, 1), items - 1
    )


def _variance(scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Variance of the mean, and the seeds' share in it for tests and for intervals (0 with one seed)."""
    seeds, items = scores.shape[-2:]
    of_items = seeds * np.asarray(scores.mean(-2).var(-1, ddof=1))
    if seeds == 1:
        return of_items / items, np.zeros(of_items.shape), np.zeros(of_items.shape)
    of_seeds = items * np.asarray(scores.mean(-1).var(-1, ddof=1))
    squares = seeds * items * scores.var((-2, -1)) - (seeds - 1) * of_seeds - (items - 1) * of_items
    residual = np.maximum(squares, 0) / ((seeds - 1) * (items - 1))
    total = np.maximum(of_seeds + of_items - residual, np.maximum(of_seeds, of_items))
    whole = np.where(total > 0, total, 1)
    share = of_seeds / whole if seeds > 2 else np.ones(total.shape)  # two seeds know too little of their own part
    return total / (seeds * items), share, np.maximum(of_seeds - residual / 3, 0) / whole


def _unseen(items: int) -> float:
    z2 = float(special.ndtri(0.975)) ** 2
    return z2 / (items + z2)
