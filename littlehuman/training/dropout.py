"""Counter-based dropout: the mask of a token is a hash of a key, so it is the same in any batch.

A token's key follows from the cell's seed, the step, the row and the position; each layer adds its own number.
Unlike draws from a generator, masks do not depend on the other rows of the batch, on micro-batches, processes or
other cells, nor on what ran before a resume. The hash is the finalizer of MurmurHash3 (two features per 32 bits);
keys are mixed with SplitMix64.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

_MASK64 = (1 << 64) - 1
_LEVELS = 1 << 15  # resolution of a dropout rate


def step_key(seed: int, step: int) -> int:
    """Key of one cell's draws in one step: 64 bits."""
    return _mix64(_mix64(seed) + step)


def row_keys(indices: Sequence[int], step_keys: Sequence[int]) -> torch.Tensor:
    """Keys of rows, int32 [rows], from their numbers in the training set and the step keys of their cells."""
    return _int32([_mix64(key + 1 + index) for index, key in zip(indices, step_keys, strict=True)])


def token_keys(rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Keys of tokens, int32 [tokens], from the keys of their rows and their positions."""
    return _mix32(rows + positions.to(torch.int32) * -1640531527)


def cutoffs_and_scales(rates: Sequence[float]) -> tuple[list[int], list[float]]:
    """Per dropout rate the `cutoffs` of `keep_mask`, and the factor for kept features, 1 / (1 - rate); rate 1: 0."""
    levels = [min(round(rate * _LEVELS), _LEVELS) for rate in rates]
    return [n - _LEVELS // 2 for n in levels], [_LEVELS / (_LEVELS - n) if n < _LEVELS else 0.0 for n in levels]


def keep_mask(keys: torch.Tensor, layer_id: int, width: int, cutoffs: torch.Tensor | int) -> torch.Tensor:
    """Which features are kept: int16 [entries, width], all bits set for a kept feature, none for a dropped one.

    A bit mask, because on a CPU a bitwise `and` takes a tenth of the time of a multiplication.

    Args:
        keys: int32 [entries].
        layer_id: number of the layer that draws.
        width: features of an entry.
        cutoffs: from `cutoffs_and_scales`: one for all entries, or int16 [entries, 1].
    """
    return mask_of(keys, column_keys(layer_id, (width + 1) // 2, keys.device), width, cutoffs)


def mask_of(keys: torch.Tensor, columns: torch.Tensor, width: int, cutoffs: torch.Tensor | int) -> torch.Tensor:
    """`keep_mask` from the keys of the layer's columns."""
    draws = _mix32(keys[:, None] ^ columns[None, :]).view(torch.int16)[:, :width] >> 1
    draws -= cutoffs
    draws >>= 15  # the sign: -1 where the draw is below the cutoff
    return draws.bitwise_not_()


def apply_mask(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`x` with zeros where `mask` (of `keep_mask`, same shape) has no bit set."""
    if x.element_size() == 2:
        return (x.contiguous().view(torch.int16) & mask).view(x.dtype)
    return (x.contiguous().view(torch.int32) & mask.to(torch.int32)).view(x.dtype)


class ApplyMask(torch.autograd.Function):  # type: ignore[misc]
    """`apply_mask` with its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x and mask of one shape."""
        ctx.save_for_backward(mask)
        return apply_mask(x, mask)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient of the kept features."""
        return apply_mask(grads[0], ctx.saved_tensors[0]), None


@lru_cache(maxsize=2048)
def column_keys(layer_id: int, count: int, device: torch.device) -> torch.Tensor:
    """Keys of a layer's columns (pairs of features): int32 [count], made once."""
    return _int32([_mix64((layer_id << 32) + column + 1) for column in range(count)]).to(device)


def _mix32(x: torch.Tensor) -> torch.Tensor:
    # In place. Shifts of int32 keep the sign in torch, hence the masks.
    x = x * -2048144789
    x ^= (x >> 13) & 0x7FFFF
    x *= -1028477387
    x ^= (x >> 16) & 0xFFFF
    return x


def _mix64(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def _int32(values: Sequence[int]) -> torch.Tensor:
    return torch.tensor([(v & 0xFFFFFFFF) - ((v & 0x80000000) << 1) for v in values], dtype=torch.int32)
