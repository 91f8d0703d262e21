"""Training and evaluation: the groups `protocol`, `model`, `launch`, `tracker`, and the keys `training`, `metrics`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from littlehuman.schema.metadata import IF_SET, unless

ALL_LINEAR = "all_linear"  # the value of lora_targets that works for every model
PRECISIONS = ("float32", "bfloat16", "float16")  # names of torch dtypes


class Architecture(StrEnum):
    """A decoder (causal) classifies and generates; an encoder classifies only."""

    decoder = "decoder"
    encoder = "encoder"


class Quantization(StrEnum):
    """Quantization of the frozen base model (QLoRA)."""

    nf4 = "nf4"


class Adaptation(StrEnum):
    """What is trained: low-rank adapters on the frozen weights (LoRA), or all weights (full fine-tuning)."""

    lora = "lora"
    full = "full"


class LossOn(StrEnum):
    """Tokens of a QA example that have a loss: answer and end token, or the whole text."""

    answer = "answer"
    text = "text"


class Layout(StrEnum):
    """Batch layout: sequences packed end to end, or padded to the longest one."""

    auto = "auto"
    packed = "packed"
    padded = "padded"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Hyperparameters of a fine-tuning.

    A value that is null is taken from the next of these layers: `training` (command line), `protocol.<head>`,
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
    """Group `protocol`: hyperparameters of the paper, of its released code, or the recommended ones."""

    name: str = "?"
    classification: TrainingConfig = field(default_factory=TrainingConfig)
    generation: TrainingConfig = field(default_factory=TrainingConfig)
    shots_with_replacement: bool = False
    short_answers: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Group `model`: the model that is fine-tuned.

    `full` has what full fine-tuning wants otherwise than LoRA, whose learning rates are too high for all weights: by
    default BERT's (Devlin et al. 2019 try 2e-5 to 5e-5).
    """

    name: str = "?"
    weights: str = "?"
    revision: str | None = field(default=None, metadata=IF_SET)
    architecture: Architecture = Architecture.decoder
    adaptation: Adaptation = field(default=Adaptation.lora, metadata=unless(Adaptation.lora))
    quantization: Quantization | None = None
    lora_targets: dict[str, str] = field(default_factory=dict)
    classification: TrainingConfig = field(default_factory=TrainingConfig)
    generation: TrainingConfig = field(default_factory=TrainingConfig)
    full: TrainingConfig = field(default_factory=lambda: TrainingConfig(learning_rate=5.0e-5))

    @property
    def is_full(self) -> bool:
        """Whether all weights are trained."""
        return self.adaptation is Adaptation.full


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """Options of the metrics; the task has the list of metrics."""

    bleu_tokenizer: str | None = field(default=None, metadata=IF_SET)  # sacreBLEU's; null: by the language
    bert_score_model: str | None = None
    bert_score_layer: int | None = None
    bleu_threshold: float = field(
        default=0.5, metadata=unless(0.5)
    )  # of right_by_bleu: from here on an answer is right
    bootstrap: int = 1000


@dataclass(frozen=True, kw_only=True)
class LaunchConfig:
    """Group `launch`: hardware, parallelism and memory. And the spending limit. Changes results by rounding only."""

    device: str = "auto"
    dtype: str = "auto"
    processes: int = 1
    cells: int | None = None
    group: int = 8
    micro_batch: int = 8
    layout: Layout = Layout.auto
    gradient_checkpointing: bool = False
    eval_tokens: int | None = None
    save_every_s: float = 300.0
    keep_adapter: bool = True
    progress: bool = True
    max_usd: float | None = None


class Tracker(StrEnum):
    """Experiment trackers, by package name."""

    none = "none"
    tensorboard = "tensorboard"
    wandb = "wandb"
    mlflow = "mlflow"
    trackio = "trackio"


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Group `tracker`: the experiment tracker that finished cells are logged to."""

    name: Tracker = Tracker.none
    project: str = "littlehuman"
