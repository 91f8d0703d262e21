"""Requests to `FakeBatches`, as the tests of the batch API make them."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from config_groups import prompt_model
from fake_batches import Broken, FakeBatches

from littlehuman.prompt_models import batch_api
from littlehuman.prompt_models.batch_api import BatchEndpoint
from littlehuman.prompt_models.cache import CompletionWriter, cache_path, lookup
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

Answers = dict[str, Completion | Failure]


def at(fake: FakeBatches, **values: Any) -> PromptModelConfig:
    settings = {"base_url": fake.url, "batch_api": True, "poll_s": 0.01, "timeout_s": 5.0, "retries": 2}
    return prompt_model("openai_compatible", **{**settings, **values})


def requests(*numbers: int) -> Iterator[Prompt]:
    return (
        Prompt(f"e{i}", ({"role": "system", "content": "s"}, {"role": "user", "content": f"q{i}"}), f"k{i}")
        for i in numbers
    )


def run(config: PromptModelConfig, *numbers: int) -> Answers:
    """What a run does: ask for what the cache has not, and cache each answer before the next is taken."""
    answers: Answers = dict(lookup(cache_path(config), {f"k{i}" for i in numbers}))
    missing = (prompt for prompt in requests(*numbers) if prompt.key not in answers)
    with (
        CompletionWriter(cache_path(config)) as writer,
        closing(BatchEndpoint(config).complete(missing, 50)) as incoming,
    ):  # type: ignore[type-var]
        for result in incoming:
            assert result.key not in answers
            if isinstance(result, Completion):
                writer.add(result)
            answers[result.key] = result
    return answers


def said(*numbers: int) -> Answers:
    return {f"k{i}": Completion(f"k{i}", f"You asked q{i}", "stop", 10, 5) for i in numbers}


def left_behind(config: PromptModelConfig) -> list[str]:
    return sorted(path.name for path in (cache_path(config) / "batches").iterdir())


def saved(config: PromptModelConfig) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((cache_path(config) / "batches").glob("*.json"))]


def interrupt_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return function(*arguments)

    return call


RETRY_AT_ONCE = {"retry-after-ms": "1"}


def breaking(what: str, when: str, broken: Broken, times: int = 1) -> Callable[[str, str, int], None]:
    def tap(which: str, at_what_time: str, count: int) -> None:
        if (which, at_what_time) == (what, when) and count <= times:
            raise broken

    return tap


def stop_when_running(config: PromptModelConfig, *numbers: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_api, "_poll", interrupt_at(1, batch_api._poll))
        with pytest.raises(KeyboardInterrupt):
            run(config, *numbers)
