import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from config_groups import prompt_model
from fault_server import DROP, HALF, HANG, TRICKLE, FaultServer, ReplyScript, ScriptedReply, answer, refusal

from littlehuman import generation
from littlehuman.errors import GenerationError
from littlehuman.generation.spending import SpendingLimit
from littlehuman.prompt_models.cache import cache_path, lookup
from littlehuman.prompt_models.chat_api import MAX_OUTAGE_S, Endpoint
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def at(server: FaultServer, **values: Any) -> PromptModelConfig:
    return prompt_model(
        "openai_compatible", **{"base_url": server.url, "timeout_s": 5.0, "retries": 5, "concurrency": 64, **values}
    )


def requests(count: int) -> Iterator[Prompt]:
    return (Prompt(f"e{i}", ({"role": "user", "content": f"q{i}"},), f"k{i}") for i in range(count))


def ask(
    config: PromptModelConfig, count: int, *, max_outage_s: float = MAX_OUTAGE_S
) -> dict[str, Completion | Failure]:
    answers = list(Endpoint(config, max_outage_s).complete(requests(count), 50))
    assert len({a.key for a in answers}) == len(answers) == count
    return {a.key: a for a in answers}


def echo(question: str, attempt: int) -> ScriptedReply:
    return answer(f"You asked {question}")


def first_then_echo(reply: ScriptedReply) -> ReplyScript:
    return lambda question, attempt: reply if attempt == 1 else echo(question, attempt)


def texts(answers: dict[str, Completion | Failure]) -> dict[str, str]:
    return {key: found.text for key, found in answers.items() if isinstance(found, Completion)}


# --- everything at once ------------------------------------------------------------------------

ONCE = {
    "500": refusal(500),
    "502": refusal(502),
    "a drop": DROP,
    "half a body": HALF,
    "408": refusal(408),
}
FOR_GOOD = {
    "broken JSON": (
        ScriptedReply(b'{"choices": [{"mess', headers={"content-type": "application/json"}),
        "not an answer of a chat endpoint (JSONDecodeError",
    ),
    "a page": (
        ScriptedReply(b"<h1>Welcome</h1>", headers={"content-type": "text/html"}),
        "an answer without choices: <h1>Welcome</h1>",
    ),
    "no choices": (ScriptedReply(b"{}"), "an answer without choices"),
    "too long": (refusal(400, "context length exceeded"), "HTTP 400: context length exceeded"),
}


class Chaos:
    """Errors by request number; during a storm every request gets 429."""

    def __init__(self, count: int) -> None:
        self.script: dict[str, list[ScriptedReply]] = {}
        self.for_good: dict[
            str, ScriptedReply
        ] = {}  # at every try: the server may go away before the first try is answered
        self.reasons: dict[str, str] = {}
        self.storms: list[tuple[float, float, dict[str, str]]] = []
        self.came = 0
        self.at: dict[int, Callable[[], None]] = {}
        draw = random.Random(7)
        for i in range(count):
            if i % 37 == 5:
                reply, self.reasons[f"k{i}"] = draw.choice(list(FOR_GOOD.values()))
                self.for_good[f"q{i}"] = reply
            elif i % 5 == 0:
                self.script[f"q{i}"] = [draw.choice(list(ONCE.values())) for _ in range(draw.choice((1, 1, 2)))]
            elif i % 149 == 1:
                self.script[f"q{i}"] = [HANG]

    def __call__(self, question: str, attempt: int) -> ScriptedReply:
        self.came += 1
        self.at.pop(self.came, lambda: None)()
        now = time.monotonic()
        for begin, end, headers in self.storms:
            if begin <= now < end:
                return refusal(429, "slow down", **headers)
        left = self.script.get(question)
        return left.pop(0) if left else self.for_good.get(question) or echo(question, attempt)

    def storm(self, seconds: float, **headers: str) -> None:
        self.storms.append((time.monotonic(), time.monotonic() + seconds, headers))


def survive(count: int, *, dead_s: float, storm_s: float, timeout_s: float) -> None:
    chaos = Chaos(count)
    with FaultServer(chaos) as server:
        chaos.at = {
            count // 6: lambda: chaos.storm(storm_s, retry_after="0.2"),
            count // 3: lambda: chaos.storm(storm_s),
            count // 2: lambda: server.go_away(dead_s),
        }
        answers = ask(at(server, timeout_s=timeout_s), count)
    failures = {key: found.reason for key, found in answers.items() if isinstance(found, Failure)}
    assert failures.keys() == chaos.reasons.keys(), {k: failures.get(k) for k in failures.keys() ^ chaos.reasons.keys()}
    assert all(reason.startswith(chaos.reasons[key]) for key, reason in failures.items())
    assert texts(answers) == {f"k{i}": f"You asked q{i}" for i in range(count) if f"k{i}" not in failures}
    assert max(server.paid.values()) == 1
    assert server.paid.total() == count - sum(reason.startswith("HTTP") for reason in failures.values())
    assert server.most_at_once <= 64


