from __future__ import annotations

from dataclasses import replace

import pytest
from audit_points import fresh, points, twins_of

from littlehuman.audit import compute
from littlehuman.audit.groups import of_scores
from littlehuman.audit.sets import AuditSets
from littlehuman.errors import DataError
from littlehuman.records import Example
from littlehuman.schema import AuditConfig

GENRES = ("news", "letters", "plays")
POOL = [replace(e, traits=(GENRES[i // 2 % 3],)) for i, e in enumerate(points(300, "human"))]
TEST = [replace(e, traits=(GENRES[i % 3],)) for i, e in enumerate(points(60, "test"))]


def audited(twins: list[Example], **groups: str) -> compute.Audit:
    sets = AuditSets((), tuple(twins), tuple(TEST), tuple(POOL), has_classes=True, new_texts=False)
    return compute.audit(sets, AuditConfig(groups=groups))


def flipped(example: Example) -> Example:
    return replace(example, targets=("supported" if example.target == "unsupported" else "unsupported",))


def test_flipped_labels_of_one_group_are_counted_and_raise_the_only_alarm() -> None:
    twins = [flipped(e) if e.traits == ("plays",) else e for e in POOL]
    made = audited(twins, genre="genre")
    rows = made.findings["groups"]["genre"]
    assert {name: row["changed"] for name, row in rows.items()} == {"letters": 0, "news": 0, "plays": 100}
    assert [(a.measure, a.value) for a in made.alarms if "genre" in a.measure] == [("labels:genre", 1.0)]


def test_labels_that_are_the_human_ones_raise_no_alarm() -> None:
    made = audited(POOL, genre="genre", first="/^[a-l]/")
    assert made.alarms == []
    assert set(made.findings["groups"]) == {"genre", "first", "length", "label"}


def test_more_of_one_label_in_a_group_is_a_label_shift_of_that_group() -> None:
    sets = AuditSets(
        (),
        tuple(replace(e, targets=("supported",)) if e.traits == ("news",) else e for e in twins_of(POOL, fresh())),
        tuple(TEST),
        tuple(POOL),
        has_classes=True,
    )
    made = compute.audit(sets, AuditConfig(groups={"genre": "genre"}))
    assert "labels:genre" in {alarm.measure for alarm in made.alarms}
    rows = made.findings["groups"]["genre"]
    assert rows["news"]["synthetic_labels"] == {"supported": 100} and rows["news"]["p_labels"] < 1e-6
    assert rows["plays"]["p_labels"] > 0.05


def test_a_group_below_twenty_is_named_and_not_tested() -> None:
    rows = of_scores({"many": [1.0, 0.0] * 20, "few": [0.0] * 19})
    assert rows["few"] == {"test": 19, "error": 1.0, "too_few_test": True}
    assert "p_error" in rows["many"]


def test_errors_of_a_group_are_found_and_adjusted_over_the_groups() -> None:
    even = [1.0, 0.0, 1.0, 1.0] * 20
    rows = of_scores({"a": even, "b": even, "c": [0.0, 0.0, 0.0, 1.0] * 20})
    assert rows["c"]["error"] == 0.75 and rows["c"]["p_error"] < 1e-6
    assert len([name for name, row in rows.items() if row["p_error"] < 0.001]) == 3  # either is unlike the rest
    assert {row["p_error"] for row in of_scores({"a": even, "b": even}).values()} == {1.0}


@pytest.mark.parametrize(("pattern", "what"), [("/zzzz/", "no text matches"), ("/./", "every text matches")])
def test_a_pattern_that_makes_an_empty_group_is_an_error_with_its_name(pattern: str, what: str) -> None:
    with pytest.raises(DataError, match=f"audit.groups.odd={pattern}: {what}"):
        audited(POOL, odd=pattern)
