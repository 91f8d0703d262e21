"""Prompts that begin alike: their beginning is read once.

In: rows of tokens. Out: families of rows with a common prefix, and the prefix's keys and values
for batches of a family. With worked examples that do not change (chain of thought, zero-shot) most
of a prompt is prefix; where each prompt draws its own, the system turn is.
"""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

BLOCK = 32  # tokens that rows must share beyond their family's prefix to be looked at as a family of their own
STEP = 48  # a pass's fixed cost in tokens read: 29 ms at 1,700 tokens/s (SmolLM2 on 2 cores); more on a GPU


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """A prompt as tokens: its place among the requests and its sampling seed."""

    index: int
    tokens: tuple[int, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Rows that share their first `prefix` tokens; each has at least one token of its own."""

    prefix: int
    rows: tuple[PrefixRow, ...]

    @property
    def saved(self) -> int:
        """Tokens that need not be read when the prefix is read once."""
        return self.prefix * (len(self.rows) - 1)


def prefix_groups(rows: Sequence[PrefixRow], max_tokens: int) -> list[PrefixGroup]:
    """Divide rows where their prefixes part, if what that saves pays for one more batch; those of the longest row come first.

    Args:
        rows: any number, each of at least one token.
        max_tokens: steps of an answer: an additional batch that is not full costs as many passes.
    """
    found = _divide(list(rows), STEP * max_tokens) if rows else []
    return sorted(found, key=lambda family: max(len(row.tokens) for row in family.rows), reverse=True)


def _divide(rows: list[PrefixRow], batch_cost: int) -> list[PrefixGroup]:
    prefix = _shared(rows)
    blocks: dict[tuple[int, ...], list[PrefixRow]] = defaultdict(list)
    for row in rows:
        blocks[row.tokens[prefix : prefix + BLOCK]].append(row)
    apart: list[PrefixGroup] = []
    rest: list[PrefixRow] = []
    for block in blocks.values():
        parts = _divide(block, batch_cost) if 1 < len(block) < len(rows) else []
        pays = sum(part.saved for part in parts) - prefix * len(block) > batch_cost * len(parts)
        if parts and pays:
            apart += parts
        else:
            rest += block
    return apart + ([PrefixGroup(_shared(rest), tuple(rest))] if rest else [])


def _shared(rows: Sequence[PrefixRow]) -> int:
    """Length of the longest common prefix that leaves each row a token."""
    first, last = min(row.tokens for row in rows), max(row.tokens for row in rows)
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(alike, *(len(row.tokens) - 1 for row in rows))


class Prefix:
    """The keys and values of a prefix, read when the first batch asks for them."""

    def __init__(self, model: Any, tokens: Sequence[int]) -> None:
        self.model = model
        self.ids = torch.tensor([list(tokens)], device=model.device)
        self._cache: Any = None

    def before(self, batch: Any) -> dict[str, Any]:
        """What `generate` takes for a left-padded batch of the rows without their prefix.

        The padding lies between prefix and rest: masked, and not counted in positions.
        """
        count = batch["input_ids"].shape[0]
        cache = copy.deepcopy(self._read())  # generating writes into it
        cache.batch_repeat_interleave(count)
        ids = self.ids.expand(count, -1)
        return {
            "input_ids": torch.cat([ids, batch["input_ids"]], 1),
            "attention_mask": torch.cat([torch.ones_like(ids), batch["attention_mask"]], 1),
            "past_key_values": cache,
        }

    def _read(self) -> Any:
        if self._cache is None:
            from transformers import DynamicCache

            cache = DynamicCache(config=self.model.config)
            self.model.base_model(
                input_ids=self.ids, past_key_values=cache, use_cache=True
            )  # without the head: no logits wanted
            self._cache = cache
        return self._cache


def can_share(model: Any, tokens: int) -> bool:
    """Whether keys and values of a prefix may stand before padded rows of up to `tokens` tokens in all.

    That needs positions that are given (not counted in the row), attention that sees the whole row
    (a sliding window counts the padding), and no recurrent state.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    config = model.config.get_text_config()
    given = "position_ids" in inspect.signature(model.forward).parameters and not getattr(config, "alibi", False)
    if not given or not model._supports_default_dynamic_cache():
        return False
    layers = DynamicCache(config=model.config).layers
    windows = [layer.sliding_window for layer in layers if type(layer) is DynamicSlidingWindowLayer]
    plain = sum(type(layer) is DynamicLayer for layer in layers)
    return len(layers) == plain + len(windows) and all(tokens < window for window in windows)
