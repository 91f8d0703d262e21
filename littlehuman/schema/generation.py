"""Generation of synthetic data: the groups `prompt_model`, `strategy` (the prompts) and `filter`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from littlehuman.schema.data import ColumnsConfig
from littlehuman.schema.metadata import IF_NULL, IF_SET, NOT_IDENTITY


class Provider(StrEnum):
    """The backend of a prompt model."""

    hf = "hf"
    openai = "openai"
    recorded = "recorded"
    provided = "provided"
    vllm = "vllm"
    llama_cpp = "llama_cpp"
    embeddings = "embeddings"


class Writes(StrEnum):
    """What the prompt model writes: text and target, or only the target of a human text."""

    pair = "pair"
    target = "target"


class Method(StrEnum):
    """What predicts the test points: a fine-tuned model, or the prompt model itself, as the annotator of its inputs."""

    finetune = "finetune"
    annotator = "annotator"


class Shots(StrEnum):
    """Source of the few-shot examples: the cell's human points, or the strategy's own demonstrations."""

    human = "human"
    own = "own"


class FilterStep(StrEnum):
    """The filters, in their order of use: the cheap ones first."""

    rules = "rules"
    round_trip = "round_trip"
    judge = "judge"


@dataclass(frozen=True, kw_only=True)
class PriceConfig:
    """US dollars per million tokens; through the batch API it is `batch_share` times as much.

    `cached_prompt` is the price of prompt tokens that the provider had in its prompt cache; null: that of the others.
    """

    prompt: float = 0.0
    completion: float = 0.0
    cached_prompt: float | None = None
    batch_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class PromptModelConfig:
    """Group `prompt_model`: the language model that writes the twins, and how requests are sent to it."""

    name: str = "?"
    provider: Provider = field(default=Provider.hf, metadata=NOT_IDENTITY)
    weights: str | None = None
    revision: str | None = field(default=None, metadata=IF_SET)
    adapter: str | None = field(
        default=None, metadata=IF_SET
    )  # a writer (`schema/adapter.py`); identity.py: its digest
    dtype: str = "bfloat16"  # auto: each machine's choice, as launch.dtype; llama_cpp: Q4_K_M, ...; the word is keyed
    device: str | None = field(default=None, metadata=NOT_IDENTITY)
    temperature: float | None = 0.0  # null: not sent, as are the next two and reasoning_effort
    top_p: float | None = 1.0
    base_url: str | None = field(default=None, metadata=NOT_IDENTITY)
    api_key_env: str | None = field(default=None, metadata=NOT_IDENTITY)
    token_limit_name: str | None = field(default="max_tokens", metadata=IF_NULL)
    reasoning_effort: str | None = field(default=None, metadata=IF_SET)
    extra_body: Any = field(default=None, metadata=IF_SET)  # table of further parameters; any, for Hydra to replace it
    path: str | None = field(default=None, metadata=NOT_IDENTITY)  # identity.py adds the content of provided twins
    columns: ColumnsConfig = field(default_factory=ColumnsConfig, metadata=NOT_IDENTITY)
    batch_size: int | None = field(default=None, metadata=NOT_IDENTITY)  # null: by device (`models/memory.py`)
    tensor_parallel: int = field(default=1, metadata=NOT_IDENTITY)
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

    def with_default_device(self, device: str) -> PromptModelConfig:
        """The same prompt model, on `device` unless it has a device of its own."""
        return self if self.device else replace(self, device=device)


@dataclass(frozen=True, kw_only=True)
class RoundConfig:
    """Key `generation`: which round of writing, training and writing again a cell is (`writer/rounds.py`).

    Attributes:
        round: 0: the twins are by the prompt model as it is; r: by a writer that is tuned on the mixture of round
            r - 1. Null: the cell belongs to no rounds.
        accumulate: the writer is tuned on the human points and on the twins of all earlier rounds.
    """

    round: int | None = None
    accumulate: bool = False


@dataclass(kw_only=True)  # not frozen: OmegaConf refuses to merge YAML into frozen items of a list or dict
class Demonstration:
    """A few-shot example that is part of the strategy; it uses no human label of the dataset."""

    evidence: str = ""
    text: str = ""
    target: str = ""
    explanation: str = ""


@dataclass(kw_only=True)  # not frozen: see Demonstration
class PromptText:
    """The prompt templates of a strategy for one task; `{...}` are filled per point."""

    system: str = ""
    user: str = ""
    assistant: str = ""
    label_words: dict[str, str] = field(default_factory=dict)
    label_requests: dict[str, str] = field(default_factory=dict)
    demonstrations: list[Demonstration] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StrategyConfig:
    """Group `strategy`: how the prompts are made."""

    name: str = "?"
    writes: Writes = Writes.pair
    shots: int = 3
    shots_from: Shots = Shots.human
    shots_fixed: bool = field(default=False, metadata=IF_SET)
    seed: int = 0
    max_tokens: int = 120
    max_evidence_words: int = 3000
    language: str = ""
    attempts: int = 1
    tasks: dict[str, PromptText] = field(default_factory=dict)


@dataclass(kw_only=True)  # not frozen: see Demonstration
class FilterText:
    """The prompt templates of a filter for one task; the verdict is parsed from `{target}` in `assistant`."""

    system: str = ""
    user: str = ""
    assistant: str = ""
    label_words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RulesConfig:
    """Rules about a twin's text and answer; null switches a rule off."""

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
    """LLM as judge: a model scores each twin from 1 to 5; those with at least `min_score` are kept."""

    min_score: float = 4.0
    max_tokens: int = 60
    tasks: dict[str, FilterText] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RoundTripConfig:
    """Round-trip consistency: a model answers the twin's question, or labels its text; agreeing twins are kept."""

    min_f1: float = 0.5
    max_tokens: int = 60
    tasks: dict[str, FilterText] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Group `filter`: which twins are dropped before mixing. Where `model` is named "?", the prompt model is asked."""

    name: str = "none"
    steps: list[FilterStep] = field(default_factory=list)
    rules: RulesConfig = field(default_factory=RulesConfig)
    round_trip: RoundTripConfig = field(default_factory=RoundTripConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    model: PromptModelConfig = field(default_factory=PromptModelConfig)

    @property
    def has_own_model(self) -> bool:
        """Whether the filter asks another model than the prompt model."""
        return self.model.name != "?"
