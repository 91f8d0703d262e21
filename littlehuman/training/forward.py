"""Forward pass of a batch: attention within each row, hidden states at the logit positions, the model's own head.

Logits are computed only where they are needed: no head computes a vocabulary for the other tokens. Padded batches
use the model's own attention and a mask. Packed batches use an attention function of ours, registered with
transformers as `littlehuman_packed`: on CUDA torch's varlen kernel (flash attention); elsewhere, or with attention
dropout, one product per row, which is exact and on a CPU faster than padding. A GPU, where each of them would cost its
launches, pads instead (`packing_check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from littlehuman.models.devices import forked_rng
from littlehuman.training.dropout import ApplyMask, cutoffs_and_scales, keep_mask
from littlehuman.training.packing import PackedBatch

PACKED = "littlehuman_packed"
ATTENTION_LAYER_ID = 1 << 20  # offset of attention's layer ids for dropout: apart from those of other layers
_batch: PackedBatch | None = None  # transformers calls the attention function without the batch


@contextmanager
def batch_attention(model: Any, batch: PackedBatch) -> Iterator[None]:
    """Set up the attention that the batch's layout needs, for forward and backward passes inside the context."""
    with _seeded(batch), packed_attention(model, batch) if batch.attention_mask is None else nullcontext():
        yield


@contextmanager
def packed_attention(model: Any, batch: PackedBatch) -> Iterator[None]:
    """Restrict attention to each row of `batch` in all that `model` computes here, backward passes included."""
    global _batch
    _register()
    before, _batch = (model.config._attn_implementation, _batch), batch
    model.config._attn_implementation = PACKED
    try:
        yield
    finally:
        model.config._attn_implementation, _batch = before


def hidden_states(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Hidden states at the logit positions: [P, width]."""
    inputs: dict[str, Any] = {"input_ids": batch.input_ids}
    if batch.attention_mask is None:
        inputs["position_ids"] = batch.position_ids
    else:
        inputs["attention_mask"] = batch.attention_mask
    if batch.token_type_ids is not None:
        inputs["token_type_ids"] = batch.token_type_ids
    if hasattr(model.config, "use_cache"):
        inputs["use_cache"] = False
    with _without_pooler(backbone_of(model)) as backbone:
        states: torch.Tensor = backbone(**inputs).last_hidden_state
    return states.reshape(-1, states.shape[-1])[batch.logit_positions]


def head_logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits of the model's own head for hidden states [P, width]: [P, classes or vocabulary; 2 for spans].

    Each state is presented as a sequence of one token, so that a head reads it whether it takes the first or the
    last token.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

    states = states[:, None]
    pooler = getattr(backbone_of(model), "pooler", None)
    pooled = None if pooler is None else pooler(states)
    output = BaseModelOutputWithPoolingAndCrossAttentions(last_hidden_state=states, pooler_output=pooled)
    ids = torch.zeros(states.shape[:2], dtype=torch.long, device=states.device)
    with _fixed_output(backbone_of(model), output):
        found = model(input_ids=ids)
    if "start_logits" in found:  # a head that marks spans has two logits per token, in two tensors
        found = {"logits": torch.stack([found["start_logits"], found["end_logits"]], -1)}
    logits: torch.Tensor = found["logits"]
    return logits.reshape(len(states), -1)


def backbone_of(model: Any) -> Any:
    """The model without its head."""
    return getattr(model, model.base_model_prefix)


def packed_attention_forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers calls: query, key, value [1, heads, T, width] -> [1, T, heads, width].

    Raises:
        NotImplementedError: for options that only some models use (soft caps, biases).
    """
    assert _batch is not None
    if asked := [name for name in ("softcap", "position_bias", "s_aux") if kwargs.get(name) is not None]:
        raise NotImplementedError(f"packed attention does not support {', '.join(asked)}")
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    options = _Options(causal, scaling, sliding_window, dropout)
    if query.device.type != "cpu" and query.dtype in (torch.bfloat16, torch.float16) and not dropout:
        return _varlen_attention(query, key, value, _batch, options), None
    return _attention_per_row(query, key, value, _batch, options, _layer_index(module)), None


@dataclass(frozen=True)
class _Options:
    causal: bool
    scaling: float | None
    window: int | None
    dropout: float

    def mask(self, tokens: int, device: torch.device) -> torch.Tensor | None:
        """Sliding-window mask of a row, bool [tokens, tokens]; None where the window covers the row."""
        if self.window is None or tokens <= self.window:
            return None
        positions = torch.arange(tokens, device=device)
        distance = positions[:, None] - positions[None, :]
        return (distance < self.window) & (distance >= 0) if self.causal else distance.abs() < self.window


def _varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, batch: PackedBatch, options: _Options
) -> torch.Tensor:
    from torch.nn.attention import varlen

    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    left = -1 if options.window is None else options.window - 1
    window = (left, 0) if options.causal else (left, left)
    more: dict[str, Any] = {"scale": options.scaling, "window_size": window}
    if (groups := q.shape[1] // k.shape[1]) > 1:
        if "enable_gqa" in signature(varlen.varlen_attn).parameters:
            more["enable_gqa"] = True
        else:  # older releases of torch want as many heads of keys and values as of queries
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    ends, longest = batch.cu_seqlens, batch.max_seqlen
    return varlen.varlen_attn(q, k, v, ends, ends, longest, longest, **more)[None]


def _attention_per_row(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, batch: PackedBatch, options: _Options, layer: int
) -> torch.Tensor:
    dtype = query.dtype
    if query.device.type == "cpu":  # this operation's bfloat16 kernels are slower there than its float32 ones
        query, key, value = query.float(), key.float(), value.float()
    rows = []
    for a, b in pairwise(batch.row_starts):
        q, k, v, mask = query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], options.mask(b - a, query.device)
        if options.dropout:
            rows.append(_attention_with_dropout(q, k, v, mask, options, batch.token_blocks.keys[a:b], layer))
        else:
            gqa, causal = query.shape[1] != key.shape[1], options.causal and mask is None
            rows.append(
                scaled_dot_product_attention(
                    q, k, v, attn_mask=mask, is_causal=causal, scale=options.scaling, enable_gqa=gqa
                )
            )
    return torch.cat(rows, dim=2).transpose(1, 2).to(dtype)


