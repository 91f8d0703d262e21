"""How much fits: cells at once before training, rows at once when a step ran out of memory.

In: a base and what its cells need, or a step to try. Out: a number of cells, or whether the step
fitted. Halving micro-batches changes a result by rounding alone.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable

import torch

from littlehuman.models.base_model import Base

log = logging.getLogger(__name__)

MEND = "launch.gradient_checkpointing=true, launch.dtype=bfloat16, a smaller dataset.max_tokens or a smaller model"
_CPU_SAYS = ("can't allocate memory", "not enough memory")  # torch on Linux, and elsewhere: a plain RuntimeError
MOST = {"cpu": 8, "cuda": 32}  # more cells at once bring nothing: the products are large enough by then


class DoesNotFit(Exception):
    """A step needs more memory than there is, even with one row of each cell at a time."""


def fits(step: Callable[[], None]) -> bool:
    """Run `step`; False when memory ran out, after what it held was freed."""
    try:
        step()
        return True
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False


def halved(micro_batch: int) -> int:
    """Half the micro-batch, said aloud.

    Raises:
        DoesNotFit: when it is 1 already.
    """
    if micro_batch <= 1:
        raise DoesNotFit("out of memory with one row at a time")
    half = micro_batch // 2
    log.warning(
        "out of memory with %d rows at once: goes on with %d; results differ by rounding alone", micro_batch, half
    )
    return half


def cells_that_fit(base: Base, numbers: int, tokens: int, targets: int) -> int:
    """How many cells fit into half of the free memory, an estimate; a step that does not fit halves it.

    Args:
        base: the frozen model, loaded.
        numbers: trainable numbers of one adapter.
        tokens: tokens of one cell in a micro-batch of its longest rows.
        targets: those of them at which logits are computed.
    """
    config = base.model.config.get_text_config()
    size = torch.tensor([], dtype=base.dtype).element_size()
    inner = getattr(config, "intermediate_size", 4 * config.hidden_size)
    # Kept for the way back, per token and layer: about 16 vectors of the hidden size and 6 of the inner one.
    activations = tokens * config.num_hidden_layers * (16 * config.hidden_size + 6 * inner) * size
    logits = targets * config.vocab_size * 4 * 3
    one = numbers * 4 * 4 + activations + logits  # value, gradient, two moments
    return max(1, min(MOST.get(base.device.type, 1), int(free_bytes(base.device) / 2 / one)))


def free_bytes(device: torch.device) -> int:
    """Memory that is free on `device`, in bytes."""
    if device.type == "cuda":
        held: int = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(
            device
        )  # torch keeps it, and gives it out again
        return int(torch.cuda.mem_get_info(device)[0] + held)
    import psutil

    return int(psutil.virtual_memory().available)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in _CPU_SAYS)
