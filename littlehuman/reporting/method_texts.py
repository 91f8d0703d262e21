"""How the numbers of a report were computed: a sentence per method, with its source.

In: the report's data. Out: the sentences of the methods that it uses, for `webpage.document` and `report.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import ReportData

INTERVALS = (
    "Intervals of scores are 95 % and for a new draw of seeds and of test items, which are crossed (every seed is "
    "tested on the same items): Wilson's interval on the effective number of test items (Korn and Graubard 1998). "
    "With one seed they are for other test items alone."
)
CLUSTERS = (
    "Test items on one text are not independent: variances are cluster-robust (CR2; Bell and McCaffrey 2002), by the"
    " coarsest level that leaves 20 clusters."
)
WITHOUT_ITEMS = (
    "Metrics without statistics of test items have intervals over seeds alone (Student t), none with one seed, and "
    "no verdict."
)
CURVES = (
    "Changes are paired: within a seed the training sets are nested and the test items the same. All shares of a "
    "curve come from one model; the variance between seeds of each share is drawn towards the common one (moderated "
    "variances; Smyth 2004).",
    "The interval of a change is simultaneous: all intervals of a curve hold together in 95 % of studies. It alone "
    "decides: worse (all of it below 0), better (all above 0), equal within delta (all between -delta and +delta, "
    "which goes first), else not known. That no difference is shown is no proof that there is none.",
    "The smallest change found is the true change that a study with this standard error finds in 80 % of "
    "repetitions, at the level that decides (Card et al. 2020).",
    "A verdict is withheld where it would rest on runs that are broken: empty or constant answers, a collapsed "
    "training, leaked test items, a training set much shorter than asked for, or scores that are not above what "
    "needs no training.",
)
LOOKS = (
    "Where looks at a curve were fixed before its first one (next.json), its intervals hold at the level of the look "
    "instead of 95 %: a group-sequential design with evenly spent alpha (Lan and DeMets 1983) on the t scale. Nothing "
    "is decided between looks."
)
ALONE = (
    "The human points alone are the same human points as in the mixture, without the twins; the comparison is "
    "paired, and its intervals are simultaneous over the shares of a curve (Bonferroni)."
)
WORTH = (
    "The worth of human points at N is the number of synthetic points that one of them replaces beside N: a response"
    " model over synthetic and human points with seeds as random effects, averaged over curve families by AICc "
    "(Hurvich and Tsai 1989), with 95 % intervals. Table 3 of arXiv 2410.13098 stands beside it: y = a0 + a1 ln x "
    "through the runs on synthetic points alone; the equivalent size of a score y* is exp((y* - a0) / a1)."
)
TEXTS = (
    "Twins are compared with the human texts of the same ids, in pairs, as in Appendix D of arXiv 2410.13098; "
    "likeness to the evidence is the highest sentence BLEU against its sentences (sacreBLEU, Post 2018). Differences"
    " have paired t intervals over twins."
)
AUDIT = "Near means at least 80 % of all words in common (Jaccard). Shares are those of the worst cell of a series."
COST = (
    "Money and time are sums over the cells of a series; cells without twins that several series share are counted "
    "in each."
)


def methods_section(found: ReportData) -> list[str]:
    """A sentence per method that this report uses, with its source."""
    from littlehuman.reporting import labelling, learning_curve
    from littlehuman.reporting import methods as by_method

    said = [INTERVALS, CLUSTERS, WITHOUT_ITEMS]
    said += CURVES if found.lines or found.controls else ()
    said += [LOOKS] if any(line.blocks for line in found.lines) else []
    said += [ALONE] if len(found.added) else []
    said += [learning_curve.METHOD] if found.learning else []
    said += [WORTH] if found.tradeoffs else []
    said += [TEXTS] if found.texts else []
    said += [labelling.METHOD] if found.labellings else []
    said += [by_method.METHOD] if found.methods else []
    return [*said, AUDIT, COST]
