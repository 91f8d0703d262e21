"""Batches of K cells: rows packed end to end or padded, and the block-wise matrix products of their adapters.

`pack` lays out the rows of several cells as one `PackedBatch`. Rows of one cell are contiguous, so that a layer
sees one block of tokens per cell; `Blocks` multiplies each block with its cell's own matrix (a grouped GEMM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch

from littlehuman.training.dropout import row_keys, token_keys
from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow
from littlehuman.training.transfer import to_device

Span = tuple[int, int, int]  # cell, first row, one past the last row


@dataclass(frozen=True)
class PackedBatch:
    """Rows of several cells as one batch. T is the number of tokens, P the number of logit positions.

    Packed: tensors of tokens are [1, T]. Padded: they are [rows, longest], with an attention mask.

    Attributes:
        row_starts: offset of each row among the T tokens, and the end: [rows + 1].
        cu_seqlens: the same on the device, int32, for flash attention.
        seed: for what a model draws from torch's own generator.
        logit_positions: offsets among the T tokens whose hidden states the head reads: [P].
        labels: what is to be predicted there: [P]; `IGNORE_INDEX` for rows without labels.
        token_blocks, logit_blocks: the cells' blocks of the T tokens, and of the P positions.
        logit_starts: offset of each row among the P positions, and the end: [rows + 1].
        row_spans: the cells' blocks of the rows.
        marks_spans: whether labels are those of spans: bits, of all tokens.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor
    token_type_ids: torch.Tensor | None
    row_starts: tuple[int, ...]
    cu_seqlens: torch.Tensor
    seed: int
    logit_positions: torch.Tensor
    labels: torch.Tensor
    token_blocks: KeyedBlocks
    logit_blocks: KeyedBlocks
    logit_starts: tuple[int, ...] = ()
    row_spans: tuple[Span, ...] = ()
    marks_spans: bool = False

    @property
    def max_seqlen(self) -> int:
        """Tokens of the longest row, padding included."""
        return max(b - a for a, b in pairwise(self.row_starts))


@dataclass(frozen=True)
class KeyedBlocks:
    """The cells' blocks of a dimension, and the dropout key of each of its entries: int32 [entries]."""

    blocks: Blocks
    keys: torch.Tensor


