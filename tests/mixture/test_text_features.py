"""Features of a text: words, sentences, openings, and how near it is to its evidence."""

from __future__ import annotations

import json
import math
import random
import time

import pytest

from littlehuman.mixture.text_features import extractiveness, opening, profile, sentences, words
from littlehuman.records import Example

EVIDENCE = "The ferry leaves the harbour at six. Nobody knows why it is late. Its captain is called Marta."


def _pair(
    i: int | str, twin: str = "What is new?", human: str = "What was old?", target: str = "a b"
) -> tuple[Example, Example]:
    return Example(str(i), EVIDENCE, twin, (target,)), Example(
        str(i), EVIDENCE, human, ("c", "another accepted answer")
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("Don't stop", 2),
        ("don’t", 1),
        ("a well-known ferry", 4),
        ("At 10:30, it left.", 5),
        ("Ærø's größte", 2),
    ],
)
def test_words_are_counted_without_punctuation(text: str, count: int) -> None:
    assert words(text) == count


def test_a_text_is_split_after_closing_marks_and_at_line_ends() -> None:
    text = 'It left at 10.30 sharp. "Why?" she asked!  Nobody knew.\nTitle\n\n- \nThe end'
    assert sentences(text) == ("It left at 10.30 sharp.", '"Why?"', "she asked!", "Nobody knew.", "Title", "The end")
    assert sentences(" \n") == ()


def test_an_abbreviation_is_split_as_the_docstring_says() -> None:
    assert sentences("Dr. Smith left.") == ("Dr.", "Smith left.")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who left?", "who"),
        ("To whom did it belong?", "who"),
        ("Who's there?", "who"),
        ("Whose ferry is it?", "whose"),
        ("whats new", "other"),
        ("What’s new?", "what"),
        ("In what year did it sink?", "what"),
        ("As of which day is it due?", "which"),
        ("“How” many are there?", "how"),
        ("Why, then, did she go?", "why"),
        ("Is it late?", "yes/no"),
        ("Wasn’t it late?", "yes/no"),
        ("Can't it sail?", "yes/no"),
        ("According to the text, where is it?", "where"),
        ("In 1921, after the war, did it sink?", "yes/no"),
        ("Based on the passage, name the captain.", "other"),
        ("To have a seat, what do you need?", "what"),
        ("To do what she must is brave?", "other"),
        ("The ferry, which is late, is whose?", "other"),
        ("The ferry leaves when?", "other"),
        ("Name the captain.", "other"),
        ("In", "other"),
        ("?!", "other"),
        ("", "other"),
    ],
)
def test_a_question_opens_with_its_question_word(question: str, expected: str) -> None:
    assert opening(question) == expected


def test_a_copied_sentence_has_bleu_1_and_its_place_in_the_evidence() -> None:
    for place, sentence in enumerate(sentences(EVIDENCE)):
        assert extractiveness(sentence, EVIDENCE) == (1.0, place / 2)


def test_the_bleu_of_a_shortened_sentence_is_its_brevity_penalty() -> None:
    # All n-grams of the 3 words match; the sentence has 5: exp(1 - 5/3).
    bleu, place = extractiveness("the ferry leaves", "Nobody knows why. the ferry leaves at six.")
    assert bleu == pytest.approx(math.exp(1 - 5 / 3), abs=1e-6) and place == 1.0


def test_nothing_in_common_has_bleu_0_and_no_place_although_both_end_in_a_full_stop() -> None:
    assert extractiveness("Cats purr.", EVIDENCE) == (0.0, None)
    assert extractiveness("", EVIDENCE) == (0.0, None)


def test_of_equally_near_sentences_the_first_has_the_place() -> None:
    assert extractiveness("it left", "it left! They slept. it left.") == (1.0, 0.0)


def test_one_sentence_has_no_place_and_no_evidence_has_no_bleu() -> None:
    assert extractiveness("it left", "it left.") == (1.0, None)
    assert extractiveness("it left", "") == extractiveness("it left", " \n.") == (None, None)


def test_questions_have_openings_and_answers_and_claims_have_labels() -> None:
    qa = profile([_pair("q", "Is it late now?", "Who?")], has_classes=False)
    assert qa["ids"] == ["q"]
    assert (qa["synthetic"]["words"], qa["human"]["words"]) == ([4], [1])
    assert (qa["synthetic"]["answer_words"], qa["human"]["answer_words"]) == (
        [2],
        [1],
    )  # the target, not every accepted answer
    assert (qa["synthetic"]["opening"], qa["human"]["opening"]) == (["yes/no"], ["who"])
    assert "target" not in qa["human"]
    fv = profile([_pair("c", target="supported")], has_classes=True)
    assert (fv["synthetic"]["target"], fv["human"]["target"]) == (["supported"], ["c"])
    assert fv["synthetic"]["opening"] == fv["human"]["opening"] == fv["human"]["answer_words"] == [None]


def test_each_row_belongs_to_its_id_on_both_sides() -> None:
    pairs = [_pair(i, "new " * i, "old " * (100 + i)) for i in range(1, 20)]
    found = profile(pairs, has_classes=False)
    assert found["human"].keys() == found["synthetic"].keys()
    assert all(len(column) == 19 for side in ("human", "synthetic") for column in found[side].values())
    assert found["synthetic"]["words"] == [int(i) for i in found["ids"]]
    assert found["human"]["words"] == [100 + int(i) for i in found["ids"]]


def test_another_cell_draws_the_same_pairs_whatever_their_order() -> None:
    pairs = [_pair(i) for i in range(60)]
    few, more = (profile(pairs, has_classes=False, limit=limit)["ids"] for limit in (10, 30))
    assert few == more[:10] and len(more) == 30
    assert profile(pairs[::-1], has_classes=False, limit=10)["ids"] == few
    assert set(few) & {str(i) for i in range(30)} <= set(profile(pairs[:30], has_classes=False, limit=10)["ids"])


def test_a_profile_is_strict_json_without_any_text() -> None:
    text = json.dumps(
        profile([_pair("a", "A secret about zebras", "A private giraffe", "hidden answer")], has_classes=False),
        allow_nan=False,
    )
    assert not any(word in text for word in ("zebras", "giraffe", "hidden", "ferry"))
    assert profile([], has_classes=True)["ids"] == []


def test_two_ids_in_a_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="another point's human original"):
        profile([(_pair("a")[0], _pair("b")[1])], has_classes=False)


@pytest.mark.slow
def test_a_thousand_pairs_on_ten_sentences_take_seconds() -> None:
    draw = random.Random(0)

    def sentence(count: int) -> str:
        return " ".join(f"word{draw.randint(0, 300)}" for _ in range(count)) + "."

    pairs = []
    for i in range(1000):
        evidence = " ".join(sentence(20) for _ in range(10))
        pairs.append(tuple(Example(str(i), evidence, sentence(12), ("yes",)) for _ in range(2)))
    started = time.process_time()
    found = profile([(twin, human) for twin, human in pairs], has_classes=False)
    assert time.process_time() - started < 5  # 1.5 s where this was written
    assert len(found["ids"]) == 1000


def test_words_and_sentences_of_other_scripts_are_counted_too() -> None:
    assert words("北京市。") == 3 and words("दिल्ली भारत") == 2 and words("don't well-known") == 3
    assert sentences("北京是首都。上海很大！天津呢？") == ("北京是首都。", "上海很大！", "天津呢？")
    assert sentences("दिल्ली राजधानी है। मुंबई बड़ी है।") == ("दिल्ली राजधानी है।", "मुंबई बड़ी है।")
    assert extractiveness("上海很大", "北京是首都。上海很大。") == (1.0, 1.0)
