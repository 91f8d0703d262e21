import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model
from fake_batches import Broken, FakeBatches, Fate, answer, echo, refusal
from fake_endpoint import FakeEndpoint, says

import littlehuman
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.generation import gather
from littlehuman.generation.request_locks import RequestLocks
from littlehuman.prompt_models import batch_api, batch_client, open_model
from littlehuman.prompt_models.batch_api import BatchEndpoint
from littlehuman.prompt_models.batch_store import BatchStore, Phase, Submission
from littlehuman.prompt_models.cache import CompletionWriter, cache_path, lookup
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig

PACKAGE = Path(littlehuman.__file__).parent
Answers = dict[str, Completion | Failure]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(batch_api, "ON_ITS_WAY_S", 0.05)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def at(fake: FakeBatches, **values: Any) -> PromptModelConfig:
    settings = {"base_url": fake.url, "batch_api": True, "poll_s": 0.01, "timeout_s": 5.0, "retries": 2}
    return prompt_model("openai_compatible", **{**settings, **values})


def requests(*numbers: int) -> Iterator[Prompt]:
    return (
        Prompt(f"e{i}", ({"role": "system", "content": "s"}, {"role": "user", "content": f"q{i}"}), f"k{i}")
        for i in numbers
    )


def run(config: PromptModelConfig, *numbers: int) -> Answers:
    """What a run does: ask for what the shelf has not, and put each answer on it before the next is taken."""
    answers: Answers = dict(lookup(cache_path(config), {f"k{i}" for i in numbers}))
    missing = (prompt for prompt in requests(*numbers) if prompt.key not in answers)
    with (
        CompletionWriter(cache_path(config)) as shelf,
        closing(BatchEndpoint(config).complete(missing, 50)) as incoming,
    ):  # type: ignore[type-var]
        for result in incoming:
            assert result.key not in answers
            if isinstance(result, Completion):
                shelf.add(result)
            answers[result.key] = result
    return answers


def said(*numbers: int) -> Answers:
    return {f"k{i}": Completion(f"k{i}", f"You asked q{i}", "stop", 10, 5) for i in numbers}


def left_behind(config: PromptModelConfig) -> list[str]:
    return sorted(path.name for path in (cache_path(config) / "batches").iterdir())


def states(config: PromptModelConfig) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((cache_path(config) / "batches").glob("*.json"))]


# --- what goes up --------------------------------------------------------------------------------


def test_the_file_holds_the_requests_as_the_online_client_sends_them() -> None:
    with FakeBatches() as fake:
        assert run(at(fake, name="some-model", temperature=0.7, top_p=0.9), 0, 1) == said(0, 1)
    [batch] = fake.batches.values()
    assert fake.lines(batch)[0] == {
        "custom_id": "k0",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "some-model",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q0"}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 50,
        },
    }


def test_half_an_emoji_in_a_prompt_does_not_harm_the_file() -> None:
    prompt = Prompt("e", ({"role": "user", "content": "half \ud83d, é"},), "k")
    with FakeBatches() as fake:
        [result] = BatchEndpoint(at(fake)).complete([prompt], 50)
    assert isinstance(result, Completion) and result.text == "You asked half \ufffd, é"


def test_files_hold_no_more_requests_than_allowed() -> None:
    with FakeBatches() as fake:
        assert run(at(fake, batch_requests=3), *range(7)) == said(*range(7))
    assert fake.sizes == [3, 3, 1]


def test_files_are_no_larger_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "MEGABYTE", 500)
    with FakeBatches() as fake:
        assert run(at(fake, batch_mb=1), *range(5)) == said(*range(5))
    assert fake.sizes == [2, 2, 1]
    assert all(len(content) <= 500 for content in fake.files.values() if b'"method"' in content)


def test_a_request_that_fits_no_file_is_a_failure_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "MEGABYTE", 500)
    long = Prompt("e", ({"role": "user", "content": "x" * 500},), "long")
    with FakeBatches() as fake:
        answers = {a.key: a for a in BatchEndpoint(at(fake, batch_mb=1)).complete([long, *requests(0)], 50)}
    assert answers == {"long": Failure("long", "the request alone has more than prompt_model.batch_mb=1"), **said(0)}


def test_no_requests_need_no_provider() -> None:
    config = prompt_model("openai_compatible", base_url="http://127.0.0.1:9/v1", batch_api=True)
    assert list(BatchEndpoint(config).complete([], 50)) == []


def test_nothing_is_handed_in_when_the_prompts_cannot_all_be_had() -> None:
    def too_dear() -> Iterator[Prompt]:
        yield from requests(0, 1)
        raise GenerationError("over the limit")

    with FakeBatches() as fake, pytest.raises(GenerationError, match="over the limit"):
        list(BatchEndpoint(at(fake, batch_requests=1)).complete(too_dear(), 50))
    assert not fake.calls


