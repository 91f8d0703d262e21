"""What one replacement curve says: a verdict per share, an answer in one line, and the notes that limit it.

In: a `ReplacementCurve`. Out: sentences. Each share has one verdict, read from one interval: that of its change against
the smallest share, simultaneous over all shares of the curve. Nothing else here is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from littlehuman.economics import look_text
from littlehuman.formatting import absent, count, listed, percent, share
from littlehuman.reporting.warning_texts import CAVEATS, withheld_reason

if TYPE_CHECKING:
    from littlehuman.study.replacement import ReplacementCurve

ONE_SEED = "one seed: another training would differ by an unknown amount"
TINY = 1e-9
_REST = {
    "unknown": "for {} it is not known",
    "withheld": "for {} the verdict is withheld",
    "worse": "{} worse too",
    "better": "{} better too",
}


def rows_of(curve: ReplacementCurve) -> list[Any]:
    """A row per share; the first is the base. A share without a seed in common with the base has no verdict."""
    table = curve.table
    apart = table["change"].isna() & (table["verdict"] == "unknown")
    return list(table.assign(verdict=table["verdict"].astype(object).mask(apart, None)).itertuples())


def answer(curve: ReplacementCurve, delta: float) -> str:
    """The curve in one sentence: which shares cost less than delta, what others cost or gain, and what is not known."""
    rows = [row for row in rows_of(curve)[1:] if not absent(row.verdict)]
    against = "" if curve.table["synth_frac"].iloc[0] == 0 else f" (all against {base(curve)})"
    safe = [row for row in rows if ruled_out(row)]
    clear = [row for row in rows if row.verdict in ("worse", "better")]
    if not safe and not clear:
        return f"On {place_of(curve)} {_nothing_known(curve, rows, delta)}."
    parts = [_reach(safe, rows, delta)] if safe else []
    parts += [_gain_or_cost(row) for row in clear[-1:]]
    named = [*safe, *clear[-1:]]
    for verdict, words in _REST.items():
        if shares := [share(row.synth_frac) for row in rows if row.verdict == verdict and row not in named]:
            parts.append(words.format(listed(shares)))
    return f"On {place_of(curve)}, {'; '.join(parts)}{against}."


def verdict_sentence(curve: ReplacementCurve, row: Any, delta: float) -> str:
    """One share: its verdict with the interval that decides it."""
    head = f"{share(row.synth_frac)} synthetic ({count(row.n_human)} human points)"
    return f"{head} against {base(curve)}: {verdict(curve, row, delta)}."


def verdict(curve: ReplacementCurve, row: Any, delta: float) -> str:
    """The verdict of a share in words."""
    if absent(row.verdict):
        return f"not compared: {_not_compared(curve)}"
    if row.verdict == "withheld":
        return f"withheld: because {withheld_reason(curve, row.synth_frac)}"
    change = f"{percent(row.change, signed=True)} percentage points {bounds(row)}"
    if row.verdict == "unknown":
        head = "not known whether better or equal" if ruled_out(row) else "not known"
        return f"{head}: {change}, {_why_unknown(row, delta)}"
    words = f"equal within {points(delta)}" if row.verdict == "equal" else str(row.verdict)
    return f"{words}: {change}"


def ruled_out(row: Any) -> bool:
    """Whether the interval of the change rules out a loss of delta or more."""
    return row.verdict != "withheld" and not absent(row.shown) and bool(row.shown)


def bounds(row: Any) -> str:
    """The interval of a change, in percentage points."""
    if absent(row.change_low) or absent(row.change_high):
        return "(no interval)"
    return f"[{percent(row.change_low, signed=True)}, {percent(row.change_high, signed=True)}]"


def of_items_alone(row: Any) -> bool:
    """Whether a comparison speaks of other test items only: nothing in its curve tells how seeds differ."""
    return bool(row.pairs == 1 and absent(row.p))


def points(delta: float) -> str:
    """A margin in words."""
    return f"{100 * delta:g} percentage point{'' if abs(100 * delta - 1) < TINY else 's'}"


def place_of(curve: ReplacementCurve) -> str:
    """Which curve is spoken of."""
    return f"{curve.place} ({curve.label}, n = {count(curve.curve.n_train)})"


def base(curve: ReplacementCurve) -> str:
    """The smallest share of a curve, which the others are compared with."""
    first = curve.table.iloc[0]
    if first.synth_frac == 0:
        return f"{count(first.n_human)} human points alone"
    return f"{share(first.synth_frac)} synthetic"


def sentence(text: str) -> str:
    """A clause with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def _reach(safe: Sequence[Any], rows: Sequence[Any], delta: float) -> str:
    """Shares that cost less than delta: `up to` one where no smaller share is in doubt."""
    shares = [share(row.synth_frac) for row in safe]
    upto = len(safe) > 1 and list(rows[: len(safe)]) == list(safe)
    named = f"up to {shares[-1]}" if upto else listed(shares)
    return f"{named} synthetic {'cost' if len(shares) > 1 and not upto else 'costs'} less than {points(delta)}"


