"""The methods of arXiv 2312.14423 in the report: who labels, who is trained on what, and what each costs.

In: `study.method_comparison.MethodComparison`s. Out: the answer in a sentence, and a table with a row per method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from littlehuman.formatting import NOTHING, absent, count, interval, named, percent
from littlehuman.reporting.tables import FEW, ReportTable

if TYPE_CHECKING:
    from littlehuman.stats.interval import Interval
    from littlehuman.study.method_comparison import MethodComparison, MethodScore

METHOD = (
    "A model trained on machine labels is compared with the same model trained on human labels of the same texts "
    "(arXiv 2312.14423): the share is the ratio of their scores with Fieller's interval for new seeds and test items. "
    "Imitated: how often it answers what the annotator answers (of free answers their F1), where that one could answer."
    " Dollars are those of one run's requests without a cache; tokens are those asked for here. Machine labels give "
    "more score per dollar where a human label costs more than the break-even price."
)
HEADER = "labels,method,score (%),macro F1 (%),of human labels (%),imitated (%),runs,labels trained on,USD,tokens"
HEADER += ",seconds a run,break-even USD per human label"


def answers(found: Sequence[MethodComparison]) -> Iterator[str]:
    """What machine labels are worth beside human ones; of many comparisons the span of their shares."""
    if len(found) <= FEW:
        yield from map(sentence, found)
        return
    known = [one for one in found if one.share is not None]
    if known:
        worst, best = (pick(known, key=_share_of) for pick in (min, max))
        yield (
            f"Of {len(found)} comparisons, a model on machine labels reaches from {_percent(worst.share)} % "
            f"({worst.name}) to {_percent(best.share)} % ({best.name}) of its score on human labels."
        )
    for verdict, words in (("worse", "is shown to be worse"), ("equal", "is equal within delta")):
        if some := [one.name for one in found if one.verdict == verdict]:
            yield f"It {words} in {len(some)} of {len(found)}: {'; '.join(some[:4])}{', ...' * (len(some) > 4)}."


def sentence(one: MethodComparison) -> str:
    """One comparison in a sentence, with its intervals."""
    head = f"{one.name}: trained on machine labels, the model scores {_score(one.machine)} %, "
    head += f"on human labels {_score(one.human)} % ({named(one.metric)})"
    share = f"; that is {_percent(one.share)} % of it" if one.share else "; their ratio has no interval"
    label = f"; the annotator itself scores {_score(one.annotator)} %" if one.annotator else ""
    return f"{head}{share}{label}."


def table(found: Sequence[MethodComparison]) -> ReportTable:
    """Three rows per comparison; two where no cell of `method=annotator` labelled the test points."""
    return ReportTable(tuple(HEADER.split(",")), tuple(row for one in found for row in _rows(one)), words=2)


def _rows(one: MethodComparison) -> Iterator[tuple[str, ...]]:
    if one.annotator:
        yield _row(one.name, "1 the annotator", one.annotator, trained="0")
    yield _row(one.name, "2 trained on human labels", one.human, trained=count(one.n_human))
    even = NOTHING if one.break_even is None else f"{one.break_even:.5f}"
    yield _row(
        one.name,
        "3 trained on machine labels",
        one.machine,
        share=_percent(one.share),
        imitated=_percent(one.imitated),
        trained=count(one.n_machine),
        even=even,
    )


def _row(
    name: str,
    method: str,
    score: MethodScore,
    *,
    share: str = NOTHING,
    imitated: str = NOTHING,
    trained: str,
    even: str = NOTHING,
) -> tuple[str, ...]:
    macro_f1 = NOTHING if score.macro_f1 is None else percent(score.macro_f1)
    cost = (f"{score.cost.usd:,.4f}", count(score.cost.tokens), f"{score.cost.seconds:,.1f}")
    return (name, method, _score(score), macro_f1, share, imitated, count(score.runs), trained, *cost, even)


def _score(score: MethodScore) -> str:
    return percent(score.value) if absent(score.low) else interval(score.value, score.low, score.high)


def _percent(value: Interval | None) -> str:
    return NOTHING if value is None else interval(value.value, value.low, value.high)


def _share_of(one: MethodComparison) -> float:
    return one.share.value if one.share else 0.0
