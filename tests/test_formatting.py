"""Texts of strangers, made safe to print: no escape sequence, no control character, no change of direction."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from littlehuman.formatting import one_line, plain_text

SEQUENCES = {
    "a colour": ("\x1b[1;31mred\x1b[0m", "red"),
    "a cleared screen": ("a\x1b[2J\x1b[Hb", "ab"),
    "a title": ("a\x1b]0;title\x07b", "ab"),
    "a title with another end": ("a\x1b]0;title\x1b\\b", "ab"),
    "a link": ("\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", "here"),
    "a title without an end": ("a\x1b]0;title", "a"),
    "a device control string": ("a\x1bP1$r0m\x1b\\b", "ab"),
    "eight bits": ("a\x9b31mb\x9d0;t\x9cc", "abc"),
    "a reset": ("a\x1bcb", "ab"),
    "an escape alone": ("a\x1b", "a"),
    "a bell": ("a\x07b\x00c\x7fd\x08e", "abcde"),
    "an override": ("a\u202eb\u202cc", "abc"),
    "an isolate": ("a\u2066b\u2069c", "abc"),
    "a broken sequence": ("a\x1b[31", "a"),
    "two lines": ("a\nb\r\nc\u2028d\te", "a b c d e"),
}


@pytest.mark.parametrize(("given_", "shown"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_a_name_is_shown_without_what_a_terminal_would_obey(given_: str, shown: str) -> None:
    assert one_line(given_) == shown


@pytest.mark.parametrize(
    "text", ["a\n\tb\r\n", "naïve “quotes” — ✅", "\u2067שלום\u2069 \u200f", "渡轮：中午", "\u200d\u200b", "x[31m", ""]
)
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(st.sampled_from("\x1b[]0;7m\x07\\\x9b\x9d\x9cPX \n\t\rab\u202e\u2066\x7f\x85\x00é")))
def test_whatever_came_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = one_line(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e]", plain_text(text))
    assert one_line(shown) == shown
