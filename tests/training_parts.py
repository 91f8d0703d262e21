"""Helpers for tests of `training` and `models`: tiny random models in their own cache, examples, one-line trainings.

A test module imports the three fixtures and sets `pytestmark = FIXTURES`.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from littlehuman.models import base_model as base_module
from littlehuman.models import devices
from littlehuman.models.base_model import Base, lease
from littlehuman.models.tiny import tiny_model
from littlehuman.records import Example, Mixture, Origin, Point
from littlehuman.schema import (
    Adaptation,
    Architecture,
    Head,
    LaunchConfig,
    LossOn,
    ModelConfig,
    Quantization,
    TaskConfig,
    TrainingConfig,
)
from littlehuman.training.adapters import initial_adapter
from littlehuman.training.dropout import step_key
from littlehuman.training.encoding import EncodedRow, Encoder
from littlehuman.training.fit import fit
from littlehuman.training.multi_lora import CellAdapter, MultiLora
from littlehuman.training.packing import PackedBatch, pack
from littlehuman.training.state import TrainState
from littlehuman.training.trainer import build_encoder
from littlehuman.training.types import Cell, Outcome, Settings

FIXTURES = pytest.mark.usefixtures("tiny_cache", "one_thread", "no_base_held")
CPU = torch.device("cpu")
CLASSES = ("unsupported", "supported")
ENCODERS = ("bert", "minilm", "mpnet")  # parts of the folder names of encoders
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
    """The cache folder, shared by all these tests: tiny models are created once."""
    folder = tmp_path_factory.getbasetemp() / "tiny-models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITTLEHUMAN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread, and no garbage collection of the libraries' objects: for tiny models both are faster."""
    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def no_base_held() -> Iterator[None]:
    """Each test begins and ends without a base model in memory."""
    release_base()
    yield
    release_base()


def release_base() -> None:
    """Make the next lease load the base again."""
    base_module._held.clear()


def questions(count: int = 8) -> list[Example]:
    """Questions with answers of 1 to 6 words, and evidence of different lengths."""
    return [
        Example(
            f"q{i}",
            PLACES[i % 8] + " A ring of keys." * (i % 3),
            f"What lies in house {i}?",
            (ANSWERS[i % len(ANSWERS)],),
        )
        for i in range(count)
    ]


def claims(count: int = 8) -> list[Example]:
    """Claims that are supported if the evidence says yes."""
    words = ("no", "yes")
    return [
        Example(
            f"c{i}",
            f"Report {i * 7 % 13} of the warden says {words[i % 2]}." * (1 + i % 3),
            f"Gate {i % 5} is open.",
            (CLASSES[i % 2],),
        )
        for i in range(count)
    ]


def points_of(task: str, count: int = 8) -> list[Example]:
    """Questions for qa, claims for fv."""
    return questions(count) if task == "qa" else claims(count)


def tuning(**changes: Any) -> TrainingConfig:
    """Training values for a tiny model: fast, without dropout."""
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


# Values with which a tiny model memorises a few examples; its random output layer is frozen, so it needs many epochs.
MEMORISE: dict[str, Any] = {"lora_r": 16, "lora_alpha": 64, "learning_rate": 1e-2, "epochs": 60, "batch_size": 8}


@dataclass(frozen=True)
class Shared:
    """Settings that the cells of a test share, and their launch options."""

    settings: Settings
    launch: LaunchConfig


def settings(
    task: str = "qa",
    weights: str = "random:llama",
    *,
    launch: dict[str, Any] | None = None,
    dtype: str = "float32",
    max_tokens: int = 128,
    answer_tokens: int = 12,
    targets: dict[str, str] | None = None,
    quantization: Quantization | None = None,
    adaptation: Adaptation = Adaptation.lora,
    **values: Any,
) -> Shared:
    """Settings for tests: `task` is qa or fv; `launch` and `values` override launch options and training values."""
    head = Head.generation if task == "qa" else Head.classification
    architecture = (
        Architecture.encoder if any(kind in Path(weights).name for kind in ENCODERS) else Architecture.decoder
    )
    values_of_cell = Settings(
        model=ModelConfig(
            name="tiny",
            weights=weights,
            architecture=architecture,
            lora_targets=targets or {},
            quantization=quantization,
            adaptation=adaptation,
        ),
        task=TaskConfig(name=task, head=head, model_input=QUESTION if task == "qa" else CLAIM),
        tuning=tuning(**values),
        classes=() if task == "qa" else CLASSES,
        max_tokens=max_tokens,
        test_max_tokens=max_tokens,
        answer_tokens=answer_tokens,
    )
    return Shared(
        values_of_cell, LaunchConfig(**({"device": "cpu", "dtype": dtype, "progress": False} | (launch or {})))
    )


