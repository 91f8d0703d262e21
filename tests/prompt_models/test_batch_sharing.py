"""Several runs and one batch: parts are shared, and nothing is paid twice."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from batch_requests import (
    Answers,
    at,
    breaking,
    interrupt_at,
    left_behind,
    requests,
    run,
    said,
    saved,
    stop_when_running,
)
from fake_batches import BatchEnd, Broken, FakeBatches, echo, refusal
from fake_endpoint import FakeEndpoint, says
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.generation.request_locks import RequestLocks
from littlehuman.prompt_models.batch_store import BatchStore, Phase, Submission
from littlehuman.prompt_models.cache import cache_path
from littlehuman.schema import PriceConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment", "short_listing_delay")


def test_what_a_batch_holds_is_not_asked_online_and_paid_twice() -> None:
    with FakeBatches(echo, BatchEnd(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1, 2)
        online = replace(config, batch_api=False)
        with pytest.raises(GenerationError) as error:
            gather(requests(1, 2, 3), online, 50, progress=False)
        assert "2 of these requests were handed in to the batch API" in str(error.value) and "batch_api=true" in str(
            error.value
        )
        assert saved(config)[0]["batch"] in str(error.value) and str(cache_path(config)) in str(error.value)
        assert run(config, 0, 1, 2) == said(0, 1, 2)  # nothing of it was lost
        assert gather(requests(1, 2), online, 50, progress=False)[0] == said(1, 2)
    assert set(fake.asked.values()) == {1}


def test_who_waits_for_a_process_that_leaves_a_batch_behind_does_not_pay_for_it_online() -> None:
    with FakeBatches(echo, BatchEnd(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1)
        held, left = threading.Event(), threading.Event()

        def other() -> None:
            with RequestLocks(cache_path(config)).acquire({"k0", "k1"}):
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
    with FakeBatches(echo, BatchEnd(polls=3)) as fake:
        config = at(fake)
        stop_when_running(config, 0, 1)
        other = BatchStore(cache_path(config) / "batches")
        assert all(other.lock(submission) for submission in other.containing({"k0"}, fake.url))  # it collects k0
        with pytest.raises(GenerationError, match="1 of these requests were handed in to the batch API"):
            gather(requests(1), replace(config, batch_api=False), 50, progress=False)
        other.close()
        assert run(config, 0, 1) == said(0, 1)


def test_a_batch_that_was_refused_is_handed_in_anew_by_the_same_command_and_may_be_asked_online() -> None:
    unpaid = [{"code": "billing_hard_limit_reached", "message": "Billing limit reached", "line": None}]
    with FakeBatches(echo, BatchEnd("failed", errors=unpaid), BatchEnd("failed", errors=unpaid), BatchEnd()) as fake:
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
    with (
        FakeBatches(echo, BatchEnd(polls=3)) as fake,
        FakeEndpoint(lambda q, attempt: says(f"You asked {q}")) as online,
    ):
        config = at(fake)
        stop_when_running(config, 0, 1)
        elsewhere = replace(
            config, batch_api=False, base_url=online.url
        )  # another provider's batches say nothing about this one
        assert gather(requests(0), elsewhere, 50, progress=False)[0].keys() == {"k0"}


def test_a_sweep_hands_all_its_batches_in_before_it_waits_for_any() -> None:
    with FakeBatches(echo, BatchEnd(polls=4), BatchEnd(polls=4)) as fake:
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
    with FakeBatches(echo, BatchEnd(polls=3)) as fake:
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
    with FakeBatches(echo, BatchEnd(polls=5)) as fake:
        config = at(fake)
        stop_when_running(config, *range(6))
        assert run(config, 0, 1, 2) == said(0, 1, 2)
        assert saved(config)[0]["keys"] == ["k3", "k4", "k5"]  # they wait for whoever wants them
        assert run(config, 3, 4, 5, 6) == said(3, 4, 5, 6)
    assert fake.sizes == [6, 1] and left_behind(config) == []


def test_two_runs_at_once_that_want_parts_of_one_batch_pay_nothing_twice() -> None:
    with FakeBatches(
        lambda q, attempt: None if q in ("q1", "q4") and attempt == 1 else echo(q, attempt), BatchEnd(polls=5)
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
        assert [state["keys"] for state in saved(at(fake))] == [["k0", "k1"]]
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
        other.lock(theirs)
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
