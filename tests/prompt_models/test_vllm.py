"""vLLM as a prompt model, with a stand-in for its engine: it shows our side alone, not vLLM's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from config_groups import prompt_model
from training_parts import FIXTURES, no_base_held, one_thread, tiny_cache  # noqa: F401

from littlehuman.models import chat, devices
from littlehuman.prompt_models import open_model, vllm_engine
from littlehuman.prompt_models.settings import contradictions
from littlehuman.prompting import request_key
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

pytestmark = FIXTURES
GREEDY = prompt_model("vllm", weights="random:llama")


class Engine:
    """Answers each request, with what it was asked, in the step after the next; it decodes three at a time."""

    built: list[Engine] = []

    def __init__(self, **values: Any) -> None:
        self.values, self.llm_engine = values, self
        self.waiting: dict[str, Any] = {}
        self.most, self.events = 0, list[str]()
        Engine.built.append(self)

    def add_request(self, key: str, prompt: Any, sampling: dict[str, Any]) -> None:
        assert len(prompt["prompt_token_ids"]) + sampling["max_tokens"] <= self.values["max_model_len"]
        self.waiting[key] = f"{prompt['prompt_token_ids']} {sampling.get('seed')}"
        self.most = max(self.most, len(self.waiting))

    def step(self) -> list[Any]:
        done = list(self.waiting)[-3:]
        outputs = [SimpleNamespace(text=self.waiting.pop(key), finish_reason="stop", token_ids=[1, 2]) for key in done]
        pairs = zip(done, outputs, strict=True)
        return [SimpleNamespace(request_id=key, finished=True, outputs=[output]) for key, output in pairs]

    def abort_request(self, keys: list[str]) -> None:
        self.events.append(f"abort {len(keys)}")

    def sleep(self, level: int) -> None:
        self.events.append(f"sleep {level}")

    def wake_up(self) -> None:
        self.events.append("wake")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kinds = SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY="final"))
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=dict))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", kinds)
    monkeypatch.setattr(devices, "has_sleep_mode", lambda: True)
    monkeypatch.setattr(vllm_engine, "_held", None)
    Engine.built = []
    yield
    vllm_engine._end()


def _prompts(model: PromptModelConfig, texts: list[str]) -> list[Prompt]:
    talks = [({"role": "system", "content": "Be brief."}, {"role": "user", "content": text}) for text in texts]
    return [Prompt(f"p{i}", talk, request_key(model, talk, 8)) for i, talk in enumerate(talks)]


def _answers(model: PromptModelConfig, texts: list[str]) -> list[Completion | Failure]:
    asked = _prompts(model, texts)
    found = {answer.key: answer for answer in open_model(model).complete(iter(asked), 8)}
    return [found[prompt.key] for prompt in asked]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_each_request_has_the_tokens_of_the_other_engine_and_a_seed_where_it_samples(temperature: float) -> None:
    from transformers import AutoTokenizer

    from littlehuman.models.chat_template import render
    from littlehuman.models.tiny import tiny_model

    model = replace(GREEDY, temperature=temperature)
    texts = [f"Box {i}." for i in range(5)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("llama"))
    for prompt, answer in zip(_prompts(model, texts), _answers(model, texts), strict=True):
        seed = int(prompt.key, 16) % 2**63 if temperature else None
        assert isinstance(answer, Completion) and answer.text == f"{render(tokenizer, prompt.messages)} {seed}"


def test_the_engine_is_kept_full_and_prompts_are_taken_as_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "IN_FLIGHT", 6)
    taken: list[str] = []

    def endless() -> Iterator[Prompt]:
        for i in range(10**9):
            taken.append(f"Box {i}.")
            yield _prompts(GREEDY, [taken[-1]])[0]

    answers = open_model(GREEDY).complete(endless(), 8)
    for _ in range(20):
        next(answers)
    assert Engine.built[0].most == 6 and len(taken) <= 20 + 6
    answers.close()
    assert Engine.built[0].events[-1].startswith("abort")


def test_one_engine_serves_all_rounds_and_cells_and_sleeps_while_a_training_runs() -> None:
    _answers(GREEDY, ["Fog."])
    _answers(GREEDY, ["Rye."])
    chat.release(on_gpu_only=True)  # as before each training
    chat.release(on_gpu_only=True)
    _answers(GREEDY, ["Kelp."])
    (engine,) = Engine.built
    assert engine.events == ["sleep 1", "wake"]
    assert engine.values["max_model_len"] == 2048, "the model reads no more"


def test_longer_prompts_than_the_first_ones_are_answered_by_an_engine_with_more_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vllm_engine, "SHORTEST", 64)
    monkeypatch.setattr(vllm_engine, "IN_FLIGHT", 2)
    texts = ["Fog.", "Rye.", "salt and kelp " * 40, "Box.", "salt and kelp " * 900, "Tin."]
    answers = _answers(GREEDY, texts)
    assert [isinstance(answer, Completion) for answer in answers] == [True, True, True, True, False, True]
    assert len(Engine.built) == 2 and Engine.built[1].values["max_model_len"] > Engine.built[0].values["max_model_len"]
    assert isinstance(answers[4], Failure) and "smaller strategy.max_evidence_words" in answers[4].reason


def test_other_weights_or_more_gpus_are_another_engine() -> None:
    for model in (GREEDY, replace(GREEDY, tensor_parallel=2), replace(GREEDY, dtype="float16")):
        _answers(model, ["Fog."])
    assert [e.values["tensor_parallel_size"] for e in Engine.built] == [1, 2, 1]


def test_several_gpus_for_an_engine_that_has_no_such_setting_are_refused() -> None:
    (problem,) = contradictions(prompt_model("smollm2", tensor_parallel=2))
    assert problem.where == "prompt_model.tensor_parallel=2"
