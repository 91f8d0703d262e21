"""Cells in, outcomes out: the one door between the records and torch.

In: cells (training points, test points, seed) and what they share (model, task, values). Out:
predictions, the training log, and an ordinary PEFT adapter per cell. Cells share one frozen base;
today they train on it one after another.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from littlehuman.groups import Head, LaunchConfig, LossOn, ModelConfig, TaskConfig, TrainingConfig
from littlehuman.records import Example, Mixture, Prediction
from littlehuman.training import devices, loop, lora, predict
from littlehuman.training.base import Base, lease
from littlehuman.training.batching import Encoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What all cells of one call share."""

    model: ModelConfig
    task: TaskConfig
    tuning: TrainingConfig
    launch: LaunchConfig
    classes: tuple[str, ...]
    max_tokens: int
    test_max_tokens: int  # differs where the test points are another dataset's
    answer_tokens: int


@dataclass(frozen=True)
class Cell:
    """One training set with its test points; `folder` takes `train.jsonl` and `adapter/`."""

    mixture: Mixture
    test: tuple[Example, ...]
    seed: int
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What came of one cell. Seconds are wall time; `environment` says where it was computed."""

    predictions: tuple[Prediction, ...]
    steps: int
    final_loss: float | None
    shortened: dict[str, int]
    seconds: dict[str, float]
    environment: dict[str, Any]


def fit(cells: Sequence[Cell], settings: Settings) -> list[Outcome]:
    """Fine-tune and test each cell on one frozen base.

    Raises:
        WeightsError: when the model's weights cannot be had.
        ConfigError: for a device, precision or LoRA target that does not exist.
        DataError: for a row that the model cannot read even without its evidence.
    """
    where = devices.device(settings.launch.device)
    precision = devices.dtype(settings.launch.dtype, where)
    outcomes = []
    for cell in cells:
        started = time.perf_counter()
        with lease(settings.model.weights, settings.task.head, len(settings.classes), where, precision) as base:
            loaded = time.perf_counter() - started
            outcomes.append(_one(cell, settings, base, loaded, {"device": str(where), "dtype": str(precision).removeprefix("torch.")}))
    return outcomes


def _one(cell: Cell, settings: Settings, base: Base, loaded: float, environment: dict[str, Any]) -> Outcome:
    encoder = _encoder(settings, base)
    lessons = [encoder.lesson(point.example, index) for index, point in enumerate(cell.mixture.points)]
    reader = replace(encoder, max_tokens=settings.test_max_tokens)
    prompts = [reader.prompt(example, index) for index, example in enumerate(cell.test)]
    model = lora.attach(base, settings.task.head, settings.tuning, settings.model, cell.seed)
    started = time.perf_counter()
    rows = _train(model, lessons, cell, settings, base)
    trained = time.perf_counter()
    texts = _predict(model, prompts, settings, base)
    tested = time.perf_counter()
    if settings.launch.keep_adapter:
        model.save_pretrained(cell.folder / "adapter", save_embedding_layers=False)
    lora.detach(model)
    predictions = (Prediction(e.id, e.targets, text, e.evidence, e.text) for e, text in zip(cell.test, texts, strict=True))
    return Outcome(
        predictions=tuple(predictions),
        steps=len(rows),
        final_loss=rows[-1]["loss"] if rows else None,
        shortened={"train": sum(r.shortened for r in lessons), "test": sum(r.shortened for r in prompts)},
        seconds={"load": loaded, "train": trained - started, "predict": tested - trained},
        environment={**environment, "threads": torch.get_num_threads(), "torch": torch.__version__},
    )


def _encoder(settings: Settings, base: Base) -> Encoder:
    return Encoder(
        tokenizer=base.tokenizer,
        head=settings.task.head,
        architecture=settings.model.architecture,
        model_input=settings.task.model_input,
        max_tokens=settings.max_tokens,
        classes=settings.classes,
        loss_on=settings.tuning.loss_on or LossOn.answer,
        positions=base.positions,
        answer_tokens=settings.answer_tokens if settings.task.head is Head.generation else 0,
        typed_pairs=getattr(base.model.config, "type_vocab_size", 0) > 1,
    )


def _train(model: Any, lessons: list[Any], cell: Cell, settings: Settings, base: Base) -> list[loop.LogRow]:
    rows: list[loop.LogRow] = []
    with (cell.folder / "train.jsonl").open("w", encoding="utf-8") as handle:

        def log_row(row: loop.LogRow) -> None:
            rows.append(row)
            handle.write(json.dumps(row) + "\n")
            handle.flush()

        loop.train(
            model,
            lessons,
            settings.tuning,
            seed=cell.seed,
            pad=base.tokenizer.pad_token_id,
            micro_batch=settings.launch.micro_batch,
            log=log_row,
            progress=settings.launch.progress,
        )
    return rows


def _predict(model: Any, prompts: list[Any], settings: Settings, base: Base) -> list[str]:
    model.eval()
    launch = settings.launch
    if settings.task.head is Head.classification:
        pad = base.tokenizer.pad_token_id
        return predict.classify(model, prompts, settings.classes, pad=pad, batch=launch.eval_batch, progress=launch.progress)
    return predict.answer(
        model, base.tokenizer, prompts, max_tokens=settings.answer_tokens, batch=launch.eval_batch, progress=launch.progress
    )
