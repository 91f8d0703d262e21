"""Test of whether a model can read packed rows, made on the model itself, once per base.

Architectures differ in where they keep positions and attention; with packed rows that attend to each other, training
would go wrong without an error. So two rows are read packed and alone, which must agree up to rounding, forward and
backward, and with other neighbours, which must not change one bit.
"""

from __future__ import annotations

import logging
from functools import cache

import torch

from littlehuman.errors import ConfigError, Problem
from littlehuman.models.base_model import Base
from littlehuman.schema import Layout
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.forward import batch_attention, hidden_states
from littlehuman.training.packing import pack

log = logging.getLogger(__name__)

ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop", "attention_dropout_prob")
GRADIENTS = 4  # they round more often than the states
LENGTHS = (9, 5)  # tokens of the two rows
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # relative error of the hidden states


def should_pack(base: Base, layout: Layout) -> bool:
    """Whether rows are packed: `launch.layout`, and for `auto` whether the model can, and this device gains by it.

    Raises:
        ConfigError: when `launch.layout=packed` is set for a model that cannot.
    """
    if layout == Layout.padded:
        return False
    if layout == Layout.auto and (why := reads_row_by_row(base)):
        _say_once(base.path, why)
        return False
    if base.can_pack is None:
        base.can_pack = _can_pack(base)
    if base.can_pack or layout == Layout.auto:
        return bool(base.can_pack)
    what = f"{base.path} mixes rows that stand end to end; launch.layout=padded is exact"
    raise ConfigError([Problem("launch.layout=packed", what)])


def reads_row_by_row(base: Base) -> str:
    """Why packed attention would be one product per row on this device, where each costs its launches; else empty."""
    if base.device.type == "cpu":
        return ""
    config = base.model.config.get_text_config()
    if any(getattr(config, name, None) for name in ATTENTION_DROPOUTS):
        return "attention dropout"
    return "" if base.dtype in (torch.bfloat16, torch.float16) else f"precision {base.dtype}"


@cache
def _say_once(path: str, why: str) -> None:
    log.info("%s: rows are padded (no GPU kernel reads packed rows with %s)", path, why)


def _can_pack(base: Base) -> bool:
    refusals: tuple[type[Exception], ...] = (NotImplementedError, KeyError, ValueError, RuntimeError, IndexError)
    if base.device.type == "cpu":  # on a GPU it would be an error of ours: an argument that torch's kernel lacks
        refusals += (TypeError,)
    try:
        error, leak = packing_error(base), rows_leak(base)
    except refusals as reason:
        first = str(reason).split("\n")[0]
        log.info("%s: rows are padded (this architecture takes no packed rows: %s)", base.path, first)
        return False
    exact = error <= TOLERANCE[base.dtype]
    if leak or not exact:
        why = "see each other" if leak else f"differ by {error:.2g} of their size"
        log.info("%s: rows are padded (read end to end they would %s)", base.path, why)
    return exact and not leak


def packing_error(base: Base) -> float:
    """Relative distance between packed rows and the same rows read alone: of hidden states and of gradients."""
    rows = _rows(base, 0)
    packed, packed_grads = _states_and_gradients(base, rows, packed=True)
    pairs = [_states_and_gradients(base, [row], packed=False) for row in rows]
    alone, grads = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    distances = [
        float((left - right).norm() / right.norm()) for left, right in ((packed, alone), (packed_grads, grads))
    ]
    return max(distances[0], distances[1] / GRADIENTS)


def rows_leak(base: Base) -> bool:
    """Whether other tokens in one row change any bit of the other row's states: rounding could hide a small leak."""
    rows, others = _rows(base, 0), _rows(base, 1)
    with torch.inference_mode():
        return _leak(base, rows, others)


def _leak(base: Base, rows: list[EncodedRow], others: list[EncodedRow]) -> bool:
    states = _states(base, rows, packed=True)
    first = _states(base, [rows[0], others[1]], packed=True)[0]
    second = _states(base, [others[0], rows[1]], packed=True)[1]
    return not (torch.equal(states[0], first) and torch.equal(states[1], second))


def _rows(base: Base, salt: int) -> list[EncodedRow]:
    """Two rows of unlike tokens; another salt gives other tokens."""
    reserved = {base.pad_token_id, base.first_position - 1}  # RoBERTa derives positions from its padding token
    size = base.model.config.get_text_config().vocab_size
    tokens = [token for token in range(min(size, 64)) if token not in reserved]
    rows = []
    for index, length in enumerate(LENGTHS):
        ids = tuple(tokens[(5 * salt + 7 * index + 3 * t) % len(tokens)] for t in range(length))
        rows.append(EncodedRow(ids, (), index, pooling_position=length - 1))
    return rows


def _states(base: Base, rows: list[EncodedRow], *, packed: bool) -> torch.Tensor:
    """Hidden states of the rows' last tokens: float32 [rows, width]."""
    batch = pack(
        [(0, rows)],
        base.device,
        pad_token_id=0,
        packed=packed,
        first_position=base.first_position,
        step_keys=[0],
    )
    with batch_attention(base.model, batch):
        return hidden_states(base.model, batch).float()


def _states_and_gradients(base: Base, rows: list[EncodedRow], *, packed: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """`_states`, and the gradient of a sum of them by each token's embedding: float32 [tokens, width]."""
    leaves: list[torch.Tensor] = []

    def keep(_: torch.nn.Module, __: object, out: torch.Tensor) -> torch.Tensor:
        leaves.append(out.requires_grad_())
        return out.clone()  # models change it in place

    hook = base.model.get_input_embeddings().register_forward_hook(keep)
    try:
        with torch.enable_grad():
            states = _states(base, rows, packed=packed)
            weights = torch.arange(
                states.shape[-1], device=states.device
            ).sin()  # the plain sum after a norm is constant
            (grad,) = torch.autograd.grad((states * weights).sum(), leaves)
    finally:
        hook.remove()
    return states.detach(), grad.float().reshape(-1, grad.shape[-1])
