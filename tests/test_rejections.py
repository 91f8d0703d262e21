"""Why a point has no usable twin: code reads a kind, people a sentence; older run folders have sentences only."""

from __future__ import annotations

from typing import Any

import pytest

from littlehuman.rejections import RejectionCause, RejectionKind

SENTENCES: dict[str, tuple[str, dict[str, Any]]] = {  # as run folders of version 3709adb have them
    "finish reason: length": ("unfinished", {"finish": "length"}),
    "empty answer": ("empty_answer", {}),
    "no answer after the thoughts": ("only_thoughts", {}),
    "no Label": ("missing_field", {"field": "Label"}),
    "the form was repeated, not filled: the claim": ("unfilled_form", {"quoted": "the claim"}),
    "unknown label: perhaps: yes": ("unknown_label", {"quoted": "perhaps: yes"}),
    "several labels: True, False": ("several_labels", {"labels": "True, False"}),
    "refused: I cannot tell": ("refusal", {"quoted": "I cannot tell"}),
    "2 lines of 31 words where a short answer was asked for": ("not_short", {"lines": 2, "words": 31}),
    "label not supported returned, supported requested": (
        "wrong_label",
        {"returned": "not supported", "requested": "supported"},
    ),
    "answer not in the evidence, where it is to be marked": ("no_span", {}),
    "not provided": ("not_provided", {}),
    "made for other evidence than that of its point": ("wrong_evidence", {}),
    "rules: no word in the answer": ("no_words", {"field": "answer"}),
    "rules: text of fewer than 3 words": ("too_short", {"limit": 3}),
    "rules: answer of more than 30 words": ("too_long", {"field": "answer", "limit": 30}),
    "rules: text copied from the evidence": ("copied", {}),
    "rules: answer not in the evidence": ("answer_not_in_evidence", {}),
    "rules: repeats an earlier twin": ("duplicate", {}),
    "rules: nearly repeats an earlier twin": ("near_duplicate", {}),
    "round trip: another label": ("disagreed", {"field": "label"}),
    "round trip: no answer (unknown label)": ("round_trip_unreadable", {"cause": "unknown label"}),
    "judge: score 2.5, below 4": ("judged_bad", {"score": 2.5, "limit": 4.0}),
    "judge: no score": ("judge_without_score", {}),
    "judge: no score (no Score)": ("judge_unreadable", {"cause": "no Score"}),
    "HTTP 400: label x returned,\nsorry": ("failed_request", {"error": "HTTP 400: label x returned,\nsorry"}),
}


@pytest.mark.parametrize(("sentence", "kind", "parts"), [(text, *data) for text, data in SENTENCES.items()])
def test_a_run_folder_that_has_only_sentences_is_read_as_kinds(sentence: str, kind: str, parts: dict[str, Any]) -> None:
    cause = RejectionCause.from_row({"example_id": "a", "reason": sentence, "raw": ""})
    assert (cause.kind, cause.parts, str(cause)) == (kind, parts, sentence)


def test_every_kind_has_a_sentence_that_is_read_back() -> None:
    assert {kind for kind, _ in SENTENCES.values()} == set(RejectionKind)


def test_a_row_with_a_kind_is_taken_by_its_kind_whatever_its_sentence_says() -> None:
    row = {"reason": "no Label", "kind": "failed_request", "parts": {"error": "no Label"}}
    assert RejectionCause.from_row(row) == RejectionCause(RejectionKind.FAILED_REQUEST, {"error": "no Label"})
    assert RejectionCause.from_row({"reason": "empty answer", "kind": "empty_answer"}).parts == {}


def test_a_kind_of_a_later_version_is_read_by_its_sentence() -> None:
    later = RejectionCause.from_row({"reason": "wrong colour", "kind": "wrong_colour", "parts": {"of": "sky"}})
    assert str(later) == "wrong colour"


def test_causes_that_quote_the_answer_are_counted_without_the_quotation() -> None:
    quoting = {text: RejectionCause.from_row({"reason": text}).summary for text in SENTENCES}
    assert {text: summary for text, summary in quoting.items() if summary != text} == {
        "the form was repeated, not filled: the claim": "the form was repeated, not filled",
        "unknown label: perhaps: yes": "unknown label",
        "several labels: True, False": "several labels",
        "refused: I cannot tell": "refused",
        "2 lines of 31 words where a short answer was asked for": "no short answer",
        "label not supported returned, supported requested": "another label than requested",
    }


def test_only_filters_reject_what_could_be_read() -> None:
    by_filter = {text for text, (kind, _) in SENTENCES.items() if RejectionKind(kind).by_filter}
    assert by_filter == {text for text in SENTENCES if text.startswith(("rules: ", "round trip: ", "judge: "))}
