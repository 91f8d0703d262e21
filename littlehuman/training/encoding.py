"""From points to token rows, and from rows to batches of like length.

In: examples, a tokenizer, the task's input form. Out: `Row`s (token ids and what to learn). When a
row is too long its evidence is shortened, never the claim or question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from littlehuman.errors import DataError
from littlehuman.records import Example
from littlehuman.schema import Architecture, Head, LossOn

IGNORE = -100


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One point as tokens. `labels` has one entry per token (answers) or a single class index.

    `types` says per token which text of an encoder's pair it stands in; empty where the model does not ask.
    `reads_at` is the token whose state a classification head reads; None where answers are written.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    index: int = 0
    shortened: bool = False
    types: tuple[int, ...] = ()
    reads_at: int | None = None


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
    positions: int | None = None  # what the model can read at all (`Base.positions`)
    answer_tokens: int = 0  # of which this many are kept free for the answer
    typed_pairs: bool = False  # the model was told which text of a pair a token stands in

    def prompt(self, example: Example, index: int = 0) -> EncodedRow:
        """The tokens that the model reads before it answers.

        Raises:
            DataError: when the row is longer than the model's position table, even without evidence.
        """
        room = self.max_tokens if self.positions is None else min(self.max_tokens, self.positions - self.answer_tokens)
        evidence = example.evidence
        ids, types = self._tokens(example, evidence)
        while len(ids) > room and evidence:  # again if need be: what is cut in the middle of a word may split otherwise
            evidence = self._cut(evidence, len(ids) - room)
            ids, types = self._tokens(example, evidence)
        self._must_fit(example, len(ids) + self.answer_tokens)
        return EncodedRow(ids, (), index, evidence != example.evidence, types, self._reads_at(ids))

    def lesson(self, example: Example, index: int = 0) -> EncodedRow:
        """The prompt with what is to be learnt: the class, or the answer and the end token.

        Raises:
            DataError: as `prompt`, and when the answer does not fit behind it.
        """
        row = self.prompt(example, index)
        if self.head is Head.classification:
            return replace(row, labels=(self.classes.index(example.target),))
        answer = self.tokenizer(" " + example.target, add_special_tokens=False)["input_ids"] + [
            self.tokenizer.eos_token_id
        ]
        self._must_fit(example, len(row.ids) + len(answer))
        # The first token has nothing before it; in a row that is padded on the left it would be learnt from the padding.
        read = (IGNORE, *row.ids[1:]) if self.loss_on is LossOn.text else (IGNORE,) * len(row.ids)
        return replace(row, ids=row.ids + tuple(answer), labels=(*read, *answer))

    def _reads_at(self, ids: tuple[int, ...]) -> int | None:
        """A decoder has read the row at its last token, an encoder tells it at its first."""
        if self.head is Head.generation:
            return None
        return 0 if self.architecture is Architecture.encoder else len(ids) - 1

    def _tokens(self, example: Example, evidence: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self.architecture is Architecture.encoder:
            pair = self.tokenizer(*((evidence, example.text) if evidence else (example.text,)))
            return tuple(pair["input_ids"]), tuple(pair.get("token_type_ids", ())) if self.typed_pairs else ()
        text = self.model_input.format(evidence=evidence, text=example.text).lstrip()
        return tuple(self.tokenizer(text)["input_ids"]), ()

    def _cut(self, evidence: str, excess: int) -> str:
        starts = self.tokenizer(evidence, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        end = (
            starts[-excess][0] if excess < len(starts) else 0
        )  # before the first token too many, so never inside a character
        return evidence[: min(end, len(evidence) - 1)].rstrip()

    def _must_fit(self, example: Example, tokens: int) -> None:
        if self.positions is not None and tokens > self.positions:
            raise DataError(
                f"{example.id}: {tokens} tokens with its answer and without its evidence; this model reads at most {self.positions}.\n"
                "Try: a model with a longer window, or shorten this row"
            )


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Tensors to write on from: `input_ids` and `attention_mask` [rows, longest], every row ending at the right edge.

    Padding is told by the mask alone: the pad token may be the end token.
    """
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


def by_length(rows: Sequence[EncodedRow], tokens: int, more: int = 0) -> Iterator[list[EncodedRow]]:
    """Batches of rows of like length, longest first, each of at most `tokens` tokens when padded (at least one row).

    `more` counts on to each row what will be written behind it. Scores do not depend on the batches.
    """
    batch: list[EncodedRow] = []
    for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
        if batch and (len(batch) + 1) * (len(batch[0].ids) + more) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
