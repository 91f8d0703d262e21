"""What a cell leaves out is said before anything is paid, one line each, and stands in its result."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from conftest import TINY, compose, write_csv

from littlehuman import pipeline
from littlehuman.runs.status import RunStatus


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A table of 60 questions, the answers at the end of long evidence, with rows that cannot be used."""
    evidence = " ".join(["kelp"] * 70)
    rows = [{"evidence": f"{i} {evidence} gull {i}", "text": f"Who {i}?", "target": f"gull {i}"} for i in range(60)]
    rows += [{"evidence": f"E{i}", "text": f"Who {i}?", "target": None} for i in range(7)]  # type: ignore[dict-item]
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "all.jsonl"


def test_lost_answers_absent_test_points_and_dropped_rows_are_said_and_kept(
    questions: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("dataset=table", "task=qa", f"dataset.path={questions}", "dataset.max_tokens=32", "synth_frac=0")
    config = compose(*TINY, *words, "n_train=20", "n_test=20")
    caplog.set_level(logging.INFO, "littlehuman")
    prepared = pipeline.prepare(config, tmp_path / "cell", RunStatus(tmp_path / "cell"))
    said = [
        "n_test=20: the test split of table has 12 points, and all are tested",
        "and with it the answer of 20; dataset.max_tokens=",
        "cuts the end of the evidence of 12 of 12 test rows",
    ]
    for line in said:
        assert [message for message in caplog.messages if line in message], line
        assert [note for note in prepared.result["notes"] if line in note], line
    assert "7 rows are left out (all: no answer)" in caplog.messages
    assert prepared.result["dropped_rows"] == {"all: no answer": 7}


def test_the_classes_are_listed_and_odd_labels_warned_of_before_the_first_twin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = ["Spam"] * 20 + ["SPAM"] * 10 + ["ham"] * 20
    path = write_csv(tmp_path / "mail.csv", ("text", "target"), [(f"t {i}", name) for i, name in enumerate(labels)])
    words = ("dataset=table", "task=classify", "strategy=annotate", "dataset.columns.evidence=null")
    config = compose(*TINY, *words, f"dataset.path={path}", "synth_frac=0", "n_train=10")
    caplog.set_level(logging.INFO, "littlehuman")
    prepared = pipeline.prepare(config, tmp_path / "cell", RunStatus(tmp_path / "cell"))
    assert [
        message for message in caplog.messages if message.startswith("3 classes, with their training points: SPAM ")
    ]
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [
        message for message in warned if "'Spam' (" in message and "'dataset.labels={Spam: Spam, ham: ham}'" in message
    ]
    assert any("may be one" in note for note in prepared.result["notes"])