# --- what comes down -----------------------------------------------------------------------------


def other_order(lines: list[str]) -> list[str]:
    return lines[::-1]


def twice(lines: list[str]) -> list[str]:
    return [*lines, *(line.replace("You asked", "Once more") for line in lines)]


def with_strangers(lines: list[str]) -> list[str]:
    return [
        json.dumps({"custom_id": "stranger", **answer("not ours")}),
        *lines,
        json.dumps({"custom_id": 3, **answer("x")}),
    ]


def with_noise(lines: list[str]) -> list[str]:
    return ["", "null", "[1]", '{"custom_id": "k0", "resp', *lines, '"text"']


@pytest.mark.parametrize("rewrite", [other_order, twice, with_strangers, with_noise])
def test_answers_are_matched_by_their_id_alone(rewrite: Callable[[list[str]], list[str]]) -> None:
    with FakeBatches(echo, Fate(rewrite=rewrite)) as fake:
        assert run(at(fake), *range(5)) == said(*range(5))
    assert fake.sizes == [5]


def test_what_is_odd_in_the_output_is_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FakeBatches(echo, Fate(rewrite=lambda lines: with_strangers(twice(lines)))) as fake:
        run(at(fake), 0, 1)
    assert "batch batch-0: completed; 2 of 2 requests answered" in caplog.text
    assert "1 lines that answer nothing we asked" in caplog.text and "2 second answers" in caplog.text


def test_a_request_without_a_line_is_asked_again_alone() -> None:
    with FakeBatches(lambda q, attempt: None if (q, attempt) == ("q1", 1) else echo(q, attempt)) as fake:
        assert run(at(fake), 0, 1, 2) == said(0, 1, 2)
    assert fake.sizes == [3, 1]


def test_only_what_may_be_answered_later_is_asked_again() -> None:
    statuses = {"q1": 429, "q2": 500, "q3": 400, "q4": 404}

    def script(question: str, attempt: int) -> dict[str, Any] | None:
        return (
            refusal(statuses[question], "not now") if question in statuses and attempt == 1 else echo(question, attempt)
        )

    with FakeBatches(script) as fake:
        answers = run(at(fake), *range(5))
    failures = {"k3": Failure("k3", "HTTP 400: not now"), "k4": Failure("k4", "HTTP 404: not now")}
    assert answers == {**said(0, 1, 2), **failures}
    assert fake.sizes == [5, 2]


def test_answers_that_are_cut_or_filtered_come_as_they_come_online() -> None:
    lines = {"q0": answer("Claim: F", finish="length"), "q1": answer("", finish="content_filter")}
    lines["q2"] = {"response": {"status_code": 200, "body": {"choices": []}}, "error": None}
    with FakeBatches(lambda question, attempt: lines[question]) as fake:
        answers = run(at(fake), 0, 1, 2)
    assert answers == {
        "k0": Completion("k0", "Claim: F", "length", 10, 5),
        "k1": Completion("k1", "", "content_filter", 10, 5),
        "k2": Failure("k2", "an answer without choices"),
    }
    assert fake.sizes == [3]  # what was paid for is not asked again


# --- batches that end otherwise ------------------------------------------------------------------


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_an_unfinished_batch_answered_is_kept_and_the_rest_asked_again(status: str) -> None:
    with FakeBatches(echo, Fate(status, 2), Fate()) as fake:
        assert run(at(fake), *range(5)) == said(*range(5))
    assert fake.sizes == [5, 3] and set(fake.asked.values()) == {1}


def test_a_batch_that_answered_nothing_and_left_no_file_is_asked_again() -> None:
    with FakeBatches(lambda q, attempt: None if attempt == 1 else echo(q, attempt), Fate("expired"), Fate()) as fake:
        assert run(at(fake), 0) == said(0)


def test_requests_are_asked_at_most_so_many_rounds_and_then_fail_with_the_reason() -> None:
    with FakeBatches(echo, Fate("expired", 1)) as fake:
        answers = run(at(fake, retries=2), *range(5))
    assert fake.sizes == [5, 4, 3]
    reason = "batch_expired: This request could not be executed."
    assert answers == {**said(0, 1, 2), "k3": Failure("k3", reason), "k4": Failure("k4", reason)}
    assert left_behind(at(fake)) == []


