"""A study in short: an answer in one line, then at most five lines, worst news first.

In: `ReportData`. Out: sentences, each computed from the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman import formatting
from littlehuman.economics.price_text import worth_sentence
from littlehuman.formatting import absent, count, listed, percent, share
from littlehuman.reporting import labelling, learning_curve, methods, verdicts
from littlehuman.reporting.tables import FEW
from littlehuman.reporting.warning_texts import CAVEATS, shown_warnings, warning_texts
from littlehuman.stats.curve import Caveat
from littlehuman.study.curve_warnings import WarningKind
from littlehuman.study.look_design import FILE

if TYPE_CHECKING:
    from littlehuman.economics.learning_curve import LearningCurve
    from littlehuman.economics.price import Tradeoff
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.study.replacement import ReplacementCurve

MOST = 5  # lines below the answer
NAMED = 2  # problems of a curve that are named
_NO_CURVE = (
    "There is no curve to read here: neither two synthetic shares of one size, nor three sizes of human or of "
    "synthetic points alone."
)
_WORDS = {
    "worse": "worse",
    "better": "better",
    "equal": "equal within {delta}",
    "unknown": "not known",
    "withheld": "withheld",
}


def findings_of_study(found: ReportData) -> list[str]:
    """The answer in one line, then at most five lines, worst first.

    What withholds a verdict and what is not complete, losses, what is equal, what is not known, then what else the
    study says, and what limits its numbers. What has no place here stands in the section of its curve.
    """
    lines, delta = found.lines, found.delta
    few = len(lines) <= FEW
    rest = [*_learning(found.learning), *_added(found.added), *_worth(found.tradeoffs)]
    short: list[str] = [
        *_problems(lines, withholding=True),
        *_unfinished(found),
        *labelling.problems(found.labellings),
        *_looks(lines),
        *(_one_by_one(lines, delta) if few else _over_curves(lines, delta)[1:]),
        *rest,
        *_problems(lines, withholding=False),
        *_caveats(lines),
    ]
    rest = [*rest, *labelling.answers(found.labellings)]
    if not lines:
        short += [line for line in rest if line not in short]
        return [rest[0] if rest else _NO_CURVE, *[line for line in short if line not in rest[:1]][:MOST]]
    if len(found.methods) == len(lines):  # nothing but human and machine labels of the same texts
        answer, *more = methods.answers(found.methods)
        return [answer, *[*more, *short][:MOST]]
    answer = " ".join(verdicts.answer(line, delta) for line in lines) if few else _over_curves(lines, delta)[0]
    return [answer, *short[:MOST]]


def _problems(lines: Sequence[ReplacementCurve], *, withholding: bool) -> Iterator[str]:
    """What is wrong with the runs, by curve: what withholds a verdict, or the rest. Of many curves a line per kind."""
    if len(lines) > FEW:
        for kind in WarningKind:
            named = [
                line for line in lines if any(w.kind is kind and w.withholds is withholding for w in line.warnings)
            ]
            if named:
                yield f"In {len(named)} of {len(lines)} curves: {kind.value} (named below their tables)."
        return
    head = "No verdict rests on these runs" if withholding else "To know of the runs"
    for line in lines:
        said = [w for w in shown_warnings(line) if w.withholds is withholding and w.share is not None]
        if said:
            more = f"; {len(said) - NAMED} more below its table" if len(said) > NAMED else ""
            yield f"{_where(lines, line)}{head}: {warning_texts(line, said[:NAMED])}{more}."


def _looks(lines: Sequence[ReplacementCurve]) -> Iterator[str]:
    """Levels of the curves that are looked at while their seeds come in; of many curves how many there are."""
    looked = [line for line in lines if line.blocks]
    if len(looked) > FEW:
        yield f"{len(looked)} of {len(lines)} curves are looked at as {FILE} fixes (named below their tables)."
        return
    for line in looked:
        yield f"{_where(lines, line)}{' '.join(verdicts.looks(line))}"


def _one_by_one(lines: Sequence[ReplacementCurve], delta: float) -> list[str]:
    """The largest share below 100 % and 100 %, losses first, what is not known last; withheld ones are named above."""
    ranked = {"worse": 0, "equal": 1, "better": 2, "unknown": 3}
    rows = [(line, row) for line in lines for row in _last_shares(line)]
    rows = [(line, row) for line, row in rows if row.verdict != "withheld"]
    rows.sort(key=lambda pair: ranked.get(str(pair[1].verdict), 4))
    return [f"{_where(lines, line)}{verdicts.verdict_sentence(line, row, delta)}" for line, row in rows]


def _where(lines: Sequence[ReplacementCurve], line: ReplacementCurve) -> str:
    """Which curve a line is about, where there are several."""
    return f"{verdicts.place_of(line)}: " if len(lines) > 1 else ""


def _last_shares(line: ReplacementCurve) -> list[Any]:
    rows = verdicts.rows_of(line)[1:]
    below = [row for row in rows if row.synth_frac < 1]
    return [*below[-1:], *(row for row in rows if row.synth_frac == 1)]


def _over_curves(lines: Sequence[ReplacementCurve], delta: float) -> list[str]:
    """Of many curves: how many have which verdict, at 100 % and at the largest share below it."""
    below = max((f for line in lines for f in line.curve.fractions if f < 1), default=0.0)
    found = []
    for fraction in (1.0, below):
        rows = [row for line in lines for row in verdicts.rows_of(line)[1:] if row.synth_frac == fraction]
        counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in _WORDS}
        if not sum(counts.values()):
            continue
        words = [f"{n} {_WORDS[v].format(delta=verdicts.points(delta))}" for v, n in counts.items() if n]
        changes = [row.change for row in rows if not absent(row.change) and row.verdict != "withheld"]
        span = f"; changes from {_signed(min(changes))} to {_signed(max(changes))} percentage points" if changes else ""
        found.append(f"At {share(fraction)} synthetic, of {len(rows)} curves: {listed(words)}{span}.")
    return found or ["No share of any curve can be compared."]


def _caveats(lines: Sequence[ReplacementCurve]) -> Iterator[str]:
    """Caveats of the statistics, each once."""
    for caveat in Caveat:
        if caveat is Caveat.ONE_SEED and len(lines) <= FEW:
            continue  # it is the answer
        if any(line.analysis is not None and caveat in line.analysis.caveats for line in lines):
            yield verdicts.sentence(CAVEATS[caveat])
    if notices := sorted({line.cluster_notice for line in lines if line.cluster_notice}):
        yield verdicts.sentence(notices[0])


def _added(added: pd.DataFrame) -> Iterator[str]:
    """What twins add at the smallest number of human points."""
    if added.empty or not (some := added[added["n_human"] > 0]).size:
        return
    fewest: list[Any] = [next(rows.sort_values("n_human").itertuples()) for _, rows in some.groupby("line", sort=False)]
    if len(fewest) > FEW:
        better = sum(row.verdict == "better" for row in fewest)
        yield (
            f"Beside the fewest human points of each mixture, twins are shown to raise the score in {better} of "
            f"{len(fewest)} curves against those human points alone."
        )
        return
    for row in fewest:
        if row.verdict == "withheld":
            continue
        effect = {"worse": "lower", "better": "raise", "equal": "hardly change"}.get(row.verdict)
        does = f"{effect} the score" if effect else "are not shown to change the score"
        yield (
            f"{row.line}: {count(row.n_synthetic)} twins beside {count(row.n_human)} human points {does} "
            f"({_signed(row.change)} percentage points {verdicts.bounds(row)} against these human points alone)."
        )


def _learning(curves: Sequence[LearningCurve]) -> Iterator[str]:
    """What human labels reach alone, and how few of them are enough."""
    yield from (learning_curve.answer(one) for one in curves)
    yield from (said for one in curves if (said := learning_curve.enough(one)))


def _worth(tradeoffs: Sequence[Tradeoff]) -> Iterator[str]:
    for one in tradeoffs[:FEW]:
        yield _one_worth(one)
    if len(tradeoffs) > FEW:
        yield f"{len(tradeoffs) - FEW} more series have a trade-off; their prices are in the table."


def _one_worth(one: Tradeoff) -> str:
    if one.price is None:
        return f"{one.scored.name}: what human points are worth cannot be told: {one.why}."
    verdict = f" At your prices: {one.price.verdict.buy.value}." if one.price.verdict else ""
    return f"{one.scored.name}: {worth_sentence(one.price.headline)} (95 % interval).{verdict}"


def _unfinished(found: ReportData) -> Iterator[str]:
    states = found.frame["state"].value_counts().drop("done", errors="ignore").to_dict()
    if never := int((found.missing["state"] == "not run").sum()):
        states["not run"] = never
    if states:
        cells = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        causes = found.frame.loc[found.frame["state"] == "failed", "error"].dropna()
        why = f" (first cause: {formatting.shortened(causes.iloc[0], 120)})" if len(causes) else ""
        yield f"Runs (cells) of the full grid that are not complete: {cells}{why}; nothing here counts them."


def _signed(value: float) -> str:
    return percent(value, signed=True)
