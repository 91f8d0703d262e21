"""Attention that stays inside each row of a packed batch.

In: queries, keys and values of rows that stand end to end ([1, heads, tokens, width]), and where
each row begins. Out: what padded attention gives, without a padded token. On CUDA torch's varlen
kernel (flash attention) does it; elsewhere each row is attended alone, which is exact and, on a
CPU, faster than padding. Registered with transformers under the name `PACKED`.


[folded] A batch through the model: hidden states where something is to be said, then the model's own head.

In: a model and a `Pack`. Out: logits at the picks alone, so that no head computes a vocabulary for
tokens that nobody asks about. The layout is told by the pack: packed rows attend inside
themselves, padded ones by their mask.

"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from littlehuman.training.dropout import Masked, kept, thresholds
from littlehuman.training.packing import PackedBatch

PACKED = "littlehuman_packed"
ATTENTION = 1 << 20  # its places of dropout, apart from those of other layers
_now: PackedBatch | None = None  # transformers calls `attend` without telling it which batch this is


@contextmanager
def inside_rows(model: Any, pack: PackedBatch) -> Iterator[None]:
    """Attend inside the rows of `pack` in everything that `model` computes here, backward passes included."""
    global _now
    _register()
    before, _now = (model.config._attn_implementation, _now), pack
    model.config._attn_implementation = PACKED
    try:
        yield
    finally:
        model.config._attn_implementation, _now = before


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers calls; returns [1, tokens, heads, width].

    Raises:
        NotImplementedError: for what only some models ask of their attention (soft caps, biases).
    """
    assert _now is not None
    if asked := [name for name in ("softcap", "position_bias", "s_aux") if more.get(name) is not None]:
        raise NotImplementedError(f"packed attention knows no {', '.join(asked)}")
    how = _How(
        bool(getattr(module, "is_causal", True) if is_causal is None else is_causal), scaling, sliding_window, dropout
    )
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and not dropout:
        return _varlen(query, key, value, _now, how), None
    return _row_by_row(query, key, value, _now, how, _layer(module)), None


def _layer(module: torch.nn.Module) -> int:
    """A number that names this layer's draws: its index, or that of its dropout (DistilBERT counts no layers)."""
    index = getattr(module, "layer_idx", None)
    return int(getattr(getattr(module, "dropout", None), "place", 0) if index is None else index)


@dataclass(frozen=True)
class _How:
    causal: bool
    scaling: float | None
    window: int | None
    dropout: float

    def sees(self, tokens: int, device: torch.device) -> torch.Tensor | None:
        """Which token sees which, bool [tokens, tokens]; None where being causal, or nothing, says it all."""
        if self.window is None or tokens <= self.window:
            return None
        place = torch.arange(tokens, device=device)
        back = place[:, None] - place[None, :]
        return (back < self.window) & (back >= 0) if self.causal else back.abs() < self.window


def _varlen(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, pack: PackedBatch, how: _How) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    left = -1 if how.window is None else how.window - 1
    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    sides = (left, 0) if how.causal else (left, left)
    ends, longest = pack.boundaries, pack.longest
    return varlen_attn(
        q, k, v, ends, ends, longest, longest, scale=how.scaling, window_size=sides, enable_gqa=q.shape[1] != k.shape[1]
    )[None]


def _row_by_row(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, pack: PackedBatch, how: _How, layer: int
) -> torch.Tensor:
    kind = query.dtype
    if query.device.type == "cpu":  # bfloat16 kernels of this operation are slower there than float32 ones
        query, key, value = query.float(), key.float(), value.float()
    rows = []
    for a, b in zip(pack.starts, pack.starts[1:], strict=False):
        q, k, v, sees = query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], how.sees(b - a, query.device)
        if how.dropout:
            rows.append(_dropping(q, k, v, sees, how, pack.tokens.names[a:b], layer))
        else:
            gqa, causal = query.shape[1] != key.shape[1], how.causal and sees is None
            rows.append(
                scaled_dot_product_attention(
                    q, k, v, attn_mask=sees, is_causal=causal, scale=how.scaling, enable_gqa=gqa
                )
            )
    return torch.cat(rows, dim=2).transpose(1, 2).to(kind)


