"""The configuration as types: `conf/*.yaml` states choices, this file says what they mean.

In: the composed Hydra config. Out: a frozen `RunConfig`; from there on nobody sees a DictConfig.
Each class below is one group of `conf/` (its YAMLs comment each value). Fields marked
`WHERE_AND_HOW` never change a result and are no part of a run's identity (`identity.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fractions import Fraction
from operator import attrgetter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from littlehuman.errors import ConfigError, Problem, did_you_mean

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


class Provider(StrEnum):
    """How a prompt model is reached."""

    hf = "hf"
    openai = "openai"
    recorded = "recorded"


class Architecture(StrEnum):
    """A decoder reads left to right and can write; an encoder classifies."""

    decoder = "decoder"
    encoder = "encoder"


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
    """US dollars per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0


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
    path: str | None = field(default=None, metadata=WHERE_AND_HOW)
    batch_size: int = field(default=8, metadata=WHERE_AND_HOW)
    concurrency: int = field(default=8, metadata=WHERE_AND_HOW)
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
    tasks: dict[str, PromptText] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Group `filter`: which twins are thrown away before mixing."""

    name: str = "none"


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
    """Group `launch`: where a run computes; none of it changes a result beyond rounding."""

    device: str = "auto"
    dtype: str = "auto"
    micro_batch: int = 8
    eval_batch: int = 32
    keep_adapter: bool = True
    progress: bool = True


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One cell: everything that a run needs to know, checked as a whole."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    prompt_model: PromptModelConfig = field(default_factory=PromptModelConfig)
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    launch: LaunchConfig = field(default_factory=LaunchConfig, metadata=WHERE_AND_HOW)
    synth_frac: float = 0.9
    n_train: int | None = None
    n_test: int | None = None
    seed: int = 0
    human_budget: int | str = "all"
    extra_human: int = 0
    synthetic: bool = True
    test_dataset: str | None = None
    test_path: str | None = None
    study: str = field(default="default", metadata=WHERE_AND_HOW)

    def __post_init__(self) -> None:
        """Check what can be seen without data.

        Raises:
            ConfigError: naming every problem, not the first one.
        """
        problems = list(_problems(self))
        if problems:
            mend = "" if 0 <= self.synth_frac <= 1 else f"python -m littlehuman.run dataset={self.dataset.name} synth_frac=0.95"
            raise ConfigError(problems, mend)

    @property
    def size(self) -> int:
        """Training points: `n_train`, or the dataset's own first size."""
        return self.dataset.sizes[0] if self.n_train is None else self.n_train

    @property
    def fine_tuning(self) -> TrainingConfig:
        """The training values in force, from the layers of `TrainingConfig`."""
        head = self.task.head.value
        layers = [self.training, getattr(self.protocol, head), getattr(self.model, head)]
        names = [f.name for f in fields(TrainingConfig)]
        first = {n: next((v for layer in layers if (v := getattr(layer, n)) is not None), None) for n in names}
        return TrainingConfig(**first)

    @property
    def answer_tokens(self) -> int:
        """Length limit of a predicted answer, in tokens."""
        short = self.dataset.code_answer_tokens if self.protocol.short_answers else None
        return short or self.dataset.answer_tokens


_LIMITS = {  # key -> smallest and largest value
    "synth_frac": (0, 1),
    "n_train": (0, math.inf),  # 0: the untrained model
    "n_test": (1, math.inf),
    "extra_human": (0, math.inf),
    "dataset.max_tokens": (16, math.inf),
    "dataset.answer_tokens": (1, math.inf),
    "strategy.shots": (0, math.inf),
    "strategy.max_tokens": (1, math.inf),
    "strategy.max_evidence_words": (1, math.inf),
    "prompt_model.temperature": (0, math.inf),
    "prompt_model.top_p": (0, 1),
    "prompt_model.batch_size": (1, math.inf),
    "metrics.bootstrap": (100, math.inf),
    "launch.micro_batch": (1, math.inf),
    "launch.eval_batch": (1, math.inf),
    "fine_tuning.epochs": (1, math.inf),
    "fine_tuning.batch_size": (1, math.inf),
    "fine_tuning.warmup_ratio": (0, 1),
    "fine_tuning.weight_decay": (0, math.inf),
    "fine_tuning.max_grad_norm": (0, math.inf),  # 0: gradients are not clipped
    "fine_tuning.lora_r": (1, math.inf),
    "fine_tuning.lora_alpha": (1, math.inf),
    "fine_tuning.lora_dropout": (0, 1),
}


