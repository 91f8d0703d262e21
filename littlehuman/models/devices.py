"""Device and precision of a run, 4-bit quantisation, and the log level of the libraries.

`auto` takes the GPU when there is one, and bfloat16 where it is faster than float32: always on a GPU, on a CPU if
matrix products of training size are.
"""

from __future__ import annotations

import os
import platform
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.models import gpus
from littlehuman.schema import PRECISIONS
from littlehuman.schema.devices import DEVICE, DEVICES
from littlehuman.store import cache_root, digest, read_json, write_json

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in PRECISIONS}


def device(name: str, index: int | None = None, key: str = "launch.device") -> torch.device:
    """The device that `key` of the config names.

    Args:
        name: auto, cpu, cuda or cuda:N.
        index: which GPU is meant by `auto` and `cuda`; None: this process's own (`gpus`).
        key: what an error calls it.

    Raises:
        ConfigError: when torch does not know it, or this machine does not have it.
    """
    if not DEVICE.fullmatch(name):  # torch also knows meta, which computes nothing
        raise ConfigError([Problem(f"{key}={name}", DEVICES)])
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return _gpu(index)
    if name == "auto":
        return torch.device("cpu")
    chosen = torch.device(name)
    count = torch.cuda.device_count()
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        mend = f"{key}=auto" if count else f"{key}=auto, or a torch that was built for CUDA"
        raise ConfigError([Problem(f"{key}={name}", f"this machine has {count} CUDA devices")], mend)
    return chosen


def one_each(name: str, where: torch.device) -> bool:
    """Whether each process of a run got its own device (`device`), or all share `where`."""
    return where.type == "cuda" and name in ("auto", "cuda")


def _gpu(index: int | None) -> torch.device:
    count = torch.cuda.device_count()
    own = gpus.own(count) if index is None else index
    if own < count:
        return torch.device("cuda", own)
    what = f"this machine has {count} CUDA devices, one for each process"
    if "LOCAL_RANK" in os.environ:
        wanted = os.environ.get("LOCAL_WORLD_SIZE", own + 1)
        raise ConfigError([Problem(f"LOCAL_WORLD_SIZE={wanted}", what)], f"torchrun --nproc-per-node {count} ...")
    raise ConfigError([Problem(f"launch.processes={own + 1}", what)], f"launch.processes={count}")


def dtype(name: str, where: torch.device, key: str = "launch.dtype") -> torch.dtype:
    """The precision of a model's frozen weights on device `where`, which `key` names; what is tuned is in float32.

    Raises:
        ConfigError: for an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if where.type == "cuda" or bfloat16_is_faster() else torch.float32
    if name not in DTYPES:
        raise ConfigError([Problem(f"{key}={name}", did_you_mean(name, ["auto", *DTYPES]))])
    return DTYPES[name]


def has_sleep_mode() -> bool:
    """Whether vLLM can give its memory back and stay (CUDA and ROCm alone)."""
    return bool(torch.cuda.is_available())


def nf4_config(where: torch.device) -> Any:
    """The quantisation of QLoRA (arXiv 2305.14314): 4-bit NF4 with double quantisation, by bitsandbytes.

    Raises:
        ConfigError: without a CUDA device or without bitsandbytes.
    """
    missing = None if find_spec("bitsandbytes") else "the package bitsandbytes"
    if where.type != "cuda":
        missing = "a CUDA device"
    if missing:
        without = "model.quantization=null, and launch.dtype=bfloat16 halves the memory of float32"
        raise ConfigError(
            [Problem("model.quantization=nf4", f"needs {missing}; without: {without}")],
            "pip install bitsandbytes  # on a machine with CUDA",
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


@lru_cache
def bfloat16_is_faster() -> bool:
    """Whether bfloat16 products are at least 1.2 times as fast as float32 ones on this CPU.

    Measured once per processor and torch version and kept in the cache, so that runs on one machine never choose
    differently because the machine was busy.
    """
    file = cache_root() / "machines" / f"{digest([_processor(), torch.__version__])}.json"
    measured = read_json(file)
    if "bfloat16_pays" not in measured:
        faster = _matmul_seconds(torch.float32) / _matmul_seconds(torch.bfloat16) > 1.2
        measured = {"processor": _processor(), "torch": torch.__version__, "bfloat16_pays": faster}
        write_json(file, measured)
    return bool(measured["bfloat16_pays"])


def _matmul_seconds(kind: torch.dtype, repeats: int = 5) -> float:
    """Shortest time of a product of training size, after a warm-up."""
    left, right = torch.ones(512, 1024, dtype=kind), torch.ones(1024, 1024, dtype=kind)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    return name[1] if name else f"{platform.machine()} {platform.processor()}"


@contextmanager
def forked_rng(where: torch.device) -> Iterator[None]:
    """Restore torch's generators of the CPU and of this device afterwards."""
    with torch.random.fork_rng([where] if where.type == "cuda" else []):
        yield


@cache
def silence_libraries() -> None:
    """Switch off loading reports, deprecation notes and progress bars of the libraries, but not their errors."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # Parameters and gradients of a MultiLora are views of one matrix: their layout costs nothing here.
    warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