def _gain_or_cost(row: Any) -> str:
    if row.verdict == "better":
        return f"{share(row.synth_frac)} gains {percent(row.change)} percentage points {bounds(row)}"
    low, high = percent(-row.change_high), percent(-row.change_low)
    return f"{share(row.synth_frac)} costs {percent(-row.change)} percentage points [{low}, {high}]"


def _nothing_known(curve: ReplacementCurve, rows: Sequence[Any], delta: float) -> str:
    if not rows:
        return f"nothing is compared: {_not_compared(curve)}"
    withheld = [row for row in rows if row.verdict == "withheld"]
    if len(withheld) == len(rows):
        return f"no verdict is given: {withheld_reason(curve, rows[-1].synth_frac)}"
    if all(of_items_alone(row) for row in rows):
        return f"nothing is decided: {ONE_SEED}"
    shares = listed([share(row.synth_frac) for row in rows if row not in withheld])
    rest = f"; for {listed([share(row.synth_frac) for row in withheld])} the verdict is withheld" if withheld else ""
    return f"it is not known whether {shares} synthetic cost {points(delta)} or more{rest}"


def _not_compared(curve: ReplacementCurve) -> str:
    if curve.analysis is None:
        return "this metric has no scores of single items"
    return f"no seed is complete here and with {base(curve)}"


def _why_unknown(row: Any, delta: float) -> str:
    if of_items_alone(row):
        return "on other test items for these trained models; of other seeds nothing is known"
    parts = [f"a loss of {points(delta)} or more is ruled out"] if ruled_out(row) else []
    if absent(row.smallest_detectable):
        return "; ".join([*parts, "the interval holds 0"])
    if row.smallest_detectable >= 1:
        return "; ".join([*parts, "too few runs to find any difference that scores can have"])
    return "; ".join(
        [*parts, f"a difference of {percent(row.smallest_detectable)} percentage points would be found (80 % power)"]
    )


def looks(curve: ReplacementCurve) -> list[str]:
    """When a curve is looked at and at which level, and what ends its guarantee; empty where no looks were fixed."""
    if curve.blocks is None:
        return []
    return [text for text in (look_text.schedule(curve.blocks), look_text.added(curve.blocks)) if text]


def notes(curve: ReplacementCurve) -> Iterator[str]:
    """Under the table of a curve: its looks, clusters of the test items, floors, and caveats of its statistics."""
    yield from looks(curve)
    if curve.analysis is not None:
        yield _clusters(curve)
        yield from (sentence(CAVEATS[caveat]) for caveat in curve.analysis.caveats)
    if curve.floors:
        floors = [
            f"{floor.kind.value}{f' ({floor.answer!r})' if floor.answer else ''} scores {percent(floor.value)} %"
            for floor in curve.floors
        ]
        yield f"Floors: {listed(floors)}."


def _clusters(curve: ReplacementCurve) -> str:
    assert curve.analysis is not None
    parts = curve.analysis.parts
    if curve.cluster_notice:
        return sentence(curve.cluster_notice)
    if curve.cluster_level is None:
        return f"{count(parts.items)} test items, none of which share a text: each counts alone."
    effective = f"for a score they are worth {count(round(parts.effective_items))} independent ones"
    icc = f"intra-cluster correlation {parts.icc:.2f}"
    return f"{count(parts.items)} test items in {count(parts.clusters)} {curve.cluster_level}s, {icc}: {effective}."
