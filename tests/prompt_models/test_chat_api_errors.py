"""Errors of a chat endpoint: which are retried, which fail one request, which end the run."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_requests import ask, at, closed_port, echo, once, requests, wait_until, worker_threads
from config_groups import prompt_model
from fake_endpoint import DROP, HANG, FakeEndpoint, Reply, Script, fails, says
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.batch_files import read_results
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.responses import RequestError, RetryAdvice
from littlehuman.records import Completion, Failure

pytestmark = pytest.mark.usefixtures("endpoint_environment")


# --- retries and failures ----------------------------------------------------------------------


def each(replies: Mapping[str, Reply], attempts: int = 10**9) -> Script:
    """Question number i meets the reply i, in so many attempts; further questions are answered."""
    own = {f"q{i}": reply for i, reply in enumerate(replies.values())}
    return lambda q, attempt: own[q] if q in own and attempt <= attempts else echo(q, attempt)


BUSY: dict[str, Reply] = {
    "429": fails(429),
    "429 with retry-after": fails(429, retry_after=0.01),
    "500": fails(500, retry_after=0.01),
    "503": fails(503, retry_after=0.01),
    "502 page": Reply(b"<h1>Bad gateway</h1>", 502, kind="text/html"),
    "dropped connection": DROP,
}


def test_a_transient_error_is_retried() -> None:
    """Requests that meet different ones, side by side: a wait for each would take seconds."""
    with FakeEndpoint(each(BUSY, attempts=1)) as fake:
        answers = ask(at(fake), len(BUSY))
    for number, name in enumerate(BUSY):
        assert isinstance(answers[f"k{number}"], Completion), name
        assert fake.questions.count(f"q{number}") == 2, name


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


def test_a_lasting_error_of_one_request_is_its_failure() -> None:
    with FakeEndpoint(each({name: reply for name, (reply, *_) in LASTING.items()})) as fake:
        answers = ask(at(fake, retries=1), len(LASTING) + 2)
    for number, (name, (_, reason, attempts)) in enumerate(LASTING.items()):
        assert answers[f"k{number}"] == Failure(f"k{number}", reason), name
        assert fake.questions.count(f"q{number}") == attempts, name
    assert all(isinstance(answers[f"k{number}"], Completion) for number in range(len(LASTING), len(LASTING) + 2))


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
        answers = Endpoint(at(fake, retries=1, concurrency=1), max_outage_s=0.3).complete(requests(50), 50)
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


# --- errors that come as answers (HTTP 200) ------------------------------------------------------


def instead(code: object, message: str = "upstream") -> Reply:
    return Reply({"error": {"message": message, "code": code}})


def broken_off(text: str, **choice: Any) -> Reply:
    reply = says(text, finish="error")
    reply.body["choices"][0].update(choice)
    return reply


TRANSIENT = {
    "too much to do": instead(429),
    "in letters": instead("502"),
    "a timeout": instead(408),
    "a code of its own": instead(1302),
    "broken off": broken_off("Claim: the fer"),
    "broken off, and why": broken_off("", error={"code": 429, "message": "overloaded"}),
}


def test_an_error_in_the_place_of_an_answer_is_asked_again() -> None:
    with FakeEndpoint(each(TRANSIENT, attempts=1)) as fake:
        answers = ask(at(fake), len(TRANSIENT))
    for number, name in enumerate(TRANSIENT):
        found = answers[f"k{number}"]
        assert isinstance(found, Completion) and (found.text, found.finish) == (f"You asked q{number}", "stop"), name
        assert fake.questions.count(f"q{number}") == 2, name


LASTING_INSTEAD = {
    "too much to do": (instead(429, "slow down"), "HTTP 200, but error 429: slow down", 2),
    "refused for what it says": (instead(400, "too long"), "HTTP 200, but error 400: too long", 1),
    "broken off": (broken_off("Claim: the fer"), "finish reason: error", 2),
    "no status": (instead("model_is_sad"), "an answer without choices: upstream", 1),
    "no number": (instead(True), "an answer without choices: upstream", 1),
}


def test_a_lasting_error_in_the_place_of_an_answer_is_a_failure_and_not_kept() -> None:
    count = len(LASTING_INSTEAD)
    asked = requests(60 + count)  # a run in which more than a tenth fails is given up
    with FakeEndpoint(each({name: reply for name, (reply, *_) in LASTING_INSTEAD.items()})) as fake:
        for run in (1, 2):  # the next run asks anew what failed
            answers, _ = gather(asked, at(fake, retries=1), 50, progress=False)
            for number, (name, (_, reason, attempts)) in enumerate(LASTING_INSTEAD.items()):
                found = answers[f"k{number}"]
                assert isinstance(found, Failure) and found.reason == reason, name
                assert fake.questions.count(f"q{number}") == run * attempts, name
    assert fake.questions.count(f"q{count}") == 1


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
    outcomes = dict(read_results(tmp_path / "out.jsonl"))
    again = {
        key
        for key, result in outcomes.items()
        if isinstance(result, RequestError) and result.retry is not RetryAdvice.NO
    }
    assert again == {"busy", "broken"}
    assert (
        isinstance(outcomes["fine"], Completion)
        and isinstance(outcomes["long"], RequestError)
        and outcomes["long"].served
    )
