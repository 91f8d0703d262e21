"""What goes into training and what comes out: cells, what decides them, and their outcomes.

In: records and a cell's slice of the config. Out: frozen values that cross the torch frontier, and
the borders of processes, in both directions.
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
    """What decides how one cell is trained and tested."""

    model: ModelConfig
    task: TaskConfig
    tuning: TrainingConfig
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
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """What came of one cell. Seconds are wall time; `environment` says where it was computed.

    Cells that trained at once share their seconds: each has its part, by tokens.
    """

    predictions: tuple[Prediction, ...]
    steps: int
    final_loss: float | None
    shortened: dict[str, int]
    seconds: dict[str, float]
    environment: dict[str, Any]


Finished = Callable[[int, Outcome | Exception], None]


def stackable(cell: Cell) -> Hashable:
    """Cells of equal value can be trained on one base together."""
    s = cell.settings
    classes = len(s.classes) if s.task.head is Head.classification else 0
    targets = s.model.lora_targets.get(str(s.tuning.lora_targets), s.tuning.lora_targets)
    return (
        s.model.weights,
        s.model.revision,
        s.model.quantization,
        s.model.architecture,
        s.task.head,
        classes,
        s.tuning.lora_r,
        targets,
    )
