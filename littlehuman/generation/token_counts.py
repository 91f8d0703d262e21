"""How many tokens requests have, before any is asked.

In: a prompt model and prompts. Out: about how many tokens, at most how many, and how they were
counted: by the model's own tokenizer where its weights lie here, by OpenAI's `tiktoken` where it
is installed with its files, else as four characters a token. Nothing is downloaded for it.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.records import Prompt
from littlehuman.schema import PromptModelConfig

PER_MESSAGE = 4  # what a chat format adds: role, begin and end of a turn
AT_MOST_PER_MESSAGE = 32
_TIKTOKEN_FILES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of a text; `exact` where they are the model's own."""

    count: Callable[[str], int]
    how: str
    exact: bool

    def about(self, prompt: Prompt) -> int:
        """Tokens of a request, give or take the chat format."""
        return sum(self.count(message["content"]) + PER_MESSAGE for message in prompt.messages)

    def at_most(self, prompt: Prompt) -> int:
        """Tokens that a request cannot exceed: without the model's own tokenizer a byte may be one."""
        count = self.count if self.exact else _bytes
        return sum(count(message["content"]) + AT_MOST_PER_MESSAGE for message in prompt.messages)


def size(prompt: Prompt) -> int:
    """Bytes of a request's words."""
    return sum(_bytes(message["content"]) for message in prompt.messages)


def per_byte(counter: TokenCounter, sample: Iterable[Prompt]) -> float:
    """Tokens per byte in a sample of requests."""
    prompts = list(sample)
    return sum(map(counter.about, prompts)) / max(sum(map(size, prompts)), 1)


def counter_of(model: PromptModelConfig) -> TokenCounter:
    """The best counter that is here for `model`."""
    if model.weights:
        return _own(model.weights, model.revision) or _four_characters("its tokenizer is not on this machine")
    return _tiktoken(model.name)


def _own(weights: str, revision: str | None) -> TokenCounter | None:
    from littlehuman.models.chat_template import token_counter

    count = token_counter(weights, revision)
    return TokenCounter(count, "counted by its own tokenizer", True) if count else None


def _tiktoken(name: str) -> TokenCounter:
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
    except ImportError:
        return _four_characters("tiktoken is not installed")
    try:
        encoding = tiktoken.encoding_name_for_model(name)
    except KeyError:
        return _four_characters(f"tiktoken does not know {name}")
    if not _file_of(encoding).is_file():
        return _four_characters(f"tiktoken has no files of {encoding} here")
    counts = tiktoken.get_encoding(encoding)
    return TokenCounter(
        lambda text: len(counts.encode(text, disallowed_special=())), f"counted by tiktoken, {encoding}", True
    )


def _file_of(encoding: str) -> Path:
    """Where tiktoken keeps an encoding; it would download what is absent."""
    folder = (
        os.environ.get("TIKTOKEN_CACHE_DIR")
        or os.environ.get("DATA_GYM_CACHE_DIR")
        or Path(tempfile.gettempdir()) / "data-gym-cache"
    )
    return Path(folder) / hashlib.sha1(_TIKTOKEN_FILES.format(encoding).encode()).hexdigest()


def _four_characters(why: str) -> TokenCounter:
    return TokenCounter(lambda text: -(-len(text) // 4), f"counted as 4 characters a token: {why}", False)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
