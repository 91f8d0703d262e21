"""What `launch` means in this process: one of several workers, and what `accelerate launch` and its config file say.

A command line's own values win; `auto` takes Accelerate's. What Accelerate would do to a training loop of its own
(torch.compile, gradient accumulation) is left out, and said once; a model that is spread over processes is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace

from littlehuman.errors import ConfigError, Problem
from littlehuman.execution import workers
from littlehuman.execution.workers import Worker
from littlehuman.schema import LaunchConfig

log = logging.getLogger(__name__)

_SPREADS = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism of its own (tensor, context, sequence)",
}
_PRECISIONS = {"bf16": "bfloat16", "fp16": "float16"}
_said: set[str] = set()  # sentences that this process has logged


def check() -> None:
    """Refuse what `accelerate launch` asks for and cannot be had.

    Raises:
        ConfigError: for a model that is spread over processes.
    """
    wanted = [name for name in _SPREADS if _is_on(name)]
    if wanted:
        what = "spreads one model over processes, and here each process holds the whole of it: data parallel only"
        problems = [Problem(f"{name}={os.environ[name]}", f"{_SPREADS[name]} {what}") for name in wanted]
        raise ConfigError(problems, "accelerate launch --multi_gpu, or littlehuman with launch.processes=N")


def of_this_process(launch: LaunchConfig, worker: Worker) -> LaunchConfig:
    """The hardware options of a cell as this process carries them out.

    Raises:
        ConfigError: for one device that several workers are to have.
    """
    among = worker.size > 1 or workers.is_quiet()
    if worker.can_join:
        refuse_one_device(launch.device, worker.size)
    if worker.size > 1 and launch.processes > 1:
        _say(f"launch.processes={launch.processes} is left out: {worker.size} processes were started from outside")
    for sentence in _left_out():
        _say(sentence)
    return replace(
        launch,
        processes=1 if among else launch.processes,
        progress=launch.progress and not workers.is_quiet(),
        device=_device(launch.device),
        dtype=_dtype(launch.dtype),
    )


def refuse_one_device(device: str, count: int) -> None:
    """Refuse one named device for several processes.

    Raises:
        ConfigError: for a device such as cuda:1.
    """
    if ":" in device:
        what = f"names one device for {count} processes; say cuda or auto"
        raise ConfigError([Problem(f"launch.device={device}", what)], "launch.device=auto")


def _device(device: str) -> str:
    if device == "auto" and _is_on("ACCELERATE_USE_CPU"):
        return "cpu"
    return device


def _dtype(dtype: str) -> str:
    mixed = os.environ.get("ACCELERATE_MIXED_PRECISION", "")
    if dtype != "auto" or mixed not in _PRECISIONS:
        return dtype
    _say(f"launch.dtype=auto is {_PRECISIONS[mixed]} here, as accelerate launch asks for (mixed_precision={mixed})")
    return _PRECISIONS[mixed]


def _left_out() -> Iterator[str]:
    mixed, dynamo = (os.environ.get(f"ACCELERATE_{key}", "no") for key in ("MIXED_PRECISION", "DYNAMO_BACKEND"))
    if mixed not in ("no", "", *_PRECISIONS):
        yield f"accelerate's mixed_precision={mixed} is left out: launch.dtype has no such precision"
    if dynamo.lower() not in ("no", ""):
        yield f"accelerate's dynamo_backend={dynamo} is left out: nothing is compiled here"
    steps = os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")
    if steps != "1":
        yield f"accelerate's gradient_accumulation_steps={steps} is left out: training.batch_size is the global batch"


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


def _say(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        log.warning(sentence)
