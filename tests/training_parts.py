"""Parts of the tests of `littlehuman.training`: tiny random models in a cache of their own, points, and one-line jobs.

A test module imports the three fixtures and says `pytestmark = FIXTURES`.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from littlehuman.groups import Architecture, Head, LaunchConfig, LossOn, ModelConfig, TaskConfig, TrainingConfig
from littlehuman.records import Example, Mixture, Origin, Point
from littlehuman.training import base as base_module
from littlehuman.training.base import Base
from littlehuman.training.batching import Encoder
from littlehuman.training.fit import Cell, Outcome, Settings, fit
from littlehuman.training.tiny import tiny_model

FIXTURES = pytest.mark.usefixtures("tiny_cache", "one_thread", "no_base_held")
CPU = torch.device("cpu")
CLASSES = ("unsupported", "supported")
CLAIM = "{evidence}\n\nClaim: {text}\n\nIs the claim supported?"
QUESTION = "{evidence}\n\nQuestion: {text}\nAnswer:"
ANSWERS = ("tin", "a green lantern", "kelp", "the second bell of the harbour", "rye", "old maps", "two", "at dawn")
PLACES = (
    "The lamp room smells of oil and the floor is wet.",
    "Nobody swims here before June.",
    "Salt is weighed on Mondays; the scales come from a chapel.",
    "Goats sleep under the stairs!",
    "In 1911 a storm took the roof, the bell and 40 jars of honey.",
    "Wool dries behind the mill.",
    "Its window looks on a yard where ropes are tarred, coiled and counted each evening.",
    "Fog.",
)

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder, shared by all tests of training: tiny models are made once."""
    folder = tmp_path_factory.getbasetemp() / "tiny-models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITTLEHUMAN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny jobs at their own speed: a second thread costs more than it brings, and so does collecting the libraries' objects."""
    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(threads)


@pytest.fixture
def no_base_held() -> Iterator[None]:
    """Each test begins, and leaves, without a model in memory."""
    forget()
    yield
    forget()


def forget() -> None:
    """Let the next lease load afresh."""
    base_module._held.clear()


def questions(count: int = 8) -> list[Example]:
    """Questions with answers of 1 to 6 words, on evidence of unlike length."""
    return [
        Example(f"q{i}", PLACES[i % 8] + " A ring of keys." * (i % 3), f"What lies in house {i}?", (ANSWERS[i % len(ANSWERS)],))
        for i in range(count)
    ]


def claims(count: int = 8) -> list[Example]:
    """Claims that are supported where the evidence says yes."""
    words = ("no", "yes")
    return [
        Example(
            f"c{i}", f"Report {i * 7 % 13} of the warden says {words[i % 2]}." * (1 + i % 3), f"Gate {i % 5} is open.", (CLASSES[i % 2],)
        )
        for i in range(count)
    ]


def tuning(**changes: Any) -> TrainingConfig:
    """Training values for a tiny model: a quick job without dropout."""
    values: dict[str, Any] = {
        "learning_rate": 1e-2,
        "epochs": 2,
        "batch_size": 4,
        "warmup_ratio": 0.0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "lora_r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "lora_targets": "all_linear",
        "loss_on": LossOn.answer,
    }
    return TrainingConfig(**(values | changes))


# What it takes to learn a few points by heart: the frozen random output layer leaves little to move.
BY_HEART: dict[str, Any] = {"lora_r": 16, "lora_alpha": 64, "learning_rate": 1e-2, "epochs": 60, "batch_size": 8}


def settings(
    task: str = "qa",
    weights: str = "random:llama",
    *,
    dtype: str = "float32",
    micro_batch: int = 8,
    eval_batch: int = 8,
    max_tokens: int = 128,
    answer_tokens: int = 12,
    targets: dict[str, str] | None = None,
    **values: Any,
) -> Settings:
    """What a job shares: `task` is qa or fv; `values` are training values."""
    head = Head.generation if task == "qa" else Head.classification
    encoder = "bert" in weights or "minilm" in weights
    return Settings(
        model=ModelConfig(
            name="tiny", weights=weights, architecture=Architecture.encoder if encoder else Architecture.decoder, lora_targets=targets or {}
        ),
        task=TaskConfig(name=task, head=head, model_input=QUESTION if task == "qa" else CLAIM),
        tuning=tuning(**values),
        launch=LaunchConfig(device="cpu", dtype=dtype, micro_batch=micro_batch, eval_batch=eval_batch, progress=False),
        classes=() if task == "qa" else CLASSES,
        max_tokens=max_tokens,
        test_max_tokens=max_tokens,
        answer_tokens=answer_tokens,
    )


def job(folder: Path, train: Sequence[Example], test: Sequence[Example], shared: Settings, seed: int = 0) -> Outcome:
    """Train on `train` and predict `test` through the package's one door; files go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mixture = Mixture(tuple(Point(example, Origin.HUMAN) for example in train), len(train))
    return fit([Cell(mixture, tuple(test), seed, folder)], shared)[0]


def texts(outcome: Outcome) -> list[str]:
    """The predictions, as texts."""
    return [prediction.text for prediction in outcome.predictions]


def adapter(folder: Path) -> Weights:
    """The saved adapter of a job."""
    return dict(load_file(folder / "adapter" / "adapter_model.safetensors"))


def log_of(folder: Path) -> list[dict[str, float]]:
    """The training log of a job."""
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def same(left: Weights, right: Weights) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def apart(left: Weights, right: Weights) -> float:
    """How far two adapters are from each other, as a share of the first one's size."""
    assert left.keys() == right.keys()
    square = sum(float((left[name].double() - right[name].double()).square().sum()) for name in left)
    return float((square / sum(float(value.double().square().sum()) for value in left.values())) ** 0.5)


def encoder_for(base: Base, shared: Settings) -> Encoder:
    """The encoder that a job with these settings uses."""
    from littlehuman.training.fit import _encoder

    return _encoder(shared, base)


def where_pad_is_end(folder: Path) -> str:
    """A copy of the tiny decoder whose pad token is its end token, as SmolLM2's is; returns its path."""
    from transformers import AutoTokenizer

    if not folder.is_dir():
        shutil.copytree(tiny_model("llama"), folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.save_pretrained(folder)
        for name in ("config.json", "generation_config.json"):
            values = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(values | {"pad_token_id": values["eos_token_id"]}))
    return str(folder)


def small_encoder(folder: Path, kind: str = "bert", positions: int = 2048, **values: Any) -> str:
    """A tiny encoder without its pooler, with the tiny tokenizer and a position table of this length; returns its path."""
    from transformers import AutoTokenizer, BertConfig, BertModel, RobertaConfig, RobertaModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    classes = {"bert": (BertModel, BertConfig), "roberta": (RobertaModel, RobertaConfig)}
    model, config = classes[kind]
    more = {"pad_token_id": 0, "max_position_embeddings": positions} | values
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model(config(**sizes, **more), add_pooling_layer=False)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
