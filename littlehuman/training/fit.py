"""Cells in, outcomes out: the one door between the records and torch.

In: cells (training points, test points, seed, values) that can share a base. Out: predictions, the
training log, and an ordinary PEFT adapter per cell. K cells train at once (`stack.py`); what comes
out is what each would have given alone. An error that belongs to one cell is handed over as its
outcome; it takes no other cell with it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from littlehuman.errors import ConfigError, Problem
from littlehuman.groups import LaunchConfig
from littlehuman.training import decoding, devices, memory
from littlehuman.training.base import Base, lease
from littlehuman.training.cells import Cell, Finished, Outcome, Settings, stackable
from littlehuman.training.crew import Crew
from littlehuman.training.group import Work, prepared, together
from littlehuman.training.loop import targets

__all__ = ["Cell", "Finished", "Outcome", "Settings", "fit", "fit_here", "stackable"]


def fit(cells: Sequence[Cell], launch: LaunchConfig, finished: Finished | None = None) -> list[Outcome | Exception]:
    """Fine-tune and test cells of one `stackable` value, as many at once as memory holds.

    Args:
        cells: what is to be trained.
        launch: where and how.
        finished: told of each cell as soon as it is done, by its place in `cells`.

    Returns:
        Per cell its outcome, or the error that is its own.

    Raises:
        WeightsError: when the model's weights cannot be had.
        ConfigError: for a device, precision, layout or LoRA target that does not exist.
    """
    _refuse_outer_launcher()
    decoding.release(on_gpu_alone=True)  # a prompt model that wrote the twins would take the training's memory
    if launch.processes > 1:
        from littlehuman.training.workers import fit_in_processes

        return fit_in_processes(cells, launch, finished)
    return fit_here(cells, launch, finished, Crew())


def fit_here(cells: Sequence[Cell], launch: LaunchConfig, finished: Finished | None, crew: Crew) -> list[Outcome | Exception]:
    """`fit` in this process, as one of `crew`."""
    where = devices.device(launch.device, crew.rank)
    precision = devices.dtype(launch.dtype, where)
    outcomes: dict[int, Outcome | Exception] = {}

    def tell(number: int, outcome: Outcome | Exception) -> None:
        outcomes[number] = outcome
        if finished is not None:
            finished(number, outcome)

    started = time.perf_counter()
    shared = cells[0].settings
    with lease(shared.model, shared.task.head, len(shared.classes), where, precision) as base:
        loaded = (time.perf_counter() - started) / len(cells)
        for numbers in _at_once(cells, base, launch, crew):
            if work := list(_ready(numbers, cells, base, tell)):
                for number, outcome in together(work, base, launch, crew, loaded):
                    tell(number, outcome)
    return [outcomes[number] for number in range(len(cells))]


def _at_once(cells: Sequence[Cell], base: Base, launch: LaunchConfig, crew: Crew) -> Iterator[list[int]]:
    """Groups of cells that train together: those of like length, so that few wait for the longest."""
    order = sorted(range(len(cells)), key=lambda n: -len(cells[n].mixture.points) * int(cells[n].settings.tuning.epochs or 0))
    many = launch.cells or (min(crew.gather([_fitting(cells[order[0]], base, launch)])) if len(cells) > 1 else 1)
    for start in range(0, len(order), many):
        yield order[start : start + many]


def _fitting(cell: Cell, base: Base, launch: LaunchConfig) -> int:
    """How many cells like the largest one fit into memory at once."""
    try:
        largest = prepared(0, cell, base)
    except Exception:  # it will be told as this cell's error
        return 1
    rows = min(launch.micro_batch, largest.course.size)
    lessons = largest.lessons or largest.prompts
    tokens, said = (rows * max(map(count, lessons), default=1) for count in (lambda row: len(row.ids), targets))
    return memory.cells_that_fit(base, largest.adapter.size, tokens, said)


def _ready(numbers: Sequence[int], cells: Sequence[Cell], base: Base, tell: Finished) -> Iterator[Work]:
    for number in numbers:
        try:
            yield prepared(number, cells[number], base)
        except ConfigError:  # of the model's layers: no cell of this base can be better
            raise
        except Exception as error:  # a row that the model cannot read, a class that it has not: this cell's own trouble
            tell(number, error)


def _refuse_outer_launcher() -> None:
    """Processes that something else started would each compute the same cells.

    Raises:
        ConfigError: inside torchrun or accelerate launch.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size != "1" and "LOCAL_RANK" in os.environ:
        mend = f"python -m littlehuman.run launch.processes={size} (without torchrun or accelerate launch around it)"
        raise ConfigError([Problem(f"WORLD_SIZE={size}", "this run was started by torchrun or accelerate launch")], mend)
