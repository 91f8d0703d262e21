"""Chat messages in, texts out: a causal model of this process, in batches.

In: conversations, consumed lazily. Out: one `Decoded` each, as soon as its batch is done. A window
of conversations at a time is put in order: those that begin alike together, the longest first.
How a batch is answered stands in `answering`.

One prompt model at a time is held: rounds of requests and the next job of a process find it loaded. On a
GPU it leaves before a training begins (`release`), and takes the place of the base that was trained on: the
two are never there together, and a sweep that writes and trains in turns loads each anew. On a CPU, whose
memory is larger and can be swapped, both stay.


[folded] A family of prompts -> its answers, batch after batch.

In: rows of tokens that begin alike. Out: one `Decoded` each, as soon as its batch is done. Rows are
left-padded; a row ends at the model's own end token, and a batch when all of its rows did. A batch
that does not fit into memory is halved.

"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import torch

from littlehuman.errors import ConfigError, GenerationError, WeightsError
from littlehuman.models import base_model, devices
from littlehuman.models.chat_template import Messages, end_tokens, longest_prompt, render, stop_texts, too_long
from littlehuman.models.devices import silence_libraries
from littlehuman.models.memory import DoesNotFit, fits, halved
from littlehuman.models.prefix_cache import STEP, Prefix, PrefixGroup, PrefixRow, can_share, prefix_groups
from littlehuman.models.weights import commit_of, resolve
from littlehuman.schema.devices import precision


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to conversation `index`; `finish` is `stop`, or `length` when it was cut."""

    index: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass
class BatchGenerator:
    """Writes the answers of families; `batch_size` is what has fitted so far."""

    weights: str
    tokenizer: Any
    model: Any
    max_tokens: int
    temperature: float
    top_p: float
    batch_size: int
    share_prefixes: bool

    def answers(self, family: PrefixGroup) -> Iterator[Decoded]:
        """Batch after batch, longest rows first, so that memory trouble shows at once."""
        rows = sorted(family.rows, key=lambda row: len(row.tokens), reverse=True)
        total = len(rows[0].tokens) + self.max_tokens
        pays = self.share_prefixes and family.saved > STEP and can_share(self.model, total)
        prefix = Prefix(self.model, rows[0].tokens[: family.prefix]) if pays else None
        while rows:
            batch = rows[: self.batch_size]
            found = self._if_it_fits(batch, prefix)
            if found is None:
                self._make_smaller(batch)
            else:
                rows = rows[len(batch) :]
                yield from found

    def _if_it_fits(self, rows: Sequence[PrefixRow], prefix: Prefix | None) -> list[Decoded] | None:
        found: list[Decoded] = []
        return found if fits(lambda: found.extend(self._write(rows, prefix))) else None

    def _make_smaller(self, batch: Sequence[PrefixRow]) -> None:
        try:
            self.batch_size = halved(len(batch))
        except DoesNotFit as error:
            raise GenerationError(
                f"prompt_model.weights={self.weights}: out of memory with one prompt of {len(batch[0].tokens)} tokens at a time\n"
                "Try: prompt_model.dtype=bfloat16, a smaller strategy.max_evidence_words, or a smaller model"
            ) from error

    def _write(self, rows: Sequence[PrefixRow], prefix: Prefix | None) -> list[Decoded]:
        start = prefix.ids.shape[1] if prefix else 0
        batch = self.tokenizer.pad({"input_ids": [list(row.tokens[start:]) for row in rows]}, return_tensors="pt").to(
            self.model.device
        )
        with torch.inference_mode():
            inputs = prefix.before(batch) if prefix else dict(batch)
            out = self.model.generate(**inputs, max_new_tokens=self.max_tokens, **self._how(rows))
        new = out[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._read(row, tokens) for row, tokens in zip(rows, new, strict=True)]

    def _how(self, rows: Sequence[PrefixRow]) -> dict[str, Any]:
        how: dict[str, Any] = {"use_cache": True}
        if stops := stop_texts(self.tokenizer):
            how |= {"stop_strings": stops, "tokenizer": self.tokenizer}
        if self.temperature > 0:
            from littlehuman.models.sampling import GumbelSampler

            how["logits_processor"] = [
                GumbelSampler([row.seed for row in rows], self.temperature, self.top_p, self.model.device)
            ]
        return how

    def _read(self, row: PrefixRow, tokens: list[int]) -> Decoded:
        """A row's answer: up to its end token, or to the text that ends it."""
        ends = self.model.generation_config.eos_token_id or []
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
        used = len(tokens) if length is None else length + 1
        for stop in stop_texts(self.tokenizer):
            if stop in text:
                used = next(
                    n for n in range(1, used + 1) if stop in self.tokenizer.decode(tokens[:n], skip_special_tokens=True)
                )
                text, length = text[: text.index(stop)], used
        return Decoded(row.index, text, "length" if length is None else "stop", len(row.tokens), used)


