"""How the numbers of a report were computed: one sentence per method, with its source.

In: `Gathered`. Out: the sentences that its sections need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import Gathered

INTERVALS = (
    "Intervals are 95 % and for a new draw of seeds and of test items: every seed is tested on the same items, and the variance is that "
    "of a crossed two-way design with random seeds and items (Brennan 2001, Generalizability Theory; Owen 2007), "
    "read from the tails of two t distributions, of seeds and of items, weighed by their parts of the variance "
    "(after Cochran and Cox 1957). With one seed they are for test items alone (Wilson 1927 for scores of 0 and 1, else Student t)."
)
WITHOUT_ITEMS = (
    "Metrics without scores of single items (corpus BLEU, macro F1) have intervals over seeds alone (Student t), and none with one seed."
)
CURVES = (
    "Changes are paired: within a seed the training sets are nested and the test items the same. p is the two-sided t test of that "
    "design; p (items) is for these trained models on other test items (exact McNemar test for one seed and scores of 0 and 1, else a "
    "paired permutation test); p (Holm) corrects p over the shares of one curve (Holm 1979), or p (items) where there is one seed.",
    "The smallest detectable difference is the one that a study with this standard error finds in 80 % of repetitions at the 5 % level "
    "(Card et al. 2020; Miller 2024, arXiv 2411.00640).",
    "A loss is ruled out by a one-sided test against the margin (non-inferiority; Schuirmann 1987): no difference found is no such "
    "proof. Each share is tested by itself; `up to a share` takes them in ascending order and stops at the first that fails, which "
    "needs no correction (Maurer, Hothorn and Lehmacher 1995).",
    "Relative changes are ratios of means, with intervals by linearisation (Cochran 1977, Sampling Techniques, 6.4).",
)
ALONE = (
    "The human points alone are the same human points as in the mixture, without the twins; the comparison is paired, and its p (Holm) "
    "is over all rows of that table."
)
WORTH = (
    "The worth of human points follows Section 4 of arXiv 2410.13098: y = a0 + a1 ln x through the runs on synthetic points alone; the "
    "equivalent size of a score y* is exp((y* - a0) / a1). The interval carries the scatter of both kinds of runs; curves that level off "
    "are compared by AICc (Hurvich and Tsai 1989)."
)
TEXTS = (
    "Twins are compared with the human texts of the same ids, in pairs, as in Appendix D of arXiv 2410.13098; likeness to the evidence "
    "is the highest sentence BLEU against its sentences (sacreBLEU, Post 2018). Differences have paired t intervals over twins."
)
AUDIT = "Near means at least 80 % of all words in common (Jaccard). Shares are those of the worst cell of a series."
COST = "Money and time are sums over the cells of a series; cells without twins that several series share are counted in each."


def of(found: Gathered) -> list[str]:
    """The sentences for what this report shows."""
    said = [INTERVALS, WITHOUT_ITEMS]
    said += CURVES if found.lines or found.controls else ()
    said += [ALONE] if len(found.added) else []
    said += [WORTH] if found.tradeoffs else []
    said += [TEXTS] if found.texts else []
    return [*said, AUDIT, COST]
