"""Rows of K cells in one batch: end to end without padding, or padded to the longest row.

In: each cell's rows. Out: a `Pack`: token tensors, where each row and each cell begins, which
hidden states the head must see, and a name for every token (`dropout.py` draws by it). Rows of one
cell stand together, so that its adapter sees one block.


[folded] Matrix products in which each block of rows meets a matrix of its own.

In: a tensor whose rows are shared out among cells in blocks, and one matrix per cell. Out: the
product of each block with its cell's matrix. A CPU takes the blocks one after another; a GPU, where
many small products would each cost a launch, pads them to one batched product.

"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import torch

from littlehuman.training.dropout import name_rows, name_tokens
from littlehuman.training.encoding import IGNORE, EncodedRow

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


@dataclass(frozen=True)
class View:
    """How the first dimension of a tensor is shared out: to which cell each block belongs, and each entry's name."""

    blocks: Blocks
    names: torch.Tensor  # int32 [entries]


@dataclass(frozen=True)
class PackedBatch:
    """A batch. Packed: `ids` [1, tokens]; padded: `ids` [rows, longest] and a mask of that shape.

    `picks` are flat positions among the tokens whose hidden states the head reads, `labels` what
    is to be said there ([picks]; empty when nothing is to be learnt).
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    positions: torch.Tensor
    types: torch.Tensor | None
    starts: tuple[int, ...]  # first token of each row, and the end: [rows + 1] (packed)
    seed: int  # for what a model draws from torch's own generator
    picks: torch.Tensor
    labels: torch.Tensor
    tokens: View
    picked: View
    boundaries: torch.Tensor = field(
        default_factory=lambda: torch.zeros(1, dtype=torch.int32)
    )  # `starts` on the device

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(b - a for a, b in zip(self.starts, self.starts[1:], strict=False))


def pack(
    rows: Sequence[tuple[int, Sequence[EncodedRow]]],
    device: torch.device,
    *,
    pad: int,
    packed: bool,
    first: int,
    names: Sequence[int],
) -> PackedBatch:
    """Lay out the rows of several cells.

    Args:
        rows: (cell, its rows), in the order in which they stand.
        device: where the tensors go.
        pad: the token that fills padded rows; no real token sees it.
        packed: end to end, or padded on the right.
        first: what the model's position table calls the first position.
        names: one number per cell that names its draws in this step (`dropout.stream`).
    """
    flat = [row for _, own in rows for row in own]
    width = max(len(row.ids) for row in flat)
    spaces = [len(row.ids) if packed else width for row in flat]
    starts = (0, *accumulate(spaces))
    counts = [len(own) for _, own in rows]
    ends = (0, *accumulate(counts))
    row_names = name_rows(
        [row.index for row in flat], [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    )
    where = torch.tensor([t for space in spaces for t in range(space)])
    picks, labels, owners = _picks(flat, starts)
    picked_of = [sum(1 for owner in owners if a <= owner < b) for a, b in zip(ends, ends[1:], strict=False)]
    token_names = name_tokens(row_names.repeat_interleave(torch.tensor(spaces)), where)
    shape = (1, -1) if packed else (len(flat), width)

    def spread(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        filled = [list(v) + [fill] * (space - len(v)) for v, space in zip(values, spaces, strict=True)]
        return torch.tensor([x for v in filled for x in v], device=device).view(shape)

    cells = [cell for cell, _ in rows]
    return PackedBatch(
        ids=spread([row.ids for row in flat], pad),
        mask=None if packed else spread([[1] * len(row.ids) for row in flat], 0),
        positions=(where + first).to(device).view(shape),
        types=spread([row.types for row in flat], 0) if any(row.types for row in flat) else None,
        starts=starts,
        seed=int(token_names[0]),
        picks=torch.tensor(picks, device=device),
        labels=torch.tensor(labels, device=device),
        tokens=View(_blocks(cells, [starts[e] for e in ends]), token_names.to(device)),
        picked=View(_blocks(cells, (0, *accumulate(picked_of))), token_names[picks].to(device)),
        boundaries=torch.tensor(starts, dtype=torch.int32, device=device),
    )


def _blocks(cells: Sequence[int], ends: Sequence[int]) -> Blocks:
    return Blocks(tuple((cell, a, b) for cell, a, b in zip(cells, ends, ends[1:], strict=False)))


def _picks(rows: Sequence[EncodedRow], starts: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Positions, labels and row numbers: the token before each one that is learnt, or the row's own reading position."""
    picks: list[int] = []
    labels: list[int] = []
    owners: list[int] = []
    for number, (row, start) in enumerate(zip(rows, starts, strict=False)):
        if row.reads_at is not None:
            here = [(row.reads_at, label) for label in row.labels or (IGNORE,)]
        else:
            here = [(t - 1, label) for t, label in enumerate(row.labels) if t and label != IGNORE]
        picks += [start + t for t, _ in here]
        labels += [label for _, label in here]
        owners += [number] * len(here)
    return picks, labels, owners
