"""A study in short: three to eight plain sentences, each computed from the tables.

In: `Gathered`. Out: sentences, most important first. One seed is said to be one, and what is not
complete is said too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman import formatting
from littlehuman.economics.price_text import worth_sentence
from littlehuman.economics.reason_text import sentence
from littlehuman.formatting import absent, count, equals, percent, share
from littlehuman.reporting.verdicts import base, compared, points, ruled_out, safe_share, seed_count, significant, who

if TYPE_CHECKING:
    from littlehuman.economics.price import Tradeoff
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.study.replacement import ReplacementCurve

MOST = 8
_NOTHING_LEARNT = (
    "at no synthetic share is accuracy shown to be above always saying the commonest label ({floor} %): "
    "nothing was learnt that shares could differ in; train on more points or a larger model."
)
FEW = 2  # curves that are told one by one


def findings_of_study(found: ReportData) -> list[str]:
    """What the study says, most important first; at most eight sentences."""
    said = [
        *_replacement(found.lines, found.delta),
        *_added(found.added),
        *_worth(found.tradeoffs),
    ]
    warnings = [*_seeds(found), *_contamination(found.audit), *_unfinished(found)]
    if not said:
        said = [
            "There is no curve to read here: neither two synthetic shares of one size, nor three sizes of synthetic points alone."
        ]
    return [*said[: MOST - len(warnings)], *warnings]


def _replacement(lines: Sequence[ReplacementCurve], delta: float) -> Iterator[str]:
    if len(lines) > FEW:
        yield from _over_lines(lines, delta)
        return
    for line in lines:
        if not line.learnt:
            yield f"{who(line)}: {_NOTHING_LEARNT.format(floor=percent(line.floor))}"
            continue
        if (reach := safe_share(line)) is not None:
            rows = [row for row in line.table.iloc[1:].itertuples() if row.synth_frac <= reach]
            tested = f"each share tested at 5 % in ascending order; {seed_count(min(rows, key=lambda row: row.pairs))}"
            lost = f"a loss of {points(delta)} or more of {formatting.named(line.metric)} against training {base(line)}"
            yield f"{who(line)}: up to a synthetic share of {share(reach)} {lost} is ruled out ({tested})."
        for fraction in _told(line):
            yield compared(line, _row(line, fraction), delta)


def _over_lines(lines: Sequence[ReplacementCurve], delta: float) -> Iterator[str]:
    """Many curves: how many lose, at the largest share below 100 % and at 100 %."""
    if idle := sum(not line.learnt for line in lines):
        yield f"{idle} of {len(lines)} curves are nowhere shown to be above always saying the commonest label: they say nothing about data."
    almost = max((f for line in lines for f in line.curve.fractions if f < 1), default=0.0)
    for fraction in (almost, 1.0):
        rows = [_row(line, fraction) for line in lines if fraction in line.curve.fractions[1:]]
        rows = [row for row in rows if not absent(row.change)]
        if not rows:
            continue
        lost = sum(significant(row) and row.change < 0 for row in rows)
        gained = sum(significant(row) and row.change > 0 for row in rows)
        within = sum(map(ruled_out, rows))
        changes = [row.change for row in rows]
        yield (
            f"At {share(fraction)} synthetic points, of {len(rows)} {'curves' if len(rows) > 1 else 'curve'} {lost} scored lower than at "
            f"the smallest share and {gained} higher (p < 0.05 after Holm's correction within each curve); for {within} a loss of "
            f"{points(delta)} is ruled out (p < 0.05 each). Changes go from {percent(min(changes), signed=True)} to "
            f"{percent(max(changes), signed=True)} percentage points."
        )


def _told(line: ReplacementCurve) -> list[float]:
    """The largest share below 100 %, and 100 %."""
    rest = line.curve.fractions[1:]
    below = [f for f in rest if f < 1]
    return [*below[-1:], *([1.0] if 1.0 in rest else [])]


def _row(line: ReplacementCurve, fraction: float) -> Any:
    return next(
        line.table[line.table["synth_frac"] == fraction].itertuples()
    )  # a field `mean`, where a Series has a method


def _added(added: pd.DataFrame) -> Iterator[str]:
    """What twins add at the smallest number of human points."""
    if added.empty or not (some := added[added["n_human"] > 0]).size:
        return
    last: list[Any] = [rows.sort_values("n_human").iloc[0] for _, rows in some.groupby("line", sort=False)]
    if len(last) > FEW:
        better = sum(significant(row) and row.change > 0 for row in last)
        yield (
            f"Beside the fewest human points of each mixture, twins raise the score in {better} of {len(last)} curves "
            "against those human points alone (p < 0.05 after Holm's correction)."
        )
        return
    for row in last:
        p = f"; {equals(row.p_holm)} after Holm's correction" if not absent(row.p_holm) else ""
        bounds = f"95 % interval {percent(row.change_low, signed=True)} to {percent(row.change_high, signed=True)}; {seed_count(row)}"
        yield (
            f"{row.line}: {count(row.n_synthetic)} twins beside {count(row.n_human)} human points change the score by "
            f"{percent(row.change, signed=True)} percentage points against these human points alone ({bounds}{p})."
        )


def _worth(tradeoffs: Sequence[Tradeoff]) -> Iterator[str]:
    for one in tradeoffs[:FEW]:
        yield _one_worth(one)
    if len(tradeoffs) > FEW:
        yield f"{len(tradeoffs) - FEW} more series have a trade-off; their prices are in the table."


def _one_worth(one: Tradeoff) -> str:
    if one.price is None:
        return f"{one.scored.name}: what human points are worth cannot be told: {one.why}."
    verdict = f" At your prices: {one.price.verdict.buy.value}." if one.price.verdict else ""
    reasons = "".join(f"; {sentence(reason)}" for reason in one.price.headline.reasons)
    return f"{one.scored.name}: {worth_sentence(one.price.headline)} (95 % interval){reasons}.{verdict}"


def _seeds(found: ReportData) -> Iterator[str]:
    seeds = found.over_seeds["seeds"]
    if len(seeds) and seeds.max() == 1:
        yield (
            "There is one seed only: no interval or test here knows how much another seed would change; "
            "run more seeds before believing small differences."
        )


def _contamination(audit: pd.DataFrame) -> Iterator[str]:
    worst = audit["training_points_in_test"].max() if len(audit) else 0.0
    if worst > 0:
        yield f"Training points that stand in the test split: up to {percent(worst, digits=2)} % of a training set."


def _unfinished(found: ReportData) -> Iterator[str]:
    states = found.frame["state"].value_counts().drop("done", errors="ignore").to_dict()
    if never := int((found.missing["state"] == "not run").sum()):
        states["not run"] = never
    if states:
        told = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        yield f"The study is not complete: of the full grid {told}; nothing here counts them."
