"""How many seeds and test items a study needs, in words and as JSON.

In: `DesignAnswer`s. Out: the blocks that `plan --pilot` prints (the answer, its table, where scores vary), and JSON
values. Smallest differences are rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from littlehuman.economics.pilot import DesignAnswer
from littlehuman.errors import LittlehumanError
from littlehuman.formatting import percent
from littlehuman.reporting.warning_texts import CAVEATS, shown_warnings, warning_texts
from littlehuman.stats.curve import POWER
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.sample_size import MOST_SEEDS, Column, SampleSizes
from littlehuman.study.replacement import ReplacementCurve

_CHANCE = f"{POWER:.0%}".replace("%", " %")
_NONE = f"> {MOST_SEEDS}"
_LABEL, _CELL = 24, 7  # characters of a row's name, and of a number at least


def text(answer: DesignAnswer) -> str:
    """The block that the command line prints."""
    sizes = answer.sizes
    lines = [f"{answer.name}: {sentence(sizes)}", *_at_upper(sizes), *_table(sizes), *_variation(answer)]
    return "\n".join([*lines, *(f"- {note[0].upper()}{note[1:]}." for note in _notes(answer))])


def sentence(sizes: SampleSizes) -> str:
    """The answer: `To find a drop of 2 points with 80 % power, run 5 seeds on 1,000 test items; 3 seeds find ...`."""
    said = _sentence(sizes)
    if sizes.limits is None or sizes.limits[0] > 0:
        return said
    guess = f"At {percent(sizes.varies.seed_sd)} percentage points between seeds, the pilot's best guess"
    return f"{guess}: {said[0].lower()}{said[1:]}"


def _sentence(sizes: SampleSizes) -> str:
    question, column = sizes.question, sizes.asked
    goal, found = f"a drop of {_points(question.drop)} with {_CHANCE} power", _found(sizes, column)
    on = f"{question.items:,} test items"
    if column.fewest is None:
        none = f"No number of seeds up to {MOST_SEEDS} finds {goal} on {on}"
        return f"{none}{_elsewhere(sizes)}; on {question.items:,}, {found}."
    if column.fewest > question.seeds:
        return f"To find {goal}, run {column.fewest} seeds on {on}; {found}."
    fewer = f" ({column.fewest} would do)" if column.fewest < question.seeds else ""
    return f"{question.seeds} seeds on {on} are enough to find {goal}{fewer}: they find {_smallest(sizes, column)}."


def _at_upper(sizes: SampleSizes) -> Iterator[str]:
    """The answer where seeds differ by as much as the pilot allows."""
    upper, question = sizes.asked_at_upper, sizes.question
    if sizes.limits is not None and upper is not None:
        need = f"it takes {upper.fewest}" if upper.fewest else f"{MOST_SEEDS} are not enough"
        high = f"{percent(sizes.limits[1])} percentage points between seeds, the upper end of what the pilot allows"
        yield f"  At {high}, {need} on {question.items:,} test items, and {_found(sizes, upper)}."


def _found(sizes: SampleSizes, column: Column) -> str:
    return f"{sizes.question.seeds} seeds find {_smallest(sizes, column)}"


def _smallest(sizes: SampleSizes, column: Column) -> str:
    value = column.smallest[sizes.question.seeds]
    return f"{_up(value)} percentage points" if value < 1 else "nothing below 100 percentage points"


def _elsewhere(sizes: SampleSizes) -> str:
    """What would do, where the test items that were asked about do not."""
    most = sizes.columns[-1].items
    if sizes.enough is not None:
        return f"; {sizes.enough.fewest} seeds on {sizes.enough.items:,} do"
    return f", nor on {most:,}" if most > sizes.question.items else ""


def _table(sizes: SampleSizes) -> Iterator[str]:
    question, columns = sizes.question, sizes.columns
    width = max(_CELL, *(len(f"{column.items:,}") + 2 for column in columns))
    error = f"{100 * (1 - LEVEL):.2g} % error over all comparisons with the smallest share"
    yield f"  Smallest difference found with {_CHANCE} power, in percentage points ({question.shares} shares; {error})"
    yield _row("test items", [f"{column.items:,}" for column in columns], width)
    if question.cluster_size > 1:
        yield _row("texts (clusters)", [f"{column.clusters:,}" for column in columns], width)
    for seeds in columns[0].smallest:
        yield _row(f"{seeds} seeds", [_up(column.smallest[seeds]) for column in columns], width)
    yield f"  To find a drop of {_points(question.drop)}"
    yield _row(f"power of {question.seeds} seeds (%)", [f"{100 * column.power:.0f}" for column in columns], width)
    yield _row("seeds to run", [str(column.fewest or _NONE) for column in columns], width)
    if sizes.limits is not None and sizes.at_upper is not None:
        name = f"at {percent(sizes.limits[1])} between seeds"
        yield _row(name, [str(column.fewest or _NONE) for column in sizes.at_upper], width)


def _row(name: str, cells: Sequence[str], width: int) -> str:
    return f"    {name:<{_LABEL}}" + "".join(f"{cell:>{width}}" for cell in cells)


def _variation(answer: DesignAnswer) -> Iterator[str]:
    """Where scores vary, with where that is known from."""
    sizes, varies = answer.sizes, answer.sizes.varies
    yield f"  Where scores vary ({_source(answer)}), standard deviations in percentage points"
    seeds = f"{percent(varies.seed_sd)}"
    if sizes.limits is not None and answer.pilot is not None and answer.pilot.analysis is not None:
        df = answer.pilot.analysis.parts.df_seeds
        seeds += f"   95 % interval {percent(sizes.limits[0])} to {percent(sizes.limits[1])}, {_degrees(df)}"
    yield f"    between the seeds of a share                         {seeds}"
    yield f"    per test item between two shares, under every seed   {percent(varies.stable_sd)}"
    yield f"    per test item between two shares, new in every run   {percent(varies.noise_sd)}"
    if sizes.question.cluster_size > 1:
        size = sizes.question.cluster_size
        yield f"    correlation within texts of {size:.3g} test items (icc)       {varies.icc:.3f}"


def _source(answer: DesignAnswer) -> str:
    curve = answer.pilot
    if curve is None or curve.analysis is None:
        return "as stated"
    parts, seeds = curve.analysis.parts, curve.seeds
    many = str(seeds[-1]) if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}"
    level = f" in {parts.clusters:,} {curve.cluster_level}s" if curve.cluster_level else ""
    return f"{curve.metric}, {len(curve.shares)} shares, {many} seeds, {parts.items:,} test items{level}"


def _notes(answer: DesignAnswer) -> Iterator[str]:
    sizes = answer.sizes
    if sizes.limits is not None and sizes.limits[0] == 0:
        yield "the pilot has too few test items or seeds to tell how much seeds differ: plan for the upper end"
    if answer.pilot is not None:
        yield from _of_pilot(answer.pilot)


def _of_pilot(curve: ReplacementCurve) -> Iterator[str]:
    """What makes a pilot say less than it seems to."""
    yield from (warning_texts(curve, [warning]) for warning in shown_warnings(curve))
    if curve.analysis is not None:
        yield from (CAVEATS[caveat] for caveat in curve.analysis.caveats)
    if curve.cluster_notice:
        yield curve.cluster_notice.rstrip(".")


def _degrees(df: float) -> str:
    return f"{df:.3g} degree{'s' * (round(df, 2) != 1)} of freedom"


def _points(value: float) -> str:
    points = round(100 * value, 6)
    return f"{points:g} percentage point{'s' * (points != 1)}"


def _up(value: float) -> str:
    """In points, rounded up: a drop of exactly that is found with at least the power that was asked for."""
    return f"{math.ceil(round(1000 * value, 6)) / 10:.1f}" if value < 1 else "> 100"


def as_json(
    answers: Sequence[DesignAnswer],
    failed: Sequence[tuple[str, LittlehumanError]],
    figure: Sequence[str],
    *,
    stated: bool,
) -> dict[str, Any]:
    """Everything as JSON values in score units; `series` lists a pilot's curves, those without an answer last."""
    if stated:
        return {**_as_json(answers[0]), "figure": list(figure)}
    listed = [_as_json(answer) for answer in answers] + [{"name": name, "error": str(why)} for name, why in failed]
    return {"series": listed, "figure": list(figure)}


