"""Input and result of training: `Cell`, its `Settings`, its `Outcome`.

All are frozen values without tensors, so that they cross between processes and can be used without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.records import Example, Mixture, Prediction
from littlehuman.schema import Head, ModelConfig, TaskConfig, TrainingConfig


@dataclass(frozen=True)
class Settings:
    """What decides how one cell is trained and evaluated."""

    model: ModelConfig
    task: TaskConfig
    tuning: TrainingConfig
    classes: tuple[str, ...]
    max_tokens: int
    test_max_tokens: int  # differs where the test points are from another dataset
    answer_tokens: int
    chat: bool = False  # rows are conversations, and the answer is the model's turn (`chat_encoding.py`)


@dataclass(frozen=True)
class Cell:
    """One training set with its test points; `folder` receives `train.jsonl` and `adapter/`."""

    mixture: Mixture
    test: tuple[Example, ...]
    seed: int
    folder: Path
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """Result of one cell. `seconds` are wall time; `environment` names device, precision and versions.

    `shortened` counts rows that were too long (train, test), and those whose answer was cut off with their evidence
    (train_answers, test_answers). Cells that were trained together share the training time in proportion to their
    tokens.
    """

    predictions: tuple[Prediction, ...]
    steps: int
    final_loss: float | None
    shortened: dict[str, int]
    seconds: dict[str, float]
    environment: dict[str, Any]


OnFinished = Callable[[int, Outcome | Exception], None]  # called with the cell's index and its result


def group_key(cell: Cell) -> Hashable:
    """Cells with equal keys can be trained together on one base: same weights, head and adapter shapes."""
    s = cell.settings
    classes = len(s.classes) if s.task.head is Head.classification else 0
    targets = s.model.lora_targets.get(str(s.tuning.lora_targets), s.tuning.lora_targets)
    return (
        s.model.weights,
        s.model.revision,
        s.model.quantization,
        s.model.adaptation,
        s.model.architecture,
        s.task.head,
        classes,
        s.tuning.lora_r,
        targets,
    )
