import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from config_groups import prompt_model, strategy
from conftest import Cli
from fake_endpoint import DROP, HANG, FakeEndpoint, Reply, Script, fails, says

import littlehuman
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.generation import gather as complete
from littlehuman.prompt_models import open_model
from littlehuman.prompt_models.batch_client import read_outcomes
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.connection import ApiKey, without_password
from littlehuman.prompt_models.responses import RequestError, RetryAdvice
from littlehuman.prompt_models.settings import check_prompt_model, refuse_keys
from littlehuman.prompting import build_prompts
from littlehuman.records import Completion, Example, Failure, Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig

PACKAGE = Path(littlehuman.__file__).parent


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def echo(question: str, attempt: int) -> Reply:
    return says(f"You asked {question}")


def at(fake: FakeEndpoint, **values: Any) -> PromptModelConfig:
    return prompt_model("openai_compatible", **{"base_url": fake.url, "timeout_s": 5.0, "retries": 2, **values})


def requests(count: int) -> list[Prompt]:
    return [
        Prompt(f"e{i}", ({"role": "system", "content": "s"}, {"role": "user", "content": f"q{i}"}), f"k{i}")
        for i in range(count)
    ]


def ask(config: PromptModelConfig, count: int = 3) -> dict[str, Completion | Failure]:
    answers = list(Endpoint(config).complete(requests(count), 50))
    assert len({a.key for a in answers}) == len(answers)
    return {answer.key: answer for answer in answers}


def once(first: Reply) -> Script:
    """Each question meets `first`, and an answer when it is asked again."""
    return lambda question, attempt: first if attempt == 1 else echo(question, attempt)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# --- what is sent ------------------------------------------------------------------------------


def test_the_request_is_the_configured_one() -> None:
    with FakeEndpoint(echo) as fake:
        ask(at(fake, name="some-model", temperature=0.7, top_p=0.9), 1)
    assert fake.requests == [
        {
            "model": "some-model",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q0"}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 50,
        }
    ]


def test_the_token_limit_has_the_name_that_the_model_wants() -> None:
    with FakeEndpoint(echo) as fake:
        ask(at(fake, token_limit_name="max_completion_tokens"), 1)
    assert fake.requests[0]["max_completion_tokens"] == 50 and "max_tokens" not in fake.requests[0]


def test_the_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " sk-secret\n")
    with FakeEndpoint(echo) as fake:
        ask(at(fake, api_key_env="MY_KEY"), 1)
    assert fake.keys == ["sk-secret"]


def test_without_a_named_variable_no_key_is_sent_though_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with FakeEndpoint(echo) as fake:
        ask(at(fake), 1)
    assert fake.keys == ["no-key"]


def test_null_means_openai_itself_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert Endpoint(prompt_model("gpt-4-turbo")).url == "https://api.openai.com/v1"


def test_the_provider_openai_opens_an_endpoint() -> None:
    assert isinstance(open_model(prompt_model("openai_compatible")), Endpoint)


# --- answers -----------------------------------------------------------------------------------


def test_answers_that_come_out_of_order_belong_to_their_requests() -> None:
    def slow_first(question: str, attempt: int) -> Reply:
        return replace(echo(question, attempt), delay=0.3 - 0.03 * int(question[1:]))

    with FakeEndpoint(slow_first) as fake:
        answers = list(Endpoint(at(fake, concurrency=10)).complete(requests(10), 50))
    assert [a.key for a in answers] != [p.key for p in requests(10)]
    assert {a.key: a.text for a in answers if isinstance(a, Completion)} == {
        f"k{i}": f"You asked q{i}" for i in range(10)
    }


def test_answers_are_handed_over_as_they_come() -> None:
    with FakeEndpoint(lambda q, attempt: says("x", delay=0.0 if q == "q1" else 20.0)) as fake:
        start = time.monotonic()
        answers = Endpoint(at(fake, timeout_s=30)).complete(requests(2), 50)
        assert next(answers).key == "k1"
        assert time.monotonic() - start < 10
        close(answers)


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_no_more_requests_are_under_way_than_allowed(concurrency: int) -> None:
    with FakeEndpoint(lambda q, attempt: says("x", delay=0.03)) as fake:
        assert len(ask(at(fake, concurrency=concurrency), 16)) == 16
    assert fake.most_at_once == concurrency


def test_a_slow_caller_holds_the_requests_back() -> None:
    with FakeEndpoint(echo) as fake:
        answers = Endpoint(at(fake, concurrency=2)).complete(requests(20), 50)
        next(answers)
        time.sleep(0.3)
        assert len(fake.requests) <= 2
        close(answers)


def test_no_requests_need_no_endpoint() -> None:
    assert list(Endpoint(prompt_model("openai_compatible", base_url="http://127.0.0.1:9/v1")).complete([], 50)) == []


