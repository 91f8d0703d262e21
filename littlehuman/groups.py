"""The groups of `conf/` as types: one class per group, one field per key.

In: a group's YAML, which comments each value. Out: its typed, frozen record. Fields marked
`WHERE_AND_HOW` never change a result and are no part of a run's identity (`identity.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WHERE_AND_HOW = {"operational": True}
ALL_LINEAR = "all_linear"  # the one value of lora_targets that every model knows


class Head(StrEnum):
    """What the fine-tuned model ends in."""

    classification = "classification"
    generation = "generation"


class Writes(StrEnum):
    """What a strategy asks the prompt model for: text and target, or the target of a human text."""

    pair = "pair"
    target = "target"


class Shots(StrEnum):
    """Where a prompt's examples come from: the cell's human points, or the strategy's own."""

    human = "human"
    own = "own"


class FilterStep(StrEnum):
    """By what means a twin may be thrown away, in the order in which they are used: the cheap ones first."""

    rules = "rules"
    round_trip = "round_trip"
    judge = "judge"


class Provider(StrEnum):
    """How a prompt model is reached."""

    hf = "hf"
    openai = "openai"
    recorded = "recorded"
    provided = "provided"
    vllm = "vllm"


class Architecture(StrEnum):
    """A decoder reads left to right and can write; an encoder classifies."""

    decoder = "decoder"
    encoder = "encoder"


class Layout(StrEnum):
    """How rows of unlike length share a batch: end to end without padding, or padded to the longest one."""

    auto = "auto"
    packed = "packed"
    padded = "padded"


class Quantization(StrEnum):
    """How a frozen base is stored below its own precision (QLoRA)."""

    nf4 = "nf4"


class LossOn(StrEnum):
    """Which tokens of a QA example teach: the answer and the end token, or the whole text."""

    answer = "answer"
    text = "text"


@dataclass(frozen=True, kw_only=True)
class ColumnsConfig:
    """Columns of the rows: a name, a dotted path, or a list that is joined by newlines."""

    evidence: Any = None
    text: Any = None
    target: Any = None
    id: Any = None


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Group `dataset`: where the rows are and what they mean."""

    name: str = "?"
    reader: str = "table"
    hub: str | None = None
    hub_config: str | None = None
    hub_revision: str | None = None
    path: str | None = None
    how_to_get: str = field(default="", metadata=WHERE_AND_HOW)
    splits: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    labels: dict[str, str] = field(default_factory=dict)
    ignored_labels: list[str] = field(default_factory=list)
    valid_share: float = 0.2
    test_share: float = 0.2
    split_seed: int = 0
    sizes: list[int] = field(default_factory=lambda: [5000], metadata=WHERE_AND_HOW)
    tradeoff_step: int = field(default=1000, metadata=WHERE_AND_HOW)
    tradeoff_human: int = field(default=200, metadata=WHERE_AND_HOW)
    max_tokens: int = 512
    answer_tokens: int = 32
    code_answer_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Group `task`: head, how a point is shown to the fine-tuned model, how it is scored."""

    name: str = "?"
    head: Head = Head.generation
    classes: list[str] = field(default_factory=list)
    model_input: str = "{evidence}\n{text}"
    metrics: list[str] = field(default_factory=list)
    headline: str = "?"


