"""Whether a complete cell's training set still follows from its data, its prompts and the completion cache.

The training set is built again as for an export; its fingerprint must be that of the run. No request is sent.
"""

from __future__ import annotations

from pathlib import Path

from littlehuman.errors import DataError, LittlehumanError
from littlehuman.exporting import item_clusters, rebuild
from littlehuman.runs.artifacts import RESULT
from littlehuman.store import read_json


class SourceChanged(DataError):
    """Data, prompts or completions that are not what a cell was computed from; `step` says which."""

    def __init__(self, step: str, text: str) -> None:
        super().__init__(text)
        self.step = step


def check(cell: Path) -> None:
    """Check data, prompts and completions of a complete cell.

    Raises:
        SourceChanged: when one of them is not what it was.
        LittlehumanError: when the configuration or the data cannot be read.
    """
    try:
        item_clusters.clusters_of_test_items(cell)  # loads the data of training and test, and compares the fingerprint
    except DataError as error:
        raise SourceChanged("data", str(error)) from error
    if not read_json(cell / RESULT).get("counts", {}).get("synthetic"):
        return
    try:
        rebuild.rebuild(cell)
    except DataError as error:
        step = "completions" if " have no answer in " in str(error) else "prompts"
        raise SourceChanged(step, str(error)) from error


def step_of(error: LittlehumanError) -> str:
    """The step of the chain that an error of `check` concerns."""
    return error.step if isinstance(error, SourceChanged) else "data"
