"""The answer form as JSON: a schema for endpoints with structured outputs, and the parser of such an answer.

In: a strategy's answer form, for example `Claim: {text} || Label: {target}`. Out: a JSON schema with the fields
`text` and `target` in that order (`prompt_model.json_schema=true`); of an answer, the fields that its object has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from littlehuman.prompting.templates import form_fields
from littlehuman.schema import PromptText

_OBJECT_START = re.compile(r"(?:```\w*\s*)?(?=\{)")
_DECODER = json.JSONDecoder(strict=False)  # a raw line break within a string does no harm


def answer_schema(template: PromptText, classes: Sequence[str]) -> dict[str, Any]:
    """The schema of an answer; with classes its target is one of their words.

    All fields are required and no others allowed, as OpenAI's strict structured outputs demand.
    """
    properties: dict[str, dict[str, Any]] = {
        name: {"type": "string", "description": marker} for marker, name in form_fields(template.assistant).items()
    }
    if classes:
        properties["target"]["enum"] = [template.label_words.get(name, name) for name in classes]
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse_object(text: str, markers: Mapping[str, str]) -> dict[str, str]:
    """The fields of the JSON object that `text` begins with, by name; empty where it begins with none.

    `markers` maps each word of the answer form to its field: an object may have either as its key.
    """
    start = _OBJECT_START.match(text)
    if start is None:
        return {}
    try:
        value, _ = _DECODER.raw_decode(text, start.end())
    except (ValueError, RecursionError):
        return {}
    names = {marker.casefold(): name for marker, name in markers.items()} | {name: name for name in markers.values()}
    found = {names.get(key.casefold()): _as_text(item) for key, item in value.items()}
    return {name: item for name, item in found.items() if name and item}


def _as_text(value: object) -> str:
    """A string, number or truth value as text; a list or an object gives none."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool | int | float) else ""
