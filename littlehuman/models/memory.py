"""Memory: out-of-memory handling, and an estimate of how many cells fit.

Halving a batch changes results by rounding only.
"""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.models.base_model import Base, free_memory

log = logging.getLogger(__name__)

MEND = "launch.gradient_checkpointing=true, launch.dtype=bfloat16, a smaller dataset.max_tokens or a smaller model"
MAX_CELLS = {"cpu": 8}  # more cells at once are no faster there: the matrix products are large enough by then
# Planned share of free memory. Where a GPU runs out, the pass is repeated with fewer rows; a CPU's process is killed.
SHARE = {"cpu": 0.5, "cuda": 0.85}
# Rows and tokens (prompts with their answers) of a batch of generation, beyond which it is no faster. A CPU computes as
# much for each row, and for rows that have ended too; of a GPU it is assumed: none was at hand.
BATCH = {"cpu": (16, 16_384), "cuda": (1024, 262_144)}
_CPU_MESSAGES = ("can't allocate memory", "not enough memory")  # a plain RuntimeError: on Linux, and elsewhere


@dataclass(frozen=True, slots=True)
class BatchBudget:
    """What a batch may hold at most: rows, and tokens, counted as rows of equal length."""

    rows: float
    tokens: float

    def count(self, longest: int) -> int:
        """Rows of a batch whose longest row has so many tokens with its answer; one at least."""
        return max(1, int(min(self.rows, self.tokens // longest)))


class DoesNotFit(Exception):
    """Out of memory although the batch cannot be made smaller."""


def fits(step: Callable[[], None]) -> bool:
    """Run `step`; False when it ran out of memory, after its memory was freed."""
    try:
        step()
        return True
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
    free_memory()
    return False


def halved(micro_batch: int) -> int:
    """Half the micro-batch, with a warning.

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


def batch_budget(model: Any) -> BatchBudget:
    """The batch of a generation on the device of `model`: as large as makes it faster there, and fits into memory.

    Memory per token: its keys and values, and what one layer needs while the prompts are read.
    """
    config, device = model.config.get_text_config(), model.device
    size = torch.tensor([], dtype=model.dtype).element_size()
    heads = getattr(config, "num_attention_heads", None) or 1
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    cache = 2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads) * head
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    room = free_bytes(device) * SHARE.get(device.type, 0.5) / (size * (cache + 8 * config.hidden_size + 3 * inner))
    rows, tokens = BATCH.get(device.type, BATCH["cpu"])
    return BatchBudget(rows, max(1, min(tokens, int(room))))


def cells_that_fit(
    base: Base, parameters: int, tokens: float, targets: float, processes: int = 1, checkpointing: bool = False
) -> int:
    """Estimate of how many cells fit into a share of the free memory; a group that does not fit is split later.

    Args:
        base: the frozen model, loaded.
        parameters: trainable parameters of one adapter.
        tokens: tokens of one cell in a micro-batch (`typical_sum`).
        targets: how many of them need logits.
        processes: that share this device.
        checkpointing: whether activations are recomputed in the backward pass.
    """
    config = base.model.config.get_text_config()
    size = torch.tensor([], dtype=base.dtype).element_size()
    inner = getattr(config, "intermediate_size", 4 * config.hidden_size)
    # Saved for the backward pass, per token and layer: about 16 vectors of the hidden size and 6 of the inner size.
    layer, layers = 16 * config.hidden_size + 6 * inner, config.num_hidden_layers
    kept = layer + layers * config.hidden_size if checkpointing else layers * layer
    logits = targets * config.vocab_size * 4 * 3
    own = 0 if size == 4 else size  # the copy in the base's precision
    cell = parameters * (4 * 4 + own) + tokens * kept * size + logits  # float32 value, gradient and two moments
    room = free_bytes(base.device) / processes * SHARE.get(base.device.type, 0.5)
    return max(1, min(MAX_CELLS.get(base.device.type, int(room)), int(room / cell)))


def typical_sum(values: Sequence[int], count: int) -> float:
    """What `count` of the values, drawn at random, hardly exceed in sum: two standard deviations above the mean."""
    if not values:
        return 0.0
    spread = statistics.pstdev(values) * math.sqrt(count)
    return min(count * statistics.fmean(values) + 2 * spread, count * float(max(values)))


def free_bytes(device: torch.device) -> int:
    """Free memory of `device`, in bytes; on a GPU with what torch has cached."""
    if device.type == "cuda":
        cached: int = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    import psutil

    return int(psutil.virtual_memory().available)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _CPU_MESSAGES)
