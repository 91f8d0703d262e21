"""The configuration: every YAML composes, every invalid value is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, Cli, compose
from omegaconf import OmegaConf

from littlehuman.config import validation
from littlehuman.config.run_config import RunConfig
from littlehuman.config.validation import unknown_keys
from littlehuman.errors import ConfigError
from littlehuman.mixture.mixing import synthetic_count
from littlehuman.schema import ModelConfig, PriceConfig, TrainingConfig

FILES = sorted(path.relative_to(CONF) for path in CONF.glob("*/*.yaml"))
GROUPS = sorted({path.parent.name for path in FILES})
COMPANY = {  # what a choice needs beside it
    "model/minilm": ["dataset=fieldnotes_fv"],
    "model/bert-base": ["dataset=fieldnotes_fv"],
    "task/classify": ["strategy=annotate"],
    "task/span_qa": ["model=minilm"],  # encoders mark answers, decoders do not
    "prompt_model/embeddings": ["dataset=fieldnotes_fv", "strategy=annotate"],
    "strategy/few_shot_free": ["dataset=fieldnotes_fv"],  # free answers have no label to leave free
}
INDEPENDENT = ("prompt_model", "protocol", "launch", "tracker")
# `recorded` bears the name of the model that was recorded, `openai_compatible` the endpoint's name for its model.
NAMED_OTHERWISE = {"prompt_model/recorded", "prompt_model/openai_compatible"}


def _choice(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


@pytest.fixture(scope="module")
def default() -> RunConfig:
    config: RunConfig = compose()
    return config


def _refusal(config: RunConfig, **changes: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        replace(config, **changes)
    return caught.value


def _beside(dataset: Path) -> list[str]:
    """Options of the groups that go with any dataset, in turn: each composition takes tenths of a second."""
    turn = [file for file in FILES if file.parent.name == "dataset"].index(dataset)
    options = {group: [f.stem for f in FILES if f.parent.name == group] for group in INDEPENDENT}
    options["prompt_model"].remove("embeddings")  # of encoders
    return [f"{group}={names[turn % len(names)]}" for group, names in options.items()]


@pytest.mark.parametrize("file", [file for file in FILES if file.parent.name not in INDEPENDENT], ids=_choice)
def test_every_yaml_composes_and_becomes_a_typed_config(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "find_spec", lambda name: True)  # as if each tracker were installed
    more = _beside(file) if file.parent.name == "dataset" else []
    config = compose(f"{file.parent.name}={file.stem}", *COMPANY.get(_choice(file), []), *more)
    assert isinstance(config, RunConfig)
    assert all(getattr(config.fine_tuning, name) is not None for name in TrainingConfig.__dataclass_fields__)


def test_an_encoder_of_sentences_labels_where_nothing_is_written() -> None:
    company = COMPANY["prompt_model/embeddings"]
    assert compose("prompt_model=embeddings", *company).prompt_model.name == "embeddings"


@pytest.mark.parametrize("file", [f for f in FILES if _choice(f) not in NAMED_OTHERWISE], ids=_choice)
def test_a_yaml_bears_the_name_of_its_file(file: Path) -> None:
    content = OmegaConf.load(CONF / file)
    if "name" in content:
        assert content._get_node("name")._value().removesuffix(".${.language}") == file.stem
    else:
        assert file.parent.name in ("launch", "experiment", "method")


def test_the_groups_are_those_of_the_interface() -> None:
    assert {"dataset", "task", "prompt_model", "strategy", "filter", "model", "protocol", "launch"} <= set(GROUPS)
    assert (CONF / "experiment").is_dir()


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_option_is_answered_with_the_options(group: str, cli: Cli) -> None:
    ended = cli(f"{group}=no_such_thing")
    assert ended.code != 0
    assert "no_such_thing" in ended.text
    for file in (CONF / group).glob("*.yaml"):
        assert file.stem in ended.text


def test_all_problems_are_named_at_once_with_what_to_type(default: RunConfig) -> None:
    error = _refusal(default, synth_frac=1.2, n_train=-1, extra_human=-2)
    assert [problem.where for problem in error.problems] == ["synth_frac=1.2", "n_train=-1", "extra_human=-2"]
    assert str(error).startswith("3 problems in this configuration")
    assert "Try: synth_frac=0.95" in str(error)
    assert "\n" not in error.one_line and "synth_frac=1.2 must be between 0 and 1" in error.one_line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"synth_frac": float("nan")}, "synth_frac=nan"),
        ({"n_test": 0}, "n_test=0"),
        ({"human_budget": -1}, "human_budget=-1"),
        ({"human_budget": "some"}, "human_budget='some'"),
        ({"human_budget": True}, "human_budget=True"),
        ({"test_path": "there"}, "test_path=there"),
        ({"training": TrainingConfig(learning_rate=0.0)}, "training.learning_rate=0 "),
        ({"training": TrainingConfig(epochs=0)}, "training.epochs=0 "),
        ({"training": TrainingConfig(lora_dropout=1.5, warmup_ratio=-0.1)}, "training.lora_dropout=1.5"),
        ({"training": TrainingConfig(lora_targets="kv_dwn")}, "did you mean 'kv_down'?"),
    ],
)
def test_an_invalid_value_is_named(default: RunConfig, changes: dict[str, Any], said: str) -> None:
    assert said in str(_refusal(default, **changes))


@pytest.mark.parametrize(
    ("group", "values", "said"),
    [
        ("dataset", {"answer_tokens": 0}, "dataset.answer_tokens=0  must be 1 or more"),
        ("strategy", {"max_tokens": 0}, "strategy.max_tokens=0  must be 1 or more"),
        ("prompt_model", {"temperature": -1.0}, "prompt_model.temperature=-1  must be 0 or more"),
        ("prompt_model", {"top_p": 1.5}, "prompt_model.top_p=1.5  must be between 0 and 1"),
        (
            "prompt_model",
            {"price": PriceConfig(prompt=float("nan"))},
            "prompt_model.price.prompt=nan  must be 0 or more",
        ),
        (
            "prompt_model",
            {"price": PriceConfig(completion=-1.0)},
            "prompt_model.price.completion=-1  must be 0 or more",
        ),
        ("launch", {"micro_batch": 0}, "launch.micro_batch=0  must be 1 or more"),
        ("launch", {"device": "gpu"}, "launch.device=gpu  must be auto, cpu, cuda or cuda:N"),
        ("launch", {"device": "mps"}, "launch.device=mps  must be auto, cpu, cuda or cuda:N"),
        ("launch", {"dtype": "bf16"}, "launch.dtype=bf16  did you mean 'bfloat16'?"),
        ("launch", {"dtype": "fp16"}, "launch.dtype=fp16  there is: auto, bfloat16, float16, float32"),
        (
            "model",
            {"revision": "v1"},
            "model.revision=v1  names a version on the hub, and model.weights=package:smollm2-135m-instruct",
        ),
        ("metrics", {"bootstrap": 10}, "metrics.bootstrap=10  must be 100 or more"),
        ("task", {"model_input": "{question}"}, "task.model_input  may only have {evidence} and {text}"),
        ("task", {"model_input": "{evidence"}, "task.model_input  may only have {evidence} and {text}"),
    ],
)
def test_an_invalid_value_of_a_group_is_named(
    default: RunConfig, group: str, values: dict[str, Any], said: str
) -> None:
    assert said in str(_refusal(default, **{group: replace(getattr(default, group), **values)}))


def test_a_headline_that_is_not_computed_is_refused_before_any_training(default: RunConfig) -> None:
    assert "task.headline=squad_f1" in str(_refusal(default, task=replace(default.task, metrics=["exact_match"])))
    assert "metrics.bert_score_model" in str(_refusal(default, task=replace(default.task, headline="bert_score")))


def test_an_encoder_is_refused_for_generation() -> None:
    with pytest.raises(ConfigError, match="model=minilm +is an encoder and cannot write answers, which task=qa needs"):
        compose("model=minilm")


def test_a_task_without_prompts_in_the_strategy_is_refused_unless_no_twins_are_needed(default: RunConfig) -> None:
    wordless = replace(default.strategy, tasks={})
    assert "has no words for task=qa" in str(_refusal(default, strategy=wordless))
    replace(default, strategy=wordless, synth_frac=0.0)
    replace(default, strategy=wordless, synthetic=False)


@pytest.mark.parametrize(
    "override",
    [
        "synth_frac=high",
        "n_train=5e3",
        "launch.dtype=[1]",
        "training.loss_on=everything",
        "task.head=tail",
        "dataset.sizes=many",
    ],
)
def test_a_value_of_the_wrong_type_is_refused_while_composing(cli: Cli, multirun: Path, override: str) -> None:
    ended = cli(override)
    key = override.split("=")[0].rpartition(".")[2]
    assert ended.code != 0 and key in ended.err
    assert "Traceback" not in ended.text and not list(multirun.rglob("result.json"))


def test_a_misspelt_key_is_refused(cli: Cli) -> None:
    ended = cli("synth_fraction=0.5")
    assert ended.code != 0 and "synth_fraction" in ended.err and "Traceback" not in ended.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("+synthfrac=0.5", "synthfrac=0.5  is no key; did you mean 'synth_frac'?"),
        ("+training.foo=1", "training.foo=1  is no key; there is: batch_size, epochs, "),
        ("+dataset.columns.evidance=x", "dataset.columns.evidance=x  is no key; did you mean 'evidence'?"),
        ("+filter.model.price.promt=1", "filter.model.price.promt=1  is no key; did you mean 'prompt'?"),
        ("+strategy.tasks.qa.sistem=x", "strategy.tasks.qa.sistem=x  is no key; did you mean 'system'?"),
        ("+mine={a: 1}", "mine  is no key; there is: audit, dataset, "),
        ("n_test=${nothing}", "n_test  Interpolation key 'nothing' not found"),
    ],
)
def test_unknown_keys_added_with_a_plus_are_refused_in_one_message(typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(typed)
    assert said in str(caught.value) and len(caught.value.problems) == 1


def test_dictionaries_with_free_keys_are_not_checked() -> None:
    config = compose(
        "+dataset.labels.maybe=unsupported",
        "+dataset.splits.train=first",
        "+dataset.files.mine=a.csv",
        "+model.lora_targets.mine=q_proj",
        "+strategy.tasks.qa.label_words.x=y",
    )
    assert config.dataset.labels["maybe"] == "unsupported" and config.model.lora_targets["mine"] == "q_proj"
    assert config.strategy.tasks["qa"].label_words["x"] == "y"
    mine = {"strategy": {"tasks": {"mine": {"system": "a", "label_words": {"any": "thing"}}}}}
    assert not list(unknown_keys(mine, RunConfig))


@pytest.mark.parametrize("study", ["../esc", "a/../../esc", "/tmp/esc", "..", ".", "''"])
def test_a_study_that_leaves_the_folder_of_results_is_refused(study: str) -> None:
    with pytest.raises(ConfigError, match="study=.*must be a folder under multirun/"):
        compose(f"study={study}")
    assert compose("study=paper/figure3").study == "paper/figure3"


def test_training_values_are_taken_from_their_layers_in_order() -> None:
    model: ModelConfig = compose().model
    recommended, code, typed = (
        compose(),
        compose("protocol=code"),
        compose("protocol=code", "training.learning_rate=0.5"),
    )
    assert recommended.fine_tuning.learning_rate == model.generation.learning_rate
    assert code.fine_tuning.learning_rate == 2.0e-4
    assert (typed.fine_tuning.learning_rate, typed.fine_tuning.batch_size) == (0.5, code.fine_tuning.batch_size)


def test_protocols_have_the_papers_and_the_codes_values() -> None:
    paper, code = (
        compose("protocol=paper", "dataset=wanli").fine_tuning,
        compose("protocol=code", "dataset=wanli").fine_tuning,
    )
    assert (paper.learning_rate, paper.epochs) == (1e-5, 2)
    assert (code.learning_rate, code.epochs, code.lora_r, code.lora_alpha, code.lora_dropout) == (5e-5, 2, 64, 16, 0.1)
    for protocol, tokens in (("code", 5), ("paper", 32), ("recommended", 32)):
        answers = compose(f"protocol={protocol}", "dataset=ropes")
        assert answers.answer_tokens_for(answers.dataset) == tokens
    assert compose("protocol=paper").protocol.shots_with_replacement and not compose().protocol.shots_with_replacement


def test_the_size_is_the_datasets_own_unless_n_train_is_set() -> None:
    assert compose("dataset=wanli").size == 5000
    assert compose("dataset=wanli", "n_train=7").size == 7


def test_the_training_layer_of_the_command_line_is_no_part_of_any_yaml() -> None:
    layers = [
        OmegaConf.load(CONF / file) for file in FILES if file.parent.name in ("dataset", "task", "strategy", "launch")
    ]
    assert not [layer for layer in layers if "training" in layer]


@pytest.mark.parametrize(
    ("fraction", "n", "count"),
    [
        (0.975, 200, 195),
        (0.95, 5000, 4750),
        (0.975, 5000, 4875),
        (0.9, 10, 9),
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.5, 5, 3),
        (0, 9, 0),
    ]
    + [(1, 9, 9), (1 / 3, 3, 1), (0.1 + 0.2, 10, 3), (1e-7, 5000, 0), (0.999, 500, 500), (0.145, 100, 15)],
)
def test_a_share_is_counted_by_the_decimal_that_was_typed(fraction: float, n: int, count: int) -> None:
    assert synthetic_count(fraction, n) == count


def test_labels_of_the_users_own_need_no_plus() -> None:
    at_once = compose("dataset=table", "dataset.labels={yes: supported, no: unsupported}")
    one_by_one = compose("dataset=table", "dataset.labels.yes=supported", "dataset.labels.no=unsupported")
    assert at_once.dataset.labels == one_by_one.dataset.labels == {"yes": "supported", "no": "unsupported"}
