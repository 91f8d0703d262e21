"""Chat generation with a causal model of this process: conversations -> texts, in batches.

Conversations are consumed lazily, a window at a time. Within a window those that share a prefix are answered
together, the longest first. Rows are left-padded; a row ends at the model's end token, a batch when all its rows
have ended. A batch that does not fit into memory is halved.

One prompt model is held at a time, so that further rounds of requests and the next job find it loaded. On a GPU it
is released before a training begins, and takes the place of a training's base: the two never share a GPU, and a
sweep that generates and trains in turns loads each again. On a CPU both stay loaded.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import torch

from littlehuman.errors import GenerationError, WeightsError
from littlehuman.models import base_model, devices, memory_holders
from littlehuman.models.chat_template import Messages, end_tokens, longest_prompt, render, stop_texts, too_long
from littlehuman.models.memory import BatchBudget, DoesNotFit, batch_budget, fits, halved
from littlehuman.models.prefix_cache import Prefix, PrefixGroup, PrefixRow, prefix_groups, shared_prefix
from littlehuman.models.weights import commit_of, resolve
from littlehuman.schema.adapter import PEFT

log = logging.getLogger(__name__)

WINDOW = 64  # batches that are grouped and sorted together: bounds memory, and lets first answers come early
WINDOW_ROWS = 1024  # the same where the size of a batch is left to the device
_held: dict[tuple[str | None, ...], tuple[Any, Any]] = {}  # tokenizer and model that the next call may use again


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to conversation `index`; `finish` is `stop`, or `length` when it was cut at `max_tokens`."""

    index: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class SkippedPrompt:
    """Conversation `index` was not answered, and why."""

    index: int
    reason: str


def chat(
    weights: str,
    dtype: str,
    conversations: Iterable[Messages],
    *,
    max_tokens: int,
    batch_size: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Iterable[int] | None = None,
    share_prefixes: bool = True,
    revision: str | None = None,
    device: str = "auto",
    adapter: str | None = None,
) -> Iterator[Decoded | SkippedPrompt]:
    """Answer each conversation, in the order in which batches finish.

    Greedy at temperature 0; above it each row is sampled with its own seed. Either way an answer depends on the
    other rows of its batch by rounding only.

    Args:
        weights: as in `weights.resolve`.
        dtype: as in `load_chat`.
        conversations: any number; `WINDOW` batches of them are held at a time.
        max_tokens: of an answer.
        batch_size: rows at once; None: as many as `memory.batch_budget` allows on this device. When memory runs out
            it is halved, with a warning.
        temperature: 0 or more.
        top_p: mass of the most probable tokens to sample from (nucleus sampling).
        seeds: one per conversation, 0 to 2**64 - 1; by default all sampled answers use seed 0.
        share_prefixes: compute common prefixes once; texts are the same up to rounding.
        revision: as in `load_chat`.
        device: as in `load_chat`.
        adapter: as in `load_chat`.

    Raises:
        WeightsError: when the weights cannot be loaded.
        GenerationError: when one row at a time does not fit into memory, or the chat template refuses the turns.
    """
    tokenizer, model = load_chat(weights, dtype, revision, device, adapter)
    longest = longest_prompt(model.config, max_tokens)
    pairs = zip(conversations, repeat(0) if seeds is None else seeds, strict=seeds is not None)
    rows = (
        PrefixRow(index, _tokens(tokenizer, messages, weights), seed) for index, (messages, seed) in enumerate(pairs)
    )
    budget = BatchBudget(batch_size, math.inf) if batch_size else batch_budget(model)
    generator = BatchGenerator(weights, tokenizer, model, max_tokens, temperature, top_p, budget, share_prefixes)
    while window := list(islice(rows, WINDOW * batch_size if batch_size else WINDOW_ROWS)):
        for row in window:
            if len(row.tokens) > longest:
                yield SkippedPrompt(row.index, too_long(len(row.tokens), longest, max_tokens))
        for group in prefix_groups([row for row in window if len(row.tokens) <= longest], max_tokens):
            yield from generator.answers(group)


