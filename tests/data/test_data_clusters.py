"""What points of a dataset share: the clusters by which intervals are computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import compose

from littlehuman import data
from littlehuman.config.identity import run_id
from littlehuman.errors import DataError
from littlehuman.records import Example

ROWS = [
    ["Tide mills need a pond.", "It has a pond.", "supported", "mills"],
    ["tide  mills need a pond.", "It has no pond.", "unsupported", "mills"],
    ["The sluice broke in 1957.", "It broke in 1957.", "supported", "mills"],
    ["Goats climb.", "Goats climb.", "supported", "goats"],
    ["Goats sleep.", "Goats fly.", "unsupported", ""],
]


def _table(folder: Path) -> str:
    lines = [",".join(row) for row in (["evidence", "text", "target", "source"], *ROWS)]
    for split in ("train", "valid", "test"):
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return f"dataset.path={folder}"


def _test_split(*overrides: str) -> tuple[Example, ...]:
    config = compose(
        "dataset=table", "+dataset.labels.supported=supported", "+dataset.labels.unsupported=unsupported", *overrides
    )
    return data.load(config.dataset, config.task).test


def test_points_on_the_same_evidence_share_a_passage_and_points_of_a_group_a_document(tmp_path: Path) -> None:
    found = [point.clusters for point in _test_split(_table(tmp_path), "dataset.columns.group=source")]
    passages, documents = [c["passage"] for c in found], [c.get("document") for c in found]
    assert passages[0] == passages[1] and len(set(passages)) == 4
    assert documents[0] == documents[1] == documents[2] != documents[3] and documents[4] is None
    assert not any("pond" in digest for digest in (*passages, *filter(None, documents)))


def test_without_a_group_column_there_are_passages_alone(tmp_path: Path) -> None:
    assert {level for point in _test_split(_table(tmp_path)) for level in point.clusters} == {"passage"}


def test_text_without_evidence_has_no_passage() -> None:
    assert Example("a", "", "Buy now!", ("spam",)).clusters == {}


def test_a_group_column_that_does_not_exist_is_named_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'sorce'; did you mean 'source'[\s\S]*dataset.columns.group=null"):
        _test_split(_table(tmp_path), "dataset.columns.group=sorce")


def test_a_group_column_is_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    path = _table(tmp_path)
    assert run_id(compose("dataset=table", path)) == run_id(
        compose("dataset=table", path, "dataset.columns.group=source")
    )


def test_a_squad_question_belongs_to_its_article(tmp_path: Path) -> None:
    def paragraph(name: str) -> dict[str, object]:
        asked = {"id": name, "question": f"What is {name}?", "answers": [{"text": name, "answer_start": 0}]}
        return {"context": f"{name} is a mill.", "qas": [asked]}

    articles = [{"title": t, "paragraphs": [paragraph(f"{t}{i}") for i in range(2)]} for t in ("A", "B")]
    for name in ("train-v1.1.json", "dev-v1.1.json"):
        (tmp_path / name).write_text(json.dumps({"data": articles}))
    config = compose("dataset=squad", f"dataset.path={tmp_path}")
    documents = [point.clusters["document"] for point in data.load(config.dataset, config.task).test]
    assert documents[0] == documents[1] != documents[2] == documents[3]
