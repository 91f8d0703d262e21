"""Which column is what, in tables that the code was not written for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from littlehuman.deciding.columns import Roles, columns_of, roles_of
from littlehuman.errors import DataError


def again(*words: str) -> str:
    return f"littlehuman decide table.csv {' '.join(words)}"


def roles(rows: Sequence[dict[str, Any]], **given: Any) -> Roles:
    return roles_of(columns_of(rows), given, "table.csv", again)


def claims(count: int = 40) -> list[dict[str, Any]]:
    return [
        {
            "nr": i,
            "passage": f"Ferry number {i} leaves the harbour of Ost at six in the morning.",
            "claim": f"Ferry number {i} leaves in the evening.",
            "verdict": ("right", "wrong")[i % 2],
        }
        for i in range(count)
    ]


def test_claims_have_evidence_text_label_and_id() -> None:
    found = roles(claims())
    assert (found.evidence, found.text, found.target, found.id) == ("passage", ("claim",), "verdict", "nr")
    assert not found.answers and set(found.why) >= {"evidence", "text", "target"}


def test_questions_with_answers_that_hardly_repeat_are_questions_and_not_classes() -> None:
    rows = [
        {"story": f"Mill {i} was built in {1700 + i}.", "q": f"When was mill {i} built?", "answer": str(1700 + i)}
        for i in range(40)
    ]
    found = roles(rows)
    assert found.answers and (found.evidence, found.text, found.target) == ("story", ("q",), "answer")


def test_a_mail_is_read_with_subject_and_body_and_its_folder_is_the_label() -> None:
    rows = [
        {
            "from": f"user{i}@mail.org",
            "subject": f"Offer {i}",
            "body": f"Dear reader, this is letter {i}.",
            "folder": ("spam", "ham")[i % 2],
        }
        for i in range(40)
    ]
    found = roles(rows)
    assert (found.evidence, found.text, found.target) == (None, ("subject", "body"), "folder")


def test_a_label_with_an_unknown_name_is_found_by_its_values() -> None:
    rows = [{"words": f"A sentence with the number {i} in it.", "kind": "xyz"[i % 3]} for i in range(60)]
    found = roles(rows)
    assert (found.text, found.target) == (("words",), "kind") and "'kind'" in found.why["target"]


def test_nested_answers_are_found_by_their_path() -> None:
    rows = [
        {"context": f"Mill {i} is old.", "question": f"What is mill {i}?", "answers": {"text": [f"old {i}"]}}
        for i in range(20)
    ]
    assert roles(rows).target == "answers.text"


def test_two_columns_that_could_be_the_label_are_refused_with_a_command_that_chooses_one() -> None:
    rows = [{"text": f"Text number {i} is here.", "mood": "ab"[i % 2], "area": "xyz"[i % 3]} for i in range(60)]
    with pytest.raises(DataError, match="2 columns could be the label: 'mood'.*'area'") as refused:
        roles(rows)
    assert "Try: littlehuman decide table.csv dataset.columns.target=mood" in str(refused.value)
    assert roles(rows, target="area").target == "area"


def test_a_table_without_labels_is_refused() -> None:
    rows = [{"text": f"Text number {i} is here.", "note": f"A remark about {i} here."} for i in range(40)]
    with pytest.raises(DataError, match="no column looks like a label"):
        roles(rows)


def test_a_document_that_several_points_share_is_the_group() -> None:
    rows = [row | {"article": f"article {i // 5}"} for i, row in enumerate(claims())]
    assert roles(rows).group == "article"
    assert roles(claims()).group is None
