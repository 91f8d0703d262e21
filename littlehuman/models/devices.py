"""Where a run computes and in which precision.

In: `launch.device` and `launch.dtype`. Out: a torch device and dtype. `auto` takes the GPU when
there is one, and bfloat16 where it is faster than float32: always on a GPU, on a CPU if a matrix
product of training size says so.


[folded] Keeps a run's output to what its reader needs.

Loading reports, deprecation notes and bars per weight shard of the libraries are switched off;
errors are not.

"""

from __future__ import annotations

import os
import platform
import re
import time
import warnings
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.schema import PRECISIONS
from littlehuman.schema.devices import DEVICE, DEVICES
from littlehuman.store import cache_root, digest, read_json, write_json


@cache
def silence_libraries() -> None:
    """Silence the libraries' chatter once per process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # Parameters of a stack are slices of one matrix, and so are their gradients: that costs nothing here.
    warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")


DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in PRECISIONS}


def device(name: str, rank: int = 0, key: str = "launch.device") -> torch.device:
    """The device that `key` of the config names; process `rank` of several gets a GPU of its own.

    Raises:
        ConfigError: when torch does not know it or it is not there.
    """
    if not DEVICE.fullmatch(name):  # torch also knows meta, which computes nothing
        raise ConfigError([Problem(f"{key}={name}", DEVICES)])
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return _own_gpu(name, rank)
    if name == "auto":
        return torch.device("cpu")
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        mend = f"{key}=auto, or a torch that was built for CUDA" if not torch.cuda.device_count() else f"{key}=auto"
        raise ConfigError(
            [Problem(f"{key}={name}", f"this machine has {torch.cuda.device_count()} CUDA devices")], mend
        )
    return chosen


def _own_gpu(name: str, rank: int) -> torch.device:
    if rank >= torch.cuda.device_count():
        raise ConfigError(
            [
                Problem(
                    "launch.processes",
                    f"this machine has {torch.cuda.device_count()} CUDA devices, one for each process",
                )
            ]
        )
    return torch.device("cuda", rank)


def four_bits(where: torch.device) -> Any:
    """How a base is loaded in 4 bits (QLoRA, arXiv 2305.14314: NF4, double quantisation), through bitsandbytes.

    Raises:
        ConfigError: without a CUDA device or without bitsandbytes.
    """
    missing = (
        "a CUDA device" if where.type != "cuda" else None if find_spec("bitsandbytes") else "the package bitsandbytes"
    )
    if missing:
        what = (
            f"needs {missing}; without: model.quantization=null, and launch.dtype=bfloat16 halves the memory of float32"
        )
        raise ConfigError(
            [Problem("model.quantization=nf4", what)], "pip install bitsandbytes (on a machine with CUDA)"
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def dtype(name: str, where: torch.device) -> torch.dtype:
    """The precision of the frozen base; adapters and heads stay in float32.

    Raises:
        ConfigError: for an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if where.type == "cuda" or bfloat16_is_faster() else torch.float32
    if name not in DTYPES:
        raise ConfigError([Problem(f"launch.dtype={name}", did_you_mean(name, ["auto", *DTYPES]))])
    return DTYPES[name]


@lru_cache
def bfloat16_is_faster() -> bool:
    """Whether bfloat16 products are at least 1.2 times as fast as float32 ones on this CPU.

    Measured once per processor and torch version, and remembered in the cache: two runs on one machine
    never choose differently because one of them was disturbed.
    """
    known = cache_root() / "machines" / f"{digest([_processor(), torch.__version__])}.json"
    found = read_json(known)
    if "bfloat16_pays" not in found:
        found = {"processor": _processor(), "torch": torch.__version__, "bfloat16_pays": _ratio() > 1.2}
        write_json(known, found)
    return bool(found["bfloat16_pays"])


def _ratio() -> float:
    return _seconds(torch.float32) / _seconds(torch.bfloat16)


def _processor() -> str:
    named = (
        re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if Path("/proc/cpuinfo").is_file()
        else None
    )
    return named[1] if named else f"{platform.machine()} {platform.processor()}"


def _seconds(kind: torch.dtype, repeats: int = 5) -> float:
    left, right = torch.ones(512, 1024, dtype=kind), torch.ones(1024, 1024, dtype=kind)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return min(times[1:])
