"""Who writes the twins, in which words, and which ones are kept: the groups `prompt_model`, `strategy` and `filter`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from littlehuman.schema.data import ColumnsConfig
from littlehuman.schema.metadata import IF_SET, NOT_IDENTITY


class Provider(StrEnum):
    """How a prompt model is reached."""

    hf = "hf"
    openai = "openai"
    recorded = "recorded"
    provided = "provided"
    vllm = "vllm"


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
    provider: Provider = field(default=Provider.hf, metadata=NOT_IDENTITY)
    weights: str | None = None
    revision: str | None = field(default=None, metadata=IF_SET)
    dtype: str = "bfloat16"
    device: str | None = field(default=None, metadata=NOT_IDENTITY)
    temperature: float = 0.0
    top_p: float = 1.0
    base_url: str | None = field(default=None, metadata=NOT_IDENTITY)
    api_key_env: str | None = field(default=None, metadata=NOT_IDENTITY)
    token_limit_name: str = field(default="max_tokens", metadata=NOT_IDENTITY)
    path: str | None = field(default=None, metadata=NOT_IDENTITY)  # identity.py counts what provided twins say
    columns: ColumnsConfig = field(default_factory=ColumnsConfig, metadata=NOT_IDENTITY)
    batch_size: int = field(default=8, metadata=NOT_IDENTITY)
    concurrency: int = field(default=8, metadata=NOT_IDENTITY)
    requests_per_minute: int | None = field(default=None, metadata=NOT_IDENTITY)
    tokens_per_minute: int | None = field(default=None, metadata=NOT_IDENTITY)
    max_usd: float | None = field(default=None, metadata=NOT_IDENTITY)
    batch_api: bool = field(default=False, metadata=NOT_IDENTITY)
    batch_wait: bool = field(default=True, metadata=NOT_IDENTITY)
    batch_requests: int = field(default=50_000, metadata=NOT_IDENTITY)
    batch_mb: int = field(default=190, metadata=NOT_IDENTITY)
    poll_s: float = field(default=60.0, metadata=NOT_IDENTITY)
    json_schema: bool = False
    timeout_s: float = field(default=60.0, metadata=NOT_IDENTITY)
    retries: int = field(default=5, metadata=NOT_IDENTITY)
    price: PriceConfig = field(default_factory=PriceConfig, metadata=NOT_IDENTITY)

    def on(self, device: str) -> PromptModelConfig:
        """The same prompt model, computing on `device` where it names none of its own."""
        return self if self.device else replace(self, device=device)


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
