"""Answers in parts, and the tokens that they are billed for, as providers send them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from chat_requests import at, requests
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, Reply, says
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.generation.costs import usd
from littlehuman.generation.spending import SpendingLimit
from littlehuman.prompt_models.responses import RequestError, read_body, read_response
from littlehuman.prompt_models.usage import Usage, read_usage
from littlehuman.records import Completion
from littlehuman.schema import PriceConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")
FINE = "Claim: It leaves. || Label: True"
THINKS = {"type": "thinking", "thinking": [{"type": "text", "text": "Claim: It sinks."}]}


def body(content: Any, usage: dict[str, Any] | None = None, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": usage if usage is not None else {"prompt_tokens": 10, "completion_tokens": 5}}


PARTS: dict[str, tuple[dict[str, Any], str]] = {
    "a list of one": (body([{"type": "text", "text": FINE}]), FINE),
    "two texts": (
        body([{"type": "text", "text": "Claim: It leaves."}, {"type": "text", "text": " || Label: True"}]),
        FINE,
    ),
    "strings": (body(["Claim: It leaves.", " || Label: True"]), FINE),
    "an output text": (body([{"type": "output_text", "text": FINE, "annotations": []}]), FINE),
    "a text with a value": (body([{"type": "text", "text": {"value": FINE, "annotations": []}}]), FINE),
    "one part without a list": (body({"type": "text", "text": FINE}), FINE),
    "Mistral's thinking": (body([THINKS, {"type": "text", "text": FINE}]), FINE),
    "a reasoning part": (
        body([{"type": "reasoning", "text": "Claim: It sinks."}, {"type": "text", "text": FINE}]),
        FINE,
    ),
    "a thought of Gemini": (body([{"text": "Claim: It sinks.", "thought": True}, {"text": FINE}]), FINE),
    "a redacted thought": (body([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": FINE}]), FINE),
    "reasoning beside it": (body(FINE, reasoning_content="Claim: It sinks."), FINE),
    "reasoning alone": (body(None, {}, reasoning_content="Claim: It sinks."), ""),
    "reasoning alone, by another name": (body("", {}, reasoning="Claim: It sinks."), ""),
    "thinking alone": (body([THINKS], {}), ""),
    "a tool call alone": (body(None, {}, tool_calls=[{"id": "1"}]), ""),
    "parts of other kinds": (
        body([{"type": "image_url", "image_url": {}}, None, 3, {"type": "text", "text": FINE}]),
        FINE,
    ),
}


@pytest.mark.parametrize(("reply", "text"), PARTS.values(), ids=PARTS.keys())
def test_an_answer_in_parts_is_the_text_without_the_thoughts(reply: dict[str, Any], text: str) -> None:
    found = read_response("k", reply)
    assert isinstance(found, Completion) and (found.text, found.finish) == (text, "stop")


def test_a_refusal_in_parts_is_a_refusal() -> None:
    found = read_response("k", body([{"type": "refusal", "refusal": "I will not."}]))
    assert found == Completion("k", "I will not.", "refusal", 10, 5)


def test_parts_within_parts_without_end_harm_nothing() -> None:
    nested: Any = FINE
    for _ in range(500):
        nested = [{"type": "text", "text": nested}]
    assert isinstance(read_response("k", body(nested)), Completion)


KEPT = {
    "parts": says([{"type": "text", "text": "x"}]),  # type: ignore[arg-type]
    "parts of thoughts": says([THINKS]),  # type: ignore[arg-type]
    "thoughts beside nothing": says(None, usage=None, reasoning_content="hm"),
    "no choices, though they cost": Reply({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}),
}


@pytest.mark.parametrize("reply", KEPT.values(), ids=KEPT.keys())
def test_whatever_was_paid_for_is_kept_and_asked_once(reply: Reply) -> None:
    with FakeEndpoint(lambda q, attempt: reply) as fake:
        first, _ = gather(requests(2), at(fake), 50, progress=False)
        again, bill = gather(requests(2), at(fake), 50, progress=False)
    assert len(fake.requests) == 2 and bill.from_cache == 2 and first == again


# --- tokens ------------------------------------------------------------------------------------

USAGES: dict[str, tuple[Any, Usage]] = {
    "OpenAI: thoughts within": (
        {
            "prompt_tokens": 1486,
            "completion_tokens": 651,
            "total_tokens": 2137,
            "prompt_tokens_details": {"cached_tokens": 1408},
            "completion_tokens_details": {"reasoning_tokens": 512},
        },
        Usage(1486, 651, 1408),
    ),
    "Gemini: thoughts beside, only in the total": (
        {"prompt_tokens": 758, "completion_tokens": 102, "total_tokens": 1725},
        Usage(758, 967),
    ),
    "xAI: thoughts beside": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 151,
            "completion_tokens_details": {"reasoning_tokens": 110},
        },
        Usage(32, 119),
    ),
    "thoughts beside, no total": (
        {"prompt_tokens": 32, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 110}},
        Usage(32, 119),
    ),
    "thoughts beside the usage": ({"prompt_tokens": 3, "completion_tokens": 2, "reasoning_tokens": 7}, Usage(3, 9)),
    "DeepSeek's cache": (
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "total_tokens": 105},
        Usage(100, 5, 64),
    ),
    "other names": ({"input_tokens": 7, "output_tokens": 3}, Usage(7, 3)),
    "a total alone": ({"total_tokens": 12, "completion_tokens": 5}, Usage(7, 5)),
    "a total that is too small": ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 2}, Usage(10, 5)),
    "more from the cache than there is": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}},
        Usage(10, 5),
    ),
    "numbers with a point": ({"prompt_tokens": 10.0, "completion_tokens": 5.0}, Usage(10, 5)),
    "10^400 tokens": ({"prompt_tokens": 10**400, "completion_tokens": 5}, Usage()),
    "infinitely many": ({"prompt_tokens": 10, "completion_tokens": float("inf")}, Usage()),
    "less than none": ({"prompt_tokens": -5, "completion_tokens": 5}, Usage(0, 5)),
    "no numbers": ({"prompt_tokens": "many", "completion_tokens": True, "total_tokens": None}, Usage()),
    "nothing": (None, Usage()),
    "a list": ([1, 2], Usage()),
    "details of another kind": (
        {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": [3]},
        Usage(1, 2),
    ),
}


@pytest.mark.parametrize(("given", "expected"), USAGES.values(), ids=USAGES.keys())
def test_all_tokens_that_are_billed_are_counted(given: Any, expected: Usage) -> None:
    assert read_usage(given) == expected


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_answer_with_an_absurd_usage_is_kept_as_one_without_usage(digits: int) -> None:
    raw = f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {{"completion_tokens": 1{"0" * digits}}}}}'
    assert read_body("k", raw.encode(), "application/json") == Completion("k", "x", "", 0, 0)


def test_json_that_is_nested_too_deep_is_no_answer() -> None:
    found = read_body("k", b"[" * 200_000, "application/json")
    assert isinstance(found, RequestError) and found.reason.startswith("not an answer of a chat endpoint")


def thoughtful(thoughts: int, cached: int = 0) -> Reply:
    reply = says("x")
    counts = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 + thoughts}
    reply.body["usage"] = counts | {"prompt_tokens_details": {"cached_tokens": cached}}
    return reply


def test_thoughts_beside_the_completion_are_on_the_bill() -> None:
    price = PriceConfig(prompt=1000.0, completion=2000.0)
    with FakeEndpoint(lambda q, attempt: thoughtful(100)) as fake:
        _, bill = gather(requests(3), at(fake, price=price), 50, progress=False)
    assert bill.completion_tokens == 3 * 105
    assert bill.usd == pytest.approx(3 * (10 * 1000 + 105 * 2000) / 1e6)


def test_the_limit_of_money_sees_thoughts_beside_the_completion() -> None:
    price, spending = PriceConfig(prompt=1000.0, completion=2000.0), SpendingLimit(2.0)
    with FakeEndpoint(lambda q, attempt: thoughtful(100)) as fake, pytest.raises(GenerationError, match="max_usd=2"):
        gather(requests(50), at(fake, price=price, max_usd=2.0, concurrency=1), 50, spending, progress=False)
    assert spending.bill.usd <= 2.0 and len(fake.requests) == spending.bill.requests


def test_cached_prompt_tokens_have_their_own_price_also_when_the_answer_comes_from_our_cache() -> None:
    price = PriceConfig(prompt=1000.0, completion=2000.0, cached_prompt=100.0)
    with FakeEndpoint(lambda q, attempt: thoughtful(0, cached=8)) as fake:
        _, bill = gather(requests(1), at(fake, price=price), 50, progress=False)
        _, again = gather(requests(1), at(fake, price=price), 50, progress=False)
    assert bill.usd == again.usd_without_cache == pytest.approx((2 * 1000 + 8 * 100 + 5 * 2000) / 1e6)


def test_without_a_price_of_their_own_cached_tokens_cost_what_others_cost() -> None:
    price = PriceConfig(prompt=1000.0, completion=2000.0)
    assert usd(10, 5, price, cached=8) == usd(10, 5, price)
    assert usd(10, 5, replace(price, cached_prompt=0.0), cached=8) == pytest.approx(usd(2, 5, price))


def test_a_text_of_a_stranger_is_printable_where_it_enters() -> None:
    reply = body("Claim: \x1b[31mIt\x1b[0m\tleaves.\x07\nLabel: \x1b]0;owned\x07True\u202e\x9b2J")
    reply["choices"][0]["finish_reason"] = "st\x1b[2Jop\u2066"
    found = read_response("k", reply, prompt_model("openai_compatible"))
    assert isinstance(found, Completion)
    assert (found.text, found.finish) == ("Claim: It\tleaves.\nLabel: True", "stop")
