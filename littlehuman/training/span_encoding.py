"""Tokenisation for extractive question answering: question and evidence, in windows that overlap.

As in run_qa of transformers: a row is the question and as much of the evidence as fits, and further rows begin
`STRIDE` tokens before the end of the last one. A window without the answer is labelled at its first token. Where the
answer stands several times, every place is right (Clark and Gardner 2018): the data does not say which one was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from littlehuman.errors import DataError
from littlehuman.languages.spans import find_answer, is_unspoken
from littlehuman.records import Example
from littlehuman.training.encoding import EncodedRow, Encoder, Window

STRIDE = 128  # tokens of evidence that two windows share, or half of a window that is smaller
MIN_ROOM = 8  # tokens of evidence in a window, at least
START, END = 1, 2  # bits of a token's label


@dataclass(frozen=True)
class SpanEncoder(Encoder):
    """Encodes questions for a head that marks spans; `max_tokens` is the size of a window."""

    def train_rows(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """All windows of all examples, labelled; windows of one example are rows of their own."""
        return _numbered(row for number, e in enumerate(examples) for row in self.labelled_windows(e, number))

    def test_rows(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """All windows of all examples, without labels."""
        return _numbered(row for number, e in enumerate(examples) for row in self.windows(e, number))

    def encode_prompt(self, example: Example, index: int = 0) -> EncodedRow:
        """The first window.

        Raises:
            DataError: when the question leaves no room for evidence.
        """
        return next(self.windows(example, index))

    def encode_train(self, example: Example, index: int = 0) -> EncodedRow:
        """The first window, labelled (errors as `encode_prompt`)."""
        return next(self.labelled_windows(example, index))

    def labelled_windows(self, example: Example, index: int) -> Iterator[EncodedRow]:
        """All windows of example number `index`, with the places of its answer."""
        places = find_answer(example.targets, example.evidence)
        return (replace(row, labels=_labels(row, places)) for row in self.windows(example, index))

    def windows(self, example: Example, index: int) -> Iterator[EncodedRow]:
        """All windows of example number `index`, without labels."""
        limit = min(self.max_tokens, self.max_positions or self.max_tokens)
        room = limit - len(self.tokenizer(example.text, "")["input_ids"])
        if room < MIN_ROOM:
            needed = limit - room + 2 * STRIDE
            mend = f"dataset.max_tokens={needed}, or " if needed <= (self.max_positions or needed) else ""
            raise DataError(
                f"{example.id}: its question leaves {max(room, 0)} of {limit} tokens for the evidence\n"
                f"Try: {mend}a model that reads more tokens, or shorten this row"
            )
        pair: Any = self.tokenizer(
            example.text,
            example.evidence,
            truncation="only_second",
            max_length=limit,
            stride=min(STRIDE, room // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        for number, ids in enumerate(pair["input_ids"]):
            parts, offsets = pair.sequence_ids(number), pair["offset_mapping"][number]
            kept = tuple(tuple(span) if part == 1 else None for part, span in zip(parts, offsets, strict=True))
            types = tuple(pair["token_type_ids"][number]) if self.use_token_types else ()
            window = Window(index, example.evidence, kept)
            yield EncodedRow(tuple(ids), (), token_type_ids=types, window=window)


def _numbered(rows: Iterator[EncodedRow]) -> list[EncodedRow]:
    return [replace(row, index=number) for number, row in enumerate(rows)]


def _labels(row: EncodedRow, places: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Per token whether an answer starts or ends there; the first token where the window has no answer."""
    assert row.window
    labels = [0] * len(row.input_ids)
    spans, evidence = [(t, span) for t, span in enumerate(row.window.offsets) if span], row.window.evidence
    for first, last in places:
        inside = [(t, span) for t, span in spans if span[0] < last and span[1] > first]
        if not inside:
            continue
        (start, (begins, _)), (end, (_, ends)) = inside[0], inside[-1]
        if is_unspoken(evidence[first:begins]) and is_unspoken(evidence[ends:last]):  # no token of it is outside
            labels[start] |= START
            labels[end] |= END
    return tuple(labels) if any(labels) else (START | END, *labels[1:])