@dataclass
class BatchGenerator:
    """Generates the answers of prefix groups; `budget` shrinks when memory runs out."""

    weights: str
    tokenizer: Any
    model: Any
    max_tokens: int
    temperature: float
    top_p: float
    budget: BatchBudget
    share_prefixes: bool

    def answers(self, group: PrefixGroup) -> Iterator[Decoded]:
        """Answers batch by batch, longest rows first, so that lack of memory shows in the first batch.

        Raises:
            GenerationError: when one row at a time does not fit into memory.
        """
        rows = sorted(group.rows, key=lambda row: len(row.tokens), reverse=True)
        prefix = shared_prefix(self.model, group, self.max_tokens) if self.share_prefixes else None
        while rows:
            batch = rows[: self.budget.count(len(rows[0].tokens) + self.max_tokens)]
            answers = self._try_batch(batch, prefix)
            if answers is None:
                self._halve_budget(batch)
            else:
                rows = rows[len(batch) :]
                yield from answers

    def _try_batch(self, rows: Sequence[PrefixRow], prefix: Prefix | None) -> list[Decoded] | None:
        """The answers of a batch, or None when it does not fit into memory."""
        answers: list[Decoded] = []
        return answers if fits(lambda: answers.extend(self._generate(rows, prefix))) else None

    def _halve_budget(self, batch: Sequence[PrefixRow]) -> None:
        try:
            rows = halved(len(batch))
            self.budget = BatchBudget(
                min(self.budget.rows, len(batch)), rows * (len(batch[0].tokens) + self.max_tokens)
            )
        except DoesNotFit as error:
            raise GenerationError(
                f"prompt_model.weights={self.weights}: "
                f"out of memory with one prompt of {len(batch[0].tokens)} tokens at a time\n"
                "Try: prompt_model.dtype=bfloat16, a smaller strategy.max_evidence_words, or a smaller model"
            ) from error

    def _generate(self, rows: Sequence[PrefixRow], prefix: Prefix | None) -> list[Decoded]:
        start = prefix.ids.shape[1] if prefix else 0
        ids = {"input_ids": [list(row.tokens[start:]) for row in rows]}
        batch = self.tokenizer.pad(ids, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            inputs = prefix.prepend_to(batch) if prefix else dict(batch)
            out = self.model.generate(**inputs, max_new_tokens=self.max_tokens, **self._options(rows))
        new = out[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._decode(row, tokens) for row, tokens in zip(rows, new, strict=True)]

    def _options(self, rows: Sequence[PrefixRow]) -> dict[str, Any]:
        """Options of `generate`."""
        options: dict[str, Any] = {"use_cache": True}
        if stops := stop_texts(self.tokenizer):
            options |= {"stop_strings": stops, "tokenizer": self.tokenizer}
        if self.temperature > 0:
            from littlehuman.models.sampling import GumbelSampler

            seeds = [row.seed for row in rows]
            sampler = GumbelSampler(seeds, self.temperature, self.top_p, self.model.device)
            options["logits_processor"] = [sampler]
        return options

    def _decode(self, row: PrefixRow, tokens: list[int]) -> Decoded:
        """A row's answer, up to its end token or stop text."""
        ends = self.model.generation_config.eos_token_id or []
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
        used = len(tokens) if length is None else length + 1
        for stop in stop_texts(self.tokenizer):
            if stop in text:
                prefixes = (
                    (n, self.tokenizer.decode(tokens[:n], skip_special_tokens=True)) for n in range(1, used + 1)
                )
                used = next(n for n, decoded in prefixes if stop in decoded)
                text, length = text[: text.index(stop)], used
        return Decoded(row.index, text, "length" if length is None else "stop", len(row.tokens), used)


def load_chat(
    weights: str, dtype: str, revision: str | None = None, device: str = "auto", adapter: str | None = None
) -> tuple[Any, Any]:
    """Tokenizer and model of `weights`, loaded unless they are held.

    Args:
        weights: as in `weights.resolve`.
        dtype: precision of the model; `auto` as for `launch.dtype` (`devices.dtype`).
        revision: branch, tag or commit of a hub model; None: main.
        device: as `launch.device`.
        adapter: the folder of a writer (`schema/adapter.py`), whose LoRA weights lie unmerged on the model.

    Raises:
        WeightsError: when they cannot be loaded.
        ConfigError: for a precision or device that does not exist.
    """
    key = (weights, dtype, revision, device, adapter)
    if key not in _held:
        where = devices.device(device, key="prompt_model.device")
        precision = devices.dtype(dtype, where, key="prompt_model.dtype")
        release()
        if where.type == "cuda":
            base_model.release(on_gpu_only=True)
        if dtype == "bfloat16" and where.type == "cpu" and not devices.bfloat16_is_faster():
            log.info("bfloat16 is not fast on this CPU: prompt_model.dtype=auto takes float32 here")
        tokenizer, model = _load(weights, precision, revision)
        model = _with_adapter(model, adapter) if adapter else model
        _held[key] = tokenizer, model.to(where).eval()
    return _held[key]


def release(*, on_gpu_only: bool = False) -> None:
    """Free the memory of the held prompt model, and of other engines; `on_gpu_only`: unless it is on the CPU."""
    memory_holders.give_back()
    keys = [key for key, (_, model) in _held.items() if model.device.type == "cuda" or not on_gpu_only]
    for key in keys:
        del _held[key]
    if keys:
        base_model.free_memory()


def _load(weights: str, dtype: torch.dtype, revision: str | None) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    devices.silence_libraries()
    key = "prompt_model.weights"
    path, commit = resolve(weights, key), commit_of(weights, revision, key)
    if commit:
        log.info("%s=%s is commit %s", key, weights, commit)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=commit, padding_side="left", trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(path, revision=commit, dtype=dtype, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{key}={weights}: could not be loaded: {error}") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    # The checkpoint's own defaults (top_k, repetition_penalty) are dropped: only the config decides.
    ends = end_tokens(tokenizer, model.generation_config)
    model.generation_config = GenerationConfig(
        eos_token_id=ends or None, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    return tokenizer, model


def _with_adapter(model: Any, folder: str) -> Any:
    """The model with the layers of a writer; merged into bfloat16 weights, small updates would be rounded away."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, Path(folder) / PEFT).get_base_model()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = str(error).partition("\n")[0]
        raise WeightsError(
            f"prompt_model.adapter={folder}: does not fit on these weights: {first}\n"
            "Try: the writer tuned again (littlehuman tune-writer)"
        ) from error


def _tokens(tokenizer: Any, messages: Messages, weights: str) -> tuple[int, ...]:
    from jinja2 import TemplateError

    try:
        return tuple(render(tokenizer, messages))
    except TemplateError as error:
        raise GenerationError(
            f"prompt_model.weights={weights}: its chat template refuses the turns of this strategy: {error}\n"
            "Try: strategy=zero_shot, or another prompt_model"
        ) from error
