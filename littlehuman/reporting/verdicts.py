"""One comparison in words: what its tests allow to be said, and no more.

In: a line and a row of its table. Out: a sentence. Nothing is a loss or a gain without its test, and
"no difference is shown" comes with what could have been found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from littlehuman import formatting
from littlehuman.formatting import absent, count, equals, percent, share

if TYPE_CHECKING:
    from littlehuman.study.replacement import ReplacementCurve

ALPHA = 0.05


def compared(line: ReplacementCurve, row: Any, delta: float) -> str:
    """One fraction of one line against its smallest one, with what its tests allow to be said."""
    metric = formatting.named(line.metric)
    head = f"{who(line)}: with {share(row.synth_frac)} synthetic points ({count(row.n_human)} human) {metric} is "
    if absent(row.change):
        why = (
            "this metric has no scores of single items"
            if absent(row.items)
            else f"no seed is complete here and {base(line)}"
        )
        return head + f"{percent(row.mean)} % ({why}, so nothing is tested)."
    low, high = percent(row.change_low, signed=True), percent(row.change_high, signed=True)
    bounds = f"95 % interval of the change {low} to {high}; {seed_count(row)}"
    return f"{head}{_change(row.change)} {base(line)} ({bounds}): {_verdict(row, delta)}."


def safe_share(line: ReplacementCurve) -> float | None:
    """The largest share up to which every tested one loses less than the margin for sure.

    A fixed sequence of tests, from the smallest share on, needs no correction (Maurer, Hothorn and Lehmacher 1995).
    """
    reach = None
    for row in line.table.iloc[1:].itertuples():
        if not ruled_out(row):
            break
        reach = float(row.synth_frac)
    return reach


def significant(row: Any) -> bool:
    """Whether its p value stays below 5 % when all shares of the curve are counted."""
    return not absent(row.p_holm) and row.p_holm < ALPHA


def ruled_out(row: Any) -> bool:
    """Whether a loss of the margin or more was ruled out by its test."""
    return not absent(row.shown) and bool(row.shown)


def points(delta: float) -> str:
    """A margin in words."""
    return f"{100 * delta:g} percentage points"


def who(line: ReplacementCurve) -> str:
    """Which curve is spoken of."""
    return f"{line.place}, {line.label}, n = {count(line.curve.n_train)}"


def seed_count(row: Any) -> str:
    """How many seeds stand behind a row: those that both conditions have, where it compares two."""
    pairs: float | None = getattr(row, "pairs", None)
    seeds = int(row.seeds if pairs is None or absent(pairs) else pairs)
    return "one seed: other seeds may differ" if seeds == 1 else f"{seeds} seeds"


def _verdict(row: Any, delta: float) -> str:
    """What the tests say; the p value of a difference is Holm's, that of the margin its own."""
    sure, of_what = significant(row), "" if not absent(row.p) else ", of these trained models on other test items"
    p = "" if absent(row.p_holm) else f" ({equals(row.p_holm)} after Holm's correction)"
    if ruled_out(row):
        head = "" if not sure else f"a gain{of_what}{p}; " if row.change > 0 else f"a loss{of_what}{p}, but "
        return f"{head}a loss of {points(delta)} or more is ruled out ({equals(row.at_most)})"
    if sure:
        return f"a {'loss' if row.change < 0 else 'gain'}{of_what}{p}"
    found = f"no difference is shown{p}{_power(row.smallest_detectable)}"
    return f"{found}, and a loss of {points(delta)} or more cannot be excluded{_these(row)}"


def _these(row: Any) -> str:
    """Where few seeds hide what other test items would show again of these very models."""
    if absent(row.p) or absent(row.p_items) or row.p_items >= ALPHA:
        return ""
    p = f"{equals(row.p_items)}, unadjusted"
    return f"; these trained models do differ on other test items ({p}): more seeds would tell more"


def _power(detectable: float | None) -> str:
    """What this study would have found in four of five repetitions."""
    if detectable is None or absent(detectable):
        return ""
    if detectable >= 1:
        return "; the study is too small to find any difference that scores can have"
    return f"; a difference of {percent(detectable)} would have been found with 80 % power"


def _change(change: float) -> str:
    if percent(abs(change)) == "0.0":
        return "the same as"
    return f"{percent(abs(change))} percentage points {'lower' if change < 0 else 'higher'} than"


def base(line: ReplacementCurve) -> str:
    """The smallest share of a curve, which the others are compared with."""
    first = line.table.iloc[0]
    return (
        f"with {count(first.n_human)} human points alone"
        if first.synth_frac == 0
        else f"with {share(first.synth_frac)} synthetic points"
    )
