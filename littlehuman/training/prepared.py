"""A cell that is ready to be trained on a base: its rows, its training state and its initial weights."""

from __future__ import annotations

from dataclasses import dataclass

from littlehuman.training.encoding import EncodedRow
from littlehuman.training.state import TrainState
from littlehuman.training.trained_weights import Adapter
from littlehuman.training.types import Cell


@dataclass
class PreparedCell:
    """A cell, encoded, with its training state and its initial adapter; `index` is its place in the call."""

    index: int
    cell: Cell
    train_rows: list[EncodedRow]
    test_rows: list[EncodedRow]
    state: TrainState
    adapter: Adapter
