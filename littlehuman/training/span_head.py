"""Extractive question answering: the loss of start and end logits, and the best span of a window.

Source: Devlin et al. 2019, Section 4.2; run_qa of transformers for the choice among windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from littlehuman.languages.spans import with_marks
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.span_encoding import END, START
from littlehuman.training.transfer import to_device

Found = tuple[float, str]  # score of a window's best span (the sum of its two logits), and its text


def span_losses(logits: torch.Tensor, labels: torch.Tensor, offsets: Sequence[int]) -> torch.Tensor:
    """Mean of the losses of start and end, per row: float32 [rows].

    Args:
        logits: of all tokens of the rows, float32 [T, 2].
        labels: bits per token, [T]; of several right tokens of a row the probabilities are added.
        offsets: first token of each row among the T, and the end: [rows + 1].
    """
    lengths = torch.tensor([b - a for a, b in pairwise(offsets)])
    shape = (len(lengths), int(lengths.max()), 2)
    row, column = to_device(
        [torch.arange(len(lengths)).repeat_interleave(lengths), torch.cat([torch.arange(n) for n in lengths.tolist()])],
        logits.device,
    )
    grid = logits.new_full(shape, float("-inf")).index_put((row, column), logits)
    right = torch.zeros(shape, dtype=torch.bool, device=logits.device)
    right[row, column] = torch.stack([labels & START, labels & END], -1) > 0
    return (grid.logsumexp(1) - grid.masked_fill(~right, float("-inf")).logsumexp(1)).mean(-1)


def best_span(row: EncodedRow, logits: torch.Tensor, max_tokens: int) -> Found:
    """The most probable span of a window, of at most `max_tokens` tokens; logits float32 [tokens, 2]."""
    assert row.window
    places = [t for t, span in enumerate(row.window.offsets) if span]
    if not places:
        return float("-inf"), ""
    start, end = logits[places].unbind(-1)
    scores = start[:, None] + end[None, :]
    allowed = torch.ones_like(scores, dtype=torch.bool).triu().tril(max_tokens - 1)
    best = int(scores.masked_fill(~allowed, float("-inf")).argmax())
    first, last = (row.window.offsets[places[t]] for t in divmod(best, len(places)))
    assert first and last
    text = row.window.evidence
    return float(scores.flatten()[best]), text[first[0] : with_marks(text, last[1])].strip()


def best_of_windows(rows: Sequence[EncodedRow], found: Sequence[Found]) -> list[str]:
    """The answer to each example: the span with the highest score among its windows."""
    best: dict[int, Found] = {}
    for row, span in zip(rows, found, strict=True):
        assert row.window
        if row.window.example not in best or span[0] > best[row.window.example][0]:
            best[row.window.example] = span
    return [text for _, (_, text) in sorted(best.items())]
