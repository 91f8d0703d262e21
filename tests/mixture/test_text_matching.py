"""Texts compared by their words: which words a text has, and whether one text stands in another."""

from __future__ import annotations

from littlehuman.mixture.text_matching import contains_words, words


def test_no_part_of_a_number_or_of_a_marked_character_stands_in_the_evidence() -> None:
    assert contains_words("6시", "6시에 떠난다") and not contains_words("6시", "16시에 떠난다")
    assert contains_words("6", "6시에 떠난다") and not contains_words("๑", "ห้อง ๑๒")
    assert contains_words("มด", "มดแดง") and not contains_words("มด", "มดิบ")
    assert not contains_words("рек", "река") and not contains_words(
        "πό", "πόλη"
    )  # and of a Cyrillic or Greek word as little as of an English one


def test_words_that_differ_in_a_vowel_sign_are_different_words() -> None:
    assert words("दिन दान") == ("दिन", "दान") and words("กิน") != words("กัน")
    assert words("I ❤️ the 1️⃣ cafe\u0301") == (
        "i",
        "the",
        "1",
        "café",
    )  # the sign that chooses an emoji's picture is none
