"""Languages: by which rules answers are compared, and how the language of a dataset is found."""

from __future__ import annotations

import pytest

from littlehuman.languages import ENGLISH, code_problem, foreign_share, language_of_points, rules_of
from littlehuman.records import Example

PASSAGES = {
    "zh": "北京市是中国的首都,位于华北平原的北部,有三千年的历史。",
    "ja": "東京は日本の首都であり、世界で最も人口の多い都市の一つです。",
    "ar": "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها سكانا",
    "hi": "दिल्ली भारत की राजधानी है और यमुना नदी के किनारे बसी है।",
    "ru": "Москва является столицей и крупнейшим городом России.",
    "ko": "서울은 대한민국의 수도이며 가장 큰 도시이다.",
    "th": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "el": "Η Αθήνα είναι η πρωτεύουσα και μεγαλύτερη πόλη της Ελλάδας.",
}
GERMAN = (
    "Die Mühle von Orwen lief bis zu dem Jahr 1957, als das Wehr brach und der Fluss nicht mehr auf die Räder fiel. "
)
ENGLISH_TEXT = "The mill at Orwen turned until 1957, when the sluice gave way and the river was lost to it. "


def points(passage: str, answer: str = "1957") -> list[Example]:
    return [Example(str(i), passage, passage, (answer,)) for i in range(5)]


@pytest.mark.parametrize("code", PASSAGES)
def test_the_script_of_the_answers_says_by_which_rules_they_are_compared(code: str) -> None:
    rules, why = language_of_points(None, points(ENGLISH_TEXT, PASSAGES[code]))
    assert rules.code == code
    assert f"rules of language {code}" in why and "dataset.language" in why


@pytest.mark.parametrize("code", PASSAGES)
def test_where_the_answers_are_numbers_the_other_texts_say_it(code: str) -> None:
    assert language_of_points(None, points(PASSAGES[code]))[0].code == code


def test_what_is_said_in_the_config_is_not_guessed() -> None:
    assert language_of_points("fa", points(PASSAGES["ar"]))[0].code == "fa"
    assert language_of_points("en", points(PASSAGES["zh"])) == (ENGLISH, "")


def test_english_texts_are_scored_as_ever_and_nothing_is_said() -> None:
    assert language_of_points(None, points(ENGLISH_TEXT, "the 北京 mill at Orwen on the river")) == (ENGLISH, "")
    assert language_of_points(None, []) == (ENGLISH, "")
    assert rules_of(None) is rules_of("en-GB") is ENGLISH


def test_german_texts_are_scored_as_ever_and_the_key_that_mends_it_is_said() -> None:
    rules, why = language_of_points(None, points(GERMAN * 3))
    assert rules is ENGLISH
    assert "look German" in why and "dataset.language=de" in why


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        ("zh", "《北京市》,1998年。", ["北", "京", "市", "1998", "年"]),
        ("zh", "\uff11\uff19\uff19\uff18", ["1998"]),  # full width
        ("ja", "「東京」です。", ["東", "京", "で", "す"]),
        ("th", "กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),  # signs stay with their character
        ("de", "Der Rhein, den die Römer „Rhenus“ nannten", ["rhein", "römer", "rhenus", "nannten"]),
        ("es", "¿El perro?", ["perro"]),
        ("fr", "L’eau de l'Oise", ["eau", "oise"]),
        ("vi", "những cái nhà", ["nhà"]),
        ("ar", "القاهرة؟", ["قاهرة"]),
        ("hi", "दिल्ली।", ["दिल्ली"]),
        ("ru", "«Москва»", ["москва"]),
        ("he", "\u200fירושלים\u200f", ["ירושלים"]),  # marks of the direction of writing
    ],
)
def test_words_of_an_answer_have_no_punctuation_and_no_articles(code: str, text: str, words: list[str]) -> None:
    assert rules_of(code).answer_words(text) == words


@pytest.mark.parametrize("code", ["de", "pt-BR", "zh_Hant", "ZH", "nb"])
def test_a_code_with_or_without_region_is_taken(code: str) -> None:
    assert code_problem(code) == ""


@pytest.mark.parametrize(
    ("given", "meant"), [("German", "language=de"), ("False", "language=nb"), ("xx", "ISO 639-1"), ("", "ISO 639-1")]
)
def test_what_is_no_code_is_refused_with_the_code_that_is_meant(given: str, meant: str) -> None:
    assert meant in code_problem(given)


def test_letters_that_are_not_latin_are_counted_without_numbers_and_signs() -> None:
    assert foreign_share("{'a': 1} 北京市") == pytest.approx(3 / 4)
    assert foreign_share("123 ...") == 0
