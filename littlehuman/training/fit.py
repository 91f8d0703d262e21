"""Entry point of training: cells -> outcomes.

The cells share one base model. K of them train at once (`multi_lora`), with the results that each would have
alone. An error of one cell is returned as its outcome and leaves the other cells as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from littlehuman.models import chat
from littlehuman.schema import LaunchConfig
from littlehuman.training import launched
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_cells
from littlehuman.training.types import Cell, OnFinished, Outcome, Settings

__all__ = ["Cell", "OnFinished", "Outcome", "Settings", "fit"]


def fit(
    cells: Sequence[Cell], launch: LaunchConfig, on_finished: OnFinished | None = None
) -> list[Outcome | Exception]:
    """Fine-tune and evaluate cells of one `types.group_key`, as many at once as fit into memory.

    Args:
        cells: at least one.
        launch: device, precision, processes, batch and memory options.
        on_finished: called with a cell's index and its outcome as soon as it is known.

    Returns:
        Per cell its outcome, or the error that concerns this cell only.

    Raises:
        WeightsError: when the model's weights cannot be loaded.
        ConfigError: for a device, precision, layout or LoRA target that does not exist.
    """
    chat.release(on_gpu_only=True)  # a prompt model that wrote the twins would take the memory of the training
    if launched.leads:
        return launched.fit(cells, launch, on_finished)
    if launch.processes > 1:
        from littlehuman.training.multiprocess import fit_distributed

        return fit_distributed(cells, launch, on_finished)
    return fit_cells(cells, launch, on_finished, ProcessGroup())