@dataclass(frozen=True, kw_only=True)
class PriceConfig:
    """US dollars per million tokens; `batch_share` of them through the batch API."""

    prompt: float = 0.0
    completion: float = 0.0
    batch_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class PromptModelConfig:
    """Group `prompt_model`: who writes the twins, and how it is asked."""

    name: str = "?"
    provider: Provider = field(default=Provider.hf, metadata=WHERE_AND_HOW)
    weights: str | None = None
    dtype: str = "bfloat16"
    temperature: float = 0.0
    top_p: float = 1.0
    base_url: str | None = field(default=None, metadata=WHERE_AND_HOW)
    api_key_env: str | None = field(default=None, metadata=WHERE_AND_HOW)
    token_limit_name: str = field(default="max_tokens", metadata=WHERE_AND_HOW)
    path: str | None = field(default=None, metadata=WHERE_AND_HOW)  # identity.py counts what provided twins say
    columns: ColumnsConfig = field(default_factory=ColumnsConfig, metadata=WHERE_AND_HOW)
    batch_size: int = field(default=8, metadata=WHERE_AND_HOW)
    concurrency: int = field(default=8, metadata=WHERE_AND_HOW)
    requests_per_minute: int | None = field(default=None, metadata=WHERE_AND_HOW)
    tokens_per_minute: int | None = field(default=None, metadata=WHERE_AND_HOW)
    max_usd: float | None = field(default=None, metadata=WHERE_AND_HOW)
    batch_api: bool = field(default=False, metadata=WHERE_AND_HOW)
    batch_wait: bool = field(default=True, metadata=WHERE_AND_HOW)
    batch_requests: int = field(default=50_000, metadata=WHERE_AND_HOW)
    batch_mb: int = field(default=190, metadata=WHERE_AND_HOW)
    poll_s: float = field(default=60.0, metadata=WHERE_AND_HOW)
    json_schema: bool = False
    timeout_s: float = field(default=60.0, metadata=WHERE_AND_HOW)
    retries: int = field(default=5, metadata=WHERE_AND_HOW)
    price: PriceConfig = field(default_factory=PriceConfig, metadata=WHERE_AND_HOW)


@dataclass(kw_only=True)  # not frozen: OmegaConf refuses to merge YAML into frozen items of a list or dict
class Demonstration:
    """A worked example that a strategy brings itself (it costs no human label of the dataset)."""

    evidence: str = ""
    text: str = ""
    target: str = ""
    explanation: str = ""


@dataclass(kw_only=True)  # not frozen: see Demonstration
class PromptText:
    """The words of a strategy for one task; `{...}` are filled per point."""

    system: str = ""
    user: str = ""
    assistant: str = ""
    label_words: dict[str, str] = field(default_factory=dict)
    label_requests: dict[str, str] = field(default_factory=dict)
    demonstrations: list[Demonstration] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StrategyConfig:
    """Group `strategy`: what is asked of the prompt model, in which words."""

    name: str = "?"
    writes: Writes = Writes.pair
    shots: int = 3
    shots_from: Shots = Shots.human
    seed: int = 0
    max_tokens: int = 120
    max_evidence_words: int = 3000
    language: str = ""
    attempts: int = 1
    tasks: dict[str, PromptText] = field(default_factory=dict)


@dataclass(kw_only=True)  # not frozen: see Demonstration
class FilterText:
    """The words in which a filter asks about a twin of one task; `{target}` in `assistant` is what is read."""

    system: str = ""
    user: str = ""
    assistant: str = ""
    label_words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RulesConfig:
    """What a twin's own words may show; null switches a rule off."""

    min_words: int | None = 3
    max_words: int | None = 100
    max_answer_words: int | None = 30
    no_copies: bool = True
    answer_in_evidence: bool = True
    no_duplicates: bool = True
    near_duplicates: float | None = 0.8
    same_evidence: bool = True


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """A model scores each twin from 1 to 5; it is kept from `min_score` on."""

    min_score: float = 4.0
    max_tokens: int = 60
    tasks: dict[str, FilterText] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RoundTripConfig:
    """A model answers the twin's question, or labels its text anew; it is kept where both agree."""

    min_f1: float = 0.5
    max_tokens: int = 60
    tasks: dict[str, FilterText] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Group `filter`: which twins are thrown away before mixing; `model` named "?" is the one that wrote them."""

    name: str = "none"
    steps: list[FilterStep] = field(default_factory=list)
    rules: RulesConfig = field(default_factory=RulesConfig)
    round_trip: RoundTripConfig = field(default_factory=RoundTripConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    model: PromptModelConfig = field(default_factory=PromptModelConfig)

    @property
    def has_own_model(self) -> bool:
        """Whether another model is asked than the one that wrote the twins."""
        return self.model.name != "?"


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