def _problems(config: RunConfig) -> Iterator[Problem]:
    yield from _outside_limits(config)
    yield from _contradictions(config)
    yield from _training_problems(config)


def _outside_limits(config: RunConfig) -> Iterator[Problem]:
    for key, (low, high) in _LIMITS.items():
        value = attrgetter(key)(config)
        if value is not None and not low <= value <= high:  # nan is outside too
            must = f"must be between {low} and {high}" if high < math.inf else f"must be {low} or more"
            yield Problem(f"{key.replace('fine_tuning', 'training')}={value:g}", must)


def _contradictions(config: RunConfig) -> Iterator[Problem]:
    task, strategy, model = config.task, config.strategy, config.model
    if config.n_train is None and not config.dataset.sizes:
        yield Problem("dataset.sizes=[]", "names no size; say n_train=NUMBER")
    if not _is_budget(config.human_budget):
        yield Problem(f"human_budget={config.human_budget!r}", "must be all, or a number of points")
    if config.test_path is not None and config.test_dataset is None:
        yield Problem(f"test_path={config.test_path}", "needs test_dataset=NAME")
    if config.synthetic and config.synth_frac != 0 and task.name not in strategy.tasks:
        yield Problem(f"strategy={strategy.name}", f"has no words for task={task.name}; it has: {', '.join(strategy.tasks) or 'none'}")
    if task.headline not in task.metrics:
        yield Problem(f"task.headline={task.headline}", f"must be one of task.metrics: {', '.join(task.metrics) or 'none'}")
    if task.headline == "bert_score" and config.metrics.bert_score_model is None:
        yield Problem("task.headline=bert_score", "needs metrics.bert_score_model")
    if what := _wrong_input(task.model_input):
        yield Problem("task.model_input", what)
    if task.head is Head.generation and model.architecture is Architecture.encoder:
        what = f"is an encoder and cannot write answers, which task={task.name} needs; a decoder can: model=smollm2"
        yield Problem(f"model={model.name}", what)


def _training_problems(config: RunConfig) -> Iterator[Problem]:
    tuning, model = config.fine_tuning, config.model
    for name in (f.name for f in fields(tuning) if getattr(tuning, f.name) is None):
        yield Problem(f"training.{name}=null", f"set by neither protocol={config.protocol.name} nor model={model.name}")
    if tuning.learning_rate is not None and not 0 < tuning.learning_rate < math.inf:
        yield Problem(f"training.learning_rate={tuning.learning_rate:g}", "must be above 0")
    roles = [ALL_LINEAR, *model.lora_targets]
    if tuning.lora_targets is not None and tuning.lora_targets not in roles:  # known here, so that no twin is paid for first
        what = f"model={model.name} does not name these; {did_you_mean(tuning.lora_targets, roles)}"
        yield Problem(f"training.lora_targets={tuning.lora_targets}", what)


def _wrong_input(template: str) -> str:
    try:
        template.format(evidence="", text="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        return f"may name {{evidence}} and {{text}} alone; write other braces twice ({error})"
    return ""


def _is_budget(value: int | str) -> bool:
    return value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def count_of(fraction: float, n: int) -> int:
    """`fraction` of `n`, halves up, by the decimal that the user wrote: 0.975 of 200 is 195."""
    return int(Fraction(str(fraction)) * n + Fraction(1, 2))


def from_hydra(config: DictConfig) -> RunConfig:
    """The typed config; here the DictConfig ends.

    Raises:
        ConfigError: when a value is impossible.
    """
    run = OmegaConf.to_object(config)
    assert isinstance(run, RunConfig)
    return run


def schema() -> DictConfig:
    """`RunConfig` as the first entry of the defaults list: it types every group and key."""
    return _thaw(OmegaConf.structured(RunConfig))


def _thaw(node: DictConfig) -> DictConfig:
    # OmegaConf makes frozen dataclasses read-only, which would refuse the YAML files too.
    OmegaConf.set_readonly(node, None)
    for key in node:
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none():
            _thaw(child)
    return node
