"""The Triton kernel of `row_ops`. Importing it needs triton; nothing but a GPU's operators imports it.

Bits are those of `dropout.keep_mask`: MurmurHash3's finalizer of key ^ column key, 16 bits for each of two features.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    out, x, rows, factors, scale, keys, columns, cutoffs, width, pairs,
    ADDS: tl.constexpr, GATHERS: tl.constexpr, WEIGHS: tl.constexpr, DROPS: tl.constexpr, ONE_CUTOFF: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    entry = tl.program_id(0).to(tl.int64)
    features = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = features < width
    source = entry
    if GATHERS:
        source = tl.load(rows + entry).to(tl.int64)
    value = tl.load(x + source * width + features, mask=inside, other=0.0).to(tl.float32)
    if DROPS:
        column = tl.load(columns + features // 2, mask=features // 2 < pairs, other=0)
        bits = (tl.load(keys + entry) ^ column).to(tl.uint32, bitcast=True)
        bits = bits * 0x85EBCA6B
        bits = bits ^ (bits >> 13)
        bits = bits * 0xC2B2AE35
        bits = bits ^ (bits >> 16)
        half = tl.where(features % 2 == 0, bits << 16, bits & 0xFFFF0000).to(tl.int32, bitcast=True)
        cutoff = tl.load(cutoffs + (0 if ONE_CUTOFF else entry)).to(tl.int32)
        value = tl.where((half >> 17) >= cutoff, value, 0.0)
    if WEIGHS:
        value = value * tl.load(factors + entry)
    value = value * scale
    place = out + entry * width + features
    if ADDS:
        value = value + tl.load(place, mask=inside, other=0.0).to(tl.float32)
    tl.store(place, value.to(out.dtype.element_ty), mask=inside)


def launch(
    out: torch.Tensor,
    x: torch.Tensor,
    rows: torch.Tensor | None,
    factors: torch.Tensor | None,
    scale: float,
    keys: torch.Tensor | None,
    columns: torch.Tensor | None,
    cutoffs: torch.Tensor | None,
    *,
    adds: bool,
) -> None:
    """Write the value into `out` [entries, width], or add it. All tensors are contiguous; arguments as in `row_ops`."""
    entries, width = out.shape
    if not entries:
        return
    assert out.is_contiguous() and x.is_contiguous()
    unused = out  # a pointer that the kernel does not read
    _kernel[(entries, triton.cdiv(width, BLOCK))](
        out, x, *(unused if tensor is None else tensor for tensor in (rows, factors)), scale,
        *(unused if tensor is None else tensor for tensor in (keys, columns, cutoffs)), width, (width + 1) // 2,
        ADDS=adds, GATHERS=rows is not None, WEIGHS=factors is not None, DROPS=keys is not None,
        ONE_CUTOFF=cutoffs is not None and cutoffs.numel() == 1, BLOCK=BLOCK, enable_fp_fusion=False,
    )  # fmt: skip
