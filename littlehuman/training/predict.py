"""Evaluation: test rows -> predicted texts, in batches of similar length under a token budget.

The adapter stays unmerged on the shared base. Classification takes the most probable class of one forward pass.
Generation is greedy, without repetition penalty, from left-padded batches; a row ends at its end token, and a
prediction is the first line. A prefix that several prompts share (their evidence) is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import torch
from tqdm import tqdm

from littlehuman.models import memory
from littlehuman.models.prefix_cache import Prefix, PrefixRow, prefix_groups, shared_prefix
from littlehuman.schema import Head
from littlehuman.training.encoding import EncodedRow, batch_by_length, pad_left
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import PackedBatch, pack
from littlehuman.training.span_head import Found, best_of_windows, best_span
from littlehuman.training.types import Settings

EVAL_TOKENS = {"cpu": 4096, "cuda": 32768}
TYPICAL_ANSWER = 6  # tokens; decides whether a common prefix is worth a separate batch
Batch: TypeAlias = tuple[list[EncodedRow], Prefix | None]  # rows, and their common prefix if it was read
T = TypeVar("T")
PredictBatch: TypeAlias = Callable[[list[EncodedRow], Prefix | None], list[T]]


def eval_tokens(setting: int | None, device: torch.device) -> int:
    """Tokens of an evaluation batch: `launch.eval_tokens`, or a default for the device."""
    return setting or EVAL_TOKENS.get(device.type, 4096)


def outputs(
    lora: MultiLora,
    cell: int,
    rows: Sequence[EncodedRow],
    settings: Settings,
    *,
    tokens: int,
    packed: bool,
    progress: bool = True,
) -> Sequence[str | Found]:
    """The class, answer or span that each row gets from the head of the task (arguments and errors as below)."""
    if settings.task.head is Head.span:
        limit = settings.answer_tokens
        return extract(lora, cell, rows, max_tokens=limit, tokens=tokens, packed=packed, progress=progress)
    if settings.task.head is Head.classification:
        return classify(lora, cell, rows, settings.classes, tokens=tokens, packed=packed, progress=progress)
    return generate(lora, cell, rows, max_tokens=settings.answer_tokens, tokens=tokens, progress=progress)


def classify(
    lora: MultiLora,
    cell: int,
    rows: Sequence[EncodedRow],
    classes: Sequence[str],
    *,
    tokens: int,
    packed: bool,
    progress: bool = True,
) -> list[str]:
    """The most probable class of each row; `tokens` is the limit of a batch.

    Raises:
        DoesNotFit: when one row at a time runs out of memory.
    """

    def predict(group: list[EncodedRow], _: Prefix | None) -> list[str]:
        return [
            classes[choice] for choice in lora.logits(_packed(lora, group, packed), cell).float().argmax(-1).tolist()
        ]

    return _run([(group, None) for group in batch_by_length(rows, tokens)], predict, rows, progress)


def extract(
    lora: MultiLora,
    cell: int,
    rows: Sequence[EncodedRow],
    *,
    max_tokens: int,
    tokens: int,
    packed: bool,
    progress: bool = True,
) -> list[Found]:
    """The best span of each row, a window, of up to `max_tokens` tokens; `tokens` is the limit of a batch.

    Raises:
        DoesNotFit: when one row at a time runs out of memory.
    """

    def predict(group: list[EncodedRow], _: Prefix | None) -> list[Found]:
        batch = _packed(lora, group, packed)
        logits = lora.logits(batch, cell).float().cpu()
        places = zip(group, pairwise(batch.logit_starts), strict=True)
        return [best_span(row, logits[a:b], max_tokens) for row, (a, b) in places]

    return _run([(group, None) for group in batch_by_length(rows, tokens)], predict, rows, progress)


def _packed(lora: MultiLora, group: list[EncodedRow], packed: bool) -> PackedBatch:
    """The rows of one cell as a batch; without a step, for no dropout is drawn."""
    base = lora.base
    return pack(
        [(0, group)],
        base.device,
        pad_token_id=base.pad_token_id,
        packed=packed,
        first_position=base.first_position,
        step_keys=[0],
    )


def answers(rows: Sequence[EncodedRow], found: Sequence[str | Found]) -> list[str]:
    """One text per example: what its row got, or the best span of its windows."""
    texts = [text for text in found if isinstance(text, str)]
    return texts or best_of_windows(rows, [span for span in found if not isinstance(span, str)])


def generate(
    lora: MultiLora, cell: int, rows: Sequence[EncodedRow], *, max_tokens: int, tokens: int, progress: bool = True
) -> list[str]:
    """The greedy answer to each row, up to `max_tokens` tokens; `tokens` is the limit of a batch.

    Raises:
        DoesNotFit: when one row at a time runs out of memory.
    """

    def predict(group: list[EncodedRow], prefix: Prefix | None) -> list[str]:
        return generate_batch(lora.model, lora.base.tokenizer, group, max_tokens, prefix)

    with lora.generating(cell):
        return _run(_prefix_batches(lora.model, rows, tokens, max_tokens), predict, rows, progress)


def generate_batch(
    model: Any, tokenizer: Any, rows: Sequence[EncodedRow], max_tokens: int, prefix: Prefix | None = None
) -> list[str]:
    """Greedy answers of one batch; `prefix` is what all rows begin with, if it was read."""
    start = prefix.ids.shape[1] if prefix else 0
    tensors = pad_left([row.input_ids[start:] for row in rows], tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        inputs = prefix.prepend_to(tensors) if prefix else tensors
        tokens = model.generate(
            **inputs,
            max_new_tokens=max_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            use_cache=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    new_tokens = tokens[:, inputs["input_ids"].shape[1] :].tolist()
    return [first_line(tokenizer.decode(new, skip_special_tokens=True)) for new in new_tokens]


def first_line(text: str) -> str:
    """The first line. An untrained model goes on after it; it is read like a trained one."""
    return text.strip().split("\n", 1)[0].strip()


def _prefix_batches(model: Any, rows: Sequence[EncodedRow], tokens: int, max_tokens: int) -> Iterator[Batch]:
    """Batches of rows of similar length, grouped by common prefix where reading it once saves time."""
    by_index = {row.index: row for row in rows}
    prefix_rows = [PrefixRow(row.index, row.input_ids) for row in rows]
    for group in prefix_groups(prefix_rows, TYPICAL_ANSWER):
        own = [by_index[member.index] for member in group.rows]
        prefix = shared_prefix(model, group, max_tokens)
        for batch in batch_by_length(own, tokens, max_tokens):
            yield batch, prefix


def _run(batches: Iterable[Batch], predict: PredictBatch[T], rows: Sequence[EncodedRow], progress: bool) -> list[T]:
    """Predict batch by batch, in the order of `rows`; a batch that does not fit into memory is halved."""
    texts: dict[int, T] = {}

    def record(batch: Batch) -> None:
        texts.update((row.index, text) for row, text in zip(batch[0], predict(*batch), strict=True))

    with tqdm(total=len(rows), desc="evaluation", unit="row", disable=None if progress else True, leave=None) as bar:
        for first in batches:
            pending = [first]
            while pending:
                group, prefix = pending.pop()
                if memory.fits(partial(record, (group, prefix))):
                    bar.update(len(group))
                else:
                    half = memory.halved(len(group))
                    pending += [(group[half:], prefix), (group[:half], prefix)]
    return [texts[row.index] for row in rows]
