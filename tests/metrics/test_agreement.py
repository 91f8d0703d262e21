"""Agreement of machine labels with human ones, and the warnings that follow from it."""

from __future__ import annotations

from typing import Any

import pytest

from littlehuman.metrics.agreement import LabelPair, agreement, clusters_of
from littlehuman.metrics.label_warnings import expected_rates, sentences
from littlehuman.records import Example

CLASSES = ("a", "b", "c")
HUMAN = [*"aaaaabbbbbccccc"]
MACHINE = [*"aaaabbbbbacccab"]


def _pairs(human: list[str], machine: list[str]) -> list[LabelPair]:
    return [LabelPair((h,), m, str(nth)) for nth, (h, m) in enumerate(zip(human, machine, strict=True))]


def test_classes_have_accuracy_kappa_precision_recall_and_a_confusion_matrix() -> None:
    found = agreement(_pairs(HUMAN, MACHINE), CLASSES)
    assert found["n"] == 15 and found["accuracy"]["value"] == pytest.approx(11 / 15, abs=1e-6)
    assert found["kappa"]["value"] == pytest.approx((11 / 15 - 1 / 3) / (1 - 1 / 3), abs=1e-6)
    assert found["kappa"]["low"] < found["kappa"]["value"] < found["kappa"]["high"]
    assert [found["classes"][name]["precision"] for name in CLASSES] == pytest.approx([4 / 6, 4 / 6, 1], abs=1e-6)
    assert [found["classes"][name]["recall"] for name in CLASSES] == pytest.approx([4 / 5, 4 / 5, 3 / 5], abs=1e-6)
    assert found["confusion"] == {"a": {"a": 4, "b": 1}, "b": {"a": 1, "b": 4}, "c": {"a": 1, "b": 1, "c": 3}}


def test_a_class_that_never_came_has_no_precision() -> None:
    found = agreement(_pairs([*"aabb"], [*"aaaa"]), CLASSES)
    assert found["classes"]["b"] == {"human": 2, "machine": 0, "precision": None, "recall": 0.0}
    assert found["classes"]["c"] == {"human": 0, "machine": 0, "precision": None, "recall": None}


def test_answers_have_em_f1_bleu_and_the_share_right_from_each_threshold() -> None:
    answers = [(("the old mill", "a mill"), "the old mill"), (("noon",), "at noon"), (("a b c d",), "x")]
    found = agreement([LabelPair(human, machine, machine) for human, machine in answers], ())
    assert found["squad_em"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["squad_f1"]["value"] == pytest.approx((1 + 2 / 3) / 3, abs=1e-6)
    shares = list(found["right_from_bleu"].values())
    assert list(found["right_from_bleu"]) == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    assert shares == sorted(shares, reverse=True)
    assert (shares[4], shares[9]) == pytest.approx((2 / 3, 1 / 3), abs=1e-6)  # "at noon" has a BLEU of 0.5


def test_points_are_clustered_by_the_coarsest_level_that_leaves_twenty() -> None:
    few = [Example(f"p{n}", f"evidence {n // 2}", f"t{n}", ("a",), group=f"document {n % 3}") for n in range(80)]
    assert len(set(clusters_of(few))) == 40
    assert len(set(clusters_of([Example(f"p{n}", "", f"t{n}", ("a",)) for n in range(9)]))) == 9


# --- warnings ------------------------------------------------------------------------------------


def _entry(returned: dict[str, int], *, known: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"returned": returned, "expected": expected_rates(known or [], CLASSES), "asked": 0, "rejected": 0, **more}


def test_a_class_that_comes_too_often_and_one_that_never_comes_are_named_with_what_was_expected() -> None:
    often, never = sentences(_entry({"a": 168, "b": 32}))
    assert often == ("labels that come at over twice the expected rate (all classes alike): a 84.0 % (expected 33.3 %)")
    assert never == "labels that never come in 200 answers: c"


def test_rates_are_expected_as_in_the_human_labels_that_the_cell_may_know() -> None:
    skewed = ["a"] * 90 + ["b"] * 9 + ["c"]
    assert sentences(_entry({"a": 168, "b": 32}, known=skewed)) == []  # nothing odd: people say "a" as often
    assert "human labels of this cell" in sentences(_entry({"a": 100, "b": 20, "c": 80}, known=skewed))[0]


def test_human_labels_too_few_to_tell_a_rate_are_not_used() -> None:
    assert expected_rates(["a"] * 29, CLASSES)["from"] == "none"
    assert expected_rates(["a"] * 30, CLASSES)["from"] == "human labels"


def test_a_few_answers_raise_no_alarm() -> None:
    assert sentences(_entry({"a": 4, "b": 1})) == []


def test_more_than_a_tenth_rejected_is_told_by_label() -> None:
    out = {"rejected_by_label": {"True": 207, "False": 15}, "asked": 270, "rejected": 222}
    assert sentences(out) == ["222 of 270 machine labels (82.2 %) were rejected: 207 True, 15 False"]
    assert sentences(out | {"rejected": 27}) == []


@pytest.mark.parametrize(
    ("kappa", "said"),
    [
        ((0.05, -0.04, 0.14), ["agreement with people is not shown to differ from chance: kappa 0.05 (95 % interval"]),
        ((0.4, 0.2, 0.6), []),
        ((-0.8, -0.9, -0.7), ["agreement with people is below chance, as if classes were exchanged: kappa -0.80"]),
        ((None, None, None), ["people and machine gave one class to all points"]),
        ((0.0, None, None), ["agreement with people has no interval"]),
    ],
)
def test_kappa_that_may_be_chance_or_is_worse_is_said(kappa: tuple[Any, ...], said: list[str]) -> None:
    found = sentences({"kappa": dict(zip(("value", "low", "high"), kappa, strict=True))})
    assert len(found) == len(said) and all(text.startswith(start) for text, start in zip(found, said, strict=True))
