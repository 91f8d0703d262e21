"""Chat messages in, texts out: a causal model of this process, in batches.

In: rendered conversations. Out: one `Decoded` each, as soon as its batch is done. Rows are
left-padded and sorted by length; a row ends at the model's own end token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from littlehuman.errors import ConfigError, Problem, WeightsError, did_you_mean
from littlehuman.training.devices import DTYPES
from littlehuman.training.quiet import quiet
from littlehuman.training.weights import resolve


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to conversation `index`; `finish` is `stop`, or `length` when it was cut."""

    index: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@lru_cache(maxsize=1)  # one prompt model at a time: the next job of a sweep reuses it
def load_chat(weights: str, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model of `weights`, on the GPU when there is one.

    Raises:
        WeightsError: when they cannot be had.
        ConfigError: for a precision that does not exist.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

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
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def chat(
    weights: str,
    dtype: str,
    conversations: Sequence[Sequence[Mapping[str, str]]],
    *,
    max_tokens: int,
    batch_size: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] = (),
) -> Iterator[Decoded]:
    """Answer each conversation; longest batches first, so that memory trouble shows at once.

    Greedy at temperature 0. Above it each row is sampled alone under its own seed, so that an
    answer does not depend on its neighbours.
    """
    tokenizer, model = load_chat(weights, dtype)
    rows = [_render(tokenizer, messages) for messages in conversations]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    size = batch_size if temperature == 0 else 1
    # Nothing of the checkpoint's own sampling defaults (top_k, repetition_penalty) may join in: the config says it all.
    sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0} if temperature > 0 else {"do_sample": False}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        with torch.random.fork_rng():
            if temperature > 0:
                torch.manual_seed(seeds[batch[0]])
            answers = _answer(tokenizer, model, batch, [rows[i] for i in batch], max_tokens, sampling)
        yield from answers


def _render(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> list[int]:
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    # A base model: the same turns as plain text, with a blank line between them.
    return list(tokenizer("\n\n".join(m["content"] for m in messages) + "\n")["input_ids"])


def _answer(
    tokenizer: Any, model: Any, indices: Sequence[int], rows: list[list[int]], max_tokens: int, sampling: dict[str, Any]
) -> list[Decoded]:
    batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(model.device)
    ends = {*_as_list(model.generation_config.eos_token_id), *_as_list(tokenizer.eos_token_id)}
    stop = {"eos_token_id": sorted(ends) or None, "pad_token_id": tokenizer.pad_token_id}
    with torch.inference_mode():
        out = model.generate(**batch, max_new_tokens=max_tokens, repetition_penalty=1.0, **stop, **sampling)
    answers = []
    for index, row, tokens in zip(indices, rows, out[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        text = tokenizer.decode(tokens[:length], skip_special_tokens=True)
        used = len(tokens) if length is None else length + 1
        answers.append(Decoded(index, text, "length" if length is None else "stop", len(row), used))
    return answers


def _as_list(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
