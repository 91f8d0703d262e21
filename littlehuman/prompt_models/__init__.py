"""Who writes the twins: one class per kind of provider, chosen by `prompt_model.provider`.

In: prompts. Out: a `Completion` or `Failure` for each, as it comes, in any order, matched by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from littlehuman.errors import ConfigError, Problem
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider


class PromptModel(Protocol):
    """Answers requests. An answer that cannot be had is a `Failure`; a dead endpoint raises.

    `batched` says that answers cost `price.batch_share` of the price; `untaken` are the answers that
    had come, and were not handed over, when the last `complete` was closed: they are paid for.
    """

    @property
    def batched(self) -> bool: ...  # noqa: D102 (said above)

    @property
    def untaken(self) -> Sequence[Completion]: ...  # noqa: D102 (said above)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield one answer per prompt, in any order; closing the iterator cancels what costs money (a batch goes on).

        Raises:
            GenerationError: when no request can succeed (no key, endpoint down, unknown model).
        """
        ...


def open_model(config: PromptModelConfig) -> PromptModel:
    """The prompt model that `config` names; torch or openai load only when they are needed.

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
    if config.provider is Provider.openai and config.batch_api:
        from littlehuman.prompt_models.batch_api import BatchEndpoint

        return BatchEndpoint(config)
    if config.provider is Provider.openai:
        from littlehuman.prompt_models.chat_api import Endpoint

        return Endpoint(config)
    from littlehuman.prompt_models.recorded import Recorded

    return Recorded(config)
