"""Machine labels in the report: sentences and tables.

In: `study.labelling.Labelling`s. Out: what is wrong with them, what they score, a table of agreement and, for classes,
one of precision and recall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from littlehuman.formatting import NOTHING, count, interval, named, percent
from littlehuman.reporting.tables import FEW, ReportTable

if TYPE_CHECKING:
    from littlehuman.study.labelling import Labelling

METHOD = (
    "Machine labels are compared with the human labels of the same points, which the labeller never saw: accuracy "
    "(Wilson's interval), Cohen's kappa (jackknife over clusters of points, Student t), or for answers SQuAD's exact "
    "match and F1 and the paper's sentence BLEU. Labels that could not be read are left out of the agreement, and "
    "count as wrong in the score of an annotator."
)


def problems(found: Sequence[Labelling]) -> Iterator[str]:
    """The warnings about machine labels; of many labellers how many have some."""
    warned = [one for one in found if one.warnings]
    if len(warned) > FEW:
        yield f"Of {len(found)} sets of machine labels {len(warned)} have warnings (named below their table)."
        return
    for one in warned:
        yield f"Machine labels, {one.name}: {'; '.join(one.warnings)}."


def answers(found: Sequence[Labelling]) -> Iterator[str]:
    """What the annotators score."""
    annotators = [one for one in found if one.score is not None]
    for one in annotators[:FEW]:
        yield f"{one.name}: {named(one.metric)} {_interval(one.score)} %, nothing trained."
    if len(annotators) > FEW:
        yield f"{len(annotators) - FEW} more cells are labelled by their prompt model; their scores are in the table."


def agreement(found: Sequence[Labelling]) -> ReportTable:
    """A row per set of machine labels."""
    header = "labels,what,points,rejected,right (%),kappa,EM (%),F1 (%),BLEU (%),score of an annotator (%)"
    header += ",USD,requests,seconds,human labels used"
    return ReportTable(tuple(header.split(",")), tuple(map(_row, found)), words=2)


def classes(one: Labelling) -> ReportTable:
    """Precision and recall of each class."""
    rows = [
        (name, count(c["human"]), count(c["machine"]), percent(c["precision"]), percent(c["recall"]))
        for name, c in one.entry["classes"].items()
    ]
    header = ("class", "human labels", "machine labels", "precision (%)", "recall (%)")
    return ReportTable(header, tuple(rows), title=one.name)


def thresholds(found: Sequence[Labelling]) -> ReportTable:
    """Share of answers that count as right, by the BLEU from which they do."""
    some = [one for one in found if one.entry.get("right_from_bleu")]
    limits = list(some[0].entry["right_from_bleu"]) if some else []
    rows = [(one.name, *(percent(one.entry["right_from_bleu"][limit]) for limit in limits)) for one in some]
    return ReportTable(("right (%) from BLEU", *limits), tuple(rows))


def _row(one: Labelling) -> tuple[str, ...]:
    entry = one.entry
    kappa = entry.get("kappa", {})
    what = "test points, by an annotator" if one.is_annotator else "training texts"
    cost = (f"{one.usd:,.2f}", count(one.requests), f"{one.seconds:,.1f}") if one.is_annotator else (NOTHING,) * 3
    return (
        one.name,
        what,
        count(entry.get("n", 0)),
        count(entry.get("rejected", 0)),
        _interval(entry.get("accuracy")),
        _plain(kappa),
        *(_interval(entry.get(name)) for name in ("squad_em", "squad_f1", "sentence_bleu")),
        _interval(one.score),
        *cost,
        count(one.human_labels),
    )


def _interval(value: Mapping[str, Any] | None) -> str:
    return NOTHING if not value else interval(value["value"], value["low"], value["high"])


def _plain(value: Mapping[str, Any]) -> str:
    """A kappa with its interval, which is no share of anything."""
    if value.get("value") is None:
        return NOTHING
    ends = "" if value["low"] is None else f" [{value['low']:.2f}, {value['high']:.2f}]"
    return f"{value['value']:.2f}{ends}"
