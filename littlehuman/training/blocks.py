"""Matrix products in which each block of rows meets a matrix of its own.

In: a tensor whose rows are shared out among cells in blocks, and one matrix per cell. Out: the
product of each block with its cell's matrix. A CPU takes the blocks one after another; a GPU, where
many small products would each cost a launch, pads them to one batched product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

Span = tuple[int, int, int]  # cell, first row, one past the last


@dataclass(frozen=True)
class Blocks:
    """Which rows belong to which cell. `batched`: as one padded product (None: where it pays)."""

    spans: tuple[Span, ...]
    batched: bool | None = None

    def times(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """x [rows, n] with weights [cells, n, m] -> [rows, m]."""
        if len(self.spans) == 1:
            return x @ weights[self.spans[0][0]]
        if self._in_one(x):
            return torch.bmm(self._padded(x), self._of_cells(weights)).flatten(0, 1)[self._places(x.device)]
        out = x.new_empty(len(x), weights.shape[-1])
        for cell, a, b in self.spans:
            torch.mm(x[a:b], weights[cell], out=out[a:b])
        return out

    def add_times(self, out: torch.Tensor, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """`out` [rows, m] plus that product, in place."""
        if self._in_one(x):
            return out.add_(self.times(x, weights))
        for cell, a, b in self.spans:
            out[a:b].addmm_(x[a:b], weights[cell])
        return out

    def products(self, left: torch.Tensor, right: torch.Tensor, cells: int) -> torch.Tensor:
        """left [rows, n], right [rows, m] -> [cells, n, m]: the sum over each cell's rows; zero for cells without rows."""
        out = left.new_zeros(cells, left.shape[-1], right.shape[-1])
        if self._in_one(left):
            return out.index_copy_(0, self._cells(left.device), torch.bmm(self._padded(left).mT, self._padded(right)))
        for cell, a, b in self.spans:
            torch.mm(left[a:b].T, right[a:b], out=out[cell])
        return out

    def each(self, values: Sequence[float], device: torch.device) -> torch.Tensor:
        """One value per block as a column: float32 [rows, 1]."""
        return torch.repeat_interleave(torch.tensor(values, device=device), self._lengths(device))[:, None]

    def _in_one(self, x: torch.Tensor) -> bool:
        return len(self.spans) > 1 and (x.is_cuda if self.batched is None else self.batched)

    def _of_cells(self, weights: torch.Tensor) -> torch.Tensor:
        return weights if len(self.spans) == len(weights) else weights.index_select(0, self._cells(weights.device))

    def _cells(self, device: torch.device) -> torch.Tensor:
        return self._kept("cells", device, lambda: torch.tensor([cell for cell, _, _ in self.spans]))

    @cached_property
    def _longest(self) -> int:
        return max(b - a for _, a, b in self.spans)

    def _lengths(self, device: torch.device) -> torch.Tensor:
        return torch.tensor([b - a for _, a, b in self.spans], device=device)

    def _places(self, device: torch.device) -> torch.Tensor:
        """Where each row lies in the padded grid, flattened."""
        lengths = [b - a for _, a, b in self.spans]
        rows = (torch.arange(length) + block * max(lengths) for block, length in enumerate(lengths))
        return self._kept("places", device, lambda: torch.cat(list(rows)))

    def _kept(self, name: str, device: torch.device, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """An index that all layers use: made once, since each copy to a device would wait for it."""
        if name not in self.__dict__:
            self.__dict__[name] = make().to(device)
        found: torch.Tensor = self.__dict__[name]
        return found

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        grid = x.new_zeros(len(self.spans) * self._longest, x.shape[-1])
        return grid.index_copy_(0, self._places(x.device), x).view(len(self.spans), self._longest, -1)