def cell(folder: Path, train: Sequence[Example], test: Sequence[Example], shared: Shared, seed: int = 0) -> Cell:
    """A cell of human points only; its files go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mixture = Mixture(tuple(Point(example, Origin.HUMAN) for example in train), len(train))
    return Cell(mixture, tuple(test), seed, folder, shared.settings)


def job(folder: Path, train: Sequence[Example], test: Sequence[Example], shared: Shared, seed: int = 0) -> Outcome:
    """Train one cell on `train` and predict `test`, by `fit`."""
    return without_errors(fit([cell(folder, train, test, shared, seed)], shared.launch))[0]


def without_errors(outcomes: Sequence[Outcome | Exception]) -> list[Outcome]:
    """The outcomes; raises the first error among them."""
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Outcome)]


def texts(outcome: Outcome) -> list[str]:
    """The predicted texts."""
    return [prediction.text for prediction in outcome.predictions]


def adapter(folder: Path) -> Weights:
    """Weights of a saved adapter."""
    return dict(load_file(folder / "adapter" / "adapter_model.safetensors"))


def log_of(folder: Path) -> list[dict[str, float]]:
    """Rows of a training log."""
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def same_weights(left: Weights, right: Weights) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def adapter_distance(left: Weights, right: Weights) -> float:
    """Relative distance of two adapters: the norm of their difference over that of the first."""
    assert left.keys() == right.keys()
    square = sum(float((left[name].double() - right[name].double()).square().sum()) for name in left)
    return float((square / sum(float(value.double().square().sum()) for value in left.values())) ** 0.5)


class Interruption:
    """Counts the steps of all cells, and interrupts after a given number."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.steps, self.at = 0, 0
        log_step = TrainState.log_step

        def counted(state: TrainState, *row: float) -> None:
            log_step(state, *row)
            self.steps += 1
            if self.steps == self.at:
                raise KeyboardInterrupt

        patch.setattr(TrainState, "log_step", counted)

    def after(self, steps: int) -> None:
        """Count anew, and interrupt in this step."""
        self.steps, self.at = 0, steps

    def never(self) -> None:
        """Count anew, and interrupt nothing."""
        self.after(0)


def interrupt(
    folder: Path, task: str, shared: Shared, interruption: Interruption, steps: int = 6, seed: int = 3
) -> None:
    """Train a cell on `points_of(task)` until it is interrupted in this step."""
    interruption.after(steps)
    with pytest.raises(KeyboardInterrupt):
        job(folder, points_of(task), points_of(task), shared, seed)
    interruption.never()
    release_base()  # as in another process


def encoder_for(base: Base, shared: Shared) -> Encoder:
    """The encoder for these settings."""
    return build_encoder(shared.settings, base)


@contextmanager
def leased_base(shared: Shared) -> Iterator[Base]:
    """The base for these settings."""
    values, where = shared.settings, shared.launch
    with lease(values.model, values.task.head, len(values.classes), CPU, devices.dtype(where.dtype, CPU)) as base:
        yield base


def train_rows_of(base: Base, shared: Shared, points: Sequence[Example]) -> list[EncodedRow]:
    """Examples as training rows."""
    return [encoder_for(base, shared).encode_train(example, index) for index, example in enumerate(points)]


def prompt_rows_of(base: Base, shared: Shared, points: Sequence[Example]) -> list[EncodedRow]:
    """Examples as test rows."""
    return [encoder_for(base, shared).encode_prompt(example, index) for index, example in enumerate(points)]


@contextmanager
def multi_lora(base: Base, *cells: Shared) -> Iterator[MultiLora]:
    """Untrained adapters with an effect: noise is added, since PEFT initialises B with zeros."""
    first = cells[0].settings
    adapters = [
        CellAdapter(initial_adapter(base, first.task.head, tuning, first.model, seed), tuning)
        for seed, tuning in enumerate(each.settings.tuning for each in cells)
    ]
    with closing(MultiLora(base, adapters)) as lora:
        draw = torch.Generator().manual_seed(0)
        lora.params += 0.05 * torch.randn(lora.params.shape, generator=draw)
        yield lora


def packed_batch(
    base: Base, rows: Sequence[Sequence[EncodedRow]], *, packed: bool = True, step: int = 0
) -> PackedBatch:
    """Rows of cells 0, 1, ... as the batch of one step."""
    return pack(
        list(enumerate(rows)),
        CPU,
        pad_token_id=base.pad_token_id,
        packed=packed,
        first_position=base.first_position,
        step_keys=[step_key(cell, step) for cell in range(len(rows))],
    )


def forward_backward(lora: MultiLora, batch: PackedBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [P, ...] of a training batch, and the gradient [cells, parameters] of its summed loss."""
    lora.grads.zero_()
    with lora.train_forward(batch) as logits:
        torch.nn.functional.cross_entropy(logits.float(), batch.labels, reduction="sum").backward()
    return logits.detach().float(), lora.grads.clone()


def distance(left: torch.Tensor, right: torch.Tensor) -> float:
    """Relative distance of two tensors."""
    return float((left.double() - right.double()).norm() / left.double().norm())


def model_with_pad_as_end(folder: Path) -> str:
    """Path of a copy of the tiny decoder whose pad token is its end token, as in SmolLM2."""
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


SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def small_encoder(folder: Path, kind: str = "bert", positions: int = 2048, **values: Any) -> str:
    """Path of a tiny encoder without a pooler, with the tiny tokenizer and a position table of this length."""
    from transformers import AutoModel

    no_pooler = {} if kind in ("modernbert", "distilbert") else {"add_pooling_layer": False}
    values = {"max_position_embeddings": positions, **values}
    return _small(folder, kind, "bert", lambda config: AutoModel.from_config(config, **no_pooler), **values)


def small_decoder(folder: Path, kind: str, **values: Any) -> str:
    """Path of a tiny language model of another architecture than Llama, with the tiny tokenizer."""
    from transformers import AutoModelForCausalLM

    return _small(folder, kind, "llama", AutoModelForCausalLM.from_config, num_key_value_heads=2, **values)


def _small(folder: Path, kind: str, reads_as: str, make: Callable[[Any], Any], **values: Any) -> str:
    from transformers import AutoConfig, AutoTokenizer

    if not (folder / "config.json").is_file():
        tokenizer = AutoTokenizer.from_pretrained(tiny_model(reads_as))
        ends = {
            f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos", "sep", "cls")
        }
        config = AutoConfig.for_model(kind, **{"vocab_size": len(tokenizer), **SIZES, **ends, **values})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            make(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)