def test_rounds_are_counted_across_restarts() -> None:
    with FakeBatches(echo, Fate("expired", 1)) as fake:
        config = at(fake, retries=1, poll_s=0.01)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_api, "_poll", interrupt_at(2, batch_api._poll))
            with pytest.raises(KeyboardInterrupt):
                run(config, *range(4))
        answers = run(config, *range(4))
    assert fake.sizes == [4, 3] and [key for key, a in answers.items() if isinstance(a, Failure)] == ["k2", "k3"]


def interrupt_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return function(*arguments)

    return call


def test_requests_that_the_validation_names_fail_and_the_others_are_asked() -> None:
    named = [{"code": "invalid_request", "message": "bad role", "line": 2, "param": None}]
    with FakeBatches(echo, Fate("failed", errors=named), Fate()) as fake:
        answers = run(at(fake), 0, 1, 2)
    assert answers == {**said(0, 2), "k1": Failure("k1", "the batch was refused for this request: bad role")}
    assert fake.sizes == [3, 2]


def test_a_validation_that_fails_as_a_whole_is_not_tried_again() -> None:
    whole = [{"code": "model_not_found", "message": "no such model in batches", "line": None}]
    with FakeBatches(echo, Fate("failed", errors=whole)) as fake, pytest.raises(GenerationError) as error:
        gather(requests(0, 1, 2), at(fake), 50, progress=False)
    assert (
        f"prompt_model.name=model at {fake.url}: all 3 requests failed, 3 of them so: the batch was refused: no such model in"
        in str(error.value)
    )
    assert (
        "Try: mend what the reason names; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false"
        in str(error.value)
    )
    assert fake.sizes == [3] and left_behind(at(fake)) == []


def test_a_batch_for_which_the_queue_is_full_waits_until_another_one_has_ended() -> None:
    full = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]
    with FakeBatches(echo, Fate(polls=12), Fate("failed", errors=full), Fate()) as fake:
        assert run(at(fake, batch_requests=2, retries=0), *range(4)) == said(*range(4))
    assert fake.sizes == [2, 2, 2]


# --- a provider in trouble -----------------------------------------------------------------------

NOW = {"retry-after-ms": "1"}


def breaking(what: str, when: str, broken: Broken, times: int = 1) -> Callable[[str, str, int], None]:
    def tap(which: str, at_what_time: str, count: int) -> None:
        if (which, at_what_time) == (what, when) and count <= times:
            raise broken

    return tap


@pytest.mark.parametrize("what", ["upload", "retrieve", "content", "list"])
@pytest.mark.parametrize(
    "broken", [Broken(500, NOW), Broken(429, NOW), Broken(), Broken(503, {**NOW, "x-should-retry": "false"})], ids=str
)
def test_a_passing_trouble_in_any_step_is_waited_for(what: str, broken: Broken) -> None:
    with FakeBatches(tap=breaking(what, "before", broken)) as fake:
        assert run(at(fake), 0, 1) == said(0, 1)
    assert fake.sizes == [2]


def test_a_provider_that_fails_many_polls_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches(tap=breaking("retrieve", "before", Broken(500, NOW, "maintenance"), times=30)) as fake:
        assert run(at(fake, retries=1), 0) == said(0)
    assert fake.calls["retrieve"] > 30 and "HTTP 500: maintenance; trying again in 0.01 s" in caplog.text


def test_a_provider_that_stays_away_ends_the_run_and_the_batch_is_found_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = threading.Event()

    def tap(what: str, when: str, count: int) -> None:
        if what == "retrieve" and not down.is_set():
            raise Broken(500, NOW, "maintenance")

    with FakeBatches(tap=tap) as fake:
        with monkeypatch.context() as patch:
            patch.setattr(batch_client, "OUTAGE_S", 0.1)
            with pytest.raises(GenerationError, match=r"HTTP 500: maintenance\nTry: the same command later"):
                run(at(fake, retries=0), 0)
        down.set()
        assert run(at(fake), 0) == said(0)
    assert fake.sizes == [1]


def test_a_file_that_breaks_off_in_the_middle_is_fetched_again() -> None:
    half = Broken(200, {"x-cut": "1", "content-length": "400"}, "x" * 300)
    with FakeBatches(tap=breaking("content", "after", half)) as fake:
        assert run(at(fake), 0, 1) == said(0, 1)
    assert fake.calls["content"] == 2 and fake.sizes == [2]