def test_tokens_are_counted_and_an_absent_count_is_zero() -> None:
    with FakeEndpoint(lambda q, attempt: says("x", usage=(7, 3) if q == "q0" else None)) as fake:
        answers = ask(at(fake), 2)
    assert answers == {"k0": Completion("k0", "x", "stop", 7, 3), "k1": Completion("k1", "x", "stop", 0, 0)}


ODD_ANSWERS: dict[str, tuple[Reply, Completion | Failure]] = {
    "cut": (says("Claim: F", finish="length"), Completion("k0", "Claim: F", "length", 10, 5)),
    "filtered": (says(None, finish="content_filter"), Completion("k0", "", "content_filter", 10, 5)),
    "all tokens thought away": (says(None, finish="length"), Completion("k0", "", "length", 10, 5)),
    "empty": (says(""), Completion("k0", "", "stop", 10, 5)),
    "refused": (says(None, refusal="I will not."), Completion("k0", "I will not.", "refusal", 10, 5)),
    "refused in the middle": (says("Claim: F", refusal="I will not."), Completion("k0", "Claim: F", "refusal", 10, 5)),
    "no refusal in other words": (says("x", refusal=""), Completion("k0", "x", "stop", 10, 5)),
    "half an emoji": (says("half \ud83d"), Completion("k0", "half \ufffd", "stop", 10, 5)),
    "no finish reason": (says("x", finish=None), Completion("k0", "x", "", 10, 5)),
    "no text, but tokens that are paid for": (says(None), Completion("k0", "", "stop", 10, 5)),
    "no text and no tokens": (says(None, usage=None), Failure("k0", "an answer without text (finish reason: stop)")),
    "text in parts": (says([{"type": "text"}]), Failure("k0", "an answer without text (finish reason: stop)")),  # type: ignore[arg-type]
    "no choices": (Reply({"choices": []}), Failure("k0", "an answer without choices")),
    "choices of another kind": (Reply({"choices": "abc"}), Failure("k0", "an answer without choices")),
    "an error that calls itself a success": (
        Reply({"error": {"message": "upstream is down"}}),
        Failure("k0", "an answer without choices: upstream is down"),
    ),
    "a list": (Reply([1, 2]), Failure("k0", "an answer without choices")),
    "null": (Reply(None), Failure("k0", "an answer without choices")),
    "a web page": (
        Reply(b"<h1>Welcome</h1>", kind="text/html"),
        Failure("k0", "an answer without choices: <h1>Welcome</h1>"),
    ),
    "broken JSON": (
        Reply(b'{"choices'),
        Failure(
            "k0",
            "not an answer of a chat endpoint (JSONDecodeError: Unterminated string starting at: line 1 column 2 (char 1))",
        ),
    ),
}


@pytest.mark.parametrize(("reply", "expected"), ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
def test_an_odd_answer_harms_only_its_own_request(reply: Reply, expected: Completion | Failure) -> None:
    with FakeEndpoint(lambda q, attempt: reply if q == "q0" else says("fine")) as fake:
        answers = ask(at(fake), 2)
    assert answers == {"k0": expected, "k1": Completion("k1", "fine", "stop", 10, 5)}


# --- errors that come as answers (HTTP 200) ------------------------------------------------------


def instead(code: object, message: str = "upstream") -> Reply:
    return Reply({"error": {"message": message, "code": code}})


def broken_off(text: str, **choice: Any) -> Reply:
    reply = says(text, finish="error")
    reply.body["choices"][0].update(choice)
    return reply


PASSING = {
    "too much to do": instead(429),
    "in letters": instead("502"),
    "a timeout": instead(408),
    "a code of its own": instead(1302),
    "broken off": broken_off("Claim: the fer"),
    "broken off, and why": broken_off("", error={"code": 429, "message": "overloaded"}),
}


@pytest.mark.parametrize("first", PASSING.values(), ids=PASSING.keys())
def test_an_error_in_the_place_of_an_answer_is_asked_again(first: Reply) -> None:
    with FakeEndpoint(once(first)) as fake:
        answers = ask(at(fake))
    assert [a.text for a in answers.values() if isinstance(a, Completion)].count("You asked q1") == 1
    assert len(answers) == 3 and all(isinstance(a, Completion) and a.finish == "stop" for a in answers.values())
    assert len(fake.requests) == 6


LASTING_INSTEAD = {
    "too much to do": (instead(429, "slow down"), "HTTP 200, but error 429: slow down", 2),
    "refused for what it says": (instead(400, "too long"), "HTTP 200, but error 400: too long", 1),
    "broken off": (broken_off("Claim: the fer"), "finish reason: error", 2),
    "no status": (instead("model_is_sad"), "an answer without choices: upstream", 1),
    "no number": (instead(True), "an answer without choices: upstream", 1),
}


@pytest.mark.parametrize(("reply", "reason", "attempts"), LASTING_INSTEAD.values(), ids=LASTING_INSTEAD.keys())
def test_a_lasting_error_in_the_place_of_an_answer_is_a_failure_and_not_kept(
    reply: Reply, reason: str, attempts: int
) -> None:
    with FakeEndpoint(lambda q, attempt: reply if q == "q1" else echo(q, attempt)) as fake:
        answers, _ = complete(requests(3), at(fake, retries=1), 50, progress=False)
        assert isinstance(answers["k1"], Failure) and answers["k1"].reason == reason
        assert fake.questions.count("q1") == attempts
        complete(requests(3), at(fake, retries=1), 50, progress=False)
    assert (fake.questions.count("q0"), fake.questions.count("q1")) == (1, 2 * attempts)  # the next run asks it anew


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (401, r"the key is not accepted \(HTTP 200, but error 401: upstream\)\nTry: .*api_key_env"),
        (402, "wants to be paid first"),
        ("insufficient_quota", "wants to be paid first"),
        (404, "there is no such model"),
    ],
)
def test_an_error_that_no_request_can_survive_ends_the_run_in_the_place_of_an_answer_too(
    code: object, message: str
) -> None:
    with FakeEndpoint(lambda q, attempt: instead(code)) as fake, pytest.raises(GenerationError, match=message):
        ask(at(fake, concurrency=2), 200)
    assert len(fake.requests) <= 4


