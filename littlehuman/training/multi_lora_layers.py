"""Layers of `MultiLora`: one pass over the frozen weights, and one block of tokens per adapter.

A layer computes base(x) + scale * B_k A_k dropout(x) for each token of cell k, with A [K, r, in] and B [K, out, r]:
PEFT's LoRA for K cells at once. The products run in the base's precision, as under autocast; A and B are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from littlehuman.training.dropout import ApplyMask, apply_mask, cutoffs_and_scales, keep_mask, token_keys
from littlehuman.training.grid import Grid, make_grid
from littlehuman.training.packing import Blocks, KeyedBlocks
from littlehuman.training.row_ops import Draws, Dropped, take
from littlehuman.training.transfer import to_device


@dataclass(frozen=True)
class TokenLayout:
    """Which entries of a layer's input belong to which cell, with their LoRA scale and dropout.

    Attributes:
        scales: factor of the LoRA branch (LoRA's scaling, and dropout's): one number, or float32 [entries, 1].
        keys: dropout keys, int32 [entries]; None: no dropout.
        draws: LoRA dropout; None: none.
        grid: for batched products on a GPU; it has the scales and the dropout too.
    """

    blocks: Blocks
    scales: float | torch.Tensor = 1.0
    keys: torch.Tensor | None = None
    draws: Draws | None = None
    grid: Grid | None = None


@dataclass
class AdapterRouting:
    """State that all layers of a `MultiLora` read: which tokens go to which adapter.

    Attributes:
        scales, dropout_rates: lora_alpha / r and LoRA dropout of each cell.
        active_cell: takes all tokens when there is no `layout` (evaluation).
        layout: of the current training batch.
        dropout_on: whether layouts are made with dropout.
    """

    scales: tuple[float, ...] = ()
    dropout_rates: tuple[float, ...] = ()
    active_cell: int = 0
    layout: TokenLayout | None = None
    dropout_on: bool = False

    def layout_of(self, keyed: KeyedBlocks) -> TokenLayout:
        """The blocks with their cells' scales and dropout."""
        cells, blocks = [cell for cell, _, _ in keyed.blocks.spans], keyed.blocks
        rates = [self.dropout_rates[cell] if self.dropout_on else 0.0 for cell in cells]
        cutoffs, dropout_scales = cutoffs_and_scales(rates)
        scales = [self.scales[cell] * scale for cell, scale in zip(cells, dropout_scales, strict=True)]
        keys = keyed.keys if self.dropout_on else None
        if blocks.is_batched(keyed.keys.device):
            grid = make_grid(blocks.spans, len(self.scales), scales, keyed.keys, cutoffs if any(rates) else None)
            return TokenLayout(blocks, keys=keys, grid=grid)
        each = blocks.expand(cutoffs).to(torch.int16)
        (each,) = to_device([each[:1] if len(set(cutoffs)) == 1 else each], keyed.keys.device)
        return TokenLayout(
            blocks=blocks,
            scales=scales[0] if len(set(scales)) == 1 else blocks.expand(scales),
            keys=keys,
            draws=Draws(keyed.keys, each) if any(rates) else None,
        )

    def current_blocks(self, entries: int) -> Blocks:
        """The blocks of a tensor with this many entries."""
        return self.layout.blocks if self.layout else Blocks(((self.active_cell, 0, entries),))


