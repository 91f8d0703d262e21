"""Dropout whose draws have names: the same token drops the same features in any batch.

In: a name per token (cell seed, step, row, position) and a number per place in the model. Out: a
mask that depends on these alone: not on neighbours in the batch, on the size of micro-batches, on
the number of processes or of cells, nor on what an interrupted run drew before. The draw is a hash
of both names (the finalizer of MurmurHash3, two features from each 32 bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

_MASK64 = (1 << 64) - 1
_STEPS = 1 << 15  # thresholds are 15 bits fine


def stream(seed: int, step: int) -> int:
    """The name of one cell's draws in one step: 64 well-mixed bits (SplitMix64)."""
    return _mix64(_mix64(seed) + step)


def name_rows(indices: Sequence[int], streams: Sequence[int]) -> torch.Tensor:
    """A name for each row: int32 [rows], from its number in the training set and its cell's stream."""
    return _int32([_mix64(stream_ + 1 + index) for index, stream_ in zip(indices, streams, strict=True)])


def name_tokens(rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """A name for each token: int32 [tokens], from its row's name and its position."""
    return _mixed(rows + positions.to(torch.int32) * -1640531527)


def kept(names: torch.Tensor, place: int, width: int, cuts: torch.Tensor | int) -> torch.Tensor:
    """Which features stay: int16 [entries, width], all bits set where one stays and none where it is dropped.

    Bits instead of truth values: masking by `and` takes a tenth of the time of multiplying on a CPU.

    Args:
        names: int32 [entries].
        place: which layer draws.
        width: features of an entry.
        cuts: from `thresholds`: one for all entries, or int16 [entries, 1].
    """
    draws = (
        _mixed(names[:, None] ^ _columns(place, (width + 1) // 2, names.device)[None, :]).view(torch.int16)[:, :width]
        >> 1
    )
    draws -= cuts
    draws >>= 15  # the sign: -1 where the draw lies below the cut
    return draws.bitwise_not_()


def masked(x: torch.Tensor, stays: torch.Tensor) -> torch.Tensor:
    """`x` with zeros where `stays` (of the same shape, from `kept`) has none of its bits set."""
    if x.element_size() == 2:
        return (x.contiguous().view(torch.int16) & stays).view(x.dtype)
    return (x.contiguous().view(torch.int32) & stays.to(torch.int32)).view(x.dtype)


class Masked(torch.autograd.Function):  # type: ignore[misc]
    """`masked` with its way back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, stays: torch.Tensor) -> torch.Tensor:
        """x and stays of one shape."""
        ctx.save_for_backward(stays)
        return masked(x, stays)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The same features of the gradient."""
        return masked(grads[0], ctx.saved_tensors[0]), None


def thresholds(rates: Sequence[float]) -> tuple[list[int], list[float]]:
    """Rates as what `kept` compares with (15 bits), and what the features that stay are multiplied with; 1 drops all."""
    steps = [min(round(rate * _STEPS), _STEPS) for rate in rates]
    return [s - _STEPS // 2 for s in steps], [_STEPS / (_STEPS - s) if s < _STEPS else 0.0 for s in steps]


@lru_cache(maxsize=2048)
def _columns(place: int, count: int, device: torch.device) -> torch.Tensor:
    return _int32([_mix64((place << 32) + column + 1) for column in range(count)]).to(device)


def _mixed(x: torch.Tensor) -> torch.Tensor:
    # In place, with logical shifts: int32 shifts in torch keep the sign, hence the masks.
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
