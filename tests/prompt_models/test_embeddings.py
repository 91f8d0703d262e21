"""`prompt_model=embeddings`: the class whose description is nearest, through the same requests, cache and result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model, strategy
from conftest import Cli, compose

from littlehuman.errors import ConfigError
from littlehuman.prompt_models.embeddings import EmbeddingModel
from littlehuman.prompting import build_prompts
from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Example, Prompt, Synthetic

CLASSES = ("bad", "good")
TINY = {"weights": "random:bert"}
POINTS = [
    Example(str(i), evidence, text, ("good",)) for i, (evidence, text) in enumerate([("", "fine"), ("why", "no")])
]
TITLES = ("dataset=conference_titles", "prompt_model=embeddings", "model=minilm", "synth_frac=1")


def prompts(name: str = "annotate", descriptions: dict[str, str] | None = None, **values: Any) -> list[Prompt]:
    model = prompt_model("embeddings", **TINY)
    words = strategy(name, **values)
    return list(build_prompts(POINTS, [], words, "classify", model, CLASSES, descriptions=descriptions))


def contents(prompt: Prompt) -> list[str]:
    return [turn["content"] for turn in prompt.messages]


def test_a_class_is_read_by_its_name_or_by_its_description() -> None:
    described = {"bad": "blame", "good": "praise"}
    assert contents(prompts()[0]) == ["bad", "good", "fine"]
    assert contents(prompts(descriptions=described)[0]) == ["bad", "good", "fine"]
    assert contents(prompts("annotate_described", described)[1]) == ["blame", "praise", "why\nno"]


def test_other_descriptions_and_other_classes_are_other_requests() -> None:
    keys = [
        prompts()[0].key,
        prompts("annotate_described", {"bad": "blame", "good": "praise"})[0].key,
        prompts("annotate_described", {"bad": "praise", "good": "blame"})[0].key,
    ]
    assert len(set(keys)) == 3
    assert prompts()[0].key == prompts()[0].key


def test_a_text_that_is_a_description_gets_its_class_and_no_answer_depends_on_the_batch() -> None:
    described = {"bad": "fine", "good": "why\nno"}
    asked = prompts("annotate_described", described)
    model = EmbeddingModel(prompt_model("embeddings", **TINY))
    together = list(model.complete(iter(asked), 5))
    apart = [answer for prompt in asked for answer in model.complete([prompt], 5)]
    assert together == apart
    assert all(isinstance(answer, Completion) and answer.completion_tokens == 0 for answer in together)
    words = strategy("annotate_described").tasks["classify"]
    twins = [parse(answer, point, words, CLASSES) for answer, point in zip(together, POINTS, strict=True)]
    assert [twin.target for twin in twins if isinstance(twin, Synthetic)] == ["bad", "good"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("task=qa", "dataset=fieldnotes_qa", "model=tiny"),
            "chooses a class, and task=qa has none; try prompt_model=",
        ),
        (("strategy=few_shot",), "labels texts; strategy=few_shot wants new ones; try strategy=annotate"),
        (("strategy.shots=3",), "reads no examples: strategy.shots=3; try strategy.shots=0"),
        (("filter=judge",), "filter=judge asks it, and it judges none"),
        (("prompt_model.temperature=1",), "prompt_model.temperature=1 .*try prompt_model.temperature=0"),
        (("prompt_model.weights=null",), "needs weights"),
    ],
)
def test_what_an_encoder_cannot_do_is_an_error_with_its_mend(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose(*TITLES, *overrides, *(["prompt_model=embeddings"] if "dataset=fieldnotes_qa" in overrides else []))


def test_it_labels_the_texts_of_a_cell_like_any_prompt_model(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"the {word} number {i},{label}" for i in range(12) for word, label in (("ship", "sea"), ("hill", "land"))]
    file.write_text("text,target\n" + "\n".join(rows) + "\n", encoding="utf-8")
    table = ("dataset=table", f"dataset.path={file}", "dataset.columns.evidence=null", "task=classify", "model=tiny")
    ended = cli(*table, "strategy=annotate", "prompt_model=embeddings", "prompt_model.weights=random:bert", "n_train=8",
                "synth_frac=1", "n_test=4", "study=embedded")  # fmt: skip
    assert ended.code == 0, ended.text
    (file,) = (multirun / "embedded").glob("*/result.json")
    result = json.loads(file.read_text("utf-8"))
    assert result["counts"]["synthetic"] == 8
    assert result["cost"]["requests"] == 8 and result["cost"]["usd"] == 0
