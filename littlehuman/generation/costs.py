"""What requests cost: prices, token counts, the estimate before and the bill afterwards.

In: prices per model, requests, answers. Out: a `CostEstimate` before the first request and a `Bill` afterwards. The
bill counts what the provider reports with each answer; what it may charge for a broken-off request is not known.
Tokens are counted by the model's own tokenizer where its weights are here, by OpenAI's `tiktoken` where it is
installed with its files, else as four characters a token. Nothing is downloaded for it.
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

from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig, Provider

TOKENS_PER_MESSAGE = 4  # that a chat format adds: role, begin and end of a turn
MAX_TOKENS_PER_MESSAGE = 32
_TIKTOKEN_FILES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of requests cost; answers of a recording count as `from_cache`.

    Tokens and `usd` are those of the requests made now, `usd_without_cache` those of all. `batched` of them went
    through the batch API at its lower price; `asked_again` are further samples of requests whose first answer could
    not be parsed. `usd_before` is what earlier attempts of the same run paid: their answers are `from_cache` now, and
    nothing was saved by them.
    """

    requests: int = 0
    from_cache: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    usd_without_cache: float = 0.0
    batched: int = 0
    asked_again: int = 0
    usd_before: float = 0.0

    @classmethod
    def of_answer(
        cls,
        answer: Completion | Failure,
        price: PriceConfig,
        *,
        from_cache: bool,
        batched: bool = False,
        again: bool = False,
    ) -> Bill:
        """The bill of one answer."""
        done = answer if isinstance(answer, Completion) else Completion(answer.key, "", "", 0, 0)
        cost = usd(done.prompt_tokens, done.completion_tokens, price, batched=batched, cached=done.cached_tokens)
        asked = not from_cache
        return cls(
            requests=1,
            from_cache=int(from_cache),
            failed=int(isinstance(answer, Failure)),
            prompt_tokens=asked * done.prompt_tokens,
            completion_tokens=asked * done.completion_tokens,
            usd=asked * cost,
            usd_without_cache=cost,
            batched=int(asked and batched),
            asked_again=int(again),
        )

    def __add__(self, other: Bill) -> Bill:
        """The bill of both."""
        return Bill(*(getattr(self, name) + getattr(other, name) for name in Bill.__slots__))

    def __str__(self) -> str:
        """One line for a log."""
        tokens = f"({self.prompt_tokens:,} + {self.completion_tokens:,} tokens)"
        asked = self.requests - self.from_cache
        text = f"{dollars(self.usd)} for {asked:,} requests {tokens}" if asked or not self.from_cache else "nothing"
        if self.from_cache:
            cached = f"; {self.from_cache:,} more came" if asked else f": all {self.from_cache:,} answers came"
            text += f"{cached} from the cache{' for nothing' if asked else ''}"
            saved = usd_saved(self.usd, self.usd_without_cache, self.usd_before)
            text += f", which saved {dollars(saved)}" if saved > 0 else ""
        return text + (f"; earlier attempts paid {dollars(self.usd_before)}" if self.usd_before else "")


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What the requests that the cache cannot answer will cost; `how` says how tokens were counted."""

    requests: int
    from_cache: int
    prompt_tokens: int
    max_tokens: int
    how: str
    price: PriceConfig
    batched: bool = False

    def __str__(self) -> str:
        """One line, before the first request."""
        requests = f"{self.requests + self.from_cache:,} requests, {self.from_cache:,} from the cache"
        return f"{requests}; about {self.prompt_tokens:,} prompt tokens ({self.how}); {self._range()}"

    def _range(self) -> str:
        if not (self.price.prompt or self.price.completion):
            return "prompt_model.price says that they cost nothing"
        low = usd(self.prompt_tokens, 0, self.price, batched=self.batched)
        high = usd(self.prompt_tokens, self.requests * self.max_tokens, self.price, batched=self.batched)
        return f"between {dollars(low)} and {dollars(high)}" + (" through the batch API" if self.batched else "")


def usd_saved(now: float, without_cache: float, before: float) -> float:
    """US dollars that the cache saved a run that paid `now`, and `before` in earlier attempts, for its own answers."""
    return max(round(without_cache - now - before, 9), 0.0)


def usd(
    prompt_tokens: float, completion_tokens: float, price: PriceConfig, *, batched: bool = False, cached: float = 0
) -> float:
    """US dollars for so many tokens, online or through the batch API; `cached` of the prompt's have their own price."""
    from_cache = price.prompt if price.cached_prompt is None else price.cached_prompt
    return (
        ((prompt_tokens - cached) * price.prompt + cached * from_cache + completion_tokens * price.completion)
        / 1e6
        * (price.batch_share if batched else 1.0)
    )


def dollars(amount: float) -> str:
    """An amount with as many digits as it needs: `$12.30`, `$0.043`, `$0.000012`."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    if amount >= 0.01:
        return f"${amount:.3f}"
    return f"${amount:.2g}" if amount >= 1e-4 else f"${amount:.9f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of a text; `exact` when by the model's own tokenizer, `how` in words."""

    count: Callable[[str], int]
    how: str
    exact: bool

    def estimate(self, prompt: Prompt) -> int:
        """Tokens of a request, up to the chat format."""
        return sum(self.count(message["content"]) + TOKENS_PER_MESSAGE for message in prompt.messages)

    def upper_bound(self, prompt: Prompt) -> int:
        """Tokens that a request cannot exceed: without the model's own tokenizer, each byte may be one."""
        count = self.count if self.exact else _bytes
        return sum(count(message["content"]) + MAX_TOKENS_PER_MESSAGE for message in prompt.messages)


def token_counter(model: PromptModelConfig) -> TokenCounter:
    """The best counter that is available here for `model`."""
    if model.provider is Provider.llama_cpp:
        return _four_characters("llama.cpp has the tokenizer")
    if model.weights:
        return _own_tokenizer(model.weights, model.revision) or _four_characters("its tokenizer is not on this machine")
    return _tiktoken(model.name)


def prompt_bytes(prompt: Prompt) -> int:
    """UTF-8 bytes of a request's texts."""
    return sum(_bytes(message["content"]) for message in prompt.messages)


def tokens_per_byte(counter: TokenCounter, sample: Iterable[Prompt]) -> float:
    """Tokens per byte in a sample of requests."""
    prompts = list(sample)
    return sum(map(counter.estimate, prompts)) / max(sum(map(prompt_bytes, prompts)), 1)


def _own_tokenizer(weights: str, revision: str | None) -> TokenCounter | None:
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
    if not _tiktoken_file(encoding).is_file():
        return _four_characters(f"tiktoken has no files of {encoding} here")
    counts = tiktoken.get_encoding(encoding)
    return TokenCounter(
        lambda text: len(counts.encode(text, disallowed_special=())), f"counted by tiktoken, {encoding}", True
    )


def _tiktoken_file(encoding: str) -> Path:
    """Where tiktoken keeps an encoding; it would download an absent one."""
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