def test_a_batch_asks_again_what_came_back_as_an_error_in_the_place_of_an_answer(tmp_path: Path) -> None:
    bodies = {
        "busy": instead(429).body,
        "broken": broken_off("Claim: the fer").body,
        "long": instead(400).body,
        "fine": says("x").body,
    }
    lines = [{"custom_id": key, "response": {"status_code": 200, "body": body}} for key, body in bodies.items()]
    (tmp_path / "out.jsonl").write_text("\n".join(map(json.dumps, lines)))
    outcomes = dict(read_outcomes(tmp_path / "out.jsonl"))
    again = {
        key
        for key, result in outcomes.items()
        if isinstance(result, RequestError) and result.cure is not RetryAdvice.NONE
    }
    assert again == {"busy", "broken"}
    assert (
        isinstance(outcomes["fine"], Completion)
        and isinstance(outcomes["long"], RequestError)
        and outcomes["long"].served
    )


# --- retries and failures ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        fails(429),
        fails(429, retry_after=0.01),
        fails(500, retry_after=0.01),
        fails(503, retry_after=0.01),
        Reply(b"<h1>Bad gateway</h1>", 502, kind="text/html"),
        DROP,
    ],
    ids=["429", "429 with retry-after", "500", "503", "502 page", "dropped connection"],
)
def test_a_passing_trouble_is_asked_again(first: Reply) -> None:
    with FakeEndpoint(once(first)) as fake:
        answers = ask(at(fake))
    assert all(isinstance(answer, Completion) for answer in answers.values())
    assert len(fake.requests) == 6


def test_the_wait_that_the_server_asks_for_is_kept() -> None:
    with FakeEndpoint(once(fails(429, retry_after=1.2))) as fake:
        ask(at(fake), 1)
    assert 1.1 < fake.times[1] - fake.times[0] < 3  # without it: about half a second


def test_a_slow_answer_is_asked_again_and_then_a_failure() -> None:
    with FakeEndpoint(lambda q, attempt: HANG if q == "q0" else echo(q, attempt)) as fake:
        answers = ask(at(fake, timeout_s=0.2, retries=1), 2)
    assert answers["k0"] == Failure("k0", "no answer within prompt_model.timeout_s=0.2")
    assert fake.questions.count("q0") == 2


LASTING: dict[str, tuple[Reply, str, int]] = {
    "500": (fails(500, "out of memory", retry_after=0.01), "HTTP 500: out of memory", 2),
    "429": (
        fails(429, "slow down", retry_after=0.01),
        "HTTP 429: slow down",
        5,
    ),  # with retry-after it counts a quarter
    "400": (fails(400, "content policy"), "HTTP 400: content policy", 1),
    "400 of another server": (Reply({"detail": "too long"}, 400), "HTTP 400: too long", 1),
    "422": (Reply({"object": "error", "message": "bad role"}, 422), "HTTP 422: bad role", 1),
    "a page": (Reply(b"<h1>Bad\n gateway</h1>", 502, kind="text/html"), "HTTP 502: <h1>Bad gateway</h1>", 2),
    "dropped": (DROP, "the connection broke (RemoteProtocolError: Server disconnected without sending a response.)", 2),
}


@pytest.mark.parametrize(("reply", "reason", "attempts"), LASTING.values(), ids=LASTING.keys())
def test_a_lasting_trouble_of_one_request_is_its_failure(reply: Reply, reason: str, attempts: int) -> None:
    with FakeEndpoint(lambda q, attempt: reply if q == "q1" else echo(q, attempt)) as fake:
        answers = ask(at(fake, retries=1))
    assert answers["k1"] == Failure("k1", reason)
    assert isinstance(answers["k0"], Completion) and isinstance(answers["k2"], Completion)
    assert fake.questions.count("q1") == attempts


