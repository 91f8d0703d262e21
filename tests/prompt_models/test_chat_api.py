"""Requests to a chat endpoint and their answers: what is sent, what is read, what is cached and billed."""

import asyncio
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from chat_requests import ask, at, close, echo, requests
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, Reply, fails, says
from gather_completions import gather

from littlehuman.prompt_models import open_model
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.records import Completion, Failure
from littlehuman.schema import PriceConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")


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


@pytest.mark.parametrize("concurrency", [1, pytest.param(3, marks=pytest.mark.slow), 8])
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
    "parts without a text": (says([{"type": "text"}]), Completion("k0", "", "stop", 10, 5)),  # type: ignore[arg-type]
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
            "not an answer of a chat endpoint "
            "(JSONDecodeError: Unterminated string starting at: line 1 column 2 (char 1))",
        ),
    ),
}


@pytest.mark.parametrize(("reply", "expected"), ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
def test_an_odd_answer_harms_only_its_own_request(reply: Reply, expected: Completion | Failure) -> None:
    with FakeEndpoint(lambda q, attempt: reply if q == "q0" else says("fine")) as fake:
        answers = ask(at(fake), 2)
    assert answers == {"k0": expected, "k1": Completion("k1", "fine", "stop", 10, 5)}


# --- with the cache ----------------------------------------------------------------------------


def test_the_same_prompts_are_asked_once() -> None:
    with FakeEndpoint(echo) as fake:
        first, bill = gather(requests(10), at(fake), 50, progress=False)
        second, free = gather(requests(10), at(fake), 50, progress=False)
    assert len(fake.requests) == 10
    assert first == second
    assert (bill.from_cache, free.from_cache) == (0, 10)


def test_only_failures_are_asked_again() -> None:
    with FakeEndpoint(lambda q, attempt: fails(500) if q == "q3" and attempt == 1 else echo(q, attempt)) as fake:
        _, bill = gather(requests(10), at(fake, retries=0), 50, progress=False)
        again, _ = gather(requests(10), at(fake, retries=0), 50, progress=False)
    assert bill.failed == 1
    assert fake.questions[10:] == ["q3"]
    assert isinstance(again["k3"], Completion)


def test_the_bill_counts_tokens_and_money() -> None:
    with FakeEndpoint(lambda q, attempt: says("x", usage=(1000, 100))) as fake:
        config = at(fake, price=PriceConfig(prompt=0.5, completion=1.5))
        gather(requests(4), config, 50, progress=False)
        _, bill = gather(requests(10), config, 50, progress=False)
    one = (1000 * 0.5 + 100 * 1.5) / 1e6
    assert (bill.prompt_tokens, bill.completion_tokens) == (6000, 600)
    assert bill.usd == pytest.approx(6 * one) and bill.usd_without_cache == pytest.approx(10 * one)


def test_a_notebook_that_runs_a_loop_of_its_own_can_ask() -> None:

    async def cell() -> int:
        with FakeEndpoint(echo) as fake:
            return len(ask(at(fake)))

    assert asyncio.run(cell()) == 3


def test_opening_an_endpoint_loads_no_heavy_library() -> None:
    code = (
        "import sys; from littlehuman.schema import *; from littlehuman.prompt_models import open_model; "
        "open_model(PromptModelConfig(provider=Provider.openai)); "
        "assert not {'openai', 'torch', 'httpx2'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
