"""Batches: the files that go up, the answers that come down, batches that end otherwise."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from batch_requests import (
    at,
    interrupt_at,
    left_behind,
    requests,
    run,
    said,
)
from config_groups import prompt_model
from fake_batches import BatchEnd, FakeBatches, answer, echo, refusal
from gather_completions import gather

from littlehuman.errors import ConfigError, GenerationError
from littlehuman.prompt_models import batch_api, open_model
from littlehuman.prompt_models.batch_api import BatchEndpoint
from littlehuman.prompt_models.cache import CompletionWriter, cache_path
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PriceConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment", "short_listing_delay")


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
    with FakeBatches(echo, BatchEnd(rewrite=rewrite)) as fake:
        assert run(at(fake), *range(5)) == said(*range(5))
    assert fake.sizes == [5]


def test_what_is_odd_in_the_output_is_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FakeBatches(echo, BatchEnd(rewrite=lambda lines: with_strangers(twice(lines)))) as fake:
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
    with FakeBatches(echo, BatchEnd(status, 2), BatchEnd()) as fake:
        assert run(at(fake), *range(5)) == said(*range(5))
    assert fake.sizes == [5, 3] and set(fake.asked.values()) == {1}


def test_a_batch_that_answered_nothing_and_left_no_file_is_asked_again() -> None:
    with FakeBatches(
        lambda q, attempt: None if attempt == 1 else echo(q, attempt), BatchEnd("expired"), BatchEnd()
    ) as fake:
        assert run(at(fake), 0) == said(0)


def test_requests_are_asked_at_most_so_many_rounds_and_then_fail_with_the_reason() -> None:
    with FakeBatches(echo, BatchEnd("expired", 1)) as fake:
        answers = run(at(fake, retries=2), *range(5))
    assert fake.sizes == [5, 4, 3]
    reason = "batch_expired: This request could not be executed."
    assert answers == {**said(0, 1, 2), "k3": Failure("k3", reason), "k4": Failure("k4", reason)}
    assert left_behind(at(fake)) == []


def test_rounds_are_counted_across_restarts() -> None:
    with FakeBatches(echo, BatchEnd("expired", 1)) as fake:
        config = at(fake, retries=1, poll_s=0.01)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_api, "_poll", interrupt_at(2, batch_api._poll))
            with pytest.raises(KeyboardInterrupt):
                run(config, *range(4))
        answers = run(config, *range(4))
    assert fake.sizes == [4, 3] and [key for key, a in answers.items() if isinstance(a, Failure)] == ["k2", "k3"]


def test_requests_that_the_validation_names_fail_and_the_others_are_asked() -> None:
    named = [{"code": "invalid_request", "message": "bad role", "line": 2, "param": None}]
    with FakeBatches(echo, BatchEnd("failed", errors=named), BatchEnd()) as fake:
        answers = run(at(fake), 0, 1, 2)
    assert answers == {**said(0, 2), "k1": Failure("k1", "the batch was refused for this request: bad role")}
    assert fake.sizes == [3, 2]


def test_a_validation_that_fails_as_a_whole_is_not_tried_again() -> None:
    whole = [{"code": "model_not_found", "message": "no such model in batches", "line": None}]
    with FakeBatches(echo, BatchEnd("failed", errors=whole)) as fake, pytest.raises(GenerationError) as error:
        gather(requests(0, 1, 2), at(fake), 50, progress=False)
    assert (
        f"prompt_model.name=model at {fake.url}: all 3 requests failed, 3 of them so: the batch was refused: no such"
        in str(error.value)
    )
    assert (
        "Try: mend what the reason names; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false"
        in str(error.value)
    )
    assert fake.sizes == [3] and left_behind(at(fake)) == []


def test_a_batch_for_which_the_queue_is_full_waits_until_another_one_has_ended() -> None:
    full = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]
    with FakeBatches(echo, BatchEnd(polls=12), BatchEnd("failed", errors=full), BatchEnd()) as fake:
        assert run(at(fake, batch_requests=2, retries=0), *range(4)) == said(*range(4))
    assert fake.sizes == [2, 2, 2]


def test_the_log_tells_how_a_batch_does_when_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FakeBatches(echo, BatchEnd(polls=6)) as fake:
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
        with CompletionWriter(cache_path(at(fake))) as writer:
            writer.add(Completion("k2", "asked online", "stop", 1, 1))
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
