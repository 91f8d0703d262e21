"""Structured outputs: the JSON schema of an answer form, and answers that are JSON objects."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model, strategy
from fault_server import FaultServer, ScriptedReply, answer, refusal

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompting import build_prompts
from littlehuman.prompting.answer_schema import answer_schema, parse_object
from littlehuman.prompting.parsing import parse
from littlehuman.prompting.templates import form_fields
from littlehuman.records import Completion, Example, Prompt, Rejected, Synthetic

FACTS = ("supported", "unsupported")
CLAIM = Example("c1", "The ferry leaves at noon.", "The human claim.", ("supported",))
ZERO, COT = strategy("zero_shot"), strategy("cot")
TEMPLATE = ZERO.tasks["fv"]
MARKERS = form_fields(TEMPLATE.assistant)


@pytest.fixture(autouse=True)
def no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def parsed_answers(server: FaultServer, **values: Any) -> list[Synthetic | Rejected]:
    """Three requests for a claim, through prompts, endpoint and parser."""
    model = prompt_model("openai_compatible", **{"base_url": server.url, "json_schema": True, **values})
    examples = [replace(CLAIM, id=f"c{i}", evidence=f"Ferry {i} leaves at noon.") for i in range(3)]
    requests = list(build_prompts(examples, [], ZERO, "fv", model, FACTS))
    by_key = {prompt.key: example for prompt, example in zip(requests, examples, strict=True)}
    return [parse(found, by_key[found.key], TEMPLATE, FACTS) for found in Endpoint(model).complete(requests, 50)]


def first_prompt(**values: Any) -> Prompt:
    return next(build_prompts([CLAIM], [], ZERO, "fv", prompt_model("openai_compatible", **values), FACTS))


# --- the schema --------------------------------------------------------------------------------


def test_the_schema_has_the_fields_of_the_form_in_its_order_and_the_words_of_the_classes() -> None:
    assert answer_schema(COT.tasks["fv"], FACTS) == {
        "type": "object",
        "properties": {
            "explanation": {"type": "string", "description": "Explanation"},
            "text": {"type": "string", "description": "Claim"},
            "target": {"type": "string", "description": "Label", "enum": ["True", "False"]},
        },
        "required": ["explanation", "text", "target"],
        "additionalProperties": False,
    }


def test_free_answers_are_any_text() -> None:
    assert answer_schema(ZERO.tasks["qa"], ())["properties"]["target"] == {"type": "string", "description": "Answer"}


def test_a_schema_makes_another_request_and_none_leaves_the_key_as_it_is() -> None:
    plain, held = first_prompt(), first_prompt(json_schema=True)
    assert plain.schema is None and held.schema == answer_schema(TEMPLATE, FACTS)
    assert plain.key != held.key and plain.messages == held.messages


# --- objects in answers ------------------------------------------------------------------------

OBJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "fields": ('{"text": "a", "target": "True"}', {"text": "a", "target": "True"}),
    "the form's words": ('{"CLAIM": "a", "label": "True"}', {"text": "a", "target": "True"}),
    "a number and a truth": ('{"text": 7, "target": true}', {"text": "7", "target": "True"}),
    "other keys": ('{"text": "a", "id": "3", "note": "n"}', {"text": "a"}),
    "nested values": ('{"text": ["a"], "target": {"b": 1}}', {}),
    "a raw line break": ('{"text": "a\nb", "target": "True"}', {"text": "a\nb", "target": "True"}),
    "chatter behind it": ('{"text": "a", "target": "True"} There you are.', {"text": "a", "target": "True"}),
    "a fence": ('```json\n{"text": "a", "target": "True"}\n```', {"text": "a", "target": "True"}),
    "no object": ('Claim: {"text": "a"}', {}),
    "an object that ends nowhere": ('{"text": "a"', {}),
    "too deep": ("{" + '"a":{' * 100_000, {}),
    "a list": ('["a"]', {}),
}


@pytest.mark.parametrize(("text", "expected"), OBJECTS.values(), ids=OBJECTS.keys())
def test_an_object_gives_the_fields_that_it_has(text: str, expected: dict[str, str]) -> None:
    assert parse_object(text, MARKERS) == expected


# --- through a real endpoint -------------------------------------------------------------------


def test_the_schema_is_sent_and_the_object_that_comes_is_read() -> None:
    said = json.dumps({"text": "Ferries leave at noon.", "target": "True"})
    with FaultServer(lambda question, attempt: answer(said)) as server:
        found = parsed_answers(server)
    assert [(twin.text, twin.target) for twin in found if isinstance(twin, Synthetic)] == [
        ("Ferries leave at noon.", "supported")
    ] * 3
    held = {"name": "answer", "strict": True, "schema": answer_schema(TEMPLATE, FACTS)}
    assert server.requests[0]["response_format"] == {"type": "json_schema", "json_schema": held}


def test_without_the_setting_no_schema_is_sent() -> None:
    with FaultServer(lambda question, attempt: answer("Claim: Ferries leave at noon. || Label: True")) as server:
        parsed_answers(server, json_schema=False)
    assert "response_format" not in server.requests[0]


def test_an_endpoint_that_ignores_the_schema_still_gives_twins() -> None:
    with FaultServer(lambda question, attempt: answer("Claim: Ferries leave at noon. || Label: True")) as server:
        found = parsed_answers(server)
    assert [twin.text for twin in found if isinstance(twin, Synthetic)] == ["Ferries leave at noon."] * 3


@pytest.mark.parametrize("status", [400, 422])
def test_an_endpoint_that_refuses_the_schema_is_one_clear_error_with_its_mend(status: int) -> None:
    with (
        FaultServer(lambda question, attempt: refusal(status, "Unknown parameter: 'response_format'.")) as server,
        pytest.raises(
            GenerationError,
            match="Unknown parameter.*\nTry: prompt_model.json_schema=false: this endpoint takes no schema",
        ),
    ):
        parsed_answers(server, concurrency=1)
    assert len(server.requests) == 1


def test_a_request_that_is_refused_for_something_else_is_its_own_failure() -> None:
    fates = {"Context: Ferry 1 leaves at noon.": refusal(400, "content policy")}
    with FaultServer(
        lambda question, attempt: fates.get(question, answer("Claim: Ferries leave. || Label: True"))
    ) as server:
        found = parsed_answers(server)
    assert sorted(type(twin).__name__ for twin in found) == ["Rejected", "Synthetic", "Synthetic"]
    assert [twin.reason for twin in found if isinstance(twin, Rejected)] == ["HTTP 400: content policy"]


# --- answers that are no data ------------------------------------------------------------------

WHOLE = "Claim: Ferries leave at noon. || Label: True"
REFUSED = ScriptedReply(
    json.dumps(
        {
            "choices": [
                {
                    "message": {"role": "assistant", "content": None, "refusal": f"I cannot. {WHOLE}"},
                    "finish_reason": "stop",
                }
            ]
        }
    ).encode()
)
NO_DATA: dict[str, tuple[ScriptedReply, str]] = {
    "cut": (answer(WHOLE, finish="length"), "finish reason: length"),
    "filtered": (answer(WHOLE, finish="content_filter"), "finish reason: content_filter"),
    "a tool call": (answer(WHOLE, finish="tool_calls"), "finish reason: tool_calls"),
    "refused": (REFUSED, "finish reason: refusal"),
    "nothing": (answer(" "), "empty answer"),
}


@pytest.mark.parametrize(("reply", "reason"), NO_DATA.values(), ids=NO_DATA.keys())
def test_an_answer_that_did_not_end_by_itself_is_never_data_though_it_reads_well(
    reply: ScriptedReply, reason: str
) -> None:
    with FaultServer(lambda question, attempt: reply) as server:
        found = parsed_answers(server, json_schema=False)
    assert [(type(twin), twin.reason) for twin in found if isinstance(twin, Rejected)] == [(Rejected, reason)] * 3
    assert server.paid.total() == 3


def test_a_completion_keeps_the_finish_that_came_so_that_the_cache_holds_it_too() -> None:
    model_answer = answer(WHOLE, finish="length")
    with FaultServer(lambda question, attempt: model_answer) as server:
        model = prompt_model("openai_compatible", base_url=server.url)
        found = list(Endpoint(model).complete([first_prompt()], 50))
    assert isinstance(found[0], Completion) and found[0].finish == "length"