def test_a_long_reason_is_shortened() -> None:
    with FakeEndpoint(lambda q, attempt: fails(400, "x" * 5000) if q == "q0" else echo(q, attempt)) as fake:
        failure = ask(at(fake), 2)["k0"]
    assert isinstance(failure, Failure) and len(failure.reason) == 300


# --- what no request can survive ---------------------------------------------------------------


def test_an_endpoint_that_is_down_is_one_clear_error_at_once() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    start = time.monotonic()
    with pytest.raises(GenerationError) as error:
        ask(prompt_model("openai_compatible", base_url=url, name="some-model", retries=5), 50)
    assert time.monotonic() - start < 6  # five retries would take fifteen seconds
    assert str(error.value).startswith(f"prompt_model.name=some-model at {url}: nothing answers there (")
    assert "Try: start the server, or prompt_model.base_url=" in str(error.value)


def test_an_endpoint_that_goes_away_ends_the_run_and_keeps_what_came() -> None:
    with FakeEndpoint(echo) as fake:
        answers = Endpoint(at(fake, retries=1, concurrency=1), patience_s=0.3).complete(requests(50), 50)
        assert isinstance(next(answers), Completion)
        fake.close()
    with pytest.raises(GenerationError, match="nothing answers there"):
        list(answers)


FATAL = {
    "401": (fails(401, "bad key"), r"the key is not accepted \(HTTP 401: bad key\)\nTry: export MY_KEY="),
    "402": (
        fails(402, "no balance"),
        r"wants to be paid first \(HTTP 402: no balance\)\nTry: .* what was answered is kept",
    ),
    "403": (
        fails(403, "not yours"),
        r"this key may not ask for this model \(HTTP 403: not yours\)\nTry: export MY_KEY=",
    ),
    "404": (
        fails(404, "no such model"),
        r"there is no such model, or no chat endpoint .*\(HTTP 404: no such model\)\nTry: .*/v1",
    ),
    "spent quota": (
        fails(429, "you are broke", code="insufficient_quota"),
        r"wants to be paid first \(HTTP 429: you are broke\)",
    ),
}


@pytest.mark.parametrize(("reply", "message"), FATAL.values(), ids=FATAL.keys())
def test_what_no_request_can_survive_ends_the_run(reply: Reply, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with FakeEndpoint(lambda q, attempt: reply) as fake, pytest.raises(GenerationError, match=message) as error:
        ask(at(fake, api_key_env="MY_KEY", retries=1, concurrency=2), 200)
    assert len(fake.requests) <= 4
    assert f"prompt_model.name=model at {fake.url}: " in str(error.value)


def test_answers_that_came_with_the_fatal_one_are_handed_over_and_no_further_request_starts() -> None:
    with FakeEndpoint(lambda q, attempt: fails(401) if q == "q3" else echo(q, attempt)) as fake:
        answers = Endpoint(at(fake, concurrency=4)).complete(requests(500), 50)
        came = [next(answers)]
        wait_until(lambda: len(fake.requests) == 4)
        time.sleep(0.3)  # now all four are back
        with pytest.raises(GenerationError):
            came.extend(answers)
    assert {answer.key for answer in came} >= {"k0", "k1", "k2"}
    assert len(fake.requests) <= 6


def test_requests_under_way_are_cancelled_when_the_run_ends() -> None:
    with FakeEndpoint(lambda q, attempt: replace(fails(401), delay=0.2) if q == "q0" else HANG) as fake:
        start = time.monotonic()
        with pytest.raises(GenerationError):
            ask(at(fake, timeout_s=30))
        assert time.monotonic() - start < 10
    assert worker_threads() == []


@pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "@hunter@2@"])
def test_a_password_in_the_address_is_not_shown(password: str) -> None:
    port = closed_port()
    with pytest.raises(GenerationError) as error:
        ask(prompt_model("openai_compatible", base_url=f"http://me:{password}@127.0.0.1:{port}/v1"))
    assert f" at http://***@127.0.0.1:{port}/v1: " in str(error.value)
    assert "hun" not in str(error.value) and "ter" not in str(error.value).partition("Try")[0]