@pytest.mark.slow
def test_of_all_faults_together_none_loses_a_request_or_pays_one_twice() -> None:
    survive(300, dead_s=0.7, storm_s=0.2, timeout_s=4.0)


@pytest.mark.slow
def test_two_thousand_requests_survive_all_faults_and_a_server_that_is_dead_for_twenty_seconds() -> None:
    survive(2000, dead_s=20.0, storm_s=5.0, timeout_s=5.0)


# --- one fault at a time -----------------------------------------------------------------------


def test_half_a_body_is_asked_again() -> None:
    with FaultServer(first_then_echo(HALF)) as server:
        assert len(texts(ask(at(server), 5))) == 5
    assert server.tries == Counter({f"q{i}": 2 for i in range(5)})


def test_a_server_that_sends_a_byte_now_and_then_is_timed_out() -> None:
    with FaultServer(first_then_echo(TRICKLE)) as server:
        start = time.monotonic()
        assert len(texts(ask(at(server, timeout_s=0.6), 3))) == 3
    assert time.monotonic() - start < 4  # the whole body would take ten seconds


@pytest.mark.parametrize("status", [400, 413, 422, 418])
def test_what_another_try_cannot_help_is_asked_once(status: int) -> None:
    with FaultServer(
        lambda question, attempt: refusal(status) if question == "q1" else echo(question, attempt)
    ) as server:
        assert ask(at(server), 3)["k1"] == Failure("k1", f"HTTP {status}: no")
    assert server.tries["q1"] == 1


def test_a_server_that_says_that_a_retry_is_no_use_is_believed() -> None:
    with FaultServer(
        lambda q, attempt: refusal(500, x_should_retry="false") if q == "q1" else echo(q, attempt)
    ) as server:
        ask(at(server), 3)
    assert server.tries["q1"] == 1


@pytest.mark.parametrize(
    ("headers", "most"), [({}, 2), ({"retry_after": "0.05"}, 5)], ids=["a retry", "a quarter of a retry"]
)
def test_a_server_that_is_always_busy_costs_no_more_retries_than_are_set(headers: dict[str, str], most: int) -> None:
    with FaultServer(
        lambda q, attempt: refusal(429, "slow down", **headers) if q == "q1" else echo(q, attempt)
    ) as server:
        assert ask(at(server, retries=1), 3)["k1"] == Failure("k1", "HTTP 429: slow down")
    assert server.tries["q1"] == most


def test_a_wait_until_a_date_is_kept() -> None:
    def busy(question: str, attempt: int) -> ScriptedReply:
        return refusal(
            429, retry_after=formatdate(1_790_000_001, usegmt=True), date=formatdate(1_790_000_000, usegmt=True)
        )

    with FaultServer(lambda q, attempt: busy(q, attempt) if attempt == 1 else echo(q, attempt)) as server:
        ask(at(server), 1)
    assert 0.95 < server.times[1] - server.times[0] < 3  # without it: half a second


def test_while_one_request_has_to_wait_no_other_one_is_sent() -> None:
    with FaultServer(
        lambda q, attempt: refusal(429, retry_after="0.5") if (q, attempt) == ("q4", 1) else echo(q, attempt)
    ) as server:
        ask(at(server, concurrency=4), 40)
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.4 and sorted(gaps)[-2] < 0.3


def test_a_server_with_little_room_is_asked_less_at_once_and_answers_all() -> None:
    with FaultServer(echo) as server:
        server.script = lambda q, attempt: (
            refusal(429) if server.under_way > 6 else replace(echo(q, attempt), delay=0.02)
        )
        answers = ask(at(server, concurrency=24), 60)
    assert len(texts(answers)) == 60 and max(server.paid.values()) == 1
    assert server.tries.total() < 110  # at 24 at once three of four tries would be refused


def test_a_server_that_comes_back_costs_no_retry() -> None:
    with FaultServer(echo) as server:
        answers = Endpoint(at(server, retries=1, concurrency=4)).complete(requests(40), 50)
        came = [next(answers)]
        server.go_away(0.4)
        came.extend(answers)
    assert len(came) == 40 and all(isinstance(a, Completion) for a in came)


def test_a_server_that_stays_away_ends_the_run_after_a_while_and_keeps_what_came() -> None:
    with FaultServer(echo) as server:
        answers = Endpoint(at(server, concurrency=4), max_outage_s=0.5).complete(requests(40), 50)
        came = [next(answers)]
        server.go_away()
        start = time.monotonic()
        with pytest.raises(GenerationError, match="nothing answers there .*\nTry: start the server"):
            came.extend(answers)
    assert 0.4 < time.monotonic() - start < 6 and isinstance(came[0], Completion)


