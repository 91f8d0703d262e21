"""The length check: what token limits cut is counted before anything is paid, with the limit that would not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import TINY, compose

from littlehuman import pipeline
from littlehuman.records import Dataset, Example
from littlehuman.training import length_check
from littlehuman.training.types import Settings

QA = ("dataset=table", "task=qa")


def _settings(*words: str, base: tuple[str, ...] = QA) -> Settings:
    config = compose(*TINY, *base, *words)
    return pipeline.cell_settings(Dataset("d", (), (), ()), config, config.dataset)


def _examples(count: int, answer: str = "the gull", words: int = 60) -> list[Example]:
    filler = " ".join(["kelp"] * words)
    return [Example(str(i), f"{filler} it was {answer} {i}", "Who was it?", (answer,)) for i in range(count)]


def test_training_rows_that_lose_their_answer_are_counted_with_the_limit_that_keeps_them() -> None:
    rows = _examples(20)
    (said,) = length_check.sentences(rows, [], _settings("dataset.max_tokens=32"))
    assert "of 20 of 20 training rows, and with it the answer of 20" in said
    enough = re.search(r"dataset.max_tokens=(\d+) would cut none of these answers", said)
    assert enough is not None
    assert length_check.sentences(rows, [], _settings(f"dataset.max_tokens={enough[1]}")) == []
    assert length_check.sentences(rows, [], _settings(f"dataset.max_tokens={int(enough[1]) - 1}")) != []


def test_test_rows_are_measured_by_the_limit_of_their_own_dataset() -> None:
    said = length_check.sentences([], _examples(10), _settings("dataset.max_tokens=32"))
    assert "10 of 10 test rows, and with it the answer of 10" in said[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (_examples(5, words=1), None),
        ([Example("1", "the gull " + "kelp " * 80, "Who?", ("the gull",))], "of 1 of 1 training rows"),  # cut after it
        ([Example("1", "kelp " * 80, "Who?", ("nobody",))], "of 1 of 1 training rows"),  # not in the evidence at all
    ],
)
def test_what_loses_no_answer_is_not_said_to(rows: list[Example], said: str | None) -> None:
    found = length_check.sentences(rows, [], _settings("dataset.max_tokens=32"))
    assert [line.split("evidence ")[1] for line in found] == ([said] if said else [])


def test_up_to_one_percent_of_lost_answers_are_counted_without_a_mend() -> None:
    rows = [*_examples(1), *_examples(150, words=2)]
    (said,) = length_check.sentences(rows, [], _settings("dataset.max_tokens=32"))
    assert said.endswith("and with it the answer of 1")


@pytest.mark.parametrize(("long", "said"), [(0, False), (1, False), (2, True), (150, True)])
def test_gold_answers_that_a_prediction_cannot_reach_are_counted(long: int, said: bool) -> None:
    words = [*_examples(long, answer="one two three four five six seven eight"), *_examples(150 - long, answer="x")]
    settings = _settings("dataset.answer_tokens=4", "dataset.max_tokens=900")
    found = [line for line in length_check.sentences([], words, settings) if "answer_tokens" in line]
    assert bool(found) == said
    if found:
        assert f"cuts {long} of 150 gold answers" in found[0]
        enough = re.findall(r"dataset.answer_tokens=(\d+)", found[0])[-1]
        assert not length_check.sentences(
            [], words, _settings(f"dataset.answer_tokens={enough}", "dataset.max_tokens=900")
        )


def test_a_classification_has_no_answers_to_lose() -> None:
    rows = [Example("1", "kelp " * 80 + "supported", "It is.", ("supported",))]
    (said,) = length_check.sentences(rows, rows[:0], _settings("dataset.max_tokens=32", base=("dataset=table",)))
    assert "of 1 of 1 training rows" in said and "answer" not in said


def test_a_model_whose_tokenizer_is_elsewhere_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    settings = _settings()
    away: Any = replace(settings, model=replace(settings.model, weights="nobody/nothing"))
    assert length_check.sentences(_examples(3), _examples(3), away) == []


@pytest.mark.parametrize(("with_text", "limit"), [(True, 12), (False, 4)])
def test_a_limit_of_the_prompt_model_that_would_cut_twins_is_named_with_one_that_would_not(
    with_text: bool, limit: int
) -> None:
    points = [
        Example(str(i), "E", "Who was it that came over the sea to the quay?", ("the gull of Ost",)) for i in range(9)
    ]
    (said,) = length_check.of_twins(points, _settings(), limit, with_text=with_text)
    assert said.startswith(f"strategy.max_tokens={limit} is less than the") and "of 9 of 9 human points" in said
    enough = int(re.findall(r"; strategy.max_tokens=(\d+)", said)[0])
    assert length_check.of_twins(points, _settings(), enough, with_text=with_text) == []
