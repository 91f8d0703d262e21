"""Cells in, outcomes out: the one door between the records and torch.

In: cells (training points, test points, seed, values) that can share a base. Out: predictions, the
training log, and an ordinary PEFT adapter per cell. K cells train at once (`stack.py`); what comes
out is what each would have given alone. An error that belongs to one cell is handed over as its
outcome; it takes no other cell with it.

"""

from __future__ import annotations

import os
from collections.abc import Sequence

from littlehuman.errors import ConfigError, Problem
from littlehuman.models import chat
from littlehuman.schema import LaunchConfig
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_here
from littlehuman.training.types import Cell, Finished, Outcome, Settings, stackable

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
    chat.release(on_gpu_alone=True)  # a prompt model that wrote the twins would take the training's memory
    if launch.processes > 1:
        from littlehuman.training.multiprocess import fit_in_processes

        return fit_in_processes(cells, launch, finished)
    return fit_here(cells, launch, finished, ProcessGroup())


def _refuse_outer_launcher() -> None:
    """Processes that something else started would each compute the same cells.

    Raises:
        ConfigError: inside torchrun or accelerate launch.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size != "1" and "LOCAL_RANK" in os.environ:
        mend = f"the same command with launch.processes={size} (without torchrun or accelerate launch around it)"
        raise ConfigError(
            [Problem(f"WORLD_SIZE={size}", "this run was started by torchrun or accelerate launch")], mend
        )