class MultiLoraLinear(torch.nn.Module):  # type: ignore[misc]
    """A frozen linear layer with K adapters.

    `a`, `b` are their float32 parameters, [K, r, in] and [K, out, r]; `own_a`, `own_b` the same values in the base's
    precision, which `MultiLora` keeps up to date; `layer_id` is the layer's number for dropout.
    """

    def __init__(
        self,
        base: torch.nn.Module,
        a: torch.nn.Parameter,
        b: torch.nn.Parameter,
        own: tuple[torch.Tensor, torch.Tensor],
        routing: AdapterRouting,
        layer_id: int,
    ) -> None:
        super().__init__()
        self.base, self.a, self.b, self.routing, self.layer_id = base, a, b, routing, layer_id
        self.own_a, self.own_b = own

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., in] -> [..., out]; the flattened leading dimensions are the entries of the layout."""
        flat = x.reshape(-1, x.shape[-1])
        layout, own, trained = self.routing.layout, (self.own_a, self.own_b), (self.a, self.b)
        if layout is None:
            cell, trained = self.routing.active_cell, (self.a.detach(), self.b.detach())
            layout = TokenLayout(Blocks(((0, 0, len(flat)),)), self.routing.scales[cell])
            own = (self.own_a[cell : cell + 1], self.own_b[cell : cell + 1])
        branch = _LoraBranch if layout.grid is None else _GridBranch
        out = branch.apply(self.base(flat), flat, *trained, own, layout, self.layer_id)
        return out.view(*x.shape[:-1], -1)


class _LoraBranch(torch.autograd.Function):  # type: ignore[misc]
    """Add the LoRA branch to the base's output, in place, block by block; the backward pass masks the input again."""

    @staticmethod
    def forward(
        ctx: Any, out: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor,
        own: tuple[torch.Tensor, torch.Tensor], layout: TokenLayout, layer_id: int,
    ) -> torch.Tensor:  # fmt: skip
        keep = None
        if layout.draws is not None and x.device.type == "cpu":  # there a stored mask costs less than a second hash
            keep = keep_mask(layout.draws.keys, layer_id, x.shape[-1], layout.draws.cutoffs)
        ctx.layout, ctx.layer_id = layout, layer_id
        inner = _scaled(layout.blocks.matmul(_dropped(x, keep, layout, layer_id), own[0].mT), layout.scales)
        ctx.save_for_backward(x, *own, inner, keep)
        ctx.mark_dirty(out)
        return layout.blocks.add_matmul(out, inner, own[1].mT)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b, inner, keep = ctx.saved_tensors
        blocks, grad = ctx.layout.blocks, grads[0].contiguous()
        grad_inner = _scaled(blocks.matmul(grad, b), ctx.layout.scales)
        grad_x = grad_a = grad_b = None
        if ctx.needs_input_grad[2]:
            grad_b = blocks.matmul_transposed(grad, inner, len(b)).float()
            grad_a = blocks.matmul_transposed(grad_inner, _dropped(x, keep, ctx.layout, ctx.layer_id), len(a)).float()
        if ctx.needs_input_grad[1]:
            grad_x = _dropped(blocks.matmul(grad_inner, a), keep, ctx.layout, ctx.layer_id)
        return grad, grad_x, grad_a, grad_b, None, None, None


