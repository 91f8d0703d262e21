"""A Hugging Face chat model in this process, decoded in batches (`prompt_model.provider=hf`).

In: prompts, consumed lazily. Out: completions, batch by batch. torch and the weights are loaded with the first
prompt, on `prompt_model.device` (null: `launch.device`). The weights stay in memory for the next round and the next
cell; they leave a GPU when a training begins (`models/chat.py`).

An answer does not depend on the other requests of its batch, but for rounding: greedy decoding draws nothing, and
sampling uses a generator seeded with the request's key. In float32 that gives the same text; in bfloat16 a near tie
can go either way.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import tee

from littlehuman.prompt_models.settings import InProcess
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import adapter


class LocalModel(InProcess):
    """Answers with the weights that `prompt_model.weights` names, and the writer adapter on them, if there is one."""

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers batch by batch; a prompt that is too long for the model is a `Failure`.

        Raises:
            WeightsError: when the weights cannot be loaded.
            GenerationError: when not even one prompt at a time fits into memory.
        """
        from littlehuman.models.chat import SkippedPrompt, chat

        config, keys = self.config, dict[int, str]()

        def with_keys_noted() -> Iterator[Prompt]:
            for index, prompt in enumerate(prompts):
                keys[index] = prompt.key  # held only until its answer comes
                yield prompt

        asked, seeded = tee(with_keys_noted())
        answers = chat(
            str(config.weights),
            config.dtype,
            (prompt.messages for prompt in asked),
            max_tokens=max_tokens,
            batch_size=config.batch_size,
            temperature=config.temperature or 0.0,  # null was refused
            top_p=1.0 if config.top_p is None else config.top_p,
            seeds=(int(prompt.key, 16) for prompt in seeded),
            revision=config.revision,
            device=config.device or "auto",
            adapter=adapter.parts(config.adapter)[0] if config.adapter else None,
        )
        for a in answers:
            key = keys.pop(a.index)
            yield (
                Failure(key, a.reason)
                if isinstance(a, SkippedPrompt)
                else Completion(key, a.text, a.finish, a.prompt_tokens, a.completion_tokens)
            )