def test_what_is_no_password_is_shown() -> None:
    line = "prompt_model.base_url=http://h:8000/v1 prompt_model.name=you@home dataset.path=s3://me/x@2"
    assert without_password(line) == line


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "  \n"], ids=["absent", "empty", "blank"])
def test_a_missing_key_is_an_error_before_any_request(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with FakeEndpoint(echo) as fake, pytest.raises(GenerationError) as error:
        complete(requests(3), at(fake, api_key_env="MY_KEY"), 50, progress=False)
    assert "prompt_model.api_key_env=MY_KEY: this environment variable is not set" in str(error.value)
    assert "Try: export MY_KEY=..." in str(error.value)
    assert fake.requests == []


def test_a_key_is_not_asked_for_when_the_shelf_has_all_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEndpoint(echo) as fake:
        complete(requests(3), at(fake), 50, progress=False)
        answers, _ = complete(requests(3), at(fake, api_key_env="MY_KEY"), 50, progress=False)
    assert len(answers) == 3


def test_all_impossible_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Endpoint(
            prompt_model(
                "openai_compatible",
                base_url="localhost:8000/v1",
                token_limit_name="limit",
                concurrency=0,
                timeout_s=0.0,
                retries=-1,
            )
        )
    text = str(error.value)
    assert text.startswith("5 problems")
    assert (
        "prompt_model.base_url=localhost:8000/v1" in text
        and "must be an address such as http://127.0.0.1:8000/v1" in text
    )
    assert "must be one of: max_tokens, max_completion_tokens" in text


WRONG_ADDRESSES = {
    "no port": "http://127.0.0.1:abc/v1",
    "too large a port": "http://127.0.0.1:99999/v1",
    "half a bracket": "http://[::1/v1",
    "no IPv6 address": "http://[zz]/v1",
    "no host": "http:///v1",
    "a host without a name": "http://a..b/v1",
    "two words": "http://my host/v1",
    "a line end": "http://127.0.0.1:8000/v1\n",
    "no http": "ftp://127.0.0.1/v1",
}


@pytest.mark.parametrize("url", WRONG_ADDRESSES.values(), ids=WRONG_ADDRESSES.keys())
def test_an_address_that_is_none_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(
        ConfigError, match=r"1 problem(.|\n)*base_url=(.|\n)*must be an address such as http://127.0.0.1:8000/v1"
    ):
        Endpoint(prompt_model("openai_compatible", base_url=url))


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000/v1", "https://me:p@ss@host/v1", "http://h", "http://bücher.example/v1?a=b"]
)
def test_an_address_of_any_form_is_taken(url: str) -> None:
    assert Endpoint(prompt_model("openai_compatible", base_url=url)).url == url


