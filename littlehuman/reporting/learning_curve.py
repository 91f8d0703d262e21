"""The learning curve over human labels in words and as a table: how many human labels are needed.

In: a `LearningCurve`. Out: the answer in one sentence, notes below it, and a table with a row per number of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from littlehuman.economics.learning_curve import REACH
from littlehuman.formatting import NOTHING, absent, count, interval, named, percent
from littlehuman.reporting import verdicts
from littlehuman.reporting.tables import VERDICTS, ReportTable
from littlehuman.reporting.warning_texts import shown_warnings, warning_texts
from littlehuman.study.curve_warnings import WarningKind

if TYPE_CHECKING:
    from littlehuman.economics.learning_curve import LearningCurve
    from littlehuman.stats.interval import Interval
    from littlehuman.study.replacement import ReplacementCurve

METHOD = (
    "The learning curve over human labels is read from runs without synthetic points. Measured scores have the "
    "intervals of all scores here. The curve is that of power laws, a logarithm and exponentials, averaged by AICc "
    "(Viering and Loog 2023); what twice as many labels would bring is read off it, for new seeds on these test items, "
    "and nothing beyond twice as many is. It is not read where the means miss all such curves (F test of lack of fit); "
    "a bend that comes beyond the tried numbers of labels cannot be seen by it."
)
HEADER = "human labels,score (%),against the most (percentage points),verdict,fitted curve (%),seeds,test items"


def answer(found: LearningCurve) -> str:
    """How many human labels are needed, in one sentence: what they reach, and what twice as many would bring."""
    place = found.measured.curve.name
    if found.nothing_learnt:
        floors = [w for w in found.withheld if w.kind is WarningKind.NOTHING_LEARNT]
        why = _text(found.measured, floors)
        return f"On {place} it is not known how many human labels are needed: {why}."
    if found.withheld:
        why = _text(found.measured, found.withheld)
        return f"On {place} it is not known what {count(found.most)} human labels reach: {why}."
    row = found.sizes[-1]
    reach = f"On {place}, {count(found.most)} human labels reach {_score(row)} ({named(found.measured.metric)})"
    if found.doubled is None:
        return f"{reach}; what doubling them would bring is not known: {found.why}."
    return f"{reach}; {_doubling(found.doubled)}."


def enough(found: LearningCurve) -> str:
    """From how many labels on more of them hardly matter; empty where that is not known."""
    least = found.enough
    if least is None:
        return ""
    near = f"within {verdicts.points(found.delta)} of what {count(found.most)} reach"
    value, low, high = (count(round(n)) for n in (least.value, least.low, least.high))
    return f"About {value} human labels [{low}, {high}] are {near}."


def notes(found: LearningCurve) -> Iterator[str]:
    """Below the table: enough labels, what limits the numbers, clusters and floors."""
    if said := enough(found):
        yield said
    if found.why:
        yield verdicts.sentence(f"no curve is drawn: {found.why}")
    yield from (verdicts.sentence(caveat) for caveat in found.caveats)
    yield from verdicts.notes(found.measured)


def problems(found: LearningCurve) -> list[str]:
    """What is wrong with the runs, one clause each."""
    return [_text(found.measured, [warning]) for warning in shown_warnings(found.measured)]


def table(found: LearningCurve) -> ReportTable:
    """A row per number of human labels, and one for twice the most."""
    measured = found.measured
    rows = [_row(found, row) for row in found.sizes]
    if found.doubled is not None:
        ahead = _cell(found.at(REACH * found.most))
        change = _cell(found.doubled, signed=True)
        rows.append((count(REACH * found.most), NOTHING, change, "read off the curve", ahead, NOTHING, NOTHING))
    title = f"{measured.curve.name}: {named(measured.metric)} over human labels, protocol {measured.protocol}"
    return ReportTable(tuple(HEADER.split(",")), tuple(rows), words=0, title=title)


def _row(found: LearningCurve, row: Any) -> tuple[str, ...]:
    return (
        count(row.n_human),
        interval(row.mean, row.low, row.high),
        interval(row.change, row.change_low, row.change_high, signed=True),
        "the most" if row.n_human == found.most else _verdict(row),
        _cell(found.at(row.n_human)),
        count(row.seeds),
        count(row.items),
    )


def _verdict(row: Any) -> str:
    if absent(row.verdict):
        return "not compared"
    if row.verdict == "withheld":
        return f"withheld: {row.withheld_because}"
    return "not known: one seed" if verdicts.of_items_alone(row) else VERDICTS[str(row.verdict)]


def _score(row: Any) -> str:
    if absent(row.low):
        return f"{percent(row.mean)} %"
    return f"{percent(row.mean)} % [{percent(row.low)}, {percent(row.high)}]"


def _cell(found: Interval | None, *, signed: bool = False) -> str:
    return NOTHING if found is None else interval(found.value, found.low, found.high, signed=signed)


def _doubling(gain: Interval) -> str:
    low, high = percent(gain.low, signed=True), percent(gain.high, signed=True)
    if gain.low < 0 < gain.high:
        middle = percent(gain.value, signed=True)
        return f"whether doubling them would help is not known ({middle} percentage points [{low}, {high}])"
    verb = "bring" if gain.value >= 0 else "cost"
    least, most = sorted((abs(gain.low), abs(gain.high)))
    return (
        f"doubling them would {verb} {percent(abs(gain.value))} percentage points [{percent(least)}, {percent(most)}]"
    )


def _text(measured: ReplacementCurve, warnings: Sequence[Any]) -> str:
    most = measured.curve.n_train
    return warning_texts(measured, warnings, lambda left_out: f"{count(round((1 - left_out) * most))} labels")
