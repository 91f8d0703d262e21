"""The text of a message, whichever form its provider gives it: a string, or a list of parts.

In: the `message` of a reply. Out: the text that is the answer. Parts that hold thoughts are left out (Mistral:
`{"type": "thinking", ...}`; others: `reasoning`); they are paid for all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from littlehuman.prompt_models.usage import field_of

_THOUGHTS = re.compile(r"think|thought|reason|analysis|summary", re.IGNORECASE)
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks")
MAX_DEPTH = 8  # of parts within parts


def answer_text(message: Any) -> str | None:
    """The text of a message without its thoughts; None where it has none at all."""
    return _text(field_of(message, "content"))


def has_thoughts(message: Any) -> bool:
    """Whether a message brought thoughts or parts, so that it was paid for though it has no text."""
    given = [field_of(message, name) for name in (*REASONING_FIELDS, "tool_calls", "function_call")]
    content = field_of(message, "content")
    return any(given) or (isinstance(content, list) and any(_has_words(part) for part in content))


def refusal_text(message: Any) -> str:
    """What a model says instead of an answer; empty where it does not refuse."""
    refusal = field_of(message, "refusal")
    if isinstance(refusal, str) and refusal:
        return refusal
    content = field_of(message, "content")
    parts = content if isinstance(content, list) else []
    return next((said for part in parts if isinstance(said := field_of(part, "refusal"), str) and said), "")


def _text(content: Any, depth: int = 0) -> str | None:
    if isinstance(content, str) or depth > MAX_DEPTH:
        return content if isinstance(content, str) else None
    if isinstance(content, list):
        texts = [text for part in content if (text := _text(part, depth + 1)) is not None]
        return "".join(texts) if texts else None
    if not isinstance(content, Mapping) or _is_thought(content):
        return None
    given = (content.get(name) for name in ("text", "content", "value"))
    return next((text for value in given if (text := _text(value, depth + 1)) is not None), None)


def _is_thought(part: Mapping[str, Any]) -> bool:
    return bool(_THOUGHTS.search(str(part.get("type", "")))) or part.get("thought") is True


def _has_words(part: Any) -> bool:
    return isinstance(part, Mapping) and any(
        value for name, value in part.items() if name not in ("type", "index", "id")
    )