def _dropping(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    sees: torch.Tensor | None,
    how: _How,
    names: torch.Tensor,
    layer: int,
) -> torch.Tensor:
    """Attention in so many words, since its dropout must be drawn by name too."""
    groups, (tokens, width) = q.shape[1] // k.shape[1], q.shape[-2:]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    weights = q @ k.transpose(-1, -2) * (width**-0.5 if how.scaling is None else how.scaling)
    if sees is None and how.causal:
        sees = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).tril()
    if sees is not None:
        weights = weights.masked_fill(~sees, float("-inf"))
    (cut,), (stretch,) = thresholds([how.dropout])
    stays = kept(names, ATTENTION + layer, q.shape[1] * tokens, cut)
    stays = stays.view(tokens, -1, tokens).transpose(0, 1)[None]
    return (Masked.apply(weights.softmax(-1), stays) * stretch) @ v


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

    if PACKED not in ALL_MASK_ATTENTION_FUNCTIONS:
        AttentionInterface.register(PACKED, attend)
        AttentionMaskInterface.register(PACKED, lambda *_, **__: None)  # there is nothing to mask


@contextmanager
def attention_of(model: Any, pack: PackedBatch) -> Iterator[None]:
    """The attention that the pack's layout needs, for forward and backward passes."""
    with _seeded(pack), inside_rows(model, pack) if pack.mask is None else nullcontext():
        yield


@contextmanager
def _seeded(pack: PackedBatch) -> Iterator[None]:
    # Dropout that is no module of the model (padded attention, all of OPT's) comes from torch's generator: it follows
    # from the batch, not from what ran before, but it is another one in another batch.
    with torch.random.fork_rng([pack.ids.device] if pack.ids.is_cuda else []):
        torch.manual_seed(pack.seed)
        yield


def backbone_of(model: Any) -> Any:
    """The model without its head."""
    return getattr(model, model.base_model_prefix)


def states_of(model: Any, pack: PackedBatch) -> torch.Tensor:
    """Hidden states of the picks: [picks, width]."""
    inputs: dict[str, Any] = {"input_ids": pack.ids}
    if pack.mask is None:
        inputs["position_ids"] = pack.positions
    else:
        inputs["attention_mask"] = pack.mask
    if pack.types is not None:
        inputs["token_type_ids"] = pack.types
    if hasattr(model.config, "use_cache"):
        inputs["use_cache"] = False
    with _without_pooler(backbone_of(model)) as backbone:
        states: torch.Tensor = backbone(**inputs).last_hidden_state
    return states.reshape(-1, states.shape[-1])[pack.picks]


def head_of(model: Any, states: torch.Tensor) -> torch.Tensor:
    """What the model's own head says of these states: [picks, classes or vocabulary].

    Each state is shown to it as a row of one token, so that whichever token a head reads (first,
    last), it is that one.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

    states = states[:, None]
    pooler = getattr(backbone_of(model), "pooler", None)
    pooled = None if pooler is None else pooler(states)
    seen = BaseModelOutputWithPoolingAndCrossAttentions(last_hidden_state=states, pooler_output=pooled)
    ids = torch.zeros(states.shape[:2], dtype=torch.long, device=states.device)
    with _answering(backbone_of(model), seen):
        logits: torch.Tensor = model(input_ids=ids).logits
    return logits.reshape(len(states), -1)


@contextmanager
def _without_pooler(backbone: Any) -> Iterator[Any]:
    """Leave the pooler out where all tokens pass: it is for the first token of each row (`head_of`)."""
    pooler = getattr(backbone, "pooler", None)
    if pooler is not None:
        backbone.pooler = None
    try:
        yield backbone
    finally:
        if pooler is not None:
            backbone.pooler = pooler


@contextmanager
def _answering(backbone: Any, output: Any) -> Iterator[None]:
    """Let the head see `output` in place of what its backbone would compute."""
    backbone.forward = lambda *_, **__: output
    try:
        yield
    finally:
        del backbone.forward
