"""A family of prompts -> its answers, batch after batch.

In: rows of tokens that begin alike. Out: one `Decoded` each, as soon as its batch is done. Rows are
left-padded; a row ends at the model's own end token, and a batch when all of its rows did. A batch
that does not fit into memory is halved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.errors import GenerationError
from littlehuman.training.memory import DoesNotFit, fits, halved
from littlehuman.training.prefixes import STEP, Family, Prefix, Row, can_share
from littlehuman.training.rendering import stop_texts


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to conversation `index`; `finish` is `stop`, or `length` when it was cut."""

    index: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass
class Writer:
    """Writes the answers of families; `batch_size` is what has fitted so far."""

    weights: str
    tokenizer: Any
    model: Any
    max_tokens: int
    temperature: float
    top_p: float
    batch_size: int
    share_prefixes: bool

    def answers(self, family: Family) -> Iterator[Decoded]:
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

    def _if_it_fits(self, rows: Sequence[Row], prefix: Prefix | None) -> list[Decoded] | None:
        found: list[Decoded] = []
        return found if fits(lambda: found.extend(self._write(rows, prefix))) else None

    def _make_smaller(self, batch: Sequence[Row]) -> None:
        try:
            self.batch_size = halved(len(batch))
        except DoesNotFit as error:
            raise GenerationError(
                f"prompt_model.weights={self.weights}: out of memory with one prompt of {len(batch[0].tokens)} tokens at a time\n"
                "Try: prompt_model.dtype=bfloat16, a smaller strategy.max_evidence_words, or a smaller model"
            ) from error

    def _write(self, rows: Sequence[Row], prefix: Prefix | None) -> list[Decoded]:
        start = prefix.ids.shape[1] if prefix else 0
        batch = self.tokenizer.pad({"input_ids": [list(row.tokens[start:]) for row in rows]}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            inputs = prefix.before(batch) if prefix else dict(batch)
            out = self.model.generate(**inputs, max_new_tokens=self.max_tokens, **self._how(rows))
        new = out[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._read(row, tokens) for row, tokens in zip(rows, new, strict=True)]

    def _how(self, rows: Sequence[Row]) -> dict[str, Any]:
        how: dict[str, Any] = {"use_cache": True}
        if stops := stop_texts(self.tokenizer):
            how |= {"stop_strings": stops, "tokenizer": self.tokenizer}
        if self.temperature > 0:
            from littlehuman.training.noise import OwnNoise

            how["logits_processor"] = [OwnNoise([row.seed for row in rows], self.temperature, self.top_p, self.model.device)]
        return how

    def _read(self, row: Row, tokens: list[int]) -> Decoded:
        """A row's answer: up to its end token, or to the text that ends it."""
        ends = self.model.generation_config.eos_token_id or []
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
        used = len(tokens) if length is None else length + 1
        for stop in stop_texts(self.tokenizer):
            if stop in text:
                used = next(n for n in range(1, used + 1) if stop in self.tokenizer.decode(tokens[:n], skip_special_tokens=True))
                text, length = text[: text.index(stop)], used
        return Decoded(row.index, text, "length" if length is None else "stop", len(row.tokens), used)