@pytest.mark.parametrize(("retries", "answers_first", "warnings"), [(1, True, 1), (0, True, 0), (5, False, 0)])
def test_the_log_says_that_a_server_is_waited_for_only_where_it_is(
    retries: int, answers_first: bool, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(echo) as server:
        answers = Endpoint(at(server, retries=retries, concurrency=1), max_outage_s=0.3).complete(requests(40), 50)
        if answers_first:
            next(answers)
        server.go_away()
        with pytest.raises(GenerationError, match="nothing answers there"):
            list(answers)
    assert caplog.text.count("nothing answers at the endpoint any more; waiting up to 0 s for it") == warnings


def test_a_server_that_refuses_everything_ends_the_run_after_a_while() -> None:
    with (
        FaultServer(lambda q, attempt: refusal(429, "slow down", retry_after="0.05")) as server,
        pytest.raises(
            GenerationError, match="HTTP 429: slow down\nTry: the same command later: what was answered is kept"
        ),
    ):
        ask(at(server, retries=100, concurrency=4), 40, max_outage_s=0.5)


def test_a_server_that_asks_for_an_hour_ends_the_run_with_what_is_under_way() -> None:
    def script(question: str, attempt: int) -> ScriptedReply:
        return (
            refusal(429, "daily limit", retry_after="3600")
            if question == "q4"
            else replace(echo(question, attempt), delay=0.3)
        )

    with FaultServer(script) as server:
        came: list[Completion | Failure] = []
        with pytest.raises(
            GenerationError, match="HTTP 429: daily limit\nTry: the same command in 60 minutes, as the server asks"
        ):
            for found in Endpoint(at(server, concurrency=4)).complete(requests(500), 50):
                came.append(found)
    assert {a.key for a in came} >= {"k0", "k1", "k2", "k3"}
    assert server.paid.total() == len(came)  # what it was paid for was handed over


def test_credit_that_ends_in_the_middle_loses_nothing_that_was_paid_for() -> None:
    def script(question: str, attempt: int) -> ScriptedReply:
        number = int(question[1:])
        return (
            refusal(402, "no balance")
            if number == 30
            else replace(echo(question, attempt), delay=0.01 if number < 25 else 0.5)
        )

    with FaultServer(script) as server:
        came: list[Completion | Failure] = []
        with pytest.raises(GenerationError, match="wants to be paid first"):
            for found in Endpoint(at(server, concurrency=8)).complete(requests(500), 50):
                came.append(found)
    assert server.paid.total() == len(came) >= 30


def test_answers_that_came_and_were_not_taken_are_kept_when_the_run_is_stopped() -> None:
    with FaultServer(echo) as server:
        config, spending = at(server), SpendingLimit()
        answers = generation.complete(list(requests(500)), config, 50, spending, progress=False)
        for _ in range(10):
            next(answers)
        time.sleep(0.5)  # the others that were under way come meanwhile
        answers.close()
        kept = lookup(cache_path(config), {f"k{i}" for i in range(500)})
        assert len(kept) == spending.bill.requests == server.paid.total() > 50


# --- budgets and the stream --------------------------------------------------------------------


def test_requests_keep_to_the_budget_of_a_minute() -> None:
    with FaultServer(echo) as server:
        ask(at(server, requests_per_minute=1200), 21)
    assert 0.9 < server.times[-1] - server.times[0] < 2


@pytest.mark.slow  # test_rate_limit.py shows it on a clock of its own
def test_tokens_keep_to_the_budget_of_a_minute_by_what_answers_really_took() -> None:
    with FaultServer(lambda q, attempt: answer("x", tokens=(100, 20))) as server:
        ask(at(server, tokens_per_minute=72_000, concurrency=4), 20)  # 1200 a second: ten answers
    assert 1.2 < server.times[-1] - server.times[0] < 3


def test_prompts_are_drawn_one_by_one_in_the_callers_thread() -> None:
    drawn: list[int] = []
    threads: set[int] = set()

    def prompts() -> Iterator[Prompt]:
        for number, prompt in enumerate(requests(1_000_000)):
            drawn.append(number)
            threads.add(threading.get_ident())
            yield prompt

    with FaultServer(echo) as server:
        answers = Endpoint(at(server, concurrency=8)).complete(prompts(), 50)
        for taken in range(1, 30):
            next(answers)
            assert len(drawn) == 8 + taken - 1
        answers.close()  # type: ignore[attr-defined]
    assert threads == {threading.get_ident()}


def test_an_error_while_prompts_are_made_is_the_callers_own() -> None:
    def prompts() -> Iterator[Prompt]:
        yield from requests(10)
        raise ZeroDivisionError

    with FaultServer(echo) as server, pytest.raises(ZeroDivisionError):
        list(Endpoint(at(server, concurrency=4)).complete(prompts(), 50))
    assert not [thread for thread in threading.enumerate() if thread.name == "prompt model"]


def test_a_lone_surrogate_in_a_prompt_is_sent_as_its_escape() -> None:
    prompt = Prompt("e", ({"role": "user", "content": "half \ud83d"},), "k")
    with FaultServer(lambda q, attempt: answer("fine")) as server:
        assert list(Endpoint(at(server)).complete([prompt], 50)) == [Completion("k", "fine", "stop", 100, 20)]
