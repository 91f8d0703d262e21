"""Faults planted into twins: each is found with its count, and sound twins raise no alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audit_points import fresh, points, twins_of

from littlehuman.audit import compute
from littlehuman.audit.sets import AuditSets, of_mixture
from littlehuman.audit.two_sample import two_sample
from littlehuman.records import Example, Mixture, Origin, Point, Synthetic

POOL, TEST = points(300, "human"), points(80, "test")
SENTENCES = [e.text for e in points(5, "sentence")]


def audited(twins: list[Example]) -> compute.Audit:
    return compute.audit(AuditSets((), tuple(twins), tuple(TEST), tuple(POOL), has_classes=True))


def names(made: compute.Audit) -> set[str]:
    return {alarm.measure for alarm in made.alarms}


def test_twins_that_are_like_human_texts_raise_no_alarm() -> None:
    made = audited(twins_of(POOL, fresh()))
    assert names(made) == set()
    assert made.findings["repeated_texts"]["count"] == made.findings["copies"]["count"] == 0


def test_twins_copied_from_other_human_points_are_counted() -> None:
    write = fresh()
    twins = twins_of(POOL, lambda i, e: POOL[i + 100].text if i < 40 else write(i, e))
    made = audited(twins)
    assert made.findings["copies"]["count"] == made.findings["copies"]["same"] == 40
    assert names(made) == {"copies"}
    assert ["human0", "human100"] in [pair[:2] for pair in made.findings["copies"]["pairs"]]


def test_a_twin_that_is_its_own_human_point_is_no_copy_of_another() -> None:
    assert audited(POOL).findings["copies"]["count"] == 0


@pytest.mark.parametrize("share", [*(pytest.param(share, marks=pytest.mark.slow) for share in (1.0, 0.5)), 0.1])
def test_twins_that_are_five_sentences_are_counted_and_named(share: float) -> None:
    write, count = fresh(), int(share * len(POOL))
    twins = twins_of(POOL, lambda i, e: SENTENCES[i % 5] if i < count else write(i, e))
    found = audited(twins)
    assert found.findings["collapse"] == {
        "count": count,
        "rows": 300,
        "share": share,
        "texts": [[f"human{i}", count // 5] for i in range(5)],
    }
    assert found.findings["diversity"]["distinct"] == 300 - count + 5
    assert {"collapse", "repeated_texts"} <= names(found)


def test_a_fixed_opening_is_found_with_its_count() -> None:
    write = fresh()
    twins = twins_of(POOL, lambda i, e: ("It is known that " if i < 90 else "") + write(i, e))
    made = audited(twins)
    assert made.findings["diversity"]["opening"] | {"first": ""} == {
        "first": "",
        "count": 90,
        "rows": 300,
        "human": 0,
        "human_most": 1,
        "human_rows": 300,
    }
    assert {"opening", "two_sample"} <= names(made)


def test_twins_that_ask_test_questions_with_their_answers_are_contamination() -> None:
    write = fresh()
    twins = twins_of(POOL, lambda i, e: TEST[i].text if i < 12 else write(i, e))
    twins = [replace(e, targets=TEST[i].targets) if i < 12 else e for i, e in enumerate(twins)]
    found = audited(twins)
    assert found.findings["contamination"]["synthetic"]["repeated"] == {"count": 12, "same_label": 12}
    assert found.touched["contamination"] == {f"test{i}" for i in range(12)}
    assert "contamination" in names(found)


def test_words_of_the_prompt_model_are_named_and_stay_out_of_the_file() -> None:
    write = fresh()
    made = audited(twins_of(POOL, lambda i, e: write(i, e) + (" zealous!" if i % 3 else "")))
    assert made.findings["fidelity"]["two_sample"]["auc"] > 0.75
    assert {"zealous", "!"} <= {word for word, _ in made.words}
    assert "zealous" not in str(made.findings)


@pytest.mark.parametrize("evidence", [40, 0])
def test_twins_that_are_their_originals_in_another_order_cannot_be_told_from_them(evidence: int) -> None:
    """The words of a pair are shared: in two folds, what is learnt of one would speak against the other."""
    pool = [replace(e, text=e.text.casefold().strip("."), group=f"{i // 2}") for i, e in enumerate(points(300, "p"))]
    pool = [replace(e, evidence=e.evidence if evidence else "") for e in pool]
    twins = [Synthetic(e.id, e.evidence, " ".join(reversed(e.text.split())), e.target, "") for e in pool]
    mixture = Mixture(tuple(Point(twin.as_example(), Origin.SYNTHETIC) for twin in twins), len(twins))
    sets = of_mixture(mixture, pool, TEST, has_classes=True, new_texts=True)
    found = two_sample(sets.synthetic, sets.reference)
    assert found and abs(found.auc - 0.5) < 0.1


def test_longer_twins_have_an_effect_and_the_classifier_sees_pairs() -> None:
    made = audited(twins_of(POOL, fresh(words=14)))
    assert made.findings["fidelity"]["features"]["words"]["effect"] > 2
    assert "feature:words" in names(made)


@pytest.mark.parametrize("twins", [[], POOL[:5]], ids=["no twins", "five twins"])
def test_too_few_twins_are_not_measured_and_raise_no_alarm(twins: list[Example]) -> None:
    made = audited(twins)
    assert names(made) == set()
    said = made.findings["fidelity"]
    assert "not measured" in (said if not twins else said["two_sample"])
