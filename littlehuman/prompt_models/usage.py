"""The number of tokens that a reply is billed for, whichever way its provider counts them.

In: the field `usage` of a reply. Out: tokens of the prompt and of the completion. Thoughts are billed as completion:
OpenAI counts them in it, Gemini and xAI beside it (`total_tokens` has them then). Tokens that the provider read from
its prompt cache are part of the prompt, and have a price of their own (`price.cached_prompt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TOKENS = 10**8  # a larger count is a server's error: no model reads or writes so much


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; `cached` of the prompt's were read from the provider's cache. 0: not known."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0


def read_usage(usage: Any) -> Usage:
    """Read what a provider counted. Counts that cannot be true leave all unknown (0)."""
    prompt, completion = (
        _first(usage, "prompt_tokens", "input_tokens"),
        _first(usage, "completion_tokens", "output_tokens"),
    )
    total = _first(usage, "total_tokens")
    reasoning = _first(_any(usage, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    reasoning = reasoning or _first(usage, "reasoning_tokens")
    if max(prompt, completion, total, reasoning) > MAX_TOKENS:
        return Usage()
    if total and not prompt:
        prompt = max(total - completion - (reasoning if reasoning > completion else 0), 0)
    if reasoning > completion:  # so it is no part of it
        completion += reasoning
    completion = max(completion, total - prompt)
    details = _any(usage, "prompt_tokens_details", "input_tokens_details")
    cached = _first(details, "cached_tokens") or _first(
        usage, "cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"
    )
    return Usage(prompt, completion, cached if cached <= prompt else 0)


def token_count(value: Any) -> int:
    """A count of tokens; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0
    whole = min(value, MAX_TOKENS + 1)  # float('inf') and 10**400 too
    return int(whole) if whole == int(whole) else 0


def bounded_int(digits: str) -> int:
    """An integer of JSON, cut where it can be no count: Python refuses to read more than 4,300 digits."""
    return int(digits) if len(digits) < 20 else -MAX_TOKENS if digits.startswith("-") else MAX_TOKENS + 1


def field_of(value: Any, name: str) -> Any:
    """A field of a JSON object, or of an object of the client library."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _any(value: Any, *names: str) -> Any:
    return next((found for name in names if (found := field_of(value, name)) is not None), None)


def _first(value: Any, *names: str) -> int:
    return next((count for name in names if (count := token_count(field_of(value, name)))), 0)
