"""From points to token rows, from rows to batches that pad only to their own longest row.

In: examples, a tokenizer, the task's input form. Out: `Row`s (token ids and what to learn) and
tensors. When a row is too long its evidence is shortened, never the claim or question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.config import Architecture, Head, LossOn
from littlehuman.records import Example

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Row:
    """One point as tokens. `labels` has one entry per token (answers) or a single class index."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    index: int = 0
    shortened: bool = False


@dataclass(frozen=True)
class Encoder:
    """Turns examples into rows, for one tokenizer and task."""

    tokenizer: Any
    head: Head
    architecture: Architecture
    model_input: str
    max_tokens: int
    classes: tuple[str, ...] = ()
    loss_on: LossOn = LossOn.answer

    def prompt(self, example: Example, index: int = 0) -> Row:
        """The tokens that the model reads before it answers."""
        ids = self._tokens(example, example.evidence)
        shortened = len(ids) > self.max_tokens and bool(example.evidence)
        if shortened:
            ids = self._tokens(example, self._cut(example.evidence, len(ids) - self.max_tokens))
        return Row(tuple(ids), (), index, shortened)

    def lesson(self, example: Example, index: int = 0) -> Row:
        """The prompt with what is to be learnt: the class, or the answer and the end token."""
        row = self.prompt(example, index)
        if self.head is Head.classification:
            return Row(row.ids, (self.classes.index(example.target),), index, row.shortened)
        answer = self.tokenizer(" " + example.target, add_special_tokens=False)["input_ids"] + [self.tokenizer.eos_token_id]
        read = row.ids if self.loss_on is LossOn.text else (IGNORE,) * len(row.ids)
        return Row(row.ids + tuple(answer), (*read, *answer), index, row.shortened)

    def _tokens(self, example: Example, evidence: str) -> list[int]:
        if self.architecture is Architecture.encoder:
            pair = (evidence, example.text) if evidence else (example.text,)
            return list(self.tokenizer(*pair)["input_ids"])
        text = self.model_input.format(evidence=evidence, text=example.text).lstrip()
        return list(self.tokenizer(text)["input_ids"])

    def _cut(self, evidence: str, excess: int) -> str:
        offsets = self.tokenizer(evidence, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        kept = offsets[: max(0, len(offsets) - excess)]
        return evidence[: kept[-1][1]] if kept else ""


def padded(rows: Sequence[Row], pad: int, device: torch.device, *, left: bool = False) -> dict[str, torch.Tensor]:
    """Tensors of a batch: `input_ids` and `attention_mask` [rows, longest], and `labels`.

    Labels are [rows] for classes and [rows, longest] for answers. Padding is told by the mask
    alone: the pad token may be the end token, which is learnt like any other.
    """
    width = max(len(row.ids) for row in rows)
    fills = [[pad] * (width - len(row.ids)) for row in rows]
    ids = [fill + list(row.ids) if left else list(row.ids) + fill for row, fill in zip(rows, fills, strict=True)]
    mask = [[0] * len(f) + [1] * len(r.ids) if left else [1] * len(r.ids) + [0] * len(f) for r, f in zip(rows, fills, strict=True)]
    batch = {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}
    if all(len(row.labels) == 1 for row in rows):
        batch["labels"] = torch.tensor([row.labels[0] for row in rows], device=device)
    elif all(row.labels for row in rows):
        labels = [list(row.labels) + [IGNORE] * len(fill) for row, fill in zip(rows, fills, strict=True)]
        batch["labels"] = torch.tensor(labels, device=device)
    return batch


def by_length(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Batches of rows of like length, longest first; scores do not depend on the order."""
    ordered = sorted(rows, key=lambda row: len(row.ids), reverse=True)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