@pytest.mark.parametrize("broken", [Broken(500), Broken(), Broken(502)], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_batch_is_created_once_though_the_answer_to_its_creation_is_lost(when: str, broken: Broken) -> None:
    with FakeBatches(tap=breaking("create", when, broken)) as fake:
        assert run(at(fake), 0, 1) == said(0, 1)
    assert fake.sizes == [2] and fake.asked == {"q0": 1, "q1": 1}


def test_a_batch_that_was_created_is_found_behind_newer_ones_of_others() -> None:
    def tap(what: str, when: str, count: int) -> None:
        if (what, when, count) == ("create", "after", 1):
            for _ in range(8):  # pages hold three
                fake._create(
                    {
                        "input_file_id": "file-0",
                        "endpoint": "/v1/chat/completions",
                        "completion_window": "24h",
                        "metadata": None,
                    }
                )
                fake.batches[list(fake.batches)[-1]]["input_file_id"] = "file-x"
            raise Broken(500)

    with FakeBatches(tap=tap) as fake:
        assert run(at(fake), 0) == said(0)
    assert len(fake.batches) == 9 and fake.calls["create"] == 1


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(GenerationError, match="nothing answers there"):
        run(prompt_model("openai_compatible", base_url="http://127.0.0.1:9/v1", batch_api=True), 0)
    assert time.monotonic() - start < 6


def test_an_endpoint_without_a_batch_api_is_said_before_anything_is_sent() -> None:
    with (
        FakeBatches(tap=breaking("list", "before", Broken(404, {}, "Not Found"), 99)) as fake,
        pytest.raises(GenerationError) as error,
    ):
        run(at(fake), 0)
    assert "Try: prompt_model.batch_api=false: no batch API answers there" in str(error.value)
    assert fake.calls == {"list": 1}


def test_a_refused_creation_ends_the_run_and_the_next_one_begins_anew() -> None:
    with FakeBatches(tap=breaking("create", "before", Broken(400, {}, "billing hard limit"))) as fake:
        with pytest.raises(GenerationError, match="HTTP 400: billing hard limit"):
            run(at(fake), 0)
        assert states(at(fake)) == []
        assert run(at(fake), 0) == said(0)


def test_a_batch_that_the_provider_does_not_know_any_more_is_not_paid_again_unasked() -> None:
    with (
        FakeBatches(tap=breaking("retrieve", "before", Broken(404, {}, "No such batch"), 99)) as fake,
        pytest.raises(GenerationError) as error,
    ):
        run(at(fake), 0)
    [state] = (cache_path(at(fake)) / "batches").glob("*.json")
    assert f"or remove {state} to have its requests asked, and paid, again" in str(error.value)
    assert fake.sizes == [1]


def test_a_state_that_cannot_be_read_is_said_and_nothing_is_paid() -> None:
    with FakeBatches() as fake:
        state = cache_path(at(fake)) / "batches" / "x.json"
        state.parent.mkdir(parents=True)
        state.write_text('{"id": "x"')
        with pytest.raises(GenerationError, match="cannot be read"):
            run(at(fake), 0)
    assert not fake.calls


# --- runs that are killed ------------------------------------------------------------------------


class Killed(BaseException):
    """What kill -9 is to a process: nothing handles it."""


def killed_at(number: int, function: Callable[..., Any], moments: list[str]) -> Callable[..., Any]:
    """`function`, with a moment before and one after each call; the run dies at moment `number` of all."""

    def moment(name: str) -> None:
        moments.append(name)
        if len(moments) == number:
            raise Killed(name)

    def call(*arguments: Any, **settings: Any) -> Any:
        moment(f"before {function.__name__}")
        result = function(*arguments, **settings)
        moment(f"after {function.__name__}")
        return result

    return call


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_any_moment_pays_for_nothing_twice_and_loses_nothing(every: int) -> None:
    """Two batches, of which one expires: all moments before and after a word with the provider or a write to disk."""
    seen: list[str] = []
    for number in range(1, 200, every):
        moments = list[str]()
        with FakeBatches(echo, Fate(), Fate("expired", 1), Fate()) as fake:
            config = at(fake, name=f"model-{number}", batch_requests=2, poll_s=0.0)
            try:
                with pytest.MonkeyPatch.context() as dying:
                    dying.setattr(
                        batch_client.BatchClient, "_call", killed_at(number, batch_client.BatchClient._call, moments)
                    )
                    dying.setattr(BatchStore, "save", killed_at(number, BatchStore.save, moments))
                    run(config, *range(4))
                break
            except Killed:
                where = f"killed {moments[-1]}, moment {number}"
            assert run(config, *range(4)) == said(*range(4)), where
        assert set(fake.asked.values()) == {1} and sum(fake.sizes) == 5, where
        assert all(name.endswith(".lock") for name in left_behind(config)), where
        seen.append(moments[-1])
    assert len(seen) > 40 // every and len(set(seen)) == 4


@pytest.mark.parametrize("taken", [0, 1, 3, 4])
def test_a_run_that_is_killed_while_it_hands_over_goes_on_from_the_files_it_has(taken: int) -> None:
    with FakeBatches() as fake:
        config = at(fake)
        with CompletionWriter(cache_path(config)) as shelf:
            incoming = BatchEndpoint(config).complete(requests(*range(5)), 50)
            for _ in range(taken):
                shelf.add(next(incoming))  # type: ignore[arg-type]
            next(incoming)  # came, and was not written
            incoming.close()  # type: ignore[attr-defined]
        calls = fake.calls.copy()
        assert run(config, *range(5)) == said(*range(5))
    assert fake.calls - calls == {"list": 1}  # no poll, no file
    assert left_behind(config) == []


RUN = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/prompt_models"]
from test_batch_api import PromptModelConfig, batch_api, prompt_model, run
batch_api.ON_ITS_WAY_S = 0.2
config = prompt_model("openai_compatible", base_url=sys.argv[2], batch_api=True, poll_s=0.01, api_key_env="MY_KEY")
print(len(run(config, 0, 1, 2)))
"""


def really_run(fake: FakeBatches, started: list[int]) -> subprocess.CompletedProcess[bytes]:
    code = [sys.executable, "-c", RUN, str(Path(__file__).parents[1]), fake.url]
    with subprocess.Popen(
        code, env=os.environ | {"MY_KEY": "sk-secret"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        started.append(process.pid)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(code, process.returncode, out, err)


CALLS = [(what, when) for what in ("upload", "create", "retrieve", "content") for when in ("before", "after")]


@pytest.mark.parametrize(
    ("what", "when"),
    [
        pytest.param(*call, marks=[] if call == ("create", "after") else pytest.mark.slow, id=" ".join(call))
        for call in CALLS
    ],
)
def test_a_real_process_that_is_killed_in_the_middle_of_a_call_pays_once(what: str, when: str) -> None:
    started: list[int] = []

    def tap(which: str, at_what_time: str, count: int) -> None:
        if (which, at_what_time, count) == (what, when, 1):
            os.kill(started[0], signal.SIGKILL)

    with FakeBatches(tap=tap) as fake:
        assert really_run(fake, started).returncode == -signal.SIGKILL
        ended = really_run(fake, started)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == b"3\n"
    assert fake.sizes == [3] and set(fake.asked.values()) == {1}
    assert fake.keys == {"sk-secret"}


# --- several runs --------------------------------------------------------------------------------


def stop_when_running(config: PromptModelConfig, *numbers: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_api, "_poll", interrupt_at(1, batch_api._poll))
        with pytest.raises(KeyboardInterrupt):
            run(config, *numbers)


def test_what_a_batch_holds_is_not_asked_online_and_paid_twice() -> None:
    with FakeBatches(echo, Fate(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1, 2)
        online = replace(config, batch_api=False)
        with pytest.raises(GenerationError) as error:
            gather(requests(1, 2, 3), online, 50, progress=False)
        assert "2 of these requests were handed in to the batch API" in str(error.value) and "batch_api=true" in str(
            error.value
        )
        assert states(config)[0]["batch"] in str(error.value) and str(cache_path(config)) in str(error.value)
        assert run(config, 0, 1, 2) == said(0, 1, 2)  # nothing of it was lost
        assert gather(requests(1, 2), online, 50, progress=False)[0] == said(1, 2)
    assert set(fake.asked.values()) == {1}


def test_who_waits_for_a_process_that_leaves_a_batch_behind_does_not_pay_for_it_online() -> None:
    with FakeBatches(echo, Fate(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1)
        held, left = threading.Event(), threading.Event()

        def other() -> None:
            with RequestLocks(cache_path(config)).take({"k0", "k1"}):
                held.set()
                left.wait(30)

        process = threading.Thread(target=other)
        process.start()
        held.wait(30)
        threading.Timer(0.3, left.set).start()
        with pytest.raises(GenerationError, match="2 of these requests were handed in to the batch API"):
            gather(requests(0, 1), replace(config, batch_api=False), 50, progress=False)
        process.join()
        assert run(config, 0, 1) == said(0, 1)
    assert set(fake.asked.values()) == {1}


def test_what_a_batch_holds_beside_what_another_process_collects_is_not_paid_online_either() -> None:
    with FakeBatches(echo, Fate(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1)
        other = BatchStore(cache_path(config) / "batches")
        assert all(other.take(submission) for submission in other.holding({"k0"}, fake.url))  # it collects k0
        with pytest.raises(GenerationError, match="1 of these requests were handed in to the batch API"):
            gather(requests(1), replace(config, batch_api=False), 50, progress=False)
        other.close()
        assert run(config, 0, 1) == said(0, 1)


def test_a_batch_that_was_refused_is_handed_in_anew_by_the_same_command_and_may_be_asked_online() -> None:
    unpaid = [{"code": "billing_hard_limit_reached", "message": "Billing limit reached", "line": None}]
    with FakeBatches(echo, Fate("failed", errors=unpaid), Fate("failed", errors=unpaid), Fate()) as fake:
        config = at(fake)
        for _ in range(2):
            with pytest.raises(
                GenerationError, match="all 64 requests failed, 64 of them so: the batch was refused: Billing limit"
            ):
                gather(requests(*range(100)), config, 50, progress=False)
        assert fake.sizes == [100, 100] and left_behind(config) == []
        with FakeEndpoint(lambda q, attempt: says(f"You asked {q}")) as online:
            gather(requests(0), replace(config, batch_api=False, base_url=online.url), 50, progress=False)
        assert len(gather(requests(*range(100)), config, 50, progress=False)[0]) == 100  # the bill was paid
    assert fake.sizes == [100, 100, 99]


def test_many_bad_lines_among_more_good_ones_are_failures_of_their_own() -> None:
    def script(question: str, attempt: int) -> dict[str, Any] | None:
        return refusal(500, "broken") if int(question[1:]) % 11 == 0 else echo(question, attempt)

    with FakeBatches(script) as fake:
        answers, bill = gather(requests(*range(880)), at(fake, retries=0), 50, progress=False)
    assert bill.failed == 80 and len(answers) == 880


def test_other_requests_are_asked_online_while_a_batch_runs(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches(echo, Fate(polls=3)) as fake, FakeEndpoint(lambda q, attempt: says(f"You asked {q}")) as online:
        config = at(fake)
        stop_when_running(config, 0, 1)
        elsewhere = replace(
            config, batch_api=False, base_url=online.url
        )  # another provider's batches say nothing about this one
        assert gather(requests(0), elsewhere, 50, progress=False)[0].keys() == {"k0"}


def test_a_sweep_hands_all_its_batches_in_before_it_waits_for_any() -> None:
    with FakeBatches(echo, Fate(polls=4), Fate(polls=4)) as fake:
        config = at(fake, batch_wait=False)
        for numbers in ((0, 1), (1, 2, 3)):  # two cells that share a point
            with pytest.raises(
                GenerationError, match=r"batch_wait=false, and \d requests wait for their batches \(.*\)\nTry: the same"
            ):
                run(config, *numbers)
        assert fake.sizes == [2, 2]
        for numbers in ((0, 1), (1, 2, 3)):
            assert run(replace(config, batch_wait=True), *numbers) == said(*numbers)
    assert set(fake.asked.values()) == {1} and fake.sizes == [2, 2]


def test_a_batch_that_has_ended_is_collected_without_waiting_too() -> None:
    with FakeBatches(echo, Fate(polls=3)) as fake:
        config = at(fake, batch_wait=False)
        for _ in range(2):
            with pytest.raises(GenerationError, match="batch_wait=false"):
                run(config, *range(3))
        assert run(config, *range(3)) == said(*range(3))
    assert set(fake.asked.values()) == {1}


@pytest.mark.parametrize("known", [True, False])
def test_a_smaller_run_buys_no_larger_batch_that_a_run_before_it_did_not_come_to_buy(known: bool) -> None:
    """Known: the provider said that it does nothing. Otherwise the batch is looked for first."""
    with FakeBatches(tap=breaking("create", "before", Broken(429 if known else 500), 1)) as fake:
        config = at(fake, price=PriceConfig(prompt=1000.0, completion=1000.0))  # 0.75 cents a request
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", interrupt_at(1, time.sleep))
            with pytest.raises(KeyboardInterrupt):
                gather(list(requests(*range(20))), config, 50, progress=False)
        _, bill = gather(list(requests(0, 1)), replace(config, max_usd=0.14), 50, progress=False)
    assert fake.sizes == [2] and bill.usd == pytest.approx(0.015) and left_behind(config) == []


def test_runs_that_want_parts_of_one_batch_share_it() -> None:
    with FakeBatches(echo, Fate(polls=5)) as fake:
        config = at(fake)
        stop_when_running(config, *range(6))
        assert run(config, 0, 1, 2) == said(0, 1, 2)
        assert states(config)[0]["keys"] == ["k3", "k4", "k5"]  # they wait for whoever wants them
        assert run(config, 3, 4, 5, 6) == said(3, 4, 5, 6)
    assert fake.sizes == [6, 1] and left_behind(config) == []


def test_two_runs_at_once_that_want_parts_of_one_batch_pay_nothing_twice() -> None:
    with FakeBatches(
        lambda q, attempt: None if q in ("q1", "q4") and attempt == 1 else echo(q, attempt), Fate(polls=5)
    ) as fake:
        config = at(fake)
        stop_when_running(config, *range(6))
        answers: list[Answers] = []
        parts = [
            threading.Thread(target=lambda part=part: answers.append(run(config, *part)))
            for part in ((0, 1, 2), (3, 4, 5))
        ]
        for part in parts:
            part.start()
        for part in parts:
            part.join(30)
        assert sorted(answers, key=min) == [said(0, 1, 2), said(3, 4, 5)]
    assert (
        fake.sizes[0] == 6 and sum(fake.sizes) == 8
    )  # the two without a line are asked again, by the run that wants them
    assert left_behind(config) == []


def test_a_run_leaves_the_batches_of_others_alone() -> None:
    with FakeBatches() as fake:
        stop_when_running(at(fake), 0, 1)
        assert run(at(fake), 2, 3) == said(2, 3)
        assert [state["keys"] for state in states(at(fake))] == [["k0", "k1"]]
    assert fake.sizes == [2, 2]


def test_a_batch_at_another_address_is_not_asked_after_here() -> None:
    with FakeBatches() as first:
        stop_when_running(at(first), 0)
    with FakeBatches() as second:
        assert run(at(second), 0) == said(0)


def test_what_another_run_is_uploading_is_waited_for_and_begun_anew_when_it_dies() -> None:
    with FakeBatches() as fake:
        config = at(fake)
        other = BatchStore(cache_path(config) / "batches")
        theirs = Submission(fake.url, ["k0"], phase=Phase.uploading)
        other.take(theirs)
        other.save(theirs)
        answers: list[Answers] = []
        waiting = threading.Thread(target=lambda: answers.append(run(config, 0)))
        waiting.start()
        time.sleep(0.3)
        assert not fake.batches and not answers
        other.close()  # as when its process dies
        waiting.join(10)
        assert answers == [said(0)]
    assert fake.sizes == [1]


# --- interruptions -------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_batches_running_and_says_how_to_go_on_and_how_to_cancel(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with FakeBatches(echo, Fate(polls=1000)) as fake:
        config = at(fake, batch_requests=2, api_key_env="MY_KEY")
        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", interrupt_at(2, time.sleep))
            with pytest.raises(KeyboardInterrupt):
                run(config, *range(4))
        assert [batch["status"] for batch in fake.batches.values()] == ["in_progress"] * 2
        [hint] = [record.getMessage() for record in caplog.records if "The same command" in record.getMessage()]
        assert hint.startswith("2 batches go on at the provider.") and "sk-secret" not in hint
        python, *arguments = shlex.split(hint.partition("To cancel them: ")[2])
        assert python == "python"
        subprocess.run([sys.executable, *arguments], check=True, timeout=60)
        assert [batch["status"] for batch in fake.batches.values()] == ["cancelled"] * 2
        fake.fates = (Fate(),)
        assert run(config, *range(4)) == said(*range(4))


def test_closing_the_iterator_keeps_what_came_and_says_what_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches(echo, Fate(), Fate(polls=1000)) as fake:
        incoming = BatchEndpoint(at(fake, batch_requests=1)).complete(requests(0, 1), 50)
        assert next(incoming).key == "k0"
        assert "go on" not in caplog.text
        incoming.close()  # type: ignore[attr-defined]
        assert "1 batches go on at the provider" in caplog.text
        fake._fate["batch-1"] = Fate()
        assert {a.key for a in BatchEndpoint(at(fake)).complete(requests(0, 1), 50)} == {"k0", "k1"}
    assert fake.sizes == [1, 1]


def test_a_run_that_has_all_answers_says_nothing_of_batches_that_go_on(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches() as fake:
        run(at(fake, batch_requests=1), 0, 1, 2)
    assert "go on" not in caplog.text and left_behind(at(fake)) == []


def test_the_log_tells_how_a_batch_does_when_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FakeBatches(echo, Fate(polls=6)) as fake:
        run(at(fake), 0, 1)
    assert caplog.text.count("batch batch-0: 2 requests handed in") == 1
    assert caplog.text.count("batch batch-0: in_progress, 0 of 2 answered, 0 failed") == 1
    assert caplog.text.count("batch batch-0: completed, 2 of 2 answered, 0 failed") == 1


# --- the same cache, the other price -------------------------------------------------------


def test_what_a_batch_answered_is_not_asked_online_and_the_other_way_round() -> None:
    with FakeBatches() as fake:
        batched, _ = gather(list(requests(0, 1)), at(fake), 50, progress=False)
        online, bill = gather(list(requests(0, 1)), at(fake, batch_api=False), 50, progress=False)
        assert online == batched == said(0, 1) and bill.from_cache == 2
        with CompletionWriter(cache_path(at(fake))) as shelf:
            shelf.add(Completion("k2", "asked online", "stop", 1, 1))
        mixed, _ = gather(list(requests(1, 2, 3)), at(fake), 50, progress=False)
    assert mixed == {**said(1, 3), "k2": Completion("k2", "asked online", "stop", 1, 1)}
    assert fake.sizes == [2, 1]


def test_answers_of_a_batch_cost_its_share_of_the_price() -> None:
    price = PriceConfig(prompt=2.0, completion=4.0, batch_share=0.5)
    with FakeBatches() as fake:
        _, bill = gather(list(requests(0, 1, 2)), at(fake, price=price), 50, progress=False)
    assert bill.usd == pytest.approx(3 * (10 * 2.0 + 5 * 4.0) / 1e6 / 2)


# --- settings, secrets ---------------------------------------------------------------------------


def test_the_setting_opens_the_batch_api_and_its_answers_are_marked_as_cheaper() -> None:
    config = prompt_model("openai_compatible")
    assert not open_model(config).batched
    batched = open_model(prompt_model("openai_compatible", batch_api=True))
    assert isinstance(batched, BatchEndpoint) and batched.batched


def test_a_local_model_has_no_batch_api() -> None:
    with pytest.raises(
        ConfigError, match="prompt_model.batch_api=true  a batch API belongs to an endpoint; provider is hf"
    ):
        open_model(prompt_model("smollm2", batch_api=True))


def test_a_missing_key_is_an_error_before_any_request() -> None:
    with FakeBatches() as fake, pytest.raises(GenerationError, match="this environment variable is not set"):
        run(at(fake, api_key_env="MY_KEY"), 0)
    assert not fake.calls


def test_opening_the_batch_api_loads_no_heavy_library() -> None:
    code = (
        "import sys; from littlehuman.schema import *; from littlehuman.prompt_models import open_model; "
        "open_model(PromptModelConfig(provider=Provider.openai, batch_api=True)); "
        "assert not {'openai', 'torch', 'httpx2'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


KEYS = ["sk-proj-1234567890abcdef", "q\"uo'te\\back"]


@pytest.mark.parametrize("key", KEYS)
def test_a_provider_that_echoes_the_key_brings_it_into_no_file_log_or_failure(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", key)
    written: list[str] = []

    def note(ledger: BatchStore, submission: Submission) -> None:
        save(ledger, submission)
        written.extend(path.read_text() for path in ledger.folder.iterdir())

    save = BatchStore.save
    monkeypatch.setattr(BatchStore, "save", note)
    named = [{"code": "x", "message": f"your key {key}", "line": 1}]

    def script(question: str, attempt: int) -> dict[str, Any] | None:
        return refusal(400, f"your key {key}") if question == "q1" else echo(question, attempt)

    broken = Broken(500, NOW, f"your key {key}")
    with FakeBatches(
        script, Fate("failed", errors=named), Fate(), tap=breaking("retrieve", "before", broken, 9)
    ) as fake:
        answers = run(at(fake, api_key_env="MY_KEY"), 0, 1, 2)
    assert fake.keys == {key}
    assert sum(isinstance(a, Failure) and "your key ***" in a.reason for a in answers.values()) == 2
    assert any("your key ***" in text for text in written)
    for form in {key, json.dumps(key)[1:-1]}:
        assert not any(form in text for text in [*written, caplog.text, *map(str, answers.values())])
    assert {record.name.split(".")[0] for record in caplog.records} <= {"littlehuman", "filelock"}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("what", ["list", "upload", "create", "retrieve", "content"])
def test_no_error_holds_the_key(what: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    wrong = Broken(401, {}, f"Incorrect API key provided: {key}.")
    with (
        FakeBatches(tap=breaking(what, "before", wrong, 99)) as fake,
        pytest.raises(GenerationError, match="HTTP 401") as error,
    ):
        run(at(fake, api_key_env="MY_KEY"), 0)
    link: BaseException | None = error.value
    while link is not None:
        assert key not in str(link) and key not in repr(link) and key not in str(vars(link))
        link = link.__cause__ or link.__context__
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    ours = [frame for frame in shown.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert ours and not any(key in str(frame.locals) for frame in ours)


def test_a_password_in_the_address_stays_out_of_state_and_errors() -> None:
    with (
        FakeBatches(tap=breaking("retrieve", "before", Broken(404), 99)) as fake,
        pytest.raises(GenerationError) as error,
    ):
        run(at(fake, base_url=fake.url.replace("//", "//me:hunter2@")), 0)
    assert "hunter2" not in str(error.value) and "hunter2" not in json.dumps(states(at(fake)))
