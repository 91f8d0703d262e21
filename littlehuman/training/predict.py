"""What a trained cell says about its test points, in batches of like length under a token budget.

In: a stack, one of its cells, and prompt rows. Out: one text per row, in the rows' order: a class
name, or an answer (first line, without the end token). The adapter stays unmerged on the shared
base. Answers are greedy, without repetition penalty, written from left-padded batches that end
when each row has said its end token; evidence that several questions share is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from tqdm import tqdm

from littlehuman.models import memory, prefix_cache
from littlehuman.models.prefix_cache import Prefix
from littlehuman.training.encoding import EncodedRow, by_length, left_padded
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import pack

BUDGET = {"cpu": 4096, "cuda": 32768}  # tokens at once
SHORT = 6  # tokens of a usual answer: what a further batch costs is weighed by it
Batch: TypeAlias = tuple[list[EncodedRow], Prefix | None]  # rows, and what was read of them already


def budget(asked: int | None, device: torch.device) -> int:
    """Tokens of an evaluation batch: `launch.eval_tokens`, or what suits the device."""
    return asked or BUDGET.get(device.type, 4096)


def classify(
    stack: MultiLora,
    cell: int,
    rows: Sequence[EncodedRow],
    classes: Sequence[str],
    *,
    tokens: int,
    packed: bool,
    progress: bool = True,
) -> list[str]:
    """The most probable class of each row: one forward pass."""

    def read(group: list[EncodedRow], _: Prefix | None) -> list[str]:
        batch = pack(
            [(0, group)],
            stack.base.device,
            pad=stack.base.pad,
            packed=packed,
            first=stack.base.first_position,
            names=[0],
        )
        return [classes[choice] for choice in stack.logits(batch, cell).float().argmax(-1).tolist()]

    return _in_batches(rows, [(group, None) for group in by_length(rows, tokens)], read, progress)


def answer(
    stack: MultiLora, cell: int, rows: Sequence[EncodedRow], *, max_tokens: int, tokens: int, progress: bool = True
) -> list[str]:
    """The greedy answer to each row, up to `max_tokens` tokens or the end token."""

    def write(group: list[EncodedRow], prefix: Prefix | None) -> list[str]:
        return generated(stack.model, stack.base.tokenizer, group, max_tokens, prefix)

    with stack.serving(cell):
        return _in_batches(rows, _batches(stack.model, rows, tokens, max_tokens), write, progress)


def generated(
    model: Any, tokenizer: Any, rows: Sequence[EncodedRow], max_tokens: int, prefix: Prefix | None = None
) -> list[str]:
    """One batch of greedy answers; `prefix`, where given, is what all rows begin with."""
    read = prefix.ids.shape[1] if prefix else 0
    tensors = left_padded([row.ids[read:] for row in rows], tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        inputs = prefix.before(tensors) if prefix else tensors
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
    return [
        first_line(tokenizer.decode(new, skip_special_tokens=True))
        for new in tokens[:, inputs["input_ids"].shape[1] :].tolist()
    ]


def first_line(text: str) -> str:
    """An untrained model rambles on; like a trained one it is held to its first line."""
    return text.strip().split("\n", 1)[0].strip()


def _batches(model: Any, rows: Sequence[EncodedRow], tokens: int, more: int) -> Iterator[Batch]:
    """Batches of rows that begin alike, where reading that once pays, and of like length."""
    by_index = {row.index: row for row in rows}
    for family in prefix_cache.prefix_groups([prefix_cache.PrefixRow(row.index, row.ids) for row in rows], SHORT):
        own = [by_index[member.index] for member in family.rows]
        pays = family.saved > prefix_cache.STEP and prefix_cache.can_share(
            model, max(len(row.ids) for row in own) + more
        )
        prefix = Prefix(model, own[0].ids[: family.prefix]) if pays else None
        for group in by_length(own, tokens, more):
            yield group, prefix


def _note(batch: Batch, read: Callable[[list[EncodedRow], Prefix | None], list[str]], out: dict[int, str]) -> None:
    out |= {row.index: text for row, text in zip(batch[0], read(*batch), strict=True)}


def _in_batches(
    rows: Sequence[EncodedRow],
    batches: Iterable[Batch],
    read: Callable[[list[EncodedRow], Prefix | None], list[str]],
    progress: bool,
) -> list[str]:
    """`read` batch by batch; one that does not fit into memory is read in halves."""
    out: dict[int, str] = {}
    with tqdm(total=len(rows), desc="evaluation", unit="row", disable=not progress, leave=None) as bar:
        for batch in batches:
            waiting = [batch]
            while waiting:
                group, prefix = waiting.pop()
                if memory.fits(partial(_note, (group, prefix), read, out)):
                    bar.update(len(group))
                else:
                    middle = memory.halved(len(group))
                    waiting += [(group[middle:], prefix), (group[:middle], prefix)]
    return [out[row.index] for row in rows]
