"""Who writes the twins: one class per kind of provider, chosen by `prompt_model.provider`.

In: prompts. Out: a `Completion` or `Failure` for each, as it comes, in any order, matched by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from littlehuman.groups import PromptModelConfig, Provider
from littlehuman.records import Completion, Failure, Prompt


class PromptModel(Protocol):
    """Answers requests. An answer that cannot be had is a `Failure`; a dead endpoint raises."""

    def complete(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield one answer per prompt, in any order.

        Raises:
            GenerationError: when no request can succeed (no key, endpoint down, unknown model).
        """
        ...


def open_model(config: PromptModelConfig) -> PromptModel:
    """The prompt model that `config` names; torch or openai load only when they are needed."""
    if config.provider is Provider.hf:
        from littlehuman.prompt_models.local import LocalModel

        return LocalModel(config)
    if config.provider is Provider.openai:
        from littlehuman.prompt_models.endpoint import Endpoint

        return Endpoint(config)
    from littlehuman.prompt_models.recorded import Recorded

    return Recorded(config)
