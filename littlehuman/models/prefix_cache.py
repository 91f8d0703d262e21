"""Prefix caching: keys and values of a prefix that several prompts share are computed once.

With fixed few-shot examples (chain of thought, zero-shot) most of a prompt is prefix; where each prompt draws its
own examples, only the system turn is.
"""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

BLOCK = 32  # tokens beyond a group's prefix that rows must share to be tried as a separate group
PASS_COST = 48  # fixed cost of a pass, in tokens read: 29 ms at 1,700 tokens/s (SmolLM2 on 2 cores); more on a GPU


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """A prompt as tokens, with its number among the requests and its sampling seed."""

    index: int
    tokens: tuple[int, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Rows that share their first `prefix_length` tokens; each has at least one more token."""

    prefix_length: int
    rows: tuple[PrefixRow, ...]

    @property
    def saved(self) -> int:
        """Tokens that need not be read when the prefix is read once."""
        return self.prefix_length * (len(self.rows) - 1)


def prefix_groups(rows: Sequence[PrefixRow], max_tokens: int) -> list[PrefixGroup]:
    """Group rows by common prefix, split where that saves more than the additional batches cost.

    Args:
        rows: any number, each of at least one token.
        max_tokens: decoding steps of an answer; an additional, partly filled batch costs as many passes.

    Returns:
        Groups in the order of their longest rows, longest first.
    """
    groups = _split(list(rows), PASS_COST * max_tokens) if rows else []
    return sorted(groups, key=lambda group: max(len(row.tokens) for row in group.rows), reverse=True)


def _split(rows: list[PrefixRow], batch_cost: int) -> list[PrefixGroup]:
    prefix = _common_prefix(rows)
    blocks: dict[tuple[int, ...], list[PrefixRow]] = defaultdict(list)
    for row in rows:
        blocks[row.tokens[prefix : prefix + BLOCK]].append(row)
    groups: list[PrefixGroup] = []
    rest: list[PrefixRow] = []
    for block in blocks.values():
        parts = _split(block, batch_cost) if 1 < len(block) < len(rows) else []
        gain = sum(part.saved for part in parts) - prefix * len(block)
        if parts and gain > batch_cost * len(parts):
            groups += parts
        else:
            rest += block
    return groups + ([PrefixGroup(_common_prefix(rest), tuple(rest))] if rest else [])


def _common_prefix(rows: Sequence[PrefixRow]) -> int:
    """Length of the longest common prefix that leaves each row a token."""
    first, last = min(row.tokens for row in rows), max(row.tokens for row in rows)
    pairs = enumerate(zip(first, last, strict=False))
    common = next((i for i, (a, b) in pairs if a != b), min(len(first), len(last)))
    return min(common, *(len(row.tokens) - 1 for row in rows))


class Prefix:
    """A prefix with its keys and values, computed when the first batch needs them."""

    def __init__(self, model: Any, tokens: Sequence[int]) -> None:
        self.model = model
        self.ids = torch.tensor([list(tokens)], device=model.device)
        self._cache: Any = None

    def prepend_to(self, batch: Any) -> dict[str, Any]:
        """Inputs of `generate` for a left-padded batch of rows that continue the prefix.

        The padding is between prefix and row: masked, and not counted in positions.
        """
        count = batch["input_ids"].shape[0]
        cache = copy.deepcopy(self._computed())  # `generate` appends to it
        cache.batch_repeat_interleave(count)
        ids = self.ids.expand(count, -1)
        return {
            "input_ids": torch.cat([ids, batch["input_ids"]], 1),
            "attention_mask": torch.cat([torch.ones_like(ids), batch["attention_mask"]], 1),
            "past_key_values": cache,
        }

    def _computed(self) -> Any:
        if self._cache is None:
            from transformers import DynamicCache

            cache = DynamicCache(config=self.model.config)
            # The model without its head: no logits are needed.
            self.model.base_model(input_ids=self.ids, past_key_values=cache, use_cache=True)
            self._cache = cache
        return self._cache


def shared_prefix(model: Any, group: PrefixGroup, max_tokens: int) -> Prefix | None:
    """The prefix of a group where reading it once saves time and the model allows it; answers have `max_tokens`."""
    longest = max(len(row.tokens) for row in group.rows) + max_tokens
    worth_it = group.saved > PASS_COST and can_share(model, longest)
    return Prefix(model, group.rows[0].tokens[: group.prefix_length]) if worth_it else None


def can_share(model: Any, tokens: int) -> bool:
    """Whether a cached prefix may precede padded rows of up to `tokens` tokens in all.

    The model must take positions as input (not count them in the row), attend to the whole row (a sliding window
    would count the padding), and have no recurrent state.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    config = model.config.get_text_config()
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    if not takes_positions or getattr(config, "alibi", False) or not model._supports_default_dynamic_cache():
        return False
    layers = DynamicCache(config=model.config).layers
    windows = [layer.sliding_window for layer in layers if type(layer) is DynamicSlidingWindowLayer]
    plain = sum(type(layer) is DynamicLayer for layer in layers)
    return len(layers) == plain + len(windows) and all(tokens < window for window in windows)
