"""A Hugging Face chat model in this process, in batches.

In: prompts. Out: completions, batch by batch; torch loads with the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from littlehuman.errors import ConfigError, Problem
from littlehuman.groups import PromptModelConfig
from littlehuman.records import Completion, Failure, Prompt


class LocalModel:
    """Answers with the weights that `prompt_model.weights` names."""

    def __init__(self, config: PromptModelConfig) -> None:
        if not config.weights:
            raise ConfigError([Problem("prompt_model.weights=null", "provider hf needs weights: package:NAME, a folder or a hub id")])
        self.config = config

    def complete(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the answers, longest prompts first."""
        from littlehuman.training.decoding import chat

        config = self.config
        answers = chat(
            str(config.weights),
            config.dtype,
            [prompt.messages for prompt in prompts],
            max_tokens=max_tokens,
            batch_size=config.batch_size,
            temperature=config.temperature,
            top_p=config.top_p,
            seeds=[int(prompt.key, 16) for prompt in prompts],
        )
        for a in answers:
            yield Completion(prompts[a.index].key, a.text, a.finish, a.prompt_tokens, a.completion_tokens)
