"""Alarms: the findings of an audit that human data does not show of itself. Nothing is removed because of one.

Counts are compared with those of human texts by Fisher's exact test (one-sided, level .001, of contamination .01);
measures of diversity with their human interval; features and the two-sample test by an adjusted p below .01 and an
effect that matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from littlehuman.formatting import one_line

if TYPE_CHECKING:
    from littlehuman.audit.collapse import Opening, Repeated
    from littlehuman.audit.diversity import Diverse
    from littlehuman.audit.fidelity import Effect
    from littlehuman.audit.two_sample import TwoSample

LEVEL, LEAKS, P, EFFECT, AUC = 0.001, 0.01, 0.01, 0.2, 0.6
LEAST = 3  # points
SHARED_EVIDENCE = 0.01  # share of the test points
COLLAPSED, OPENING = 0.02, 0.1  # shares of the twins
GROUP = 0.1  # more changed labels than in the other groups


@dataclass(frozen=True)
class Alarm:
    """One measure, its share or value, that of human texts (None: not compared), and what it is."""

    measure: str
    value: float
    human: float | None
    what: str


def more_than_human(count: int, rows: int, human: int, human_rows: int, level: float = LEVEL) -> bool:
    """Whether `count` of `rows` is more than `human` of `human_rows` explains."""
    from scipy.stats import fisher_exact

    if count < LEAST or count * human_rows <= human * rows:
        return False
    return float(fisher_exact([[count, rows - count], [human, human_rows - human]], "greater").pvalue) < level


def of_contamination(touched: int, rows: int, human: int, human_rows: int) -> Iterator[Alarm]:
    """More test points in the training set than human points on other evidence."""
    if more_than_human(touched, rows, human, human_rows, LEAKS):
        what = f"{touched} of {rows} test points stand in the training set, by their words or nearly"
        yield Alarm("contamination", touched / rows, _share(human, human_rows), what)


def of_evidence(shared: int, rows: int) -> Iterator[Alarm]:
    """Test points on evidence, or on a column of it, that is trained on."""
    if shared > SHARED_EVIDENCE * rows and shared >= LEAST:
        yield Alarm("evidence", shared / rows, None, f"{shared} of {rows} test points are on evidence of training")


def of_copies(count: int, rows: int, human: int, human_rows: int) -> Iterator[Alarm]:
    """More twins that repeat another human point than human points do."""
    if more_than_human(count, rows, human, human_rows):
        what = f"{count} of {rows} twins repeat another human point than their own"
        yield Alarm("copies", count / rows, _share(human, human_rows), what)


def of_repetition(found: Repeated, opening: Opening | None) -> Iterator[Alarm]:
    """Repeated texts, collapsed texts and a fixed opening."""
    repeats, human = found.rows - found.distinct, found.human_rows - found.human_distinct
    if more_than_human(repeats, found.rows, human, found.human_rows):
        what = f"{found.distinct} of {found.rows} twins are different texts"
        yield Alarm("repeated_texts", repeats / found.rows, _share(human, found.human_rows), what)
    if found.count >= LEAST and found.count >= COLLAPSED * found.rows:
        what = f"{found.count} of {found.rows} twins are {len(found.collapsed)} texts that come again and again"
        yield Alarm("collapse", found.count / found.rows, None, what)
    if opening is None:
        return
    share, usual = opening.count / opening.rows, _share(opening.human_most, opening.human_rows)
    if share - usual > OPENING and more_than_human(opening.count, opening.rows, opening.human_most, opening.human_rows):
        what = f"{opening.count} of {opening.rows} twins begin with the same three words"
        yield Alarm("opening", share, _share(opening.human, opening.human_rows), what)


def of_diversity(measures: Mapping[str, Diverse]) -> Iterator[Alarm]:
    """Measures outside their human interval, on the side of less diversity."""
    for name, found in measures.items():
        if found.is_poor:
            what = f"{name} is {found.twins:.3f}, of human texts {found.low:.3f} to {found.high:.3f}"
            yield Alarm(name, found.twins, found.human, what)


def of_fidelity(features: Mapping[str, Effect], test: TwoSample | None, human: TwoSample | None) -> Iterator[Alarm]:
    """Features that differ, and a classifier that tells twins from human texts."""
    for name, found in features.items():
        if found.p < P and abs(found.effect) >= EFFECT:
            yield Alarm(f"feature:{name}", found.effect, None, f"{name}: effect {found.effect:+.2f}, p {found.p:.2g}")
    if test is not None and test.p <= P and test.auc >= AUC:
        what = f"a classifier tells twins from human texts with an AUC of {test.auc:.2f} (.5: not at all)"
        yield Alarm("two_sample", test.auc, human.auc if human else None, what)


def of_groups(name: str, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[Alarm]:
    """Groups whose labels were changed more often than elsewhere, or are distributed otherwise than the human ones."""
    total = {key: sum(row.get(key, 0) for row in rows.values()) for key in ("changed", "synthetic")}
    for group, row in rows.items():
        others = [total[key] - row.get(key, 0) for key in ("changed", "synthetic")]
        share, usual = (_share(*counts) for counts in ((row.get("changed", 0), row["synthetic"]), others))
        if row.get("p_changed", 1.0) < P and share - usual > GROUP:
            what = f"{row['changed']} of {row['synthetic']} labels of {name} '{one_line(group)}' are not the human ones"
            yield Alarm(f"labels:{name}", share, usual, what)
        elif row.get("p_labels", 1.0) < P:
            what = f"labels of {name} '{one_line(group)}' come in other shares than those of its human points"
            yield Alarm(f"label_shift:{name}", share, None, what)


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
