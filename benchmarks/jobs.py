"""Jobs: what both sides of a comparison share (model, rows, training values, precision).

Rows are those of WANLI and ROPES if their files are there (`$LITTLEHUMAN_TEST_DATA`, or `../shared/data` beside the
checkout), otherwise those of fieldnotes, which come with the package.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import hydra

from benchmarks.harness import WARM_UP
from littlehuman import data, run, seeding
from littlehuman.config import run_config
from littlehuman.records import Example
from littlehuman.schema import Architecture, Head, LaunchConfig
from littlehuman.training.encoding import EncodedRow, Encoder

CLAIMS, QUESTIONS = "claims", "questions"
PUBLIC = {CLAIMS: ("wanli", "fieldnotes_fv"), QUESTIONS: ("ropes", "fieldnotes_qa")}
MODELS = {
    "smollm2": ("SmolLM2-135M", ["model=smollm2"]),
    "minilm": ("MiniLM-L6", ["model=minilm"]),
    "llama-8b": ("Llama-3.1-8B's shapes, random weights", ["model=llama-3.1-8b"]),
    "tiny-decoder": ("random two-layer Llama", ["model=tiny"]),
    "tiny-encoder": ("random two-layer BERT", ["model=minilm", "model.weights=random:bert"]),
}


@dataclass(frozen=True)
class Job:
    """A fine-tuning: its name, typed config and rows."""

    model_name: str
    rows_from: str
    config: run_config.RunConfig
    classes: tuple[str, ...]
    train: tuple[Example, ...]
    test: tuple[Example, ...]

    @property
    def title(self) -> str:
        return f"{self.model_name}, {self.rows_from}"

    @property
    def launch(self) -> LaunchConfig:
        """One cell at a time, no progress bar, nothing saved."""
        return replace(self.config.launch, cells=1, progress=False, keep_adapter=False)

    @property
    def is_generation(self) -> bool:
        return self.config.task.head is Head.generation

    @property
    def causal(self) -> bool:
        return self.config.model.architecture is Architecture.decoder

    @property
    def max_length(self) -> int:
        """Length of a row that is padded to the maximum."""
        return self.config.dataset.max_tokens + (self.config.dataset.answer_tokens if self.is_generation else 0)

    @property
    def batch_size(self) -> int:
        return int(self.config.fine_tuning.batch_size or 1)

    def train_rows(self, count: int, turn: int = WARM_UP) -> tuple[Example, ...]:
        """`count` training rows, others each round: repeated shapes would cost less than in a real run."""
        return _slice(self.train, count, turn)

    def test_rows(self, count: int, turn: int = WARM_UP) -> tuple[Example, ...]:
        """`count` test rows, others each round."""
        return _slice(self.test, count, turn)

    def facts(self) -> dict[str, Any]:
        """Facts that hold for every way of a comparison."""
        tuning = self.config.fine_tuning
        lora = f"r={tuning.lora_r}, alpha={tuning.lora_alpha}, dropout={tuning.lora_dropout}, {tuning.lora_targets}"
        precision = {"weights": precision_of(self), "adapters": "float32"}
        return {
            "model": self.model_name,
            "rows": self.rows_from,
            "batch size": self.batch_size,
            "LoRA": lora,
            "optimiser": "AdamW",
            **precision,
        }


def overrides(task: str, model: str, device: str) -> list[str]:
    """The command line of a job, without the numbers of rows."""
    public, packaged = PUBLIC[task]
    folder = public_folder(public)
    dataset = [f"dataset={public}", f"dataset.path={folder}"] if folder else [f"dataset={packaged}"]
    return [*dataset, *MODELS[model][1], f"launch.device={device}", "training.epochs=1", "synth_frac=0"]


@cache
def job(task: str, model: str, device: str, weights: str = "") -> Job:
    """A job of a known model; `weights` replaces the model's own."""
    typed = compose(*overrides(task, model, device), *([f"model.weights={weights}"] if weights else []))
    dataset = data.load(typed.dataset, typed.task)
    return Job(
        MODELS[model][0], rows_of(task), typed, dataset.classes, _shuffled(dataset.train), _by_evidence(dataset.test)
    )


@cache
def compose(*arguments: str) -> run_config.RunConfig:
    """The typed config of a command line."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        return run_config.from_hydra(hydra.compose("config", overrides=list(arguments)))


def public_folder(name: str) -> Path | None:
    """The folder of a public dataset, if it is there."""
    root = Path(os.environ.get("LITTLEHUMAN_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    return (root / name).absolute() if (root / name).is_dir() else None


def rows_of(task: str) -> str:
    """The dataset of a task's rows on this machine."""
    public, packaged = PUBLIC[task]
    return public if public_folder(public) else packaged


def precision_of(job: Job) -> str:
    """Precision of the frozen base, as littlehuman chooses it."""
    from littlehuman.models import devices

    where = devices.device(job.config.launch.device)
    return str(devices.dtype(job.config.launch.dtype, where)).removeprefix("torch.")


def encoder(job: Job, tokenizer: Any, use_token_types: bool) -> Encoder:
    """littlehuman's encoder: every way gets the same tokens."""
    return Encoder(
        tokenizer=tokenizer,
        head=job.config.task.head,
        architecture=job.config.model.architecture,
        model_input=job.config.task.model_input,
        max_tokens=job.config.dataset.max_tokens,
        classes=job.classes,
        use_token_types=use_token_types,
    )


def in_training_order(rows: Sequence[EncodedRow], seed: int = 0) -> list[EncodedRow]:
    """The rows in the order of littlehuman's first epoch."""
    ordered = list(rows)
    seeding.rng(seed, "training order", 0).shuffle(ordered)
    return ordered


def _slice(points: Sequence[Example], count: int, turn: int) -> tuple[Example, ...]:
    """The rows of a round; a small dataset is repeated."""
    start = (turn - WARM_UP) * count % len(points)
    return tuple(itertools.islice(itertools.cycle(points), start, start + count))


def _shuffled(points: Sequence[Example]) -> tuple[Example, ...]:
    """In random order: neighbours in the files share their evidence, unlike the rows of a step in a run."""
    by_id = {point.id: point for point in points}
    return tuple(by_id[name] for name in seeding.ordering(by_id, 0, "benchmark"))


def _by_evidence(points: Sequence[Example]) -> tuple[Example, ...]:
    """Grouped by evidence: a run evaluates the whole split, where all questions on an evidence are present."""
    order = {
        key: place
        for place, key in enumerate(seeding.ordering({point.evidence_key for point in points}, 0, "benchmark"))
    }
    return tuple(sorted(points, key=lambda point: order[point.evidence_key]))