def _attention_with_dropout(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    options: _Options,
    keys: torch.Tensor,
    layer: int,
) -> torch.Tensor:
    """Attention written out: the library's fused function draws its dropout from a generator."""
    groups, (tokens, width) = q.shape[1] // k.shape[1], q.shape[-2:]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    weights = q @ k.transpose(-1, -2) * (width**-0.5 if options.scaling is None else options.scaling)
    if mask is None and options.causal:
        mask = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        weights = weights.masked_fill(~mask, float("-inf"))
    (cutoff,), (scale,) = cutoffs_and_scales([options.dropout])
    keep = keep_mask(keys, ATTENTION_LAYER_ID + layer, q.shape[1] * tokens, cutoff)
    keep = keep.view(tokens, -1, tokens).transpose(0, 1)[None]
    return (ApplyMask.apply(weights.softmax(-1), keep) * scale) @ v


def _layer_index(module: torch.nn.Module) -> int:
    """Number of an attention layer for its dropout: its index, or (DistilBERT has none) that of its dropout module."""
    index = getattr(module, "layer_idx", None)
    return int(getattr(getattr(module, "dropout", None), "layer_id", 0) if index is None else index)


@cache
def _register() -> None:
    # Attention alone: without a mask function of this name transformers makes no mask, as the offsets separate the
    # rows. With one it would first look at the positions, and wait for the device.
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED, packed_attention_forward)


@contextmanager
def _seeded(batch: PackedBatch) -> Iterator[None]:
    # Dropout that is not a module of the model (that of padded attention, all of OPT's) draws from torch's generator.
    # The seed makes it follow from the batch, not from what ran before; it still differs between batches.
    with forked_rng(batch.input_ids.device):
        torch.manual_seed(batch.seed)
        yield


@contextmanager
def _without_pooler(backbone: Any) -> Iterator[Any]:
    """Skip the pooler: `head_logits` applies it, to the pooled tokens only."""
    pooler = getattr(backbone, "pooler", None)
    if pooler is not None:
        backbone.pooler = None
    try:
        yield backbone
    finally:
        if pooler is not None:
            backbone.pooler = pooler


@contextmanager
def _fixed_output(backbone: Any, output: Any) -> Iterator[None]:
    """Let the backbone return `output`, so that the model applies its head to it."""
    backbone.forward = lambda *_, **__: output
    try:
        yield
    finally:
        del backbone.forward