@pytest.mark.parametrize("url", ["http://me:hun/ter2@h/v1", "http://me:hunter2@h:abc/v1", "me:hunter2@h//hun@/"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        Endpoint(prompt_model("openai_compatible", base_url=url))
    assert "hun" not in str(error.value) and "ter2" not in str(error.value)


@pytest.mark.parametrize("url", ["", "  "])
def test_an_empty_address_is_not_openai(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(ConfigError, match="is empty .a shell variable that is not set.*null, which is OpenAI itself"):
        Endpoint(prompt_model("gpt-4-turbo", base_url=url))


def test_the_command_line_names_a_wrong_address_and_its_mend(cli: Cli) -> None:
    ended = cli("prompt_model=openai_compatible", "prompt_model.base_url='http://[::1/v1'", "n_train=4")
    assert ended.code == 1
    assert (
        "prompt_model.base_url=http://[::1/v1" in ended.text
        and "must be an address such as" in ended.text
        and "Traceback" not in ended.text
    )


# --- a key in the place of its variable's name ---------------------------------------------------

GIVEN_KEYS = [
    "sk-R3SECRETabc",
    "gsk_R3SECRET5abcdefghijkl",
    "R3SECRET0123456789abcdef",
    "12R3SECRET",
    "a R3SECRET",
    "$R3SECRET",
]


@pytest.mark.parametrize("key", GIVEN_KEYS)
@pytest.mark.parametrize("group", ["prompt_model", "filter.model"])
def test_a_key_in_the_place_of_its_variables_name_is_refused_and_not_shown(key: str, group: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_prompt_model(
            prompt_model("openai_compatible", api_key_env=key)
        ) if group == "prompt_model" else refuse_keys([f"+{group}.api_key_env={key}"])
    assert f"{group}.api_key_env=***" in str(error.value) and "must be the NAME of an environment variable" in str(
        error.value
    )
    assert all("R3SECRET" not in str(link) + repr(link) for link in chain(error.value))
    with pytest.raises(GenerationError, match="must be the NAME") as of_key:
        ApiKey.of(key)
    assert all("R3SECRET" not in str(link) for link in chain(of_key.value))


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "_k", "my_key_2", "AZURE_OPENAI_API_KEY_SWEDEN_CENTRAL_2", "hf_token", None]
)
def test_the_name_of_a_variable_is_taken(name: str | None) -> None:
    check_prompt_model(prompt_model("openai_compatible", api_key_env=name))
    refuse_keys([f"prompt_model.api_key_env={name}", "prompt_model.name=sk-not-a-key"])


@pytest.mark.parametrize("value", ["A,B", "choice(A,B)", "null", "'A'", "${oc.env:WHICH,MY_KEY}", ""])
def test_whatever_hydra_reads_as_names_is_taken_on_the_command_line(value: str) -> None:
    refuse_keys([f"prompt_model.api_key_env={value}"])


def test_labels_and_settings_that_are_called_like_secrets_are_none() -> None:
    refuse_keys(
        [
            "+dataset.labels.secret=supported",
            "dataset.labels.token=supported",
            "dataset.max_tokens=64",
            "metrics.x_tokens=1",
        ]
    )


@pytest.mark.parametrize("value", ["A,sk-R3SECRET", "choice(A,sk-R3SECRET)", "'sk-R3SECRET'"])
def test_a_key_among_names_is_refused_on_the_command_line(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        refuse_keys(["seed=0", f"prompt_model.api_key_env={value}"])
    assert "R3SECRET" not in str(error.value) and "prompt_model.api_key_env=***" in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["prompt_model=openai_compatible", "prompt_model.api_key_env=sk-R3SECRET"],
        ["prompt_model=openai_compatible", "prompt_model.api_key_env=sk-R3SECRET", "synth_frac=0"],
        ["filter=judge", "+prompt_model@filter.model=openai_compatible", "filter.model.api_key_env=sk-R3SECRET"],
        ["filter.model.api_key_env=sk-R3SECRET"],
    ],
    ids=["asked", "asked for nothing", "a filter", "a filter that asks nobody"],
)
def test_a_run_with_a_key_on_its_command_line_brings_it_into_no_file(
    arguments: list[str], cli: Cli, multirun: Path
) -> None:
    ended = cli(*arguments, "n_train=4")
    assert (
        ended.code == 1 and "must be the NAME of an environment variable" in ended.text and "R3SECRET" not in ended.text
    )
    assert [path for path in multirun.rglob("*") if path.is_file() and b"R3SECRET" in path.read_bytes()] == []


# --- a recording of an endpoint's answers ---------------------------------------------------------

POINTS = [Example(f"e{i}", f"Ferry {i} leaves at six.", f"When does ferry {i} leave?", ("six",)) for i in range(6)]


def written_for(model: PromptModelConfig) -> list[Prompt]:
    return list(build_prompts(POINTS, POINTS, strategy("few_shot"), "qa", model))


def test_an_endpoints_answers_are_replayed_from_its_shelf(tmp_path: Path) -> None:
    with FakeEndpoint(lambda q, attempt: says("Question: Who? || Answer: six")) as fake:
        model = at(fake, name="org/some-model", temperature=0.7)
        answered, _ = complete(written_for(model), model, 50, progress=False)
    shelf = tmp_path / "cache" / "completions" / "org-some-model"
    again = prompt_model("recorded", path=str(shelf), weights=None, name="org/some-model", temperature=0.7)
    replayed, _ = complete(written_for(again), again, 50, progress=False)
    assert replayed == answered and len(answered) == 6


def test_a_recording_that_does_not_fit_says_which_settings_must_be_those_of_the_recording(tmp_path: Path) -> None:
    with FakeEndpoint(lambda q, attempt: says("Question: Who? || Answer: six")) as fake:
        model = at(fake, name="some-model")
        complete(written_for(model), model, 50, progress=False)
    again = prompt_model(
        "recorded", path=str(tmp_path / "cache" / "completions" / "some-model")
    )  # of qwen-1.5b, by its own settings
    with pytest.raises(GenerationError) as error:
        complete(written_for(again), again, 50, progress=False)
    said, mend = str(error.value).split("\nTry: ")
    assert "6 of 6 requests were not recorded" in said and "strategy" in said
    assert (
        "weights=package:qwen2.5-coder-1.5b-instruct, dtype=bfloat16, temperature=0, top_p=1, json_schema=false" in said
    )
    assert f"prompt_model=recorded prompt_model.path={again.path} prompt_model.weights=null prompt_model.name=" in mend
    assert "prompt_model.temperature=" in mend


# --- the key stays secret ----------------------------------------------------------------------

KEYS = ["sk-proj-1234567890abcdef", "k7", "a.+*?[(\\d]$", "q\"uo'te\\back", "per%cent&<tag>"]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_server_that_echoes_the_key_does_not_bring_it_into_the_error(
    key: str, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", key)
    said = (
        fails(401, f"Incorrect API key provided: {key}.")
        if kind == "json"
        else Reply(f"Bad key {key}!".encode(), 401, kind="text/plain")
    )
    with FakeEndpoint(lambda q, attempt: said) as fake, pytest.raises(GenerationError) as error:
        ask(at(fake, api_key_env="MY_KEY"))
    assert fake.keys[0] == key
    assert "HTTP 401" in str(error.value)
    for link in chain(error.value):
        assert key not in str(link) and key not in repr(link) and key not in str(vars(link))
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    ours = [frame for frame in shown.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert ours and not any(key in str(frame.locals) for frame in ours)
    assert key not in caplog.text


@pytest.mark.parametrize("key", KEYS)
def test_a_server_that_echoes_the_key_does_not_bring_it_into_a_failure(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    replies = {
        "q0": fails(400, f"your key {key}"),
        "q1": Reply(repr({"key": key}).encode(), 400, kind="text/plain"),
        "q2": Reply({"error": {"nested": {"key": key}}}, 400),
        "q3": fails(400, "x" * 280 + key),  # cut in the middle of the key
    }
    with FakeEndpoint(lambda q, attempt: replies.get(q, says("fine"))) as fake:
        answers = ask(at(fake, api_key_env="MY_KEY"), 5)
    reasons = [a.reason for a in answers.values() if isinstance(a, Failure)]
    assert len(reasons) == 4 and not any(key in reason for reason in reasons)
    assert not any(key[:8] in reason[270:] for reason in reasons if len(key) > 8)


@pytest.mark.parametrize("key", [key for key in KEYS if len(key) >= 8])
def test_an_answer_that_says_the_key_is_kept_without_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with FakeEndpoint(lambda q, attempt: says(f"Your key is {key}, is it not?")) as fake:
        (answer,) = ask(at(fake, api_key_env="MY_KEY"), 1).values()
    assert (
        isinstance(answer, Completion)
        and answer.text == f"Your key is {ApiKey(key).scrub(key)}, is it not?"
        and key not in answer.text
    )


@pytest.mark.parametrize("key", ["EMPTY", "secret", "password", "k7"])
def test_a_key_that_could_be_a_word_is_left_in_answers_that_say_the_word(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with FakeEndpoint(lambda q, attempt: says(f"The {key} was kept.")) as fake:
        (answer,) = ask(at(fake, api_key_env="MY_KEY"), 1).values()
    assert isinstance(answer, Completion) and answer.text == f"The {key} was kept."


@pytest.mark.parametrize("key", ["*", "**", "a*", "***"])
def test_the_mark_that_stands_for_a_key_does_not_spell_it(key: str) -> None:
    assert key not in ApiKey(key).scrub(f"*{key}*a{key}")


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda key: json.dumps({"key": key}),
    "Python": lambda key: repr({"key": key}),
    "URL": quote,
    "a form": lambda key: quote(key, safe=""),
    "HTML": escape,
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_key_is_removed_however_it_is_quoted(write: Callable[[str], str]) -> None:
    key = "begin/\"'\\<&>%end"
    scrubbed = ApiKey(key).scrub("your key " + write(key))
    assert "***" in scrubbed and "begin" not in scrubbed and "end" not in scrubbed


def test_a_key_shows_itself_to_nobody() -> None:
    assert "secret" not in repr(ApiKey("secret")) and "secret" not in str(ApiKey("secret"))


def test_a_key_with_typographic_quotes_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "“sk-secret”")
    with pytest.raises(GenerationError, match="its value has characters that no key has") as error:
        ApiKey.of("MY_KEY")
    assert all("secret" not in str(link) for link in chain(error.value))


def test_neither_requests_nor_the_key_reach_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with FakeEndpoint(once(fails(429, retry_after=0.01))) as fake:
        ask(at(fake, api_key_env="MY_KEY"))
    assert {record.name.split(".")[0] for record in caplog.records} <= {"asyncio", "littlehuman"}
    assert "sk-secret" not in caplog.text and "q0" not in caplog.text


# --- the shelf, interruptions, money -----------------------------------------------------------


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prompt model"]


def close(answers: Iterator[Completion | Failure]) -> None:
    answers.close()  # type: ignore[attr-defined]


def test_the_same_prompts_are_asked_once() -> None:
    with FakeEndpoint(echo) as fake:
        first, bill = complete(requests(10), at(fake), 50, progress=False)
        second, free = complete(requests(10), at(fake), 50, progress=False)
    assert len(fake.requests) == 10
    assert first == second
    assert (bill.from_cache, free.from_cache) == (0, 10)


def test_only_failures_are_asked_again() -> None:
    with FakeEndpoint(lambda q, attempt: fails(500) if q == "q3" and attempt == 1 else echo(q, attempt)) as fake:
        _, bill = complete(requests(10), at(fake, retries=0), 50, progress=False)
        again, _ = complete(requests(10), at(fake, retries=0), 50, progress=False)
    assert bill.failed == 1
    assert fake.questions[10:] == ["q3"]
    assert isinstance(again["k3"], Completion)


def test_the_bill_counts_tokens_and_money() -> None:
    with FakeEndpoint(lambda q, attempt: says("x", usage=(1000, 100))) as fake:
        config = at(fake, price=PriceConfig(prompt=0.5, completion=1.5))
        complete(requests(4), config, 50, progress=False)
        _, bill = complete(requests(10), config, 50, progress=False)
    one = (1000 * 0.5 + 100 * 1.5) / 1e6
    assert (bill.prompt_tokens, bill.completion_tokens) == (6000, 600)
    assert bill.usd == pytest.approx(6 * one) and bill.usd_without_cache == pytest.approx(10 * one)


def test_closing_the_iterator_cancels_the_rest_at_once() -> None:
    with FakeEndpoint(lambda q, attempt: echo(q, attempt) if int(q[1:]) < 3 else HANG) as fake:
        answers = Endpoint(at(fake, timeout_s=30, concurrency=4)).complete(requests(100), 50)
        came = [next(answers) for _ in range(3)]
        start = time.monotonic()
        close(answers)
        assert time.monotonic() - start < 10
        time.sleep(0.3)  # for what was on its way
        asked = len(fake.requests)
        time.sleep(0.3)
        assert len(fake.requests) == asked <= 7
    assert len(came) == 3 and worker_threads() == []


def test_an_error_of_the_caller_ends_the_requests_and_keeps_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(list[Any]):
        def add(self, answer: Any) -> None:
            real(answer)
            self.append(answer)
            if len(self) == 5:
                raise KeyboardInterrupt

    from littlehuman.prompt_models import cache

    taken = Interrupting()
    with FakeEndpoint(echo) as fake:
        writer = cache.CompletionWriter(cache.cache_path(at(fake)))
        real = writer.add
        monkeypatch.setattr(cache.CompletionWriter, "add", lambda self, answer: taken.add(answer))
        with writer, pytest.raises(KeyboardInterrupt) as error:
            complete(requests(20), at(fake, concurrency=2), 50, progress=False)
        assert error.tb and worker_threads() == []  # at once, though the traceback still holds the iterator
        monkeypatch.undo()
        monkeypatch.setenv("LITTLEHUMAN_CACHE", str(writer.path.parents[2]))
        before = len(fake.requests)
        answers, bill = complete(requests(20), at(fake), 50, progress=False)
    assert 5 <= bill.from_cache <= 7  # and what had come while the fifth was taken
    assert (len(answers), len(fake.requests) - before) == (20, 20 - bill.from_cache)


RUN = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/prompt_models"]
from test_chat_api import requests
from config_groups import prompt_model
from littlehuman.generation import gather as complete
complete(requests(20), prompt_model("openai_compatible", base_url=sys.argv[1], concurrency=2), 50, progress=False)
"""


def test_ctrl_c_in_a_real_run_keeps_what_came_and_the_next_run_asks_the_rest(tmp_path: Path) -> None:
    stuck = threading.Event()

    def five_then_silence(question: str, attempt: int) -> Reply:
        if int(question[1:]) < 5 or stuck.is_set():
            return echo(question, attempt)
        return replace(says("too late"), delay=60)

    with FakeEndpoint(five_then_silence) as fake:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, fake.url, str(Path(__file__).parents[1])],
            env=os.environ | {"HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # under nohup it would be ignored
        )
        wait_until(lambda: len(fake.requests) == 7)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=30)
        assert said.rstrip().endswith(b"KeyboardInterrupt") and b"RuntimeError" not in said
        assert b"never retrieved" not in said and b"was destroyed" not in said
        stuck.set()
        before = len(fake.requests)
        _, bill = complete(requests(20), at(fake), 50, progress=False)
    assert (bill.from_cache, len(fake.requests) - before) == (5, 15)


def wait_until(true: Any) -> None:
    limit = time.monotonic() + 15
    while not true() and time.monotonic() < limit:
        time.sleep(0.01)
    assert true()


def test_an_iterator_that_is_left_open_does_not_hang_the_process() -> None:
    code = RUN.replace(
        "from littlehuman.generation import gather as complete\n",
        "from littlehuman.prompt_models.chat_api import Endpoint\n",
    ).replace(
        'complete(requests(20), prompt_model("openai_compatible", base_url=sys.argv[1], concurrency=2), 50, progress=False)',
        'left = Endpoint(prompt_model("openai_compatible", base_url=sys.argv[1])).complete(requests(20), 50)\nnext(left)',
    )
    with FakeEndpoint(lambda q, attempt: echo(q, attempt) if q == "q0" else HANG) as fake:
        run = subprocess.run(
            [sys.executable, "-c", code, fake.url, str(Path(__file__).parents[1])], timeout=15, capture_output=True
        )
    assert run.returncode == 0, run.stderr


def test_a_notebook_that_runs_a_loop_of_its_own_can_ask() -> None:
    import asyncio

    async def cell() -> int:
        with FakeEndpoint(echo) as fake:
            return len(ask(at(fake)))

    assert asyncio.run(cell()) == 3


def test_opening_an_endpoint_loads_no_heavy_library() -> None:
    code = (
        "import sys; from littlehuman.schema import *; from littlehuman.prompt_models import open_model; "
        "open_model(PromptModelConfig(provider=Provider.openai)); assert not {'openai', 'torch', 'httpx2'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
