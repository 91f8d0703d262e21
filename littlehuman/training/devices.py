"""Where a run computes and in which precision.

In: `launch.device` and `launch.dtype`. Out: a torch device and dtype. `auto` takes the GPU when
there is one, and bfloat16 where it is faster than float32: always on a GPU, on a CPU if a matrix
product of training size says so.
"""

from __future__ import annotations

import time
from functools import lru_cache

import torch

from littlehuman.errors import ConfigError, Problem, did_you_mean

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device(name: str) -> torch.device:
    """The device that `launch.device` names.

    Raises:
        ConfigError: when torch does not know it or it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen: torch.device | None = torch.device(name)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):  # torch also knows meta, which computes nothing
        raise ConfigError([Problem(f"launch.device={name}", "must be auto, cpu, cuda or cuda:N")])
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError([Problem(f"launch.device={name}", f"this machine has {torch.cuda.device_count()} CUDA devices")])
    return chosen


def dtype(name: str, where: torch.device) -> torch.dtype:
    """The precision of the frozen base; adapters and heads stay in float32.

    Raises:
        ConfigError: for an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if where.type == "cuda" or bfloat16_pays() else torch.float32
    if name not in DTYPES:
        raise ConfigError([Problem(f"launch.dtype={name}", did_you_mean(name, ["auto", *DTYPES]))])
    return DTYPES[name]


@lru_cache
def bfloat16_pays() -> bool:
    """Whether bfloat16 products are at least 1.2 times as fast as float32 ones on this CPU (measured once)."""
    return _seconds(torch.float32) > 1.2 * _seconds(torch.bfloat16)


def _seconds(kind: torch.dtype, repeats: int = 5) -> float:
    left, right = torch.ones(512, 1024, dtype=kind), torch.ones(1024, 1024, dtype=kind)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return min(times[1:])
