"""A batch through the model: hidden states where something is to be said, then the model's own head.

In: a model and a `Pack`. Out: logits at the picks alone, so that no head computes a vocabulary for
tokens that nobody asks about. The layout is told by the pack: packed rows attend inside
themselves, padded ones by their mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from littlehuman.training.attention import inside_rows
from littlehuman.training.packing import Pack


@contextmanager
def attention_of(model: Any, pack: Pack) -> Iterator[None]:
    """The attention that the pack's layout needs, for forward and backward passes."""
    with _seeded(pack), inside_rows(model, pack) if pack.mask is None else nullcontext():
        yield


@contextmanager
def _seeded(pack: Pack) -> Iterator[None]:
    # Dropout that is no module of the model (padded attention, all of OPT's) comes from torch's generator: it follows
    # from the batch, not from what ran before, but it is another one in another batch.
    with torch.random.fork_rng([pack.ids.device] if pack.ids.is_cuda else []):
        torch.manual_seed(pack.seed)
        yield


def backbone_of(model: Any) -> Any:
    """The model without its head."""
    return getattr(model, model.base_model_prefix)


def states_of(model: Any, pack: Pack) -> torch.Tensor:
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