class _GridBranch(torch.autograd.Function):  # type: ignore[misc]
    """The same for all blocks at once, by batched products; adds to the gradients of a and b itself."""

    @staticmethod
    def forward(
        ctx: Any, out: torch.Tensor, x: torch.Tensor, a: torch.nn.Parameter, b: torch.nn.Parameter,
        own: tuple[torch.Tensor, torch.Tensor], layout: TokenLayout, layer_id: int,
    ) -> torch.Tensor:  # fmt: skip
        assert layout.grid is not None
        grid, own_a, own_b = layout.grid, layout.grid.select(own[0]), layout.grid.select(own[1])
        inner = torch.bmm(grid.pad_dropped(x, layer_id), own_a.mT)
        grid.add(out, torch.bmm(inner, own_b.mT))
        ctx.save_for_backward(x, own_a, own_b, inner)
        ctx.grid, ctx.layer_id, ctx.grads = grid, layer_id, (a.grad, b.grad)
        ctx.mark_dirty(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b, inner = ctx.saved_tensors
        grid, (into_a, into_b), grad = ctx.grid, ctx.grads, grads[0].contiguous()
        padded = grid.pad(grad)
        grad_inner = torch.bmm(padded, b)
        grid.accumulate(into_b, torch.bmm(padded.mT, inner))
        grid.accumulate(into_a, torch.bmm(grad_inner.mT, grid.pad_dropped(x, ctx.layer_id)))
        grad_x = None
        if ctx.needs_input_grad[1]:
            grad_x = grid.unpad_dropped(torch.bmm(grad_inner, a), ctx.layer_id)
        return grad, grad_x, None, None, None, None, None


def _dropped(x: torch.Tensor, keep: torch.Tensor | None, layout: TokenLayout, layer_id: int) -> torch.Tensor:
    """x after LoRA dropout, by the stored mask or by one that is hashed here."""
    if keep is not None:
        return apply_mask(x, keep)
    if layout.draws is None:
        return x
    return take(x, None, None, 1.0, *layout.draws.of_layer(layer_id, x.shape[-1]))


def _scaled(inner: torch.Tensor, scales: float | torch.Tensor) -> torch.Tensor:
    return inner * (scales if isinstance(scales, float) else scales.to(inner.dtype))


class KeyedDropout(torch.nn.Module):  # type: ignore[misc]
    """The base model's own dropout, with masks that follow from keys (`dropout.py`)."""

    def __init__(self, p: float, routing: AdapterRouting, layer_id: int) -> None:
        super().__init__()
        self.p, self.routing, self.layer_id = p, routing, layer_id  # `p`: attention modules read it here

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., width], whose flattened leading dimensions are the entries of the layout; else as in `_keep_mask`."""
        layout = self.routing.layout
        if layout is None or layout.keys is None:
            return x
        (cutoff,), (scale,) = cutoffs_and_scales([self.p])
        if x.device.type != "cpu" and x.shape[:-1].numel() == len(layout.keys):
            return self._hashed(x, layout.keys, cutoff, scale)
        return ApplyMask.apply(x, self._keep_mask(x, layout.keys, cutoff)) * scale

    def _hashed(self, x: torch.Tensor, keys: torch.Tensor, cutoff: int, scale: float) -> torch.Tensor:
        draws = Draws(keys, _one_cutoff(cutoff, keys.device)).of_layer(self.layer_id, x.shape[-1])
        return Dropped.apply(x.reshape(-1, x.shape[-1]), scale, *draws).view(x.shape)

    def _keep_mask(self, x: torch.Tensor, keys: torch.Tensor, cutoff: int) -> torch.Tensor:
        if x.shape[:-1].numel() == len(keys):
            return keep_mask(keys, self.layer_id, x.shape[-1], cutoff).view(x.shape)
        if x.dim() == 4 and len(x) * x.shape[2] == len(keys):  # MPNet: attention weights [rows, heads, tokens, tokens]
            rows, heads, tokens, others = x.shape
            # Heads innermost: the draw of a pair of tokens then does not depend on the padded length.
            keep = keep_mask(keys, self.layer_id, others * heads, cutoff)
            return keep.view(rows, tokens, others, heads).permute(0, 3, 1, 2)
        # A tensor that all rows share, such as DeBERTa's table of distances: one draw for the whole batch.
        entries = torch.arange(x.shape[:-1].numel(), device=x.device)
        return keep_mask(token_keys(keys[:1], entries), self.layer_id, x.shape[-1], cutoff).view(x.shape)


@lru_cache
def _one_cutoff(cutoff: int, device: torch.device) -> torch.Tensor:
    return torch.tensor([[cutoff]], dtype=torch.int16).to(device)


class PerCellModule(torch.nn.Module):  # type: ignore[misc]
    """A module that is trained whole (a head), with one float32 copy of its parameters per cell."""

    def __init__(
        self, template: torch.nn.Module, values: dict[str, torch.nn.Parameter], routing: AdapterRouting
    ) -> None:
        super().__init__()
        self.names = list(values)
        self.values = torch.nn.ParameterList(values.values())
        self.routing = routing
        self.__dict__["template"] = template  # not a submodule: its own parameters are neither trained nor saved

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [entries, ...] -> each block through its cell's copy, in float32."""
        parts = []
        for cell, a, b in self.routing.current_blocks(len(x)).spans:
            own = {name: value[cell] for name, value in zip(self.names, self.values, strict=True)}
            parts.append(torch.func.functional_call(self.__dict__["template"], own, (x[a:b].float(),)))
        return torch.cat(parts)
