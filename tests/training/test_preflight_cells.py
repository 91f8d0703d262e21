"""What would end a training is known before a twin is paid for: damaged weights, unreadable rows, too few texts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY, Cli, compose
from fake_endpoint import FakeEndpoint, says
from safetensors.torch import load_file, save_file
from training_parts import tiny_cache  # noqa: F401
from transformers import AutoTokenizer

from littlehuman import data, pipeline
from littlehuman.errors import ConfigError, DataError, WeightsError
from littlehuman.mixture import mixing
from littlehuman.models import base_model
from littlehuman.models.weights import resolve
from littlehuman.records import Example
from littlehuman.schema import ModelConfig
from littlehuman.training import preflight
from littlehuman.training.types import Settings
from littlehuman.twins.enough import check_enough

pytestmark = pytest.mark.usefixtures("tiny_cache")
QA = (*TINY, "dataset=fieldnotes_qa", "n_train=4", "synth_frac=0.5")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    base_model._skeleton.cache_clear()


def settings(weights: str = "random:llama", **model: str) -> Settings:
    config = compose(*QA)
    dataset = data.load(config.dataset, config.task)
    made = pipeline.cell_settings(dataset, config, config.dataset)
    return replace(made, model=replace(made.model, weights=weights, **model))


def example(name: str, evidence: str = "It leaves at six.", text: str = "When?", target: str = "six") -> Example:
    return Example(name, evidence, text, (target,))


class Runs:
    """A pickle that would run a command."""

    def __reduce__(self) -> object:
        return os.system, ("echo a pickle ran",)


def edit_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def pickled(folder: Path, content: object = None) -> Path:
    weights = folder / "model.safetensors"
    torch.save(content or load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    return folder / "pytorch_model.bin"


def in_shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = {"model.embed_tokens.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def without(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if key != name}, folder / "model.safetensors", {"format": "pt"}
    )


def custom_code(folder: Path) -> None:
    code = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    edit_json(folder / "config.json", model_type="own", architectures=["Own"], auto_map=code)
    (folder / "own.py").write_text("raise SystemExit('the code of the weights ran')")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda f: cut(f / "model.safetensors"), "a file of weights is cut short or damaged"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no file named model.safetensors"),
    "a missing part": (in_shards, "model-2.safetensors"),
    "a torn index": (
        lambda f: (in_shards(f), (f / "model.safetensors.index.json").write_text("{")),
        "could not be loaded",
    ),
    "a torn pickle": (lambda f: cut(pickled(f)), "a file of weights is cut short or damaged"),
    "a pickle with code": (lambda f: pickled(f, {"a": Runs()}), "its pickle file holds more than weights"),
    "code of its own": (custom_code, "it needs code of its own, which is never run"),
    "an unknown kind": (lambda f: edit_json(f / "config.json", model_type="own"), "could not be loaded"),
    "another size": (lambda f: edit_json(f / "config.json", hidden_size=64), "could not be loaded"),
    "no output layer": (lambda f: without(f, "lm_head.weight"), "cannot write answers: these weights lack lm_head"),
    "a torn config": (lambda f: (f / "config.json").write_text("{"), "could not be loaded"),
    "a torn tokenizer": (lambda f: cut(f / "tokenizer.json"), "could not be loaded"),
    "another tokenizer": (lambda f: edit_json(f / "config.json", vocab_size=5), "could not be loaded"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_weights_that_cannot_be_loaded_are_found_out_first(
    damage: Callable[[Path], object], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(resolve("random:llama"), tmp_path / "weights")
    damage(folder)
    with pytest.raises(WeightsError) as error:
        preflight.check_cell(settings(str(folder)), [example("a")], [example("b")], [example("c")])
    assert f"model.weights={folder}" in str(error.value) and said in str(error.value)
    out, err = capfd.readouterr()
    assert "a pickle ran" not in out + err and "Do you wish to run" not in out + err


def test_a_tokenizer_with_tokens_that_the_model_lacks_is_found_out_first(tmp_path: Path) -> None:
    folder = shutil.copytree(resolve("random:llama"), tmp_path / "weights")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["lighthousekeeper"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(WeightsError, match="its tokenizer has a token .* do not belong together"):
        preflight.check_cell(settings(str(folder)), [example("a", text="Who is the lighthousekeeper ?")], [], [])


def test_a_pickle_with_weights_alone_is_loaded(tmp_path: Path) -> None:
    folder = shutil.copytree(resolve("random:llama"), tmp_path / "weights")
    pickled(folder)
    preflight.check_cell(settings(str(folder)), [example("a")], [], [])


def test_the_check_reads_no_weights(tmp_path: Path) -> None:
    base = base_model.skeleton(ModelConfig(weights="random:llama"), settings().task.head, 0)
    assert {parameter.device.type for parameter in base.model.parameters()} == {"meta"}


def test_layers_that_the_model_lacks_are_found_out_first() -> None:
    made = settings()
    tuning = replace(made.tuning, lora_targets="own")
    with pytest.raises(ConfigError, match="training.lora_targets=own"):
        model = replace(made.model, lora_targets={"own": "no_such_layer"})
        preflight.check_cell(replace(made, tuning=tuning, model=model), [], [], [])


@pytest.mark.parametrize("where", ["human", "replaced", "test"])
def test_a_row_that_cannot_be_tokenised_is_named_first(where: str) -> None:
    row = example("row 7", evidence="At \ud83d six.")
    rows = {name: [row] if name == where else [example("a")] for name in ("human", "replaced", "test")}
    with pytest.raises(DataError, match="row 7: cannot be tokenised"):
        preflight.check_cell(settings(), rows["human"], rows["replaced"], rows["test"])


def test_a_row_that_is_too_long_for_the_model_is_named_first() -> None:
    config = compose(*TINY, "dataset=fieldnotes_fv", "n_train=4", "synth_frac=0.5", "model=minilm")
    dataset = data.load(config.dataset, config.task)
    made = pipeline.cell_settings(dataset, config, config.dataset)
    made = replace(made, model=replace(made.model, weights="random:bert"))
    label = dataset.classes[0]
    fits = example("fits", evidence="word " * 3000, text="a claim", target=label)
    preflight.check_cell(made, [fits], [fits], [fits])  # evidence is cut
    long = example("row 9", text="word " * 3000, target=label)
    preflight.check_cell(made, [], [long], [])  # its twin has a text of its own
    with pytest.raises(DataError, match="row 9: .* this model reads at most"):
        preflight.check_cell(made, [], [], [long])


def test_nothing_is_asked_for_weights_that_cannot_be_loaded(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(resolve("random:llama"), tmp_path / "weights")
    cut(folder / "model.safetensors")
    with FakeEndpoint(lambda q, attempt: says("x")) as fake:
        where = ("prompt_model=openai_compatible", f"prompt_model.base_url={fake.url}")
        ended = cli(*QA, *where, f"model.weights={folder}")
    assert ended.code == 1 and fake.requests == [] and "cut short or damaged" in ended.text
    assert "Traceback" not in ended.text


# --- a training set that cannot be filled -----------------------------------------------------------


def plan_of(points: list[Example], *overrides: str) -> Callable[[], None]:
    config = compose(*TINY, "dataset=fieldnotes_qa", "strategy=zero_shot", "prompt_model=openai_compatible", *overrides)
    dataset = replace(data.load(config.dataset, config.task), train=tuple(points))
    return lambda: check_enough(mixing.plan_mixture(points, pipeline.mixture_spec(config)), dataset, config)


def test_fewer_evidence_texts_than_twins_are_asked_for_is_said_first(caplog: pytest.LogCaptureFixture) -> None:
    points = [example(f"e{i}", evidence=f"Text {i % 3}.", text=f"What {i}?", target="six") for i in range(20)]
    eight = ("n_train=8", "synth_frac=1")
    with pytest.raises(ConfigError, match=r"n_train=8 +wants 8 twins; .* gives 3 different ones") as error:
        plan_of(points, *eight, "filter=rules")()
    assert "prompt_model.temperature=1" in str(error.value)
    plan_of(points, *eight, "filter=rules", "prompt_model.temperature=1")()
    plan_of(points, "n_train=3", "synth_frac=1", "filter=rules")()
    assert caplog.text == ""
    plan_of(points, *eight)()  # without the filter the points share their twins
    assert "at most 3 of 8 twins can differ" in caplog.text
