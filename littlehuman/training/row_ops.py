"""Rows that are gathered, masked and scaled in one kernel: what LoRA of K cells does between its products on a GPU.

Entry i of the value is x[rows[i]] * factors[i] * scale, and 0 where dropout (`dropout.keep_mask`) drops feature c of
entry i; computed in float32 and rounded once. Masks are hashed again in the backward pass: none is stored.
`take` returns the value, `add` adds it in place. Both are operators of torch, `littlehuman::take` and
`littlehuman::add`: torch's own operators, or, on CUDA with LITTLEHUMAN_TRITON=1, one Triton kernel (`row_kernel.py`),
equal bit for bit in Triton's interpreter. It has never been compiled for a GPU, so it is off by default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import library

from littlehuman.training.dropout import apply_mask, column_keys, mask_of

_ARGUMENTS = "Tensor x, Tensor? rows, Tensor? factors, float scale, Tensor? keys, Tensor? columns, Tensor? cutoffs"
_operators = library.Library("littlehuman", "DEF")
_operators.define(f"take({_ARGUMENTS}) -> Tensor")
_operators.define(f"add(Tensor(a!) out, {_ARGUMENTS}) -> ()")


@dataclass(frozen=True)
class Draws:
    """Dropout of entries: their keys, int32 [entries], and cutoffs, int16 [entries or 1, 1] (`dropout.keep_mask`)."""

    keys: torch.Tensor
    cutoffs: torch.Tensor

    def of_layer(self, layer_id: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The last arguments of `take` and `add` for one layer."""
        return self.keys, column_keys(layer_id, (width + 1) // 2, self.keys.device), self.cutoffs


NO_DRAWS = (None, None, None)


def take(
    x: torch.Tensor, rows: torch.Tensor | None, factors: torch.Tensor | None, scale: float, *draws: torch.Tensor | None
) -> torch.Tensor:
    """The value, in the precision of x [rows, width]: [entries, width]."""
    taken: torch.Tensor = torch.ops.littlehuman.take(x, rows, factors, scale, *draws)
    return taken


def add(
    out: torch.Tensor,
    x: torch.Tensor,
    rows: torch.Tensor | None,
    factors: torch.Tensor | None,
    scale: float,
    *draws: torch.Tensor | None,
) -> None:
    """Add the value to `out` [entries, width], in place."""
    torch.ops.littlehuman.add(out, x, rows, factors, scale, *draws)


class Dropped(torch.autograd.Function):  # type: ignore[misc]
    """Dropout of x [entries, width] by `take`, and its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: float, *draws: torch.Tensor) -> torch.Tensor:
        """The kept features, times `scale`."""
        ctx.scale, ctx.draws = scale, draws
        return take(x.contiguous(), None, None, scale, *draws)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient of the kept features."""
        return take(grads[0].contiguous(), None, None, ctx.scale, *ctx.draws), None, *(None for _ in ctx.draws)


def _value(
    x: torch.Tensor, rows: Any, factors: Any, scale: float, keys: Any, columns: Any, cutoffs: Any
) -> torch.Tensor:
    value = x if rows is None else x.index_select(0, rows)
    if keys is not None:
        value = apply_mask(value, mask_of(keys, columns, x.shape[-1], cutoffs))
    value = value.float()
    if factors is not None:
        value = value * factors[:, None]
    return value if scale == 1 else value * scale


def _take(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    return _value(x, *arguments).to(x.dtype, copy=True)


def _add(out: torch.Tensor, x: torch.Tensor, *arguments: Any) -> None:
    out.copy_(out.float() + _value(x, *arguments))


def _take_shape(x: torch.Tensor, rows: Any, *_: Any) -> torch.Tensor:
    return x.new_empty(len(x) if rows is None else len(rows), x.shape[-1])


def _take_on_gpu(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
    from littlehuman.training.row_kernel import launch

    out = _take_shape(x, arguments[0])
    launch(out, x, *arguments, adds=False)
    return out


def _add_on_gpu(out: torch.Tensor, x: torch.Tensor, *arguments: Any) -> None:
    from littlehuman.training.row_kernel import launch

    launch(out, x, *arguments, adds=True)


_operators.impl("take", _take, "CompositeExplicitAutograd")
_operators.impl("add", _add, "CompositeExplicitAutograd")
_operators.impl("take", _take_shape, "Meta")
_operators.impl("add", lambda *_: None, "Meta")
if os.environ.get("LITTLEHUMAN_TRITON") == "1" and find_spec("triton") is not None:
    _operators.impl("take", _take_on_gpu, "CUDA")
    _operators.impl("add", _add_on_gpu, "CUDA")
