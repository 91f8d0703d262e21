"""Attention inside rows: the call of torch's kernel for GPUs, checked without one."""

from __future__ import annotations

from typing import Any
from unittest.mock import create_autospec

import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from littlehuman.training import forward
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.packing import pack

HEADS, GROUPS, WIDTH = 4, 2, 8


def as_documented(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    ends: torch.Tensor,
    *_: Any,
    scale: float | None,
    window_size: tuple[int, int],
    **__: Any,
) -> torch.Tensor:
    """What torch says of `varlen_attn`: [tokens, heads, width], `window_size` tokens to both sides (-1: all)."""
    out = torch.empty_like(query)
    left, right = window_size
    for a, b in zip(ends.tolist(), ends.tolist()[1:], strict=False):
        ahead = torch.arange(b - a)[None, :] - torch.arange(b - a)[:, None]
        seen = ((ahead <= right) | (right < 0)) & ((-ahead <= left) | (left < 0))
        q, k, v = (x[a:b].transpose(0, 1)[None] for x in (query, key, value))
        row = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
        out[a:b] = row[0].transpose(0, 1)
    return out


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("causal", [True, False])
def test_torchs_gpu_kernel_is_asked_for_what_rows_attended_alone_give(
    causal: bool, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in has the signature of the installed torch: one that lacks an argument of the call fails here."""
    monkeypatch.setattr(varlen, "varlen_attn", create_autospec(varlen.varlen_attn, side_effect=as_documented))
    rows = [EncodedRow(tuple(range(size)), (), index, pooling_position=0) for index, size in enumerate((5, 9, 1))]
    batch = pack([(0, rows)], torch.device("cpu"), pad_token_id=0, packed=True, first_position=0, step_keys=[1])
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, 15, WIDTH, generator=draw) for heads in (HEADS, GROUPS, GROUPS))
    options = forward._Options(causal, 0.3, window, dropout=0.0)
    alone = forward._attention_per_row(query, key, value, batch, options, layer=0)
    torch.testing.assert_close(forward._varlen_attention(query, key, value, batch, options), alone)


def test_a_torch_without_grouped_queries_gets_as_many_keys_as_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel has no argument `enable_gqa`, and would refuse it."""
    heads: list[int] = []

    def older(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cu_seq_q: torch.Tensor, *rest: Any,
        scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
    ) -> torch.Tensor:  # fmt: skip
        heads.extend((query.shape[1], key.shape[1], value.shape[1]))
        return as_documented(query, key, value, cu_seq_q, *rest, scale=scale, window_size=window_size)

    monkeypatch.setattr(varlen, "varlen_attn", older)
    rows = [EncodedRow(tuple(range(size)), (), index, pooling_position=0) for index, size in enumerate((5, 9, 1))]
    batch = pack([(0, rows)], torch.device("cpu"), pad_token_id=0, packed=True, first_position=0, step_keys=[1])
    query, key, value = (torch.randn(1, heads, 15, WIDTH) for heads in (HEADS, GROUPS, GROUPS))
    options = forward._Options(causal=True, scaling=0.3, window=None, dropout=0.0)
    alone = forward._attention_per_row(query, key, value, batch, options, layer=0)
    torch.testing.assert_close(forward._varlen_attention(query, key, value, batch, options), alone)
    assert heads == [HEADS] * 3
