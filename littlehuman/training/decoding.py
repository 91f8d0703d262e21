"""Chat messages in, texts out: a causal model of this process, in batches.

In: conversations, consumed lazily. Out: one `Decoded` each, as soon as its batch is done. A window
of conversations at a time is put in order: those that begin alike together, the longest first.
How a batch is answered stands in `answering`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

import torch

from littlehuman.errors import ConfigError, GenerationError, Problem, WeightsError, did_you_mean
from littlehuman.training.answering import Decoded, Writer
from littlehuman.training.devices import DTYPES
from littlehuman.training.prefixes import Row, families
from littlehuman.training.quiet import quiet
from littlehuman.training.rendering import Messages, end_tokens, longest_prompt, render, too_long
from littlehuman.training.weights import resolve

WINDOW = 64  # batches that are put in order together: memory stays flat, and answers come early


@dataclass(frozen=True, slots=True)
class Unread:
    """Conversation `index` cannot be answered, and why."""

    index: int
    reason: str


@lru_cache(maxsize=1)  # one prompt model at a time: the next job of a sweep reuses it
def load_chat(weights: str, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model of `weights`, on the GPU when there is one.

    Raises:
        WeightsError: when they cannot be had.
        ConfigError: for a precision that does not exist.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    quiet()
    if dtype not in DTYPES:
        raise ConfigError([Problem(f"prompt_model.dtype={dtype}", did_you_mean(dtype, DTYPES))])
    path = resolve(weights)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(path, dtype=DTYPES[dtype])
    except (OSError, ValueError) as error:
        raise WeightsError(f"prompt_model.weights={weights}: could not be loaded: {error}") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    # Nothing else of the checkpoint's own defaults (top_k, repetition_penalty) may join in: the config says it all.
    ends = end_tokens(tokenizer, model.generation_config)
    model.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=tokenizer.pad_token_id, do_sample=False)
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def chat(
    weights: str,
    dtype: str,
    conversations: Iterable[Messages],
    *,
    max_tokens: int,
    batch_size: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Iterable[int] | None = None,
    share_prefixes: bool = True,
) -> Iterator[Decoded | Unread]:
    """Answer each conversation, in the order in which batches are done.

    Greedy at temperature 0; above it each row is sampled under its own seed. Either way an answer
    depends on its neighbours in the batch by rounding alone.

    Args:
        weights: as `weights.resolve` takes them.
        dtype: precision of the model.
        conversations: any number; `WINDOW` batches of them are held at a time.
        max_tokens: of an answer.
        batch_size: rows at once; halved, with a warning, when memory runs out.
        temperature: 0 or more.
        top_p: mass of the likeliest tokens that are kept.
        seeds: one per conversation, 0 to 2**64 - 1; without them all sampled answers use seed 0.
        share_prefixes: read what prompts have in common once; the texts are the same but for rounding.

    Raises:
        WeightsError: when the weights cannot be had.
        GenerationError: when one row at a time does not fit into memory, or the model's template refuses the turns.
    """
    tokenizer, model = load_chat(weights, dtype)
    longest = longest_prompt(model.config, max_tokens)
    pairs = zip(conversations, repeat(0) if seeds is None else seeds, strict=seeds is not None)
    stream = (Row(index, _tokens(tokenizer, messages, weights), seed) for index, (messages, seed) in enumerate(pairs))
    writer = Writer(weights, tokenizer, model, max_tokens, temperature, top_p, batch_size, share_prefixes)
    while window := list(islice(stream, WINDOW * batch_size)):
        for row in window:
            if len(row.tokens) > longest:
                yield Unread(row.index, too_long(len(row.tokens), longest, max_tokens))
        for family in families([row for row in window if len(row.tokens) <= longest], max_tokens):
            yield from writer.answers(family)


def _tokens(tokenizer: Any, messages: Messages, weights: str) -> tuple[int, ...]:
    from jinja2 import TemplateError

    try:
        return tuple(render(tokenizer, messages))
    except TemplateError as error:
        raise GenerationError(
            f"prompt_model.weights={weights}: its chat template refuses the turns of this strategy: {error}\n"
            "Try: strategy=zero_shot, or another prompt_model"
        ) from error
