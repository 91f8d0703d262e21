"""What makes a score look better than it is: counted, not deleted."""

from __future__ import annotations

from collections.abc import Sequence

from littlehuman.mixture.origin_counts import OriginCounts, count_origins, items_in_training
from littlehuman.records import Example, Mixture, Origin, Point

HUMAN = Example("a", "The ferry leaves at six.", "When does the ferry to the island leave in the morning?", ("six",))
OTHER = Example("b", "The bakery opens at five.", "When does the bakery open?", ("five",))


def _audit(*points: tuple[Example, Origin], test: Sequence[Example] = (), new_texts: bool = True) -> OriginCounts:
    mixture = Mixture(tuple(Point(example, origin) for example, origin in points), len(points))
    return count_origins(mixture, {e.id: e for e in (HUMAN, OTHER)}, test, new_texts=new_texts)


def _twin(text: str, of: Example = HUMAN) -> tuple[Example, Origin]:
    return Example(of.id, of.evidence, text, of.targets), Origin.SYNTHETIC


def test_a_twin_that_copies_its_human_point_is_counted_whatever_its_case_and_punctuation() -> None:
    found = _audit(_twin("when does the ferry to the ISLAND leave, in the morning"))
    assert (found.twins_equal_to_their_human_point, found.twins_near_their_human_point) == (1, 1)


def test_a_twin_that_differs_in_a_vowel_sign_is_no_copy() -> None:
    day, gift = (Example("a", "राम ने माँगा।", f"राम ने {word} माँगा।", ("x",)) for word in ("दिन", "दान"))
    mixture = Mixture((Point(gift, Origin.SYNTHETIC),), 1)
    assert count_origins(mixture, {"a": day}, []).twins_equal_to_their_human_point == 0
    assert count_origins(mixture, {"a": gift}, []).twins_equal_to_their_human_point == 1


def test_a_twin_that_changes_one_word_is_near() -> None:
    found = _audit(_twin("When does the ferry to the island leave in the evening?"))
    assert (found.twins_equal_to_their_human_point, found.twins_near_their_human_point) == (0, 1)


def test_a_twin_of_its_own_words_is_neither() -> None:
    found = _audit(_twin("At what hour can one cross?"))
    assert (found.twins_equal_to_their_human_point, found.twins_near_their_human_point) == (0, 0)


def test_a_human_point_is_no_copy_of_itself() -> None:
    found = _audit((HUMAN, Origin.HUMAN))
    assert (found.twins_equal_to_their_human_point, found.distinct_twins) == (0, 0)


def test_an_annotated_twin_keeps_its_text_by_design() -> None:
    found = _audit(_twin(HUMAN.text), new_texts=False)
    assert (found.twins_equal_to_their_human_point, found.twins_near_their_human_point) == (0, 0)


def test_training_points_in_the_test_split_are_counted_and_so_is_shared_evidence() -> None:
    test = [
        Example("t", "  the ferry leaves\nat six. ", OTHER.text, ("x",)),
        Example("u", OTHER.evidence, OTHER.text.upper(), ("y",)),
    ]
    found = _audit((HUMAN, Origin.HUMAN), (OTHER, Origin.HUMAN), _twin("Another question?", of=OTHER), test=test)
    assert found.training_points_in_test == 1
    assert found.training_points_on_test_evidence == 3


def test_test_points_that_stand_in_training_are_named() -> None:
    copied = Example("u", OTHER.evidence, OTHER.text.upper(), ("y",))
    mixture = Mixture((Point(HUMAN, Origin.HUMAN), Point(OTHER, Origin.HUMAN)), 2)
    assert items_in_training(mixture, [Example("t", HUMAN.evidence, OTHER.text, ("x",)), copied]) == ["u"]


def test_equal_twins_of_one_evidence_show_as_fewer_distinct_ones() -> None:
    found = _audit(_twin("Who?"), _twin("who"), _twin("Who?", of=OTHER))
    assert found.distinct_twins == 2
