"""What a trained model says about the test points, in batches of like length.

In: a model and prompt rows. Out: one text per row, in the rows' order: a class name, or an answer
(first line, without the end token). No repetition penalty; generation is greedy and left-padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tqdm import tqdm

from littlehuman.training.batching import Row, by_length, padded


def classify(model: Any, rows: Sequence[Row], classes: Sequence[str], *, pad: int, batch: int, progress: bool = True) -> list[str]:
    """The most probable class of each row."""
    out = [""] * len(rows)
    for group in _groups(rows, batch, progress):
        with torch.inference_mode():
            logits = model(**padded(group, pad, model.device)).logits
        for row, choice in zip(group, logits.float().argmax(-1).tolist(), strict=True):
            out[row.index] = classes[choice]
    return out


def answer(model: Any, tokenizer: Any, rows: Sequence[Row], *, max_tokens: int, batch: int, progress: bool = True) -> list[str]:
    """The greedy answer to each row, up to `max_tokens` tokens or the end token."""
    out = [""] * len(rows)
    model.config.use_cache = True
    for group in _groups(rows, batch, progress):
        tensors = padded(group, tokenizer.pad_token_id, model.device, left=True)
        with torch.inference_mode():
            tokens = model.generate(
                **tensors,
                max_new_tokens=max_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                repetition_penalty=1.0,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        for row, new in zip(group, tokens[:, tensors["input_ids"].shape[1] :].tolist(), strict=True):
            out[row.index] = first_line(tokenizer.decode(new, skip_special_tokens=True))
    return out


def first_line(text: str) -> str:
    """An untrained model rambles on; like a trained one it is held to its first line."""
    return text.strip().split("\n", 1)[0].strip()


def _groups(rows: Sequence[Row], batch: int, progress: bool) -> Iterator[list[Row]]:
    with tqdm(total=len(rows), desc="evaluation", unit="row", disable=not progress) as bar:
        for group in by_length(rows, batch):
            yield group
            bar.update(len(group))
