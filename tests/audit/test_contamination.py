from __future__ import annotations

from dataclasses import replace

import pytest
from audit_points import points

from littlehuman.audit import contamination as c
from littlehuman.audit.encoding import Encoder
from littlehuman.records import Example

TRAIN, TEST = points(400, "train"), points(200, "test")
KINDS = c.touching(True)


def found_in(train: list[Example], test: list[Example], **settings: object) -> c.Contamination:
    return c.contamination(train, test, has_classes=True, **settings)  # type: ignore[arg-type]


def planted(count: int, field: str, added: str = " besides") -> list[Example]:
    """Test points, of which the first `count` are training points with `added` at the end of a field."""
    rows = [replace(e, id=f"leak{i}", **{field: getattr(e, field) + added}) for i, e in enumerate(TRAIN[:count])]
    return [*rows, *TEST]


def test_apart_from_each_other_nothing_is_found() -> None:
    assert found_in(TRAIN, TEST).found == {}


@pytest.mark.parametrize("field", ["text", "evidence"])
def test_test_rows_with_one_word_added_are_found_by_their_number(field: str) -> None:
    found = found_in(TRAIN, planted(50, field))
    assert set(found.found[c.NEAR_ROW]) == found.ids(*KINDS) == {f"leak{i}" for i in range(50)}
    assert {pair.right for pair in found.found[c.NEAR_ROW].values()} == {e.id for e in TRAIN[:50]}


@pytest.mark.parametrize("written", [str.upper, lambda text: text.replace(" ", " ,  "), lambda text: f"«{text}»!"])
def test_case_spaces_and_punctuation_hide_no_row(written: object) -> None:
    test = [replace(e, id=f"leak{i}", text=written(e.text)) for i, e in enumerate(TRAIN[:5])]  # type: ignore[operator]
    assert set(found_in(TRAIN, test).found[c.SAME_ROW]) == {f"leak{i}" for i in range(5)}


def test_a_claim_of_training_on_other_evidence_is_found_with_its_label() -> None:
    same, other = TRAIN[0], TRAIN[1]
    test = [
        replace(TEST[0], text=same.text, targets=same.targets),
        replace(TEST[1], text=other.text, targets=("supported",)),
    ]
    pairs = found_in(TRAIN, test).found
    assert {i: pair.same_label for i, pair in pairs[c.SAME_TEXT].items()} == {"test0": True, "test1": False}
    assert set(pairs[c.REPEATED]) == {"test0"} and set(pairs[c.OPPOSITE]) == {"test1"}
    assert c.SAME_ROW not in pairs and c.NEAR_ROW not in pairs


def test_a_question_of_training_with_another_answer_is_no_contamination() -> None:
    train = [replace(TRAIN[0], text="What did she do?", targets=("She left.",))]
    test = [replace(TEST[i], text="What did she do?", targets=(a,)) for i, a in enumerate(("She slept", "she LEFT"))]
    found = c.contamination(train, test, has_classes=False)
    assert set(found.found[c.SAME_TEXT]) == {"test0", "test1"}
    assert found.ids(*c.touching(False)) == {"test1"}


def test_a_shared_column_of_the_evidence_is_named_and_is_no_contamination() -> None:
    train = [replace(e, parts=(f"background {i}", e.evidence)) for i, e in enumerate(TRAIN)]
    test = [replace(e, parts=(f"Background {i}!" if i < 30 else "another", e.evidence)) for i, e in enumerate(TEST)]
    found = found_in(train, test, columns=("background", "situation"))
    assert len(found.found["column:background"]) == 30 and "column:situation" not in found.found
    assert found.ids(*KINDS) == set() and len(found.ids(*c.on_evidence(("background",)))) == 30


def test_a_run_of_thirteen_words_is_found_and_one_of_twelve_is_not() -> None:
    train = points(20, "long", words=30)
    words = [e.text.split() for e in train]
    test = [
        replace(TEST[i], text=" ".join([*TEST[i].text.split(), *words[i][5 : 5 + n], *TEST[i + 9].text.split()]))
        for i, n in enumerate((13, 12))
    ]
    assert set(found_in(train, test).found[c.NGRAM_TEXT]) == {"test0"}
    assert set(found_in(train, test, n=12).found[c.NGRAM_TEXT]) == {"test0", "test1"}


def test_the_background_counts_human_points_that_repeat_each_other_on_other_evidence() -> None:
    repeated = [replace(e, id=f"again{i}", evidence=TEST[i].evidence) for i, e in enumerate(TRAIN[:20])]
    same_evidence = [replace(e, id=f"beside{i}") for i, e in enumerate(TRAIN[50:60])]
    pool = [*TRAIN, *repeated, *same_evidence]
    usual = c.background(pool, pool, has_classes=True, encoder=Encoder())
    assert len(usual.ids(*KINDS)) == 40 and usual.rows == len(pool)


@pytest.mark.parametrize("text", ["", "?!", "...  ", "東京はどこ"])
def test_texts_without_words_match_nothing_and_other_scripts_do(text: str) -> None:
    train, test = [replace(TRAIN[0], text=text)], [replace(TEST[0], text=f" {text}!")]
    assert (c.SAME_TEXT in found_in(train, test).found) is (text == "東京はどこ")


def test_very_many_texts_of_one_template_are_all_found() -> None:
    def claims(name: str, count: int) -> list[Example]:
        return [
            Example(f"{name}{i}", "", f"The ferry number {i} leaves the old harbour at nine today", ("a",))
            for i in range(count)
        ]

    assert len(found_in(claims("a", 1500), claims("b", 300)).found[c.SAME_TEXT]) == 300
