"""A recording replayed: the same requests get the same answers, without network or model.

In: prompts and a file or folder in the format of the completion cache. Out: what was answered
then; a request that was not recorded is an error with its mend, never a silent hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.cache import CompletionCache, recording_path
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig


class Recorded:
    """Looks each request up in `prompt_model.path`."""

    batched, untaken = False, ()

    def __init__(self, config: PromptModelConfig) -> None:
        self.config, self.path = config, recording_path(config.path)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the recorded answers, in the order of the recording.

        Raises:
            GenerationError: when a request is not in the recording; after the answers that are.
        """
        absent = {prompt.key: prompt.example_id for prompt in prompts}
        requested = len(absent)
        for completion in CompletionCache(self.path).read(absent):
            del absent[completion.key]
            yield completion
        if absent:
            raise GenerationError(
                f"prompt_model.path={self.path}: {len(absent)} of {requested} requests were not recorded "
                f"(first: {next(iter(absent.values()))}). A recording holds one strategy, human_budget and model of one dataset, "
                f"and these must be the same: {_identity(self.config)}\n{_mend(self.config)}"
            )


def _identity(config: PromptModelConfig) -> str:
    """What of the settings is part of each request's key."""
    revision = f", revision={config.revision}" if config.revision else ""
    model = (
        f"weights={config.weights}, dtype={config.dtype}{revision}"
        if config.weights
        else f"weights=null, name={config.name}"
    )
    return f"{model}, temperature={config.temperature:g}, top_p={config.top_p:g}, json_schema={str(config.json_schema).lower()}"


def _mend(config: PromptModelConfig) -> str:
    if (config.path or "").startswith("package:"):
        return "Try: prompt_model=qwen-1.5b (after `make qwen`) or prompt_model=smollm2, which answer live"
    return (
        f"Try: prompt_model=recorded prompt_model.path={config.path} prompt_model.weights=null prompt_model.name=NAME "
        "prompt_model.temperature=NUMBER as the recorded endpoint had them (weights=WEIGHTS of a model without one)"
    )