def _as_json(answer: DesignAnswer) -> dict[str, Any]:
    sizes, question, varies = answer.sizes, answer.sizes.question, answer.sizes.varies
    curve = answer.pilot
    parts = curve.analysis.parts if curve is not None and curve.analysis is not None else None
    return {
        "name": answer.name,
        "metric": None if curve is None else curve.metric,
        "delta": question.drop,
        "power": POWER,
        "alpha": round(1 - LEVEL, 6),
        "shares": question.shares,
        "seeds": question.seeds,
        "items": question.items,
        "variation": {
            "seed_sd": varies.seed_sd,
            "seed_sd_low": sizes.limits[0] if sizes.limits else None,
            "seed_sd_high": sizes.limits[1] if sizes.limits else None,
            "df_seeds": parts.df_seeds if parts else None,
            "item_sd": varies.stable_sd,
            "noise_sd": varies.noise_sd,
            "icc": varies.icc,
            "cluster_size": question.cluster_size,
        },
        "answer": {**_of_column(sizes.asked), "text": " ".join([sentence(sizes), *map(str.strip, _at_upper(sizes))])},
        "at_upper_seed_sd": None if sizes.at_upper is None else [_of_column(column) for column in sizes.at_upper],
        "table": [_of_column(column) for column in sizes.columns],
        "notes": list(_notes(answer)),
    }


def _of_column(column: Column) -> dict[str, Any]:
    return {
        "items": column.items,
        "clusters": column.clusters,
        "fewest_seeds": column.fewest,
        "power": column.power,
        "smallest": [{"seeds": seeds, "difference": value} for seeds, value in column.smallest.items()],
    }
