"""Which GPU is this process's own, on a machine with several.

A process that was given one (`LITTLEHUMAN_GPU`, or LOCAL_RANK of torchrun and `accelerate launch`) takes that one.
Others, such as two sweeps or the jobs of joblib and submitit, know nothing of each other: each locks a file per GPU in
the folder for temporary files, takes the first one that is free, and keeps it until it ends. The files are named by
CUDA_VISIBLE_DEVICES, so processes that see different GPUs do not wait for each other.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from filelock import FileLock

log = logging.getLogger(__name__)

VARIABLE = "LITTLEHUMAN_GPU"  # environment variable: number of the GPU, as torch counts them
_held: dict[int, FileLock | None] = {}  # the GPU of this process, with its lock; None where it is shared


def own(count: int) -> int:
    """The number of this process's GPU among the `count` that it sees; not below `count` where there are too few."""
    given = os.environ.get(VARIABLE) or os.environ.get("LOCAL_RANK", "")
    sees_all = VARIABLE in os.environ or "TORCHELASTIC_RUN_ID" in os.environ or count > 1
    if given.isdecimal() and sees_all:  # SLURM may show each process its own GPU alone
        return int(given)
    if count < 2:
        return 0
    if not _held:
        _take(count)
    return next(iter(_held))


def _take(count: int) -> None:
    for index, name in enumerate(_names(count)):
        file = Path(tempfile.gettempdir()) / f"littlehuman-gpu-{name}.lock"
        lock = FileLock(file, timeout=0, mode=0o666, thread_local=False)
        try:
            lock.acquire()
        except (OSError, NotImplementedError):  # Timeout is an OSError; the file of another user's process
            continue
        _held[index] = lock
        log.info("GPU %d of %d is free, and this process's until it ends", index, count)
        return
    index = os.getpid() % count
    _held[index] = None
    log.warning("all %d GPUs are taken by other processes of littlehuman: GPU %d is shared", count, index)


def _names(count: int) -> list[str]:
    """What the system calls the GPUs that this process sees."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible if len(visible) == count else [str(index) for index in range(count)]
