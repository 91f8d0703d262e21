"""K LoRA adapters on one frozen linear layer: one pass over the base, one block of tokens per adapter.

In: the frozen layer, A [K, r, in] and B [K, out, r], and how the tokens of a batch are shared out.
Out: base(x) + scale * B_k A_k dropout(x) for each token of cell k: PEFT's LoRA, K of them at once.
The products run in the base's precision, as under autocast; A and B themselves are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.training.dropout import Masked, kept, masked, name_tokens, thresholds
from littlehuman.training.packing import Blocks, View


@dataclass(frozen=True)
class TokenLayout:
    """How the entries in front of a layer are shared out, and what that means for each of them."""

    blocks: Blocks
    factors: float | torch.Tensor  # what the adapters' branch is multiplied with: one number, or float32 [entries, 1]
    names: torch.Tensor | None = None
    cuts: torch.Tensor | None = None  # of LoRA dropout (`dropout.thresholds`); None: nothing is dropped


@dataclass
class AdapterRouting:
    """What all layers of a stack read. Without `laid`, everything belongs to cell `only` and nothing is dropped."""

    scales: tuple[float, ...] = ()  # lora_alpha / r of each cell
    rates: tuple[float, ...] = ()  # LoRA dropout of each cell
    only: int = 0
    laid: TokenLayout | None = None
    dropping: bool = False

    def lay(self, view: View) -> TokenLayout:
        """`view` with what this route's cells mean for it."""
        cells = [cell for cell, _, _ in view.blocks.spans]
        cuts, stretch = thresholds([self.rates[cell] if self.dropping else 0.0 for cell in cells])
        factors = [self.scales[cell] * s for cell, s in zip(cells, stretch, strict=True)]
        drops = any(self.rates[cell] for cell in cells) and self.dropping
        device = view.names.device
        return TokenLayout(
            blocks=view.blocks,
            factors=factors[0] if len(set(factors)) == 1 else view.blocks.each(factors, device),
            names=view.names if self.dropping else None,
            cuts=view.blocks.each(cuts, device).to(torch.int16) if drops else None,
        )

    def current(self, entries: int) -> TokenLayout:
        """How a tensor of so many entries is shared out now."""
        return self.laid or TokenLayout(Blocks(((self.only, 0, entries),)), self.scales[self.only])


class StackedLinear(torch.nn.Module):  # type: ignore[misc]
    """A frozen linear layer with K adapters; `place` numbers it among the layers of the model."""

    def __init__(
        self, base: torch.nn.Module, a: torch.nn.Parameter, b: torch.nn.Parameter, route: AdapterRouting, place: int
    ) -> None:
        super().__init__()
        self.base, self.a, self.b, self.route, self.place = base, a, b, route, place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., in] -> [..., out]; the leading dimensions, flattened, are the entries of the route."""
        flat = x.reshape(-1, x.shape[-1])
        laid, a, b = self.route.laid, self.a, self.b
        if laid is None:  # one cell is asked: the others' adapters need not even be cast
            cell = self.route.only
            laid, a, b = (
                TokenLayout(Blocks(((0, 0, len(flat)),)), self.route.scales[cell]),
                a[cell : cell + 1],
                b[cell : cell + 1],
            )
        stays = (
            None if laid.cuts is None or laid.names is None else kept(laid.names, self.place, x.shape[-1], laid.cuts)
        )
        out = _Branch.apply(self.base(flat), flat, a, b, laid.blocks, laid.factors, stays)
        return out.view(*x.shape[:-1], -1)


class _Branch(torch.autograd.Function):  # type: ignore[misc]
    """Adds the adapters' branch to the base's output; what is kept for the way back is the mask, not the masked input."""

    @staticmethod
    def forward(
        ctx: Any, out: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor,
        blocks: Blocks, factors: float | torch.Tensor, stays: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        a, b = a.to(x.dtype), b.to(x.dtype)
        inner = _scaled(blocks.times(_seen(x, stays), a.mT), factors)
        ctx.save_for_backward(x, a, b, inner, stays)
        ctx.blocks, ctx.factors = blocks, factors
        ctx.mark_dirty(out)
        return blocks.add_times(out, inner, b.mT)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b, inner, stays = ctx.saved_tensors
        blocks, grad = ctx.blocks, grads[0].contiguous()
        grad_inner = _scaled(blocks.times(grad, b), ctx.factors)
        grad_b = blocks.products(grad, inner, len(b)).float()
        grad_a = blocks.products(grad_inner, _seen(x, stays), len(a)).float()
        grad_x = _seen(blocks.times(grad_inner, a), stays) if ctx.needs_input_grad[1] else None
        return grad, grad_x, grad_a, grad_b, None, None, None


def _seen(x: torch.Tensor, stays: torch.Tensor | None) -> torch.Tensor:
    return x if stays is None else masked(x, stays)


def _scaled(inner: torch.Tensor, factors: float | torch.Tensor) -> torch.Tensor:
    return inner * (factors if isinstance(factors, float) else factors.to(inner.dtype))


class NamedDropout(torch.nn.Module):  # type: ignore[misc]
    """The base model's own dropout, drawn by name (`dropout.py`)."""

    def __init__(self, p: float, route: AdapterRouting, place: int) -> None:
        super().__init__()
        self.p, self.route, self.place = p, route, place  # `p`: attention reads it off its dropout module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., width], whose leading dimensions, flattened, are the entries of the route; else as `_stays` says."""
        laid = self.route.laid
        if laid is None or laid.names is None:
            return x
        (cut,), (stretch,) = thresholds([self.p])
        return Masked.apply(x, self._stays(x, laid.names, cut)) * stretch

    def _stays(self, x: torch.Tensor, names: torch.Tensor, cut: int) -> torch.Tensor:
        if x.shape[:-1].numel() == len(names):
            return kept(names, self.place, x.shape[-1], cut).view(x.shape)
        if x.dim() == 4 and len(x) * x.shape[2] == len(
            names
        ):  # attention weights [rows, heads, tokens, tokens], as MPNet drops them
            rows, heads, tokens, others = x.shape
            # Heads innermost: which draw a pair of tokens gets does not depend on how far the rows are padded.
            return kept(names, self.place, others * heads, cut).view(rows, tokens, others, heads).permute(0, 3, 1, 2)
        # Something that all rows share, such as DeBERTa's table of distances: one draw for the whole batch.
        entries = torch.arange(x.shape[:-1].numel(), device=x.device)
        return kept(name_tokens(names[:1], entries), self.place, x.shape[-1], cut).view(x.shape)


class StackedModule(torch.nn.Module):  # type: ignore[misc]
    """A module that is trained whole (a head), one float32 copy per cell."""

    def __init__(self, template: torch.nn.Module, values: dict[str, torch.nn.Parameter], route: AdapterRouting) -> None:
        super().__init__()
        self.names = list(values)
        self.values = torch.nn.ParameterList(values.values())
        self.route = route
        self.__dict__["template"] = template  # no submodule: its own parameters are never trained or saved

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [entries, ...] -> each block through its cell's copy, in float32."""
        parts = []
        for cell, a, b in self.route.current(len(x)).blocks.spans:
            own = {name: value[cell] for name, value in zip(self.names, self.values, strict=True)}
            parts.append(torch.func.functional_call(self.__dict__["template"], own, (x[a:b].float(),)))
        return torch.cat(parts)
