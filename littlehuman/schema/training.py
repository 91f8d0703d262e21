"""What is trained, how, and where: the groups `protocol`, `model`, `launch` and `tracker`, and the keys `training` and `metrics`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from littlehuman.schema.metadata import IF_SET

ALL_LINEAR = "all_linear"  # the one value of lora_targets that every model knows
PRECISIONS = ("float32", "bfloat16", "float16")  # torch's names


class Architecture(StrEnum):
    """A decoder reads left to right and can write; an encoder classifies."""

    decoder = "decoder"
    encoder = "encoder"


class Quantization(StrEnum):
    """How a frozen base is stored below its own precision (QLoRA)."""

    nf4 = "nf4"


class LossOn(StrEnum):
    """Which tokens of a QA example teach: the answer and the end token, or the whole text."""

    answer = "answer"
    text = "text"


class Layout(StrEnum):
    """How rows of unlike length share a batch: end to end without padding, or padded to the longest one."""

    auto = "auto"
    packed = "packed"
    padded = "padded"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One fine-tuning. In `protocol` and `model` null means: the next layer says.

    Layers, first one that speaks wins: `training` (command line), `protocol.<head>`,
    `model.<head>`.
    """

    learning_rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    warmup_ratio: float | None = None
    weight_decay: float | None = None
    max_grad_norm: float | None = None
    lora_r: int | None = None
    lora_alpha: int | None = None
    lora_dropout: float | None = None
    lora_targets: str | None = None
    loss_on: LossOn | None = None


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Group `protocol`: the paper's values, the released code's, or the ones we recommend."""

    name: str = "?"
    classification: TrainingConfig = field(default_factory=TrainingConfig)
    generation: TrainingConfig = field(default_factory=TrainingConfig)
    shots_with_replacement: bool = False
    short_answers: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Group `model`: the model that is fine-tuned."""

    name: str = "?"
    weights: str = "?"
    revision: str | None = field(default=None, metadata=IF_SET)
    architecture: Architecture = Architecture.decoder
    quantization: Quantization | None = None
    lora_targets: dict[str, str] = field(default_factory=dict)
    classification: TrainingConfig = field(default_factory=TrainingConfig)
    generation: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """How predictions are scored, beyond the task's own list."""

    bert_score_model: str | None = None
    bert_score_layer: int | None = None
    bootstrap: int = 1000


@dataclass(frozen=True, kw_only=True)
class LaunchConfig:
    """Group `launch`: where and how a run computes. It changes results by rounding alone."""

    device: str = "auto"
    dtype: str = "auto"
    processes: int = 1
    cells: int | None = None
    micro_batch: int = 8
    layout: Layout = Layout.auto
    gradient_checkpointing: bool = False
    eval_tokens: int | None = None
    save_every_s: float = 300.0
    keep_adapter: bool = True
    progress: bool = True


class Tracker(StrEnum):
    """An experiment tracker, by the name of its package."""

    none = "none"
    tensorboard = "tensorboard"
    wandb = "wandb"
    mlflow = "mlflow"
    trackio = "trackio"


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Group `tracker`: who else is told of a finished cell."""

    name: Tracker = Tracker.none
    project: str = "littlehuman"
