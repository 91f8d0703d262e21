"""Prompt models: one class per kind of provider behind one protocol, chosen by `prompt_model.provider`.

In: prompts. Out: one `Completion` or `Failure` per prompt, in any order, matched by the request key.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

from littlehuman.errors import ConfigError, Problem
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider

Answer = Completion | Failure


class PromptModel(Protocol):
    """Answers requests. A request without an answer is a `Failure`; an endpoint that can answer none raises.

    `batched`: answers cost `price.batch_share` of the price. `undelivered`: answers that had arrived, but were not
    handed over, when the generator of the last `complete` was closed. They are paid for.
    """

    @property
    def batched(self) -> bool: ...  # noqa: D102 (said above)

    @property
    def undelivered(self) -> Sequence[Completion]: ...  # noqa: D102 (said above)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Answer, None, None]:
        """Yield one answer per prompt, in any order.

        Closing the generator cancels requests that still cost money; batches that were handed in go on.

        Raises:
            GenerationError: when no request can succeed (no key, endpoint down, unknown model).
        """
        ...


def open_model(config: PromptModelConfig) -> PromptModel:
    """The prompt model that `config` names. torch and openai are imported only when they are needed.

    Raises:
        ConfigError: when a setting is impossible.
    """
    if config.provider is Provider.provided:
        what = "has its twins in a file and answers no requests; a filter that asks needs a model of its own"
        raise ConfigError(
            [Problem(f"prompt_model={config.name}", what)], "+prompt_model@filter.model=gpt-4-turbo, or filter=rules"
        )
    if config.provider is Provider.hf:
        from littlehuman.prompt_models.hf_local import LocalModel

        return LocalModel(config)
    if config.provider is Provider.vllm:
        from littlehuman.prompt_models.vllm_engine import VllmModel

        return VllmModel(config)
    if config.provider is Provider.llama_cpp:
        from littlehuman.prompt_models.llama_cpp import LlamaCppModel

        return LlamaCppModel(config)
    if config.provider is Provider.embeddings:
        from littlehuman.prompt_models.embeddings import EmbeddingModel

        return EmbeddingModel(config)
    if config.provider is Provider.openai and config.batch_api:
        from littlehuman.prompt_models.batch_api import BatchEndpoint

        return BatchEndpoint(config)
    if config.provider is Provider.openai:
        from littlehuman.prompt_models.chat_api import Endpoint

        return Endpoint(config)
    from littlehuman.prompt_models.recorded import Recorded

    return Recorded(config)
