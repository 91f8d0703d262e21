"""A batch API in trouble: lost replies, outages, refusals."""

import threading
import time

import pytest
from batch_requests import (
    RETRY_AT_ONCE,
    at,
    breaking,
    run,
    said,
    saved,
)
from config_groups import prompt_model
from fake_batches import Broken, FakeBatches

from littlehuman.errors import GenerationError
from littlehuman.prompt_models import batch_client
from littlehuman.prompt_models.cache import cache_path

pytestmark = pytest.mark.usefixtures("endpoint_environment", "short_listing_delay")


@pytest.mark.parametrize("what", ["upload", "retrieve", "content", "list"])
@pytest.mark.parametrize(
    "broken",
    [
        Broken(500, RETRY_AT_ONCE),
        Broken(429, RETRY_AT_ONCE),
        Broken(),
        Broken(503, {**RETRY_AT_ONCE, "x-should-retry": "false"}),
    ],
    ids=str,
)
def test_a_transient_error_in_any_call_is_waited_for(what: str, broken: Broken) -> None:
    with FakeBatches(tap=breaking(what, "before", broken)) as fake:
        assert run(at(fake), 0, 1) == said(0, 1)
    assert fake.sizes == [2]


def test_a_provider_that_fails_many_polls_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches(tap=breaking("retrieve", "before", Broken(500, RETRY_AT_ONCE, "maintenance"), times=30)) as fake:
        assert run(at(fake, retries=1), 0) == said(0)
    assert fake.calls["retrieve"] > 30 and "HTTP 500: maintenance; trying again in 0.01 s" in caplog.text


def test_a_provider_that_stays_away_ends_the_run_and_the_batch_is_found_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = threading.Event()

    def tap(what: str, when: str, count: int) -> None:
        if what == "retrieve" and not down.is_set():
            raise Broken(500, RETRY_AT_ONCE, "maintenance")

    with FakeBatches(tap=tap) as fake:
        with monkeypatch.context() as patch:
            patch.setattr(batch_client, "MAX_OUTAGE_S", 0.1)
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
        assert saved(at(fake)) == []
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


def test_a_state_that_cannot_be_read_is_an_error_and_nothing_is_paid() -> None:
    with FakeBatches() as fake:
        state = cache_path(at(fake)) / "batches" / "x.json"
        state.parent.mkdir(parents=True)
        state.write_text('{"id": "x"')
        with pytest.raises(GenerationError, match="cannot be read"):
            run(at(fake), 0)
    assert not fake.calls
