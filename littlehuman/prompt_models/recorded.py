"""A recording replayed: the same requests get the same answers, without network or model.

In: prompts and a file or folder in the format of the completion cache. Out: what was answered
then; a request that was not recorded is an error with its mend, never a silent hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from littlehuman.errors import GenerationError
from littlehuman.generation.completions import Shelf, recording_path
from littlehuman.groups import PromptModelConfig
from littlehuman.records import Completion, Failure, Prompt


class Recorded:
    """Looks each request up in `prompt_model.path`."""

    batched = False

    def __init__(self, config: PromptModelConfig) -> None:
        self.path = recording_path(config.path)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the recorded answers, in the order of the recording.

        Raises:
            GenerationError: when a request is not in the recording; after the answers that are.
        """
        absent = {prompt.key: prompt.example_id for prompt in prompts}
        requested = len(absent)
        for completion in Shelf(self.path).read(absent):
            del absent[completion.key]
            yield completion
        if absent:
            raise GenerationError(
                f"prompt_model.path={self.path}: {len(absent)} of {requested} requests were not recorded "
                f"(first: {next(iter(absent.values()))}). A recording holds one strategy, model and human_budget of one dataset.\n"
                "Try: prompt_model=qwen-1.5b (after `make qwen`) or prompt_model=smollm2, which answer live"
            )
