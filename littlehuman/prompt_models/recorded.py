"""Recorded answers replayed: the same requests get the same answers, without network or model.

In: prompts, and a file or folder in the format of the completion cache. Out: the recorded answers. A request that
was not recorded is an error.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.cache import CompletionCache
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig
from littlehuman.store import packaged


def recording_path(path: str | None) -> Path:
    """The recording that `prompt_model.path` names.

    Raises:
        GenerationError: when it is absent.
    """
    if not path:
        raise GenerationError(
            "prompt_model.path=null: a recording is a .jsonl file or a folder of them; give prompt_model.path=FILE"
        )
    found = packaged(path)
    if not found.exists():
        raise GenerationError(f"prompt_model.path={path}: there is no such file or folder ({found})")
    return found


class Recorded:
    """Looks each request up in `prompt_model.path`."""

    batched, undelivered = False, ()

    def __init__(self, config: PromptModelConfig) -> None:
        self.config, self.path = config, recording_path(config.path)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
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
                f"(first: {next(iter(absent.values()))}). A recording holds one strategy, human_budget and model of "
                f"one dataset, and these must be the same: {_key_settings(self.config)}\n{_mend(self.config)}"
            )


def _key_settings(config: PromptModelConfig) -> str:
    """The settings that are part of each request key."""
    revision = f", revision={config.revision}" if config.revision else ""
    local = f"weights={config.weights}, dtype={config.dtype}{revision}"
    model = local if config.weights else f"weights=null, name={config.name}"
    given = {"temperature": config.temperature, "top_p": config.top_p}
    sampling = ", ".join(f"{name}={'null' if value is None else f'{value:g}'}" for name, value in given.items())
    further = {"reasoning_effort": config.reasoning_effort, "extra_body": config.extra_body}
    others = "".join(f", {name}={value}" for name, value in further.items() if value)
    return f"{model}, {sampling}, json_schema={str(config.json_schema).lower()}{others}"


def _mend(config: PromptModelConfig) -> str:
    if (config.path or "").startswith("package:"):
        return "Try: prompt_model=qwen-1.5b (after `make qwen`) or prompt_model=smollm2, which answer live"
    return (
        f"Try: prompt_model=recorded prompt_model.path={config.path} prompt_model.weights=null prompt_model.name=NAME "
        "prompt_model.temperature=NUMBER as the recorded endpoint had them (weights=WEIGHTS of a model without one)"
    )
