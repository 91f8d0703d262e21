"""Tokenisation: examples -> rows of tokens with labels, and rows -> batches of similar length.

A row that is too long loses the end of its evidence, never a part of the claim or question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from littlehuman.errors import DataError
from littlehuman.records import Example
from littlehuman.schema import Architecture, Head, LossOn

IGNORE_INDEX = -100  # a label without a loss, as in torch's cross_entropy


@dataclass(frozen=True, slots=True)
class Window:
    """What a row shows of an example's evidence, for extractive question answering.

    Attributes:
        example: the example's number in its training or test set; the other windows of the example have it too.
        evidence: of the example, whole.
        offsets: per token the characters of the evidence that it stands for; None outside of it.
    """

    example: int
    evidence: str
    offsets: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One example as tokens.

    Attributes:
        input_ids: token ids.
        labels: one per token (generation; spans: bits of `span_encoding`), or a single class index (classification);
            empty for a prompt.
        index: the row's number in its training or test set: that of its example, but for spans.
        shortened: whether evidence was cut off.
        cut_answer_at: tokens of the whole row, where the evidence that was cut off held all there was of its answers.
        token_type_ids: one per token, for encoders that were trained with them; else empty.
        pooling_position: the token whose hidden state a classification head reads; else None.
        window: of extractive question answering; else None.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    index: int = 0
    shortened: bool = False
    token_type_ids: tuple[int, ...] = ()
    pooling_position: int | None = None
    cut_answer_at: int | None = None
    window: Window | None = None


@dataclass(frozen=True)
class Encoder:
    """Encodes examples for one tokenizer and task.

    Attributes:
        model_input: the prompt's template; an encoder gets a text pair instead.
        max_tokens: limit of a prompt.
        max_positions: limit of the model (`Base.max_positions`).
        answer_tokens: positions of `max_positions` that are reserved for the answer.
        use_token_types: whether the model distinguishes the two texts of a pair.
    """

    tokenizer: Any
    head: Head
    architecture: Architecture
    model_input: str
    max_tokens: int
    classes: tuple[str, ...] = ()
    loss_on: LossOn = LossOn.answer
    max_positions: int | None = None
    answer_tokens: int = 0
    use_token_types: bool = False

    def train_rows(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """The rows to train on, numbered (errors as `encode_train`)."""
        return [self.encode_train(example, number) for number, example in enumerate(examples)]

    def test_rows(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """The rows to predict, numbered (errors as `encode_prompt`)."""
        return [self.encode_prompt(example, number) for number, example in enumerate(examples)]

    def encode_prompt(self, example: Example, index: int = 0) -> EncodedRow:
        """The tokens that the model reads before it answers.

        Raises:
            DataError: when the row exceeds `max_positions` even without evidence.
        """
        limit = self.max_tokens
        if self.max_positions is not None:
            limit = min(limit, self.max_positions - self.answer_tokens)
        evidence = example.evidence
        ids, types = self._tokenize(example, evidence)
        whole = len(ids)
        while len(ids) > limit and evidence:  # more than once where a word that is cut splits into more tokens
            evidence = self._truncate(evidence, len(ids) - limit)
            ids, types = self._tokenize(example, evidence)
        self._check_length(example, len(ids) + self.answer_tokens)
        lost = whole if self._loses_answer(example, evidence) else None
        return EncodedRow(ids, (), index, evidence != example.evidence, types, self._pooling_position(ids), lost)

    def encode_train(self, example: Example, index: int = 0) -> EncodedRow:
        """The prompt with its labels: the class, or the answer and the end token.

        Raises:
            DataError: as `encode_prompt`, and when the answer does not fit behind the prompt.
        """
        row = self.encode_prompt(example, index)
        if self.head is Head.classification:
            return replace(row, labels=(self.classes.index(example.target),))
        answer = self.tokenizer(self._answer(example), add_special_tokens=False)["input_ids"]
        answer = (*answer, self.tokenizer.eos_token_id)
        self._check_length(example, len(row.input_ids) + len(answer))
        # The first token is never predicted: nothing precedes it, or padding does.
        prompt = (
            (IGNORE_INDEX, *row.input_ids[1:]) if self.loss_on is LossOn.text else (IGNORE_INDEX,) * len(row.input_ids)
        )
        return replace(row, input_ids=row.input_ids + answer, labels=(*prompt, *answer))

    def _answer(self, example: Example) -> str:
        return " " + example.target

    def _loses_answer(self, example: Example, evidence: str) -> bool:
        """Whether the evidence had an answer in it, and what is left of it has none."""
        if self.head is Head.classification or evidence == example.evidence:
            return False
        before, after = example.evidence.casefold(), evidence.casefold()
        answers = [target.casefold() for target in example.targets]
        return any(answer in before for answer in answers) and not any(answer in after for answer in answers)

    def _pooling_position(self, ids: tuple[int, ...]) -> int | None:
        """First token of an encoder, last token of a decoder (the only one that has attended to the whole row)."""
        if self.head is not Head.classification:
            return None
        return 0 if self.architecture is Architecture.encoder else len(ids) - 1

    def _tokenize(self, example: Example, evidence: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self.architecture is Architecture.encoder:
            pair = self.tokenizer(*((evidence, example.text) if evidence else (example.text,)))
            return tuple(pair["input_ids"]), tuple(pair.get("token_type_ids", ())) if self.use_token_types else ()
        text = self.model_input.format(evidence=evidence, text=example.text).lstrip()
        return tuple(self.tokenizer(text)["input_ids"]), ()

    def _truncate(self, evidence: str, excess: int) -> str:
        """`evidence` without its last `excess` tokens. It is cut where a token starts: never inside a character."""
        offsets = self.tokenizer(evidence, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        end = offsets[-excess][0] if excess < len(offsets) else 0
        return evidence[: min(end, len(evidence) - 1)].rstrip()

    def _check_length(self, example: Example, tokens: int) -> None:
        if self.max_positions is not None and tokens > self.max_positions:
            raise DataError(
                f"{example.id}: {tokens} tokens with its answer and without its evidence; "
                f"this model reads at most {self.max_positions}.\n"
                "Try: a model with a longer window, or shorten this row"
            )


def count_shortened(train: Sequence[EncodedRow], test: Sequence[EncodedRow]) -> dict[str, int]:
    """Rows that were too long (train, test), and those that lost their answer, where there are any."""
    parts = {"train": train, "test": test}
    counts = {part: sum(row.shortened for row in rows) for part, rows in parts.items()}
    lost = {f"{part}_answers": sum(row.cut_answer_at is not None for row in rows) for part, rows in parts.items()}
    return counts | {part: count for part, count in lost.items() if count}


def pad_left(rows: Sequence[Sequence[int]], pad_token_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Inputs of `generate`: `input_ids` and `attention_mask`, [rows, longest], padded on the left.

    Only the mask marks padding: the pad token may also be the end token.
    """
    width = max(map(len, rows))
    ids = [[pad_token_id] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


def batch_by_length(rows: Sequence[EncodedRow], tokens: int, new_tokens: int = 0) -> Iterator[list[EncodedRow]]:
    """Batches of rows of similar length, longest first; at most `tokens` tokens when padded, at least one row.

    `new_tokens` are added to the length of each row for what will be generated. Scores do not depend on the batches.
    """
    batch: list[EncodedRow] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids), reverse=True):
        if batch and (len(batch) + 1) * (len(batch[0].input_ids) + new_tokens) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
