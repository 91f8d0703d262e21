"""`task=span_qa`: rows whose answer is not in their evidence, machine labels that are none, and right by BLEU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli, compose, write_csv

from littlehuman import data, metrics
from littlehuman.errors import ConfigError, DataError
from littlehuman.records import Example, Prediction, Synthetic
from littlehuman.rejections import RejectionKind
from littlehuman.twins.answers import ParsedAnswers

SPAN = ("task=span_qa", "model=minilm", "model.weights=random:bert")


def table(tmp_path: Path, answers: list[str]) -> tuple[str, ...]:
    rows = [[f"q{i}", f"The cargo of ship {i} is salt and tin.", f"What is on {i}?", a] for i, a in enumerate(answers)]
    file = write_csv(tmp_path / "mine.csv", ("id", "evidence", "text", "target"), rows)
    return ("dataset=table", f"dataset.path={file}", "dataset.columns.id=id", "dataset.valid_share=0", *SPAN)


def test_rows_whose_answer_is_not_in_the_evidence_are_left_out_of_training_counted_and_named(tmp_path: Path) -> None:
    config = compose(*table(tmp_path, ["salt", "Tin", "sugar", "salt and tin"] * 10), "synth_frac=0")
    loaded = data.load(config.dataset, config.task)
    assert {example.target for example in loaded.train} == {"salt", "Tin", "salt and tin"}
    (count,) = (n for reason, n in loaded.dropped.items() if reason == "train: answer not in its evidence")
    tests = sum(example.target == "sugar" for example in loaded.test)
    assert count + tests == 10 and tests > 0
    trained, tested = (note for note in loaded.notes if "in their evidence" in note)
    assert trained.startswith(f"train: {count} of ") and trained.count("q") >= min(count, 5)
    assert tested.startswith(f"test: {tests} of ") and "no span can be right" in tested
    answers = compose(*table(tmp_path, ["salt", "sugar"] * 20), "synth_frac=0", "task=qa", "model=tiny")
    assert not [note for note in data.load(answers.dataset, answers.task).notes if "in their evidence" in note]


def test_a_dataset_without_any_answer_in_its_evidence_is_one_error(tmp_path: Path) -> None:
    config = compose(*table(tmp_path, ["sugar"] * 20), "synth_frac=0")
    with pytest.raises(DataError, match="none of the .* train answers stands in its evidence.*'sugar'.*\nTry: task=qa"):
        data.load(config.dataset, config.task)


def test_a_machine_label_that_is_not_in_the_evidence_is_rejected_with_that_reason() -> None:
    parsed = ParsedAnswers(compose("dataset=fieldnotes_qa", *SPAN), had_usable=False)
    example = Example("1", "The bell rings at six.", "When?", ("six",))
    assert parsed.record(example, Synthetic("1", example.evidence, "When?", "Six", "key"))
    assert not parsed.record(example, Synthetic("1", example.evidence, "When?", "at seven", "key"))
    assert parsed.rejected["1"].kind is RejectionKind.NO_SPAN
    assert parsed.rejected["1"].raw == "at seven"
    annotator = ("method=annotator", "strategy=annotate", "synth_frac=0", "prompt_model=smollm2")
    scored_only = ParsedAnswers(compose("dataset=fieldnotes_qa", *SPAN, *annotator), had_usable=False)
    assert scored_only.record(example, Synthetic("1", example.evidence, "When?", "at seven", "key"))
    written = ParsedAnswers(compose("dataset=fieldnotes_qa"), had_usable=False)
    assert written.record(example, Synthetic("1", example.evidence, "When?", "at seven", "key"))


@pytest.mark.parametrize(("threshold", "right"), [(0.4, 0.5), (0.5, 0.25), (0.0, 1.0)])
def test_right_by_bleu_is_the_share_of_answers_from_the_threshold_on(threshold: float, right: float) -> None:
    config = compose("dataset=fieldnotes_qa", *SPAN, f"metrics.bleu_threshold={threshold}").metrics
    answers = ["the old mill house", "the old mill", "a red boat", "the old mill house by the sea"]
    predictions = [Prediction(str(i), ("the old mill house",), text) for i, text in enumerate(answers)]
    scored = metrics.score(predictions, ["right_by_bleu", "sentence_bleu"], (), config)
    assert scored.scores["right_by_bleu"].value == right
    for item in scored.items:
        assert item["right_by_bleu"] == (item["sentence_bleu"] >= threshold)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("metrics.bleu_threshold=1.5",), "metrics.bleu_threshold=1.5 .*must be between 0 and 1"),
        (("metrics.bleu_threshold=-0.1",), "must be between 0 and 1"),
        (("model=tiny", "model.weights=random:llama"), "is a decoder, and task=span_qa .*try model=minilm"),
        (("dataset.unanswerable=keep",), "always marks one; try dataset.unanswerable=drop"),
    ],
)
def test_settings_that_span_qa_cannot_follow_are_an_error(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose("dataset=squad", *SPAN, "prompt_model=smollm2", *overrides)


@pytest.mark.slow
def test_a_cell_with_twins_is_trained_and_scored(cli: Cli, multirun: Path) -> None:
    ended = cli("dataset=fieldnotes_qa", *SPAN, "n_train=8", "synth_frac=0.5", "n_test=5", "study=spans",
                "training.epochs=1")  # fmt: skip
    assert ended.code == 0, ended.text
    (file,) = (multirun / "spans").glob("*/result.json")
    result = json.loads(file.read_text("utf-8"))
    assert result["counts"] == {"human": 4, "synthetic": 4, "total": 8, "shortfall": 0}
    assert set(result["scores"]) == {"squad_em", "squad_f1", "right_by_bleu", "exact_match", "sentence_bleu"}
    assert "classes" not in result["knobs"]["task"] or not result["knobs"]["task"]["classes"]
