"""Bias by group: labels and annotation errors of the training set, errors of the model on the test points.

A grouping is a column of the data, a pattern on the texts (`audit.groups={genre: genre, negation: /not/}`), or one of
those that all data has: length of the text (thirds of the human points), label, and source (`columns.group`, where
it has few values). A twin is in the group of its human point. Within a grouping p values are adjusted by Holm; groups
with fewer than 20 points are named and not tested.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from littlehuman.audit.sets import AuditSets
from littlehuman.errors import DataError
from littlehuman.mixture import text_features
from littlehuman.mixture.text_matching import normal
from littlehuman.records import Example
from littlehuman.schema.audit import is_pattern
from littlehuman.stats.holm import holm

LEAST, MOST_GROUPS = 20, 50
LENGTH, LABEL, SOURCE = "length", "label", "source"
YES, NO = "matches", "others"


@dataclass(frozen=True)
class Grouping:
    """A name, and the group of a point (empty: in none)."""

    name: str
    of: Callable[[Example], str]


def groupings(chosen: Mapping[str, str], sets: AuditSets) -> list[Grouping]:
    """The groupings of an audit: those that were chosen, then length, label and source.

    Raises:
        DataError: for a pattern that no point matches, or all do, and a column without values.
    """
    columns = [name for name, value in chosen.items() if not is_pattern(value)]
    found = [
        _by_pattern(name, value, sets) if is_pattern(value) else _by_column(name, value, columns.index(name), sets)
        for name, value in chosen.items()
    ]
    found.append(_by_length(sets))
    if sets.has_classes:
        found.append(Grouping(LABEL, lambda example: example.target))
    sources = Counter(example.group for example in sets.pool)
    if 1 < len(sources) <= MOST_GROUPS:
        found.append(Grouping(SOURCE, lambda example: example.group))
    return [one for one in found if one.name not in chosen or one in found[: len(chosen)]]


def of_training(grouping: Grouping, sets: AuditSets) -> dict[str, dict[str, Any]]:
    """Group -> points of either origin, their labels, and twins whose label is not that of their human point.

    `p_labels`: labels of twins against those of their human points (chi-square; classes, and not for groups by label).
    `p_changed`: changed labels against the other groups (Fisher).
    """
    human = {example.id: example for example in sets.pool}
    pairs = [(twin, human[twin.id]) for twin in sets.synthetic if twin.id in human]
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted({grouping.of(e) for e in (*sets.human, *(original for _, original in pairs))} - {""}):
        inside = [(twin, original) for twin, original in pairs if grouping.of(original) == name]
        changed = sum(_answer(twin, sets) != _answer(original, sets) for twin, original in inside)
        rows[name] = {"human": sum(grouping.of(e) == name for e in sets.human), "synthetic": len(inside)}
        if sets.has_classes or not sets.new_texts:
            rows[name] |= {"changed": changed}
        if sets.has_classes:
            sides = [Counter(side.target for side in sides) for sides in zip(*inside, strict=True)] or [Counter()] * 2
            rows[name] |= {"synthetic_labels": dict(sides[0]), "human_labels": dict(sides[1])}
    tested = {name: row for name, row in rows.items() if row["synthetic"] >= LEAST}
    if sets.has_classes and grouping.name != LABEL:
        _add(tested, "p_labels", [_p_labels(row) for row in tested.values()])
    compared = grouping.name != LABEL or not sets.new_texts  # new texts have labels of their own: the rarer, the more
    if compared and len(rows) > 1 and all("changed" in row for row in rows.values()):
        _add(tested, "p_changed", [_p_changed(name, rows) for name in tested])
    return _named(rows, "synthetic")


def of_scores(members: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Group -> test points, mean error, and p of its scores against those of the other groups."""
    rows = {name: {"test": len(scores), "error": _error(scores)} for name, scores in sorted(members.items())}
    tested = {name: row for name, row in rows.items() if row["test"] >= LEAST}
    values = []
    for name in tested:
        others = [score for other, scores in members.items() if other != name for score in scores]
        values.append(_p_scores(members[name], others))
    _add(tested, "p_error", values)
    return _named(rows, "test")


def _p_scores(scores: Sequence[float], others: Sequence[float]) -> float:
    """Fisher's exact test where scores are 0 and 1, else Mann and Whitney's."""
    from scipy import stats

    if not others or len({*scores, *others}) < 2:
        return 1.0
    if {*scores, *others} <= {0.0, 1.0}:
        return _fisher((sum(scores), len(scores)), (sum(others), len(others)))
    return float(stats.mannwhitneyu(scores, others).pvalue)


def _error(scores: Sequence[float]) -> float:
    return round(1 - sum(scores) / len(scores), 5) if scores else 0.0


def _answer(example: Example, sets: AuditSets) -> str:
    return example.target if sets.has_classes else normal(example.target)


def _p_labels(row: Mapping[str, Any]) -> float:
    from scipy import stats

    names = sorted({*row["human_labels"], *row["synthetic_labels"]})
    if len(names) < 2:
        return 1.0
    table = [[row[side].get(name, 0) for name in names] for side in ("human_labels", "synthetic_labels")]
    return float(stats.chi2_contingency(table)[1])


def _p_changed(name: str, rows: Mapping[str, Mapping[str, Any]]) -> float:
    total = [sum(row[key] for row in rows.values()) for key in ("changed", "synthetic")]
    inside = [rows[name][key] for key in ("changed", "synthetic")]
    return _fisher(inside, [whole - part for whole, part in zip(total, inside, strict=True)])


def _fisher(*sides: Sequence[float]) -> float:
    """p of two sides, each a count and what it is of."""
    from scipy import stats

    return float(stats.fisher_exact([[count, rows - count] for count, rows in sides])[1])


def _add(rows: Mapping[str, dict[str, Any]], key: str, values: Sequence[float]) -> None:
    for row, p in zip(rows.values(), holm(values), strict=True):
        row[key] = float(f"{p:.3g}")


def _named(rows: dict[str, dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """The rows; those that are too small to be tested say so."""
    return {name: row if row[key] >= LEAST else row | {f"too_few_{key}": True} for name, row in rows.items()}


def _by_pattern(name: str, value: str, sets: AuditSets) -> Grouping:
    pattern = re.compile(value[1:-1], re.IGNORECASE)
    points = (*sets.pool, *sets.test)
    count = sum(bool(pattern.search(example.text)) for example in points)
    if count in (0, len(points)):
        which = "no text matches it" if not count else "every text matches it"
        raise DataError(f"audit.groups.{name}={value}: {which}, so there is nothing to compare\nTry: another pattern")
    return Grouping(name, lambda example: YES if pattern.search(example.text) else NO)


def _by_column(name: str, value: str, at: int, sets: AuditSets) -> Grouping:
    def of(example: Example) -> str:
        return example.traits[at] if at < len(example.traits) else ""

    if not any(of(example) for example in (*sets.pool, *sets.test)):
        raise DataError(f"audit.groups.{name}={value}: the column has no value\nTry: another column, or /PATTERN/")
    return Grouping(name, of)


def _by_length(sets: AuditSets) -> Grouping:
    lengths = sorted(text_features.words(example.text) for example in sets.pool or sets.human or sets.test)
    low, high = (lengths[len(lengths) * third // 3] if lengths else 0 for third in (1, 2))
    names = (f"below {low} words", f"{low} to {high} words", f"above {high} words")

    def of(example: Example) -> str:
        count = text_features.words(example.text)
        return names[0] if count < low else names[1] if count <= high else names[2]

    return Grouping(LENGTH, of)
