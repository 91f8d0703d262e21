"""Data-parallel training: N processes share each global batch, one per GPU (or CPU worker).

The processes are spawned by torch.multiprocessing, joined by Accelerate, and end with the call, or with the calling
process (`parent`). Outcomes come back as files in a temporary folder, each as soon as it is known. When a process fails
the others are killed, and the caller gets the error of the process that failed first.
"""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from littlehuman.errors import LittlehumanError
from littlehuman.models import devices, gpus
from littlehuman.models.weights import resolve
from littlehuman.schema import LaunchConfig
from littlehuman.training import parent
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_cells
from littlehuman.training.types import Cell, OnFinished, Outcome

ERROR = "error.pickle"


def fit_distributed(
    cells: Sequence[Cell], launch: LaunchConfig, on_finished: OnFinished | None
) -> list[Outcome | Exception]:
    """`fit` in `launch.processes` processes; results equal those of one process up to rounding.

    Raises:
        LittlehumanError: raised by a process.
        RuntimeError: with its traceback, for any other error of a process.
    """
    # Prepared before the processes start: within a group, transformers saves files in the first process only.
    resolve(cells[0].settings.model.weights)
    # `auto` may measure the precision: processes that each measured could choose differently.
    devices.dtype(launch.dtype, devices.device(launch.device))
    with tempfile.TemporaryDirectory(prefix="littlehuman-") as name:
        folder = Path(name)
        (folder / "work.pickle").write_bytes(pickle.dumps((list(cells), launch)))
        inbox = _Inbox(folder, on_finished)
        context = torch.multiprocessing.start_processes(
            _worker,
            args=(name, launch.processes, _free_port()),
            nprocs=launch.processes,
            join=False,
            start_method="spawn",
        )
        try:
            _wait(context, inbox)
        finally:
            for process in context.processes:
                process.kill()
        return [inbox.outcomes[index] for index in range(len(cells))]


class _Inbox:
    """Reads the outcome files that the main process wrote, and passes each on once."""

    def __init__(self, folder: Path, on_finished: OnFinished | None) -> None:
        self.folder, self.on_finished = folder, on_finished
        self.outcomes: dict[int, Outcome | Exception] = {}

    def collect(self) -> None:
        for path in sorted(self.folder.glob("outcome-*.pickle")):
            index, outcome = pickle.loads(path.read_bytes())
            path.unlink()
            self.outcomes[index] = outcome
            if self.on_finished is not None:
                self.on_finished(index, outcome)


def _wait(context: Any, inbox: _Inbox) -> None:
    """Collect outcomes until all processes have ended; raise the error of the one that failed."""
    from torch.multiprocessing.spawn import ProcessException

    try:
        while not context.join(timeout=0.2):
            inbox.collect()
    except ProcessException as error:
        inbox.collect()
        report = inbox.folder / ERROR
        if report.exists():
            raise pickle.loads(report.read_bytes()) from None
        raise RuntimeError(f"a training process died: {error}") from error
    inbox.collect()


def _worker(rank: int, name: str, size: int, port: int) -> None:
    """Main function of one process."""
    parent.follow()
    folder = Path(name)
    cells, launch = pickle.loads((folder / "work.pickle").read_bytes())
    # The inner report comes before this process leaves the group: the others fail when it leaves, and theirs is
    # not the error to show.
    with _error_report(folder), _Member(rank, size, port, launch.device) as group, _error_report(folder):
        fit_cells(cells, launch, _outcome_writer(folder) if group.is_main else None, group)


@contextmanager
def _error_report(folder: Path) -> Iterator[None]:
    """Write an error to the folder, unless another process did, and raise it again."""
    try:
        yield
    except BaseException as error:
        _write_pickle(folder / ERROR, picklable(error), overwrite=False)
        raise


class _Member:
    """Context manager: this process as a member of the torch.distributed group."""

    def __init__(self, rank: int, size: int, port: int, device: str) -> None:
        self.group = ProcessGroup(rank, size)
        self.on_cpu = device == "cpu" or not torch.cuda.is_available()
        address = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": size,
            "LOCAL_WORLD_SIZE": size,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            gpus.VARIABLE: rank,
        }
        os.environ |= {key: str(value) for key, value in address.items()}
        if self.on_cpu:
            torch.set_num_threads(max(1, torch.get_num_threads() // size))

    def __enter__(self) -> ProcessGroup:
        from accelerate import PartialState

        PartialState(cpu=self.on_cpu)
        return self.group

    def __exit__(self, *_: object) -> None:
        from accelerate import PartialState

        PartialState().destroy_process_group()  # without it the process may abort at its end


def _outcome_writer(folder: Path) -> OnFinished:
    def write(index: int, outcome: Outcome | Exception) -> None:
        content = picklable(outcome) if isinstance(outcome, Exception) else outcome
        _write_pickle(folder / f"outcome-{index:06d}.pickle", (index, content))

    return write


def picklable(error: BaseException) -> BaseException:
    """An error that another process can raise; one that is not ours becomes a RuntimeError with its traceback."""
    if isinstance(error, LittlehumanError):
        return error
    return RuntimeError(f"in a training process:\n{''.join(traceback.format_exception(error))}")


def _write_pickle(path: Path, value: object, *, overwrite: bool = True) -> None:
    """Write to a temporary file and rename it, so that a reader never sees half a file."""
    if not overwrite and path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(pickle.dumps(value))
    draft.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
