"""The cells' blocks of entries as one padded tensor: batched products, where a GPU would start a kernel for each block.

Places beyond a block repeat its first entry, so that one look-up pads; their factor is 0. In every product one side has
had the factors, which makes the others' values there irrelevant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from littlehuman.training.packing import Span
from littlehuman.training.row_ops import NO_DRAWS, Draws, add, take
from littlehuman.training.transfer import to_device


@dataclass(frozen=True)
class Grid:
    """Indices between entries and places, the places of block i being `longest` ones from i * longest on.

    Attributes:
        blocks: number of blocks.
        cells: cell of each block, int64 [blocks]; None: block i is cell i, and no cell is without a block.
        rows: entry at each place, int32 [places]; None: one block, whose places are its entries.
        places: place of each entry, int32 [entries]; or None.
        factors, entry_factors: the LoRA branch's factor, float32 [places] (0 beyond a block) and [entries].
        draws, entry_draws: LoRA dropout of places and of entries; None: none.
    """

    blocks: int
    cells: torch.Tensor | None
    rows: torch.Tensor | None
    places: torch.Tensor | None
    factors: torch.Tensor
    entry_factors: torch.Tensor
    draws: Draws | None = None
    entry_draws: Draws | None = None

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """x [entries, n] -> [blocks, longest, n]."""
        padded = x if self.rows is None else take(x, self.rows, None, 1.0, *NO_DRAWS)
        return padded.view(self.blocks, -1, x.shape[-1])

    def pad_dropped(self, x: torch.Tensor, layer_id: int) -> torch.Tensor:
        """x [entries, n] after dropout and times the factors: [blocks, longest, n], 0 beyond a block."""
        draws = self.draws.of_layer(layer_id, x.shape[-1]) if self.draws else NO_DRAWS
        return take(x, self.rows, self.factors, 1.0, *draws).view(self.blocks, -1, x.shape[-1])

    def add(self, out: torch.Tensor, padded: torch.Tensor) -> None:
        """Add each entry's place of `padded` [blocks, longest, n] to `out` [entries, n], in place."""
        add(out, padded.flatten(0, 1), self.places, None, 1.0, *NO_DRAWS)

    def unpad_dropped(self, padded: torch.Tensor, layer_id: int) -> torch.Tensor:
        """The gradient of `pad_dropped`: [entries, n]."""
        draws = self.entry_draws.of_layer(layer_id, padded.shape[-1]) if self.entry_draws else NO_DRAWS
        return take(padded.flatten(0, 1), self.places, self.entry_factors, 1.0, *draws)

    def select(self, weights: torch.Tensor) -> torch.Tensor:
        """The matrices of the cells that have a block."""
        return weights if self.cells is None else weights.index_select(0, self.cells)

    def accumulate(self, grad: torch.Tensor, products: torch.Tensor) -> None:
        """Add the blocks' products to the gradient of their cells, float32, in place."""
        if self.cells is None:
            grad.add_(products)
        else:
            grad.index_add_(0, self.cells, products.to(grad.dtype))


def make_grid(
    spans: Sequence[Span], cells: int, scales: Sequence[float], keys: torch.Tensor, cutoffs: Sequence[int] | None
) -> Grid:
    """The grid of blocks, of `cells` cells in all.

    Args:
        spans: the blocks, end to end.
        cells: of the adapters, with or without a block.
        scales: factor of each block.
        keys: dropout keys of the entries, int32; they also say where the entries are.
        cutoffs: of each block (`dropout.keep_mask`); None: no dropout.
    """
    numbers, alone = [cell for cell, _, _ in spans], len(spans) == 1
    lengths = torch.tensor([b - a for _, a, b in spans])
    longest, entries = max(b - a for _, a, b in spans), len(keys)
    block = torch.arange(len(spans)).repeat_interleave(lengths)
    first = torch.tensor([a for _, a, _ in spans])
    places = torch.arange(entries) - first[block] + block * longest
    rows = first.clamp(max=entries - 1).repeat_interleave(longest)
    rows[places] = torch.arange(entries)
    entry_factors = torch.tensor(scales)[block]
    factors = torch.zeros(len(rows)).index_put((places,), entry_factors)
    entry_cutoffs = torch.tensor(cutoffs or [0] * len(spans), dtype=torch.int16)[block][:, None]
    tensors = [
        rows.int(),
        places.int(),
        factors,
        entry_factors,
        entry_cutoffs,
        entry_cutoffs[rows],
        torch.tensor(numbers),
    ]
    sent = to_device(tensors, keys.device)
    drops = cutoffs is not None
    return Grid(
        blocks=len(spans),
        cells=None if numbers == list(range(cells)) else sent[6],
        rows=None if alone else sent[0],
        places=None if alone else sent[1],
        factors=sent[2],
        entry_factors=sent[3],
        draws=Draws(keys if alone else keys.index_select(0, sent[0]), sent[5]) if drops else None,
        entry_draws=Draws(keys, sent[4]) if drops else None,
    )
