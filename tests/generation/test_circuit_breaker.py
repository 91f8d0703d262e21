"""The circuit breaker: when a run gives a prompt model up, across its rounds and when it is repeated."""

from collections.abc import Iterator
from typing import Any

import pytest
from config_groups import prompt_model
from fault_server import FaultServer, ReplyScript, ScriptedReply, answer, refusal
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.generation.spending import SpendingLimit
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def at(server: FaultServer, **values: Any) -> PromptModelConfig:
    return prompt_model("openai_compatible", **{"base_url": server.url, "retries": 0, "concurrency": 16, **values})


def requests(*questions: str) -> list[Prompt]:
    return [Prompt(f"e-{q}", ({"role": "user", "content": q},), f"k-{q}") for q in questions]


def ask(config: PromptModelConfig, spending: SpendingLimit, *questions: str) -> dict[str, Completion | Failure]:
    answers, _ = gather(requests(*questions), config, 50, spending, progress=False)
    return {key.removeprefix("k-"): found for key, found in answers.items()}


def by_first_letter(**replies: ScriptedReply) -> ReplyScript:
    return lambda question, attempt: replies.get(question[0], answer(f"You asked {question}"))


BROKEN, REFUSED = refusal(500, "broken"), refusal(400, "content policy")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(by_first_letter(b=BROKEN, r=REFUSED)) as running:
        yield running


def test_an_endpoint_that_serves_no_request_is_an_error_with_the_most_frequent_reason() -> None:
    with (
        FaultServer(by_first_letter(a=refusal(502), b=BROKEN)) as server,
        pytest.raises(GenerationError) as error,
    ):
        ask(at(server), SpendingLimit(), "a", "b1", "b2")
    assert (
        f"prompt_model.name=model at {server.url}: all 3 requests failed, 2 of them so: HTTP 500: broken\nTry: the same"
        in str(error.value)
    )


def test_requests_that_are_all_refused_for_what_they_say_are_an_error_too(server: FaultServer) -> None:
    with pytest.raises(GenerationError) as error:
        ask(at(server), SpendingLimit(), "r1", "r2", "r3")
    assert "all 3 requests failed, 3 of them so: HTTP 400: content policy" in str(error.value)
    assert "prompt_model.token_limit_name=max_completion_tokens" in str(error.value)


def test_an_endpoint_that_serves_nothing_is_not_asked_for_the_whole_dataset(server: FaultServer) -> None:
    with pytest.raises(GenerationError, match="all 64 requests failed"):
        ask(at(server), SpendingLimit(), *(f"b{i}" for i in range(5000)))
    assert len(server.requests) < 300


def test_an_endpoint_that_breaks_for_good_in_the_middle_is_given_up_and_what_came_is_kept(server: FaultServer) -> None:
    good, bad = [f"a{i}" for i in range(40)], [f"b{i}" for i in range(5000)]
    spending = SpendingLimit()
    with pytest.raises(
        GenerationError,
        match=r"\d+ of \d+ requests failed, \d+ of them so: HTTP 500: broken\nTry: the same command later",
    ):
        ask(at(server), spending, *good, *bad)
    assert spending.bill.requests - spending.bill.failed == 40
    assert len(server.requests) < 300


def test_one_request_that_always_breaks_the_server_does_not_end_a_later_cell(server: FaultServer) -> None:
    ask(at(server), SpendingLimit(), "a1")
    assert ask(at(server), SpendingLimit(), "a1", "b1") == {
        "a1": ask(at(server), SpendingLimit(), "a1")["a1"],
        "b1": Failure("k-b1", "HTTP 500: broken"),
    }


def test_rounds_of_a_run_count_together_until_a_broken_server_is_given_up(server: FaultServer) -> None:
    ask(at(server), SpendingLimit(), "a1")
    spending = SpendingLimit()
    for number in range(4):
        assert isinstance(ask(at(server), spending, f"b{number}")[f"b{number}"], Failure)
    with pytest.raises(GenerationError, match="all 5 requests failed, 5 of them so: HTTP 500"):
        ask(at(server), spending, "b4")


def test_stand_ins_that_are_all_refused_do_not_end_a_run_that_had_answers(server: FaultServer) -> None:
    spending, refused = SpendingLimit(), [f"r{i}" for i in range(8)]
    ask(at(server), spending, "a1", "a2")
    assert ask(at(server), spending, *refused) == {q: Failure(f"k-{q}", "HTTP 400: content policy") for q in refused}


def test_a_few_stand_ins_that_all_break_do_not_end_a_run_that_was_served(server: FaultServer) -> None:
    spending = SpendingLimit()
    ask(at(server), spending, *(f"a{i}" for i in range(80)))
    assert len(ask(at(server), spending, *(f"b{i}" for i in range(8)))) == 8
    with pytest.raises(
        GenerationError, match="10 of 90 requests failed"
    ):  # more than a tenth: spares do not make up for a broken server
        ask(at(server), spending, "b8", "b9")


def test_a_cell_of_which_too_much_breaks_fares_alike_when_it_is_repeated(server: FaultServer) -> None:
    for _ in range(2):
        with pytest.raises(GenerationError, match="38 of 300 requests failed, 38 of them so: HTTP 500: broken"):
            ask(at(server), SpendingLimit(), *(f"a{i}" for i in range(262)), *(f"b{i}" for i in range(38)))


def test_answers_of_an_earlier_run_do_not_make_a_broken_server_a_good_one(server: FaultServer) -> None:
    ask(at(server), SpendingLimit(), "a1")
    with pytest.raises(GenerationError, match="5 of 6 requests failed"):
        ask(at(server), SpendingLimit(), "a1", *(f"b{i}" for i in range(5)))


@pytest.mark.parametrize("count", [70, 6])
def test_a_cell_with_some_requests_that_always_break_fares_alike_when_it_is_repeated(
    count: int, server: FaultServer
) -> None:
    good, bad = [f"a{i}" for i in range(12 * count)], [f"b{i}" for i in range(count)]
    for _ in range(2):  # the second time the cache has all the good ones, and the bad ones come in a row
        answers = ask(at(server), SpendingLimit(), *good, *bad)
        assert [q for q, found in answers.items() if isinstance(found, Failure)] == [q for q in answers if q[0] == "b"]
        assert len(answers) == 13 * count


def test_a_model_that_refuses_every_request_is_not_asked_for_the_whole_dataset(server: FaultServer) -> None:
    with pytest.raises(GenerationError) as error:
        ask(at(server), SpendingLimit(), *(f"r{i}" for i in range(5000)))
    assert "all 64 requests failed" in str(
        error.value
    ) and "prompt_model.token_limit_name=max_completion_tokens" in str(error.value)
    assert len(server.requests) < 300


def test_the_model_of_a_filter_has_a_circuit_breaker_of_its_own(server: FaultServer) -> None:
    spending = SpendingLimit()
    ask(at(server), spending, "a1")
    with pytest.raises(GenerationError, match="prompt_model.name=judge at .*: all 5 requests failed"):
        ask(at(server, name="judge"), spending, *(f"b{i}" for i in range(5)))
