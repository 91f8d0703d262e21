"""Parameters of a request: null is not sent, further ones are, and a refused one is named with its mend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_requests import ask, at, echo, requests
from config_groups import prompt_model
from conftest import compose
from fake_endpoint import FakeEndpoint, Reply, fails
from gather_completions import gather

from littlehuman.config.identity import run_id
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.prompt_models.parameters import refused_parameter_mend
from littlehuman.prompt_models.settings import check_prompt_model, refuse_api_keys
from littlehuman.prompting import request_key
from littlehuman.schema import PriceConfig, PromptModelConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")
MODEL = prompt_model("openai_compatible")
MESSAGES = [{"role": "user", "content": "q"}]


@pytest.mark.parametrize(
    ("values", "absent"),
    [
        ({"temperature": None}, {"temperature"}),
        ({"top_p": None}, {"top_p"}),
        ({"token_limit_name": None}, {"max_tokens", "max_completion_tokens"}),
        ({"temperature": None, "top_p": None, "token_limit_name": None}, {"temperature", "top_p", "max_tokens"}),
    ],
    ids=["temperature", "top_p", "limit of tokens", "all"],
)
def test_a_parameter_that_is_null_is_not_sent(values: dict[str, Any], absent: set[str]) -> None:
    with FakeEndpoint(echo) as fake:
        ask(at(fake, **values), 1)
    usual = {"model", "messages", "temperature", "top_p", "max_tokens"}
    assert fake.requests[0].keys() == usual - absent


def test_further_parameters_are_sent_as_they_are_written() -> None:
    further = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "stop": ["\n\n"]}
    with FakeEndpoint(echo) as fake:
        ask(at(fake, reasoning_effort="low", extra_body=further), 1)
    assert fake.requests[0].items() >= {"reasoning_effort": "low", **further}.items()


def test_the_command_line_sets_and_unsets_parameters() -> None:
    line = ("prompt_model=openai_compatible", "prompt_model.temperature=null", "prompt_model.token_limit_name=null")
    config = compose(*line, "prompt_model.extra_body={chat_template_kwargs:{enable_thinking:false},top_k:20}")
    model: PromptModelConfig = config.prompt_model
    assert (model.temperature, model.token_limit_name) == (None, None)
    assert model.extra_body == {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20}
    assert json.dumps(model.extra_body)
    mended = compose(*line, "prompt_model.extra_body={top_k:20,min_p:0.1}", "~prompt_model.extra_body.top_k")
    assert mended.prompt_model.extra_body == {"min_p": 0.1}


SET: dict[str, str] = {
    "temperature": "prompt_model.temperature=null",
    "top_p": "prompt_model.top_p=null",
    "limit of tokens": "prompt_model.token_limit_name=null",
    "effort": "prompt_model.reasoning_effort=low",
    "further": "prompt_model.extra_body={top_k:20}",
    "others": "prompt_model.extra_body={top_k:21}",
}


def test_each_parameter_that_is_set_makes_another_request_and_another_run() -> None:
    configs = [compose("prompt_model=openai_compatible", word, "synth_frac=1") for word in SET.values()]
    usual = compose("prompt_model=openai_compatible", "synth_frac=1")
    keys = {request_key(config.prompt_model, MESSAGES, 120) for config in [usual, *configs]}
    assert len(keys) == len({run_id(config) for config in [usual, *configs]}) == len(SET) + 1


@pytest.mark.parametrize("word", ["token_limit_name=max_completion_tokens", "extra_body={}", "extra_body=null"])
def test_what_is_not_set_leaves_requests_and_runs_as_they_were(word: str) -> None:
    usual, other = (
        compose("prompt_model=openai_compatible", "synth_frac=1", *words) for words in ([], [f"prompt_model.{word}"])
    )
    assert request_key(usual.prompt_model, MESSAGES, 120) == request_key(other.prompt_model, MESSAGES, 120)
    assert run_id(usual) == run_id(other)


# --- refusals ------------------------------------------------------------------------------------


def openai_error(message: str, param: str | None, code: str = "unsupported_parameter") -> Reply:
    return Reply({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}, 400)


REFUSALS: dict[str, tuple[Reply, str]] = {
    "OpenAI, max_tokens": (
        openai_error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
        ),
        "prompt_model.token_limit_name=max_completion_tokens, or null",
    ),
    "OpenAI, temperature": (
        openai_error(
            "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is "
            "supported.",
            "temperature",
            "unsupported_value",
        ),
        "prompt_model.temperature=null",
    ),
    "a gateway that names no parameter": (
        fails(400, "Unsupported parameter: 'top_p' is not supported with this model."),
        "prompt_model.top_p=null",
    ),
    "Anthropic": (
        fails(400, "`temperature` and `top_p` cannot both be specified for this model."),
        "prompt_model.temperature=null",
    ),
    "deprecated": (fails(400, "`temperature` is deprecated for this model."), "prompt_model.temperature=null"),
    "pydantic": (
        Reply(
            {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}
                ]
            },
            422,
        ),
        "~prompt_model.extra_body.top_k, ",
    ),
    "camel case": (
        fails(400, "Argument not supported on this model: reasoningEffort"),
        "prompt_model.reasoning_effort=null",
    ),
}


@pytest.mark.parametrize(("reply", "mend"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_parameter_ends_the_run_and_the_mend_names_it(reply: Reply, mend: str) -> None:
    with FakeEndpoint(lambda q, attempt: reply) as fake, pytest.raises(GenerationError) as error:
        ask(at(fake, reasoning_effort="low", extra_body={"top_k": 20, "min_p": 0.1}, concurrency=2), 50)
    assert f"\nTry: {mend}" in str(error.value)
    assert len(fake.requests) <= 4


@pytest.mark.parametrize(
    "said",
    [
        "'max_tokens' is too large: 4000. This model's maximum context length is 2048 tokens.",
        "This model does not support prompts with more than 8 images",
        "content policy: the text names temperature",
        "the label 'temperature' is not in the list",
    ],
)
def test_a_refusal_of_one_prompt_is_no_refusal_of_a_parameter(said: str) -> None:
    assert refused_parameter_mend(said, None, MODEL) == ""


def test_a_batch_that_is_refused_for_a_parameter_is_mended_by_that_parameter() -> None:
    reply = fails(400, "Unsupported parameter: 'temperature' is not supported with this model.")
    mend = refused_parameter_mend(reply.body["error"]["message"], None, prompt_model("gpt-4-turbo", batch_api=True))
    assert mend.startswith("prompt_model.temperature=null")


# --- settings that cannot be -----------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a setting of its own": ("openai_compatible", {"extra_body": {"temperature": 1}}, "prompt_model.temperature"),
    "a stream": ("openai_compatible", {"extra_body": {"stream": True}}, "one answer is read"),
    "many answers": ("openai_compatible", {"extra_body": {"n": 5}}, "one answer is read"),
    "a list": ("openai_compatible", {"extra_body": ["top_k"]}, "must be a table"),
    "no number": ("openai_compatible", {"extra_body": {"x": float("nan")}}, "is no JSON value"),
    "a local model without temperature": ("smollm2", {"temperature": None}, "leaves the choice to an endpoint"),
    "a local model with effort": ("smollm2", {"reasoning_effort": "low"}, "requests to an endpoint"),
    "a dearer cache": (
        "openai_compatible",
        {"price": PriceConfig(prompt=1.0, cached_prompt=2.0)},
        "must be at most prompt_model.price.prompt=1",
    ),
    "an effort of nothing": ("openai_compatible", {"reasoning_effort": " "}, "must be a word"),
}


@pytest.mark.parametrize(("name", "values", "said"), WRONG.values(), ids=WRONG.keys())
def test_impossible_parameters_are_refused(name: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_prompt_model(prompt_model(name, **values))
    assert said in str(error.value)


def test_a_limit_of_money_needs_a_limit_of_tokens() -> None:
    with FakeEndpoint(echo) as fake, pytest.raises(ConfigError, match="token_limit_name=null"):
        model = at(fake, token_limit_name=None, max_usd=1.0, price=PriceConfig(prompt=1.0, completion=1.0))
        gather(requests(2), model, 50, progress=False)
    assert fake.requests == []


@pytest.mark.parametrize(
    "argument",
    [
        "prompt_model.extra_body={api_key: sk-R3SECRET}",
        "prompt_model.extra_body={'authorization':'Bearer R3SECRET'}",
        "prompt_model.extra_body.api_key=R3SECRET",
    ],
)
def test_a_secret_within_a_value_is_refused_and_not_shown(argument: str) -> None:
    with pytest.raises(ConfigError) as error:
        refuse_api_keys(["seed=0", argument])
    assert "SECRET" not in str(error.value) and "=***" in str(error.value)


@pytest.mark.parametrize(
    "argument",
    [
        "prompt_model.base_url=http://me:${oc.env:PASSWORD}@host/v1",
        "prompt_model.base_url=http://host:8000/v1",
        "prompt_model.extra_body={max_token_length:3,top_k:20}",
        "prompt_model.name=you@home",
    ],
)
def test_a_value_without_a_secret_is_taken(argument: str) -> None:
    refuse_api_keys([argument])
