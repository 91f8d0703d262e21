"""A single run inside torchrun or `accelerate launch`: the first process runs it, the others join its trainings.

The processes speak through the key-value store that the launcher's rendezvous gives them (a TCPStore, no GPU is busy
while one waits): the first one posts `join` before each training, and its exit code at its end. The group for a
training is set up by Accelerate when the first training begins, with a timeout of days, and stays.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import torch

from littlehuman.cli import said
from littlehuman.errors import LittlehumanError
from littlehuman.models import devices
from littlehuman.models.weights import resolve
from littlehuman.schema import LaunchConfig
from littlehuman.training.multiprocess import picklable
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_cells
from littlehuman.training.types import Cell, OnFinished, Outcome

DAYS = timedelta(days=30)  # a training, or the twins that are written before it
POLL_S = (0.05, 1.0)  # first and longest time between two looks at the store
LEAVING_S = 10.0  # longest time that the first process waits for the others to read its exit code
_JOIN, _ERROR, _LEFT, END = (f"littlehuman/{key}" for key in ("join", "error", "left", "end"))
_posted = 0  # trainings that this process, the first one, has announced
leads = False  # whether others wait for the trainings of this process


@cache
def store() -> torch.distributed.Store:
    """The store that all processes of the launcher share."""
    found, _, _ = next(iter(torch.distributed.rendezvous("env://", timeout=DAYS)))
    return found


def wait(*keys: str) -> str:
    """The first of the keys that somebody sets.

    Raises:
        SystemExit: when the store is gone with the process that had it.
    """
    seconds = POLL_S[0]
    try:
        while not (there := [key for key in keys if store().check([key])]):
            time.sleep(seconds)
            seconds = min(1.3 * seconds, POLL_S[1])
    except torch.distributed.DistError:
        raise SystemExit(1) from None
    return there[0]


def end(code: int) -> None:
    """Called by the first process: the others end with this exit code."""
    store().set(END, str(code))
    _leave()
    keys = [f"{_LEFT}/{rank}" for rank in range(1, int(os.environ["WORLD_SIZE"]))]
    deadline = time.monotonic() + LEAVING_S
    with suppress(torch.distributed.DistError):  # where this process has the store, the others must have read it
        while not store().check(keys) and time.monotonic() < deadline:
            time.sleep(POLL_S[0])


def ended() -> int:
    """Wait for the exit code of the first process."""
    wait(END)
    code = int(store().get(END))
    store().set(f"{_LEFT}/{_rank()}", "")
    return code


def fit(cells: Sequence[Cell], launch: LaunchConfig, on_finished: OnFinished | None) -> list[Outcome | Exception]:
    """`fit` by all processes of the launcher, called in the first one.

    Raises:
        LittlehumanError: raised by a process.
        RuntimeError: with its traceback, for any other error of another process.
    """
    global _posted
    # Prepared before the group is set up: within it, transformers saves files in the first process only.
    resolve(cells[0].settings.model.weights)
    # The precision is chosen once: processes that each measured could choose differently.
    precision = devices.dtype(launch.dtype, devices.device(launch.device))
    launch = replace(launch, dtype=str(precision).removeprefix("torch."), processes=1)
    announced = f"{_JOIN}/{_posted}"
    store().set(announced, json.dumps([cells[0].settings.model.weights, launch.device]))
    _posted += 1
    try:
        with _telling():
            _wait_until_ready(announced)
            group = _join(launch.device)
            _from_first((list(cells), launch))
            return fit_cells(cells, launch, on_finished, group)
    except Exception:
        _leave()  # the others fail where they wait for this one
        rank, error = _first_error()
        if rank != _rank():
            raise error from None
        raise


def serve() -> int:
    """Take part in the trainings of the first process; its exit code when it has ended."""
    number = 0
    while (key := wait(f"{_JOIN}/{number}", END)) != END:
        number += 1
        try:
            with _telling():
                weights, device = json.loads(store().get(key))
                resolve(weights)
                devices.device(device)
                store().set(f"{key}/{_rank()}", "ready")
                group = _join(device)
                cells, launch = _from_first(None)
                fit_cells(cells, launch, None, group)
        except Exception as error:
            _end_at_once_on_gpus(error)
            _leave()
            break
    code = ended()
    _leave()
    return code


def _wait_until_ready(announced: str) -> None:
    """Wait for the others: one that cannot join says so, and a group that is set up without it would wait for days."""
    for rank in range(1, int(os.environ["WORLD_SIZE"])):
        if wait(f"{announced}/{rank}", _ERROR) == _ERROR:
            raise RuntimeError("another process cannot join this training")


def _rank() -> int:
    return int(os.environ["RANK"])


def _join(device: str) -> ProcessGroup:
    """This process in the group of all, which Accelerate sets up once."""
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available(), timeout=DAYS)
    return ProcessGroup(state.process_index, state.num_processes)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _from_first(value: Any) -> Any:
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


@contextmanager
def _telling() -> Iterator[None]:
    """Note an error for the first process, unless there is one already: what the others then meet is its consequence.

    It is noted before this process leaves the group.
    """
    try:
        yield
    except Exception as error:
        with suppress(Exception):  # the store may be gone
            store().compare_set(_ERROR, "", pickle.dumps((_rank(), picklable(error))).hex())
        raise


def _first_error() -> tuple[int, Exception]:
    """The rank that failed first, and its error."""
    rank, error = pickle.loads(bytes.fromhex(store().get(_ERROR).decode()))
    return rank, error


def _end_at_once_on_gpus(error: Exception) -> None:
    """NCCL does not notice a process that left: the launcher ends all others when this one ends."""
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "nccl":
        if _first_error()[0] == _rank():
            print(said(error) if isinstance(error, LittlehumanError) else picklable(error), file=sys.stderr)
        os._exit(1)
