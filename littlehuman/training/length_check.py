"""Length check: what the token limits cut, counted before the first twin is requested.

Truncation takes the end of the evidence, which may be where the answer stands; `dataset.answer_tokens` ends a
prediction, which then cannot equal a longer gold answer. Rows are encoded as the training will encode them, with the
tokenizer alone; where that is not on this machine yet, nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from littlehuman.records import Example
from littlehuman.schema import Head
from littlehuman.training.types import Settings

TOLERATED = 0.01  # share of answers that may be cut without a word


@dataclass(frozen=True, slots=True)
class Lengths:
    """What limits do to a set of rows.

    Attributes:
        rows: number of rows.
        shortened: rows that lose a part of their evidence.
        cut: rows that lose their answer with it.
        whole: tokens of the longest row that does.
        long: gold answers (the shortest of each row) of more than `answer_tokens` tokens.
        longest: tokens of the longest of these.
    """

    rows: int
    shortened: int
    cut: int
    whole: int
    long: int
    longest: int


def sentences(train: Sequence[Example], test: Sequence[Example], settings: Settings) -> list[str]:
    """One sentence for each thing that a limit cuts, with the limit that would not.

    Args:
        train: the human points of the training set, those that twins will replace included.
        test: the test points.
        settings: the limits, the model and the task.
    """
    said = []
    for what, points, limit in (
        ("training", train, settings.max_tokens),
        ("test", test, settings.test_max_tokens),
    ):
        found = measure(points, settings, limit)
        if found and found.shortened:
            said.append(_truncation(found, what, limit))
        if found and what == "test" and found.long > TOLERATED * found.rows:
            said.append(
                f"dataset.answer_tokens={settings.answer_tokens} cuts {found.long} of {found.rows} gold answers of the "
                f"test points, which cannot be reached; dataset.answer_tokens={found.longest} would cut none"
            )
    return said


def of_twins(points: Sequence[Example], settings: Settings, limit: int, *, with_text: bool) -> list[str]:
    """The sentence for a limit of the prompt model's answers that human points would pass, if they do.

    Their tokens are counted by the tokenizer of the fine-tuned model, so they are an estimate for the prompt model's.

    Args:
        points: the points whose twins are asked for.
        settings: names the model.
        limit: tokens of an answer (`strategy.max_tokens`).
        with_text: a twin has a text of its own, not the label or answer alone.
    """
    tokenizer = _tokenizer(settings.model.weights, settings.model.revision) if points else None
    if tokenizer is None:
        return []
    texts = (f"{point.text} {point.target}" if with_text else point.target for point in points)
    long = [tokens for tokens in map(tokenizer.answer_tokens, texts) if tokens > limit]
    if len(long) <= TOLERATED * len(points):
        return []
    part = "text and answer" if with_text else "answer"
    return [
        f"strategy.max_tokens={limit} is less than the {part} of {len(long)} of {len(points)} human points, so twins "
        f"like them would be cut; strategy.max_tokens={max(long)} has room for them, but not for a form around them"
    ]


def _truncation(found: Lengths, what: str, limit: int) -> str:
    line = f"dataset.max_tokens={limit} cuts the end of the evidence of {found.shortened} of {found.rows} {what} rows"
    if not found.cut:
        return line
    line += f", and with it the answer of {found.cut}"
    enough = f"; dataset.max_tokens={found.whole} would cut none of these answers"
    return line + enough * (found.cut > TOLERATED * found.rows)


def measure(points: Sequence[Example], settings: Settings, limit: int) -> Lengths | None:
    """What `limit` and `answer_tokens` cut; None where the tokenizer is not on this machine."""
    model, task = settings.model, settings.task
    if task.head is Head.span:  # windows show all of the evidence, and nothing is cut
        return None
    tokenizer = _tokenizer(model.weights, model.revision) if points else None
    if tokenizer is None:
        return None
    encoding = (tokenizer, task.head, model.architecture, task.model_input)
    return _measured(tuple(points), encoding, limit, settings.answer_tokens)


@lru_cache(maxsize=8)  # the cells of a sweep share their test points
def _measured(points: tuple[Example, ...], encoding: tuple[Any, ...], limit: int, answer_tokens: int) -> Lengths:
    from littlehuman.training.encoding import Encoder

    tokenizer, head, architecture, model_input = encoding
    encoder = Encoder(tokenizer, head, architecture, model_input, limit)
    rows = [encoder.encode_prompt(point) for point in points]
    wholes = [row.cut_answer_at for row in rows if row.cut_answer_at is not None]
    golds = [min(map(tokenizer.answer_tokens, point.targets)) for point in points] if head is Head.generation else []
    long = [tokens for tokens in golds if tokens > answer_tokens]
    shortened = sum(row.shortened for row in rows)
    return Lengths(len(rows), shortened, len(wholes), max(wholes, default=0), len(long), max(long, default=0))


class _Tokenizer:
    """A tokenizer of the package `tokenizers`, called as one of transformers is."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, *texts: str, add_special_tokens: bool = True, **_: bool) -> dict[str, Any]:
        encoded = self._tokenizer.encode(*texts, add_special_tokens=add_special_tokens)
        return {"input_ids": encoded.ids, "offset_mapping": encoded.offsets}

    def answer_tokens(self, answer: str) -> int:
        return len(self(f" {answer}", add_special_tokens=False)["input_ids"])


@lru_cache(maxsize=2)
def _tokenizer(weights: str, revision: str | None) -> _Tokenizer | None:
    from littlehuman.models.chat_template import local_tokenizer

    found = local_tokenizer(weights, revision)
    return None if found is None else _Tokenizer(found)
