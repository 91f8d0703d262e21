"""N processes that share each global batch, one for each GPU (or CPU worker).

In: cells. Out: their outcomes, as they come. The processes are started by torch's multiprocessing,
joined by Accelerate, and end with the call; results come back through a folder, each as soon as it
is there. A process that fails takes the others down, and its own error is what the caller sees.
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
from littlehuman.models import devices
from littlehuman.models.weights import resolve
from littlehuman.schema import LaunchConfig
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_here
from littlehuman.training.types import Cell, Finished, Outcome

ERROR = "error.pickle"


def fit_in_processes(
    cells: Sequence[Cell], launch: LaunchConfig, finished: Finished | None
) -> list[Outcome | Exception]:
    """`fit` in `launch.processes` processes; what comes out is what one process gives, but for rounding.

    Raises:
        LittlehumanError: what a process raised.
        RuntimeError: with its traceback, for an error that is not ours.
    """
    resolve(
        cells[0].settings.model.weights
    )  # prepared here: in a group, transformers saves nothing but in the first process
    devices.dtype(
        launch.dtype, devices.device(launch.device)
    )  # measured here, if need be: each process for itself might choose otherwise
    with tempfile.TemporaryDirectory(prefix="littlehuman-") as name:
        folder = Path(name)
        (folder / "work.pickle").write_bytes(pickle.dumps((list(cells), launch)))
        post = _Post(folder, finished)
        context = torch.multiprocessing.start_processes(
            _worker,
            args=(name, launch.processes, _free_port()),
            nprocs=launch.processes,
            join=False,
            start_method="spawn",
        )
        try:
            _wait(context, post)
        finally:
            for process in context.processes:
                process.kill()
        return [post.outcomes[number] for number in range(len(cells))]


class _Post:
    """Outcomes that the first process left in the folder, each handed on once."""

    def __init__(self, folder: Path, finished: Finished | None) -> None:
        self.folder, self.finished = folder, finished
        self.outcomes: dict[int, Outcome | Exception] = {}

    def collect(self) -> None:
        for path in sorted(self.folder.glob("outcome-*.pickle")):
            number, outcome = pickle.loads(path.read_bytes())
            path.unlink()
            self.outcomes[number] = outcome
            if self.finished is not None:
                self.finished(number, outcome)


def _wait(context: Any, post: _Post) -> None:
    from torch.multiprocessing.spawn import ProcessException

    try:
        while not context.join(timeout=0.2):
            post.collect()
    except ProcessException as error:
        post.collect()
        told = post.folder / ERROR
        if told.exists():
            raise pickle.loads(told.read_bytes()) from None
        raise RuntimeError(f"a training process died: {error}") from error
    post.collect()


def _worker(rank: int, name: str, size: int, port: int) -> None:
    """One process of the crew."""
    folder = Path(name)
    cells, launch = pickle.loads((folder / "work.pickle").read_bytes())
    with _telling(folder), _joined(rank, size, port, launch.device) as crew, _telling(folder):
        # Told before this process leaves the group: the others fail when it does, and theirs is not the error to show.
        fit_here(cells, launch, _leave_in(folder) if crew.speaks else None, crew)


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        _leave(folder / ERROR, _as_told(error), unless_there=True)
        raise


class _joined:
    """This process as a member of the group, for the time of the call."""

    def __init__(self, rank: int, size: int, port: int, device: str) -> None:
        self.crew = ProcessGroup(rank, size)
        self.on_cpu = device == "cpu" or not torch.cuda.is_available()
        address = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": size,
            "LOCAL_WORLD_SIZE": size,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        os.environ |= {key: str(value) for key, value in address.items()}
        if self.on_cpu:
            torch.set_num_threads(max(1, torch.get_num_threads() // size))

    def __enter__(self) -> ProcessGroup:
        from accelerate import PartialState

        PartialState(cpu=self.on_cpu)
        return self.crew

    def __exit__(self, *_: object) -> None:
        from accelerate import PartialState

        PartialState().destroy_process_group()  # else the process may abort when it ends


def _leave_in(folder: Path) -> Finished:
    def leave(number: int, outcome: Outcome | Exception) -> None:
        said = _as_told(outcome) if isinstance(outcome, Exception) else outcome
        _leave(folder / f"outcome-{number:06d}.pickle", (number, said))

    return leave


def _as_told(error: BaseException) -> BaseException:
    """An error that another process can raise again; one that is not ours brings its traceback as text."""
    if isinstance(error, LittlehumanError):
        return error
    return RuntimeError(f"in a training process:\n{''.join(traceback.format_exception(error))}")


def _leave(path: Path, value: object, *, unless_there: bool = False) -> None:
    if unless_there and path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(pickle.dumps(value))
    draft.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