def pack(
    cell_rows: Sequence[tuple[int, Sequence[EncodedRow]]],
    device: torch.device,
    *,
    pad_token_id: int,
    packed: bool,
    first_position: int,
    step_keys: Sequence[int],
) -> PackedBatch:
    """Lay out the rows of several cells as one batch.

    Args:
        cell_rows: (cell, its rows), in the order in which they are laid out.
        device: where the tensors go.
        pad_token_id: fills padded rows; no real token attends to it.
        packed: end to end, or padded on the right.
        first_position: position id of a row's first token.
        step_keys: dropout key per cell (`dropout.step_key`).
    """
    rows = [row for _, own in cell_rows for row in own]
    longest = max(len(row.input_ids) for row in rows)
    widths = [len(row.input_ids) if packed else longest for row in rows]
    starts = (0, *accumulate(widths))
    shape = (1, -1) if packed else (len(rows), longest)
    positions = torch.tensor([t for width in widths for t in range(width)])
    keys = token_keys(_row_keys(cell_rows, step_keys).repeat_interleave(torch.tensor(widths)), positions)
    targets = [_logit_targets(row, start) for row, start in zip(rows, starts, strict=False)]
    logit_positions = [t for own in targets for t, _ in own]
    row_ends = (0, *accumulate(len(own) for _, own in cell_rows))
    logit_starts = (0, *accumulate(len(own) for own in targets))

    def flat(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        filled = [[*v, *[fill] * (width - len(v))] for v, width in zip(values, widths, strict=True)]
        return torch.tensor([x for v in filled for x in v]).view(shape)

    def blocks(offsets: Sequence[int]) -> Blocks:
        ends = [offsets[end] for end in row_ends]
        return Blocks(tuple((cell, a, b) for (cell, _), (a, b) in zip(cell_rows, pairwise(ends), strict=True)))

    places = torch.tensor(logit_positions, dtype=torch.long)
    tensors = {
        "input_ids": flat([row.input_ids for row in rows], pad_token_id),
        "position_ids": (positions + first_position).view(shape),
        "cu_seqlens": torch.tensor(starts, dtype=torch.int32),
        "logit_positions": places,
        "labels": torch.tensor([label for own in targets for _, label in own], dtype=torch.long),
        "keys": keys,
        "logit_keys": keys[places],
    }
    if not packed:
        tensors["attention_mask"] = flat([[1] * len(row.input_ids) for row in rows], 0)
    if any(row.token_type_ids for row in rows):
        tensors["token_type_ids"] = flat([row.token_type_ids for row in rows], 0)
    sent = dict(zip(tensors, to_device(list(tensors.values()), device), strict=True))
    return PackedBatch(
        input_ids=sent["input_ids"],
        attention_mask=sent.get("attention_mask"),
        position_ids=sent["position_ids"],
        token_type_ids=sent.get("token_type_ids"),
        row_starts=starts,
        cu_seqlens=sent["cu_seqlens"],
        seed=int(keys[0]),
        logit_positions=sent["logit_positions"],
        labels=sent["labels"],
        token_blocks=KeyedBlocks(blocks(starts), sent["keys"]),
        logit_blocks=KeyedBlocks(blocks(logit_starts), sent["logit_keys"]),
        logit_starts=logit_starts,
        row_spans=blocks(range(len(rows) + 1)).spans,
        marks_spans=rows[0].window is not None,
    )


def _row_keys(cell_rows: Sequence[tuple[int, Sequence[EncodedRow]]], step_keys: Sequence[int]) -> torch.Tensor:
    pairs = [(row.index, key) for (_, own), key in zip(cell_rows, step_keys, strict=True) for row in own]
    return row_keys([index for index, _ in pairs], [key for _, key in pairs])


def _logit_targets(row: EncodedRow, start: int) -> list[tuple[int, int]]:
    """(offset, label) of a row that begins at `start`: the pooled token, those before predicted ones, or all."""
    if row.window is not None:
        return [(start + t, label) for t, label in enumerate(row.labels or (0,) * len(row.input_ids))]
    if row.pooling_position is not None:
        return [(start + row.pooling_position, label) for label in row.labels or (IGNORE_INDEX,)]
    return [(start + t - 1, label) for t, label in enumerate(row.labels) if t and label != IGNORE_INDEX]


@dataclass(frozen=True)
class Blocks:
    """Which rows of a tensor belong to which cell, and products with one matrix per cell, block by block.

    `batched`: whether layers use one padded product for all blocks instead (`grid.py`). By default they do on a GPU,
    where each small product would cost a launch, and not on a CPU.
    """

    spans: tuple[Span, ...]
    batched: bool | None = None

    def is_batched(self, device: torch.device) -> bool:
        """Whether products on `device` are made for all blocks at once."""
        return device.type != "cpu" if self.batched is None else self.batched

    def matmul(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """x [rows, n] with weights [cells, n, m] -> [rows, m]."""
        if len(self.spans) == 1:
            return x @ weights[self.spans[0][0]]
        out = x.new_empty(len(x), weights.shape[-1])
        for cell, a, b in self.spans:
            torch.mm(x[a:b], weights[cell], out=out[a:b])
        return out

    def add_matmul(self, out: torch.Tensor, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Add `matmul(x, weights)` to `out` [rows, m], in place."""
        for cell, a, b in self.spans:
            out[a:b].addmm_(x[a:b], weights[cell])
        return out

    def matmul_transposed(self, left: torch.Tensor, right: torch.Tensor, cells: int) -> torch.Tensor:
        """left [rows, n], right [rows, m] -> [cells, n, m]: left.T @ right per cell; 0 for cells without rows."""
        out = left.new_zeros(cells, left.shape[-1], right.shape[-1])
        for cell, a, b in self.spans:
            torch.mm(left[a:b].T, right[a:b], out=out[cell])
        return out

    def expand(self, values: Sequence[float]) -> torch.Tensor:
        """One value per block, repeated for each of its rows: [rows, 1], on the CPU."""
        lengths = torch.tensor([b - a for _, a, b in self.spans])
        return torch.tensor(values).repeat_interleave(lengths)[:, None]
