"""Layers of `MultiLora`: one pass over the frozen weights, and one block of tokens per adapter.

A layer computes base(x) + scale * B_k A_k dropout(x) for each token of cell k, with A [K, r, in] and B [K, out, r]:
PEFT's LoRA for K cells at once. The products run in the base's precision, as under autocast; A and B are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.training.dropout import ApplyMask, apply_mask, cutoffs_and_scales, keep_mask, token_keys
from littlehuman.training.packing import Blocks, KeyedBlocks


@dataclass(frozen=True)
class TokenLayout:
    """Which entries of a layer's input belong to which cell, with their LoRA scale and dropout.

    Attributes:
        scales: factor of the LoRA branch (LoRA's scaling, and dropout's): one number, or float32 [entries, 1].
        keys: dropout keys, int32 [entries]; None: no dropout.
        cutoffs: of LoRA dropout (`dropout.keep_mask`), int16 [entries, 1]; None: no LoRA dropout.
    """

    blocks: Blocks
    scales: float | torch.Tensor
    keys: torch.Tensor | None = None
    cutoffs: torch.Tensor | None = None


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
        device = keyed.keys.device
        return TokenLayout(
            blocks=blocks,
            scales=scales[0] if len(set(scales)) == 1 else blocks.expand(scales, device),
            keys=keyed.keys if self.dropout_on else None,
            cutoffs=blocks.expand(cutoffs, device).to(torch.int16) if any(rates) else None,
        )

    def current_blocks(self, entries: int) -> Blocks:
        """The blocks of a tensor with this many entries."""
        return self.layout.blocks if self.layout else Blocks(((self.active_cell, 0, entries),))


class MultiLoraLinear(torch.nn.Module):  # type: ignore[misc]
    """A frozen linear layer with K adapters; `layer_id` is its number for dropout."""

    def __init__(
        self,
        base: torch.nn.Module,
        a: torch.nn.Parameter,
        b: torch.nn.Parameter,
        routing: AdapterRouting,
        layer_id: int,
    ) -> None:
        super().__init__()
        self.base, self.a, self.b, self.routing, self.layer_id = base, a, b, routing, layer_id

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., in] -> [..., out]; the flattened leading dimensions are the entries of the layout."""
        flat = x.reshape(-1, x.shape[-1])
        layout, a, b = self.routing.layout, self.a, self.b
        if layout is None:  # one cell: the other adapters need not be cast to the base's precision
            cell = self.routing.active_cell
            layout = TokenLayout(Blocks(((0, 0, len(flat)),)), self.routing.scales[cell])
            a, b = a[cell : cell + 1], b[cell : cell + 1]
        keep = None
        if layout.cutoffs is not None and layout.keys is not None:
            keep = keep_mask(layout.keys, self.layer_id, x.shape[-1], layout.cutoffs)
        out = _LoraBranch.apply(self.base(flat), flat, a, b, layout.blocks, layout.scales, keep)
        return out.view(*x.shape[:-1], -1)


class _LoraBranch(torch.autograd.Function):  # type: ignore[misc]
    """Add the LoRA branch to the base's output, in place; the backward pass masks the input again."""

    @staticmethod
    def forward(
        ctx: Any, out: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor,
        blocks: Blocks, scales: float | torch.Tensor, keep: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        a, b = a.to(x.dtype), b.to(x.dtype)
        inner = _scaled(blocks.matmul(_dropped(x, keep), a.mT), scales)
        ctx.save_for_backward(x, a, b, inner, keep)
        ctx.blocks, ctx.scales = blocks, scales
        ctx.mark_dirty(out)
        return blocks.add_matmul(out, inner, b.mT)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b, inner, keep = ctx.saved_tensors
        blocks, grad = ctx.blocks, grads[0].contiguous()
        grad_inner = _scaled(blocks.matmul(grad, b), ctx.scales)
        grad_b = blocks.matmul_transposed(grad, inner, len(b)).float()
        grad_a = blocks.matmul_transposed(grad_inner, _dropped(x, keep), len(a)).float()
        grad_x = _dropped(blocks.matmul(grad_inner, a), keep) if ctx.needs_input_grad[1] else None
        return grad, grad_x, grad_a, grad_b, None, None, None


def _dropped(x: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    return x if keep is None else apply_mask(x, keep)


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
        return ApplyMask.apply(x, self._keep_mask(x, layout.keys, cutoff)) * scale

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
