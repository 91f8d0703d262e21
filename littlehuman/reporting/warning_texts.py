"""What is wrong with the runs of a curve, in words: each warning with its arm, its seeds and its numbers.

In: `CurveWarning`s. Out: clauses without a full stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from littlehuman.economics import look_text
from littlehuman.formatting import percent, share
from littlehuman.stats import Caveat
from littlehuman.study.curve_warnings import CurveWarning, WarningKind

if TYPE_CHECKING:
    from littlehuman.study.replacement import ReplacementCurve

Parts = Mapping[str, float | str]
CAVEATS: Mapping[Caveat, str] = {
    Caveat.ONE_SEED: "one seed: intervals speak of new test items only, and nothing is decided",
    Caveat.TWO_SEEDS: "two seeds cannot show that a share scatters more than the others",
    Caveat.ONE_CLUSTER: "one cluster of test items: how scores would vary on other texts is not known",
    Caveat.FEW_CLUSTERS: "fewer than 20 clusters of test items: intervals cover less than they say",
    Caveat.NO_SHARED_SEED: "a share has no seed in common with the smallest one, and is not compared",
    Caveat.MISSING_CELLS: "some shares lack seeds: comparisons use the seeds that both have",
}


def warning_texts(
    curve: ReplacementCurve, warnings: Iterable[CurveWarning], named: Callable[[float], str] = share
) -> str:
    """Warnings in one clause, those that say the same together: `at 95 %, seed 2: the training collapsed, ...`.

    `named` writes an arm.
    """
    alike: dict[tuple[str, tuple[int, ...]], list[float]] = {}
    for warning in warnings:
        places = alike.setdefault((_text(curve, warning), warning.seeds), [])
        places += [] if warning.share is None else [warning.share]
    return "; ".join(f"{_where(curve, shares, seeds, named)}{text}" for (text, seeds), shares in alike.items())


def _text(curve: ReplacementCurve, warning: CurveWarning) -> str:
    if warning.kind is WarningKind.NOTHING_LEARNT:
        highest = max(curve.floors, key=lambda floor: floor.value)
        floor = f"{highest.kind.value} ({percent(highest.value)} %)"
        return f"no score is shown to lie above {floor}, so nothing is shown to be learnt"
    if warning.kind is WarningKind.BETWEEN_LOOKS and curve.blocks:
        return look_text.between(curve.blocks)
    return _TEXTS[warning.kind](warning.parts)


def shown_warnings(curve: ReplacementCurve) -> list[CurveWarning]:
    """Warnings by share; beside a collapsed seed the others of its share are not called outlying."""
    collapsed = {warning.share for warning in curve.warnings if warning.kind is WarningKind.COLLAPSED}
    kept = [w for w in curve.warnings if w.kind is not WarningKind.OUTLYING or w.share not in collapsed]
    return sorted(kept, key=lambda warning: -1.0 if warning.share is None else warning.share)


def withheld_reason(curve: ReplacementCurve, fraction: float) -> str:
    """Why a share has no verdict."""
    return warning_texts(curve, curve.withheld_because(fraction))


def _where(curve: ReplacementCurve, shares: Sequence[float], seeds: Sequence[int], name: Callable[[float], str]) -> str:
    """`at 95 %, seed 2: `; without seeds where all are concerned."""
    if not shares:
        return ""
    every = len(shares) == len(curve.shares) > 1
    at = "all of them" if every else ", ".join(name(fraction) for fraction in shares)
    some = bool(seeds) and set(seeds) != set(curve.curve.cells["seed"])
    named = f", seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if some else ""
    return f"at {at}{named}: "


def _percent(parts: Parts, key: str) -> str:
    value = parts.get(key)
    return percent(float(value)) if value is not None else "–"


def _leak(parts: Parts) -> str:
    without = f" (score without them: {_percent(parts, 'score_without')} %)" if "score_without" in parts else ""
    return f"{_percent(parts, 'share')} % of the test items are in the training set{without}"


_TEXTS: Mapping[WarningKind, Callable[[Parts], str]] = {
    WarningKind.MOSTLY_EMPTY: lambda p: f"{_percent(p, 'share')} % of the answers are empty",
    WarningKind.SOME_EMPTY: lambda p: f"{_percent(p, 'share')} % of the answers are empty",
    WarningKind.CONSTANT: lambda p: f"{_percent(p, 'share')} % of the test items get the same answer, {p['answer']!r}",
    WarningKind.COLLAPSED: lambda p: (
        f"the training collapsed, it scores {_percent(p, 'score')} % and the other seeds {_percent(p, 'others')} %"
    ),
    WarningKind.OUTLYING: lambda p: f"it scores {_percent(p, 'score')} % and the other seeds {_percent(p, 'others')} %",
    WarningKind.LEAK: _leak,
    WarningKind.SHORTFALL: lambda p: f"{_percent(p, 'share')} % of the training points asked for are missing",
}
