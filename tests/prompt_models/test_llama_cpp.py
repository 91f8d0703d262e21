"""llama.cpp's server as a prompt model: started when it is needed, asked on this machine alone, never left behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny_gguf
from config_groups import prompt_model
from conftest import ROOT

from littlehuman.errors import ConfigError, GenerationError, WeightsError
from littlehuman.models import gguf_file
from littlehuman.models.weights import PACKAGED, Packaged
from littlehuman.prompt_models import llama_server, open_model
from littlehuman.prompt_models.settings import contradictions
from littlehuman.prompting import request_key
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider
from littlehuman.store import digest

INSTALLED = importlib.util.find_spec("xllamacpp") is not None
needs_llama_cpp = pytest.mark.skipif(not INSTALLED, reason="pip install 'littlehuman[llama]'")
TALK = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is the ferry?"})
QWEN = "qwen-1.5b-gguf"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PromptModelConfig:
    file = tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    return prompt_model(QWEN, name="tiny", weights=str(file), dtype="F32", concurrency=2)


@pytest.fixture(autouse=True)
def _no_server_left() -> Iterator[None]:
    yield
    llama_server.release()


def _prompts(model: PromptModelConfig, texts: Sequence[str]) -> list[Prompt]:
    talks = [(TALK[0], {"role": "user", "content": text}) for text in texts]
    return [Prompt(f"p{i}", talk, request_key(model, talk, 8)) for i, talk in enumerate(talks)]


def _answers(model: PromptModelConfig, texts: Sequence[str]) -> list[Completion | Failure]:
    asked = _prompts(model, texts)
    found = {answer.key: answer for answer in open_model(model).complete(iter(asked), 8)}
    return [found[prompt.key] for prompt in asked]


def _texts(model: PromptModelConfig, texts: Sequence[str]) -> list[str]:
    return [answer.text for answer in _answers(model, texts) if isinstance(answer, Completion)]


def _process() -> psutil.Process:
    assert llama_server._held is not None
    return psutil.Process(llama_server._held.process.pid)


PLACES = [f"The ferry of island {i} is late." for i in range(6)]


@needs_llama_cpp
def test_every_request_is_answered_and_one_server_serves_all_rounds(model: PromptModelConfig) -> None:
    first = _answers(model, PLACES)
    server = _process()
    assert [type(answer) for answer in first] == [Completion] * len(PLACES)
    assert all(isinstance(a, Completion) and a.finish in ("stop", "length") and a.prompt_tokens for a in first)
    assert _texts(model, PLACES) == [a.text for a in first if isinstance(a, Completion)]
    assert _process() == server and server.is_running()
    llama_server.release()
    assert not server.is_running()


@needs_llama_cpp
def test_a_sampled_answer_belongs_to_its_request_but_for_rounding(model: PromptModelConfig) -> None:
    """What a slot read before rounds differently; these weights are random, so that almost every draw is a near tie."""
    sampled = replace(model, temperature=1.0, concurrency=1)
    together = _texts(sampled, PLACES)
    assert len(set(together)) == len(PLACES)
    assert sum(a == b for a, b in zip(_texts(sampled, PLACES[::-1])[::-1], together, strict=True)) >= 4


@needs_llama_cpp
def test_no_request_goes_to_a_proxy(model: PromptModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    assert len(_texts(model, PLACES[:2])) == 2


@needs_llama_cpp
def test_a_prompt_with_more_tokens_than_guessed_is_answered_and_one_that_no_model_reads_is_a_failure(
    model: PromptModelConfig,
) -> None:
    """A byte is a token of this model, so that the first guess is too small."""
    short, long, too_long = _answers(model, ["Fog.", "kelp" * 300, "kelp" * 600])
    assert isinstance(short, Completion) and isinstance(long, Completion) and long.prompt_tokens > 1200
    assert isinstance(too_long, Failure) and "smaller strategy.max_evidence_words" in too_long.reason


@needs_llama_cpp
def test_a_server_that_dies_ends_the_run_with_its_name(model: PromptModelConfig) -> None:
    answers = open_model(model).complete(iter(_prompts(model, PLACES)), 8)
    next(answers)
    _process().kill()
    with pytest.raises(
        GenerationError, match=r"tiny.gguf: llama.cpp ended.*\n?Try: a smaller prompt_model.concurrency"
    ):
        list(answers)


@needs_llama_cpp
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_the_process_that_started_it(
    how: signal.Signals, model: PromptModelConfig, tmp_path: Path
) -> None:
    program = (
        "import sys, time; from littlehuman.prompt_models import llama_server as s; "
        f"held = s.running(s.ServerSettings({model.weights!r}, 1, 256, 1, False)); "
        "print(held.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, how)
        parent.wait(timeout=20)
    gone, alive = psutil.wait_procs([server], timeout=10)
    assert not alive


@needs_llama_cpp
def test_a_file_of_another_quantisation_or_one_that_is_damaged_is_said(
    model: PromptModelConfig, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"dtype=Q4_K_M +is not the quantisation of tiny.gguf\nTry: prompt_model.dtype=F32"
    ):
        _answers(replace(model, dtype="Q4_K_M"), PLACES[:1])
    whole = Path(str(model.weights)).read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((GenerationError, WeightsError), match="cut.gguf: (llama.cpp could not serve it|its header)"):
        _answers(replace(model, weights=str(tmp_path / "cut.gguf")), PLACES[:1])
    (tmp_path / "text.gguf").write_text("no weights")
    with pytest.raises(WeightsError, match="text.gguf: is no GGUF file"):
        _answers(replace(model, weights=str(tmp_path / "text.gguf")), PLACES[:1])
    with pytest.raises(WeightsError, match="absent.gguf: there is no such file"):
        _answers(replace(model, weights=str(tmp_path / "absent.gguf")), PLACES[:1])


def test_absent_llama_cpp_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_server, "find_spec", lambda name: None)
    with pytest.raises(GenerationError, match=r"xllamacpp.* is not installed.\nTry: .*pip install 'xllamacpp"):
        open_model(prompt_model(QWEN))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dtype": "bfloat16"}, "prompt_model.dtype=bfloat16  must be the quantisation of the file"),
        ({"weights": "Qwen/Qwen2.5-7B"}, "prompt_model.weights=Qwen/Qwen2.5-7B  must be package:NAME or the path"),
        ({"weights": None}, "prompt_model.weights=null  provider llama_cpp needs weights"),
        ({"adapter": "own"}, "prompt_model.adapter=own  is put on local weights"),
    ],
    ids=str,
)
def test_what_llama_cpp_cannot_follow_is_named(values: dict[str, Any], said: str) -> None:
    found = list(contradictions(prompt_model(QWEN, **values)))
    assert [f"{problem.where}  {problem.what}"[: len(said)] for problem in found] == [said]


def test_answers_of_llama_cpp_are_kept_apart_and_found_again_in_a_recording() -> None:
    quantised, whole = prompt_model(QWEN), prompt_model("qwen-1.5b")
    assert quantised.weights == whole.weights
    keys = [request_key(m, TALK, 8) for m in (quantised, whole, replace(quantised, dtype="Q8_0"))]
    assert len(set(keys)) == 3
    assert request_key(replace(quantised, provider=Provider.recorded), TALK, 8) == keys[0]


def test_a_file_that_packages_hold_in_parts_is_put_together_once_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    whole = tiny_gguf.write(tmp_path / "tiny.gguf").read_bytes()
    for i, part in enumerate((whole[:50_000], whole[50_000:])):
        package = tmp_path / f"gguf_part{i}"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "data").write_bytes(part)
    import hashlib

    spec = Packaged("Tiny", ("tiny",), ("gguf_part0/data", "gguf_part1/data"), hashlib.sha256(whole).hexdigest())
    monkeypatch.setitem(PACKAGED, "tiny", spec)
    found = gguf_file.of("package:tiny")
    assert (found.path.read_bytes(), found.quantisation, found.context) == (whole, "F32", tiny_gguf.CONTEXT)
    before = found.path.stat().st_mtime_ns
    assert gguf_file.of("package:tiny") == found and found.path.stat().st_mtime_ns == before
    monkeypatch.setitem(PACKAGED, "tiny", replace(spec, sha256=digest("another")))
    with pytest.raises(WeightsError, match="sha256"):
        gguf_file.of("package:tiny")


# --- Beside the same weights in this process -----------------------------------------------------


@needs_llama_cpp
@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen2.5-coder-1.5b-instruct", "smollm2-135m-instruct"])
def test_llama_cpp_reads_the_tokens_that_this_process_reads(name: str) -> None:
    """Of 20 requests with few-shot examples: the template and the tokenizer of the file are those of hf."""
    import json
    import urllib.request

    from transformers import AutoTokenizer

    from benchmarks.engines import asked
    from littlehuman.models.chat_template import render
    from littlehuman.models.weights import resolve

    try:
        file = gguf_file.of(f"package:{name}")
    except WeightsError as error:
        pytest.skip(str(error))
    server = llama_server.running(llama_server.ServerSettings(str(file.path), 1, 512, 1, False))

    def said(path: str, body: Any) -> Any:
        request = urllib.request.Request(f"{server.address}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    tokenizer = AutoTokenizer.from_pretrained(resolve(f"package:{name}"))
    for prompt in asked(["dataset=fieldnotes_qa", "strategy=few_shot", "prompt_model=smollm2"], 20).prompts:
        text = said("/apply-template", {"messages": list(prompt.messages)})["prompt"]
        tokens = said("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        assert tokens == render(tokenizer, prompt.messages)