log = logging.getLogger(__name__)
WINDOW = 64  # batches that are put in order together: memory stays flat, and answers come early


@dataclass(frozen=True, slots=True)
class SkippedPrompt:
    """Conversation `index` cannot be answered, and why."""

    index: int
    reason: str


_held: dict[tuple[str | None, ...], tuple[Any, Any]] = {}


def load_chat(weights: str, dtype: str, revision: str | None = None, device: str = "auto") -> tuple[Any, Any]:
    """Tokenizer and model of `weights`, loaded unless they are held.

    Args:
        weights: as `weights.resolve` takes them.
        dtype: precision of the model.
        revision: branch, tag or commit of a hub model; None: main.
        device: as `launch.device`.

    Raises:
        WeightsError: when they cannot be had.
        ConfigError: for a precision that does not exist, or a device that is not here.
    """
    key = (weights, dtype, revision, device)
    if key not in _held:
        if wrong := list(precision("prompt_model.dtype", dtype)):
            raise ConfigError(wrong)
        where = devices.device(device, key="prompt_model.device")
        release()
        if where.type == "cuda":
            base_model.release(on_gpu_alone=True)
        tokenizer, model = _load(weights, dtype, revision)
        _held[key] = tokenizer, model.to(where).eval()
    return _held[key]


def release(*, on_gpu_alone: bool = False) -> None:
    """Hold no prompt model (none on a GPU, if so asked): its memory is free then."""
    going = [key for key, (_, model) in _held.items() if model.device.type == "cuda" or not on_gpu_alone]
    for key in going:
        del _held[key]
    base_model.free(bool(going))


def _load(weights: str, dtype: str, revision: str | None) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    silence_libraries()
    key = "prompt_model.weights"
    path, commit = resolve(weights, key), commit_of(weights, revision, key)
    if commit:
        log.info("%s=%s is commit %s", key, weights, commit)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=commit, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(path, revision=commit, dtype=devices.DTYPES[dtype])
    except (OSError, ValueError) as error:
        raise WeightsError(f"{key}={weights}: could not be loaded: {error}") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    # Nothing else of the checkpoint's own defaults (top_k, repetition_penalty) may join in: the config says it all.
    ends = end_tokens(tokenizer, model.generation_config)
    model.generation_config = GenerationConfig(
        eos_token_id=ends or None, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    return tokenizer, model


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
    revision: str | None = None,
    device: str = "auto",
) -> Iterator[Decoded | SkippedPrompt]:
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
        revision: as `load_chat` takes it.
        device: as `load_chat` takes it.

    Raises:
        WeightsError: when the weights cannot be had.
        GenerationError: when one row at a time does not fit into memory, or the model's template refuses the turns.
    """
    tokenizer, model = load_chat(weights, dtype, revision, device)
    longest = longest_prompt(model.config, max_tokens)
    pairs = zip(conversations, repeat(0) if seeds is None else seeds, strict=seeds is not None)
    stream = (
        PrefixRow(index, _tokens(tokenizer, messages, weights), seed) for index, (messages, seed) in enumerate(pairs)
    )
    writer = BatchGenerator(weights, tokenizer, model, max_tokens, temperature, top_p, batch_size, share_prefixes)
    while window := list(islice(stream, WINDOW * batch_size)):
        for row in window:
            if len(row.tokens) > longest:
                yield SkippedPrompt(row.index, too_long(len(row.tokens), longest, max_tokens))
        for family in prefix_groups([row for row in window if len(row.tokens) <= longest], max_tokens):
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
