"""Filters compare twins of other languages by their own words: a right answer is not rejected for its form."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from littlehuman.filters.round_trip import rejected_by_round_trip
from littlehuman.filters.rules import broken_rule
from littlehuman.languages import rules_of
from littlehuman.records import Synthetic
from littlehuman.schema import FilterText, RoundTripConfig, RulesConfig


def twin(target: str, evidence: str = "") -> Synthetic:
    return Synthetic("a", evidence, "?", target, "key")


class Answering:
    """A client whose model gives one answer to every twin."""

    def __init__(self, code: str, answer: str) -> None:
        self.answer = answer
        self.settings = SimpleNamespace(task="qa", classes=(), language=rules_of(code))

    def ask(self, twins: Sequence[Synthetic], request: object) -> dict[str, Synthetic]:
        return {one.example_id: twin(self.answer) for one in twins}


@pytest.mark.parametrize(
    ("code", "target", "answer"),
    [
        ("zh", "北京市", "北京市。"),
        ("de", "Rhein", "der Rhein"),
        ("hi", "दिल्ली", "दिल्ली।"),
        ("ar", "القاهرة", "القاهرة؟"),
    ],
)
def test_a_round_trip_in_another_language_passes_where_the_answer_is_the_same(
    code: str, target: str, answer: str
) -> None:
    config = RoundTripConfig(min_f1=1, tasks={"qa": FilterText()})
    client: Any = Answering(code, answer)
    assert rejected_by_round_trip([twin(target)], config, client) == {}
    other: Any = Answering(code, "1957")
    assert list(rejected_by_round_trip([twin(target)], config, other)) == ["a"]


def test_an_answer_with_another_article_than_the_evidence_stands_in_it() -> None:
    found = twin("der Rhein", "Die Stadt liegt an dem Rhein.")
    only_answers = RulesConfig(min_words=None)
    assert broken_rule(found, only_answers, new_text=False) is not None
    assert broken_rule(found, only_answers, new_text=False, language=rules_of("de")) is None
