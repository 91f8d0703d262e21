"""Whether a model can read rows end to end: tried on the model itself, not believed.

In: a base and `launch.layout`. Out: packed or padded. Architectures differ in where they keep
positions and attention; one whose rows see each other would train on nonsense without a sign. So
two rows are read once per base: end to end and alone, which must come out the same, and beside
other neighbours, which must change no bit.
"""

from __future__ import annotations

import logging

import torch

from littlehuman.errors import ConfigError, Problem
from littlehuman.models.base_model import Base
from littlehuman.schema import Layout
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.forward import attention_of, states_of
from littlehuman.training.packing import PackedBatch, pack

log = logging.getLogger(__name__)

LENGTHS = (9, 5)
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # share of the states' size


def is_packed(base: Base, asked: Layout) -> bool:
    """Whether rows are laid end to end.

    Raises:
        ConfigError: when `launch.layout=packed` is asked of a model that cannot.
    """
    if asked == Layout.padded:
        return False
    if base.packs is None:
        base.packs = _packs(base)
    if base.packs or asked == Layout.auto:
        return bool(base.packs)
    raise ConfigError(
        [
            Problem(
                "launch.layout=packed", f"{base.path} mixes rows that stand end to end; launch.layout=padded is exact"
            )
        ]
    )


def _packs(base: Base) -> bool:
    try:
        apart, leak = differs(base), leaks(base)
    except (NotImplementedError, TypeError, KeyError, ValueError, RuntimeError, IndexError) as error:
        log.info(
            "%s: rows are padded (this architecture takes no packed rows: %s)", base.path, str(error).split("\n")[0]
        )
        return False
    fine = apart <= TOLERANCE[base.dtype]
    if leak or not fine:
        why = "see each other" if leak else f"differ by {apart:.2g} of their size"
        log.info("%s: rows are padded (read end to end they would %s)", base.path, why)
    return fine and not leak


def differs(base: Base) -> float:
    """How far the states of rows read end to end are from those of rows read alone, as a share of their size."""
    rows = _rows(base, 0)
    together = _states(base, rows, packed=True)
    alone = torch.cat([_states(base, [row], packed=False) for row in rows])
    return float((together - alone).norm() / alone.norm())


def leaks(base: Base) -> bool:
    """Whether other tokens in one row change any bit of the other row's states: rounding cannot hide a small leak."""
    rows, others = _rows(base, 0), _rows(base, 1)
    states = _states(base, rows, packed=True)
    beside = (_states(base, [rows[0], others[1]], packed=True)[0], _states(base, [others[0], rows[1]], packed=True)[1])
    return not all(torch.equal(state, here) for state, here in zip(states, beside, strict=True))


def _rows(base: Base, salt: int) -> list[EncodedRow]:
    reserved = {base.pad, base.first_position - 1}  # RoBERTa finds its positions by its padding token
    size = base.model.config.get_text_config().vocab_size
    tokens = [token for token in range(min(size, 64)) if token not in reserved]
    return [
        EncodedRow(tuple(tokens[(5 * salt + 7 * r + 3 * t) % len(tokens)] for t in range(n)), (), r, reads_at=n - 1)
        for r, n in enumerate(LENGTHS)
    ]


def _states(base: Base, rows: list[EncodedRow], *, packed: bool) -> torch.Tensor:
    laid: PackedBatch = pack([(0, rows)], base.device, pad=0, packed=packed, first=base.first_position, names=[0])
    with torch.inference_mode(), attention_of(base.model, laid):
        return states_of(base.model, laid).float()
