"""The texts of a cell's items: its human points, its twins and its test points, read from its data again.

In: the folder of a complete cell. Out: `ItemTexts`. Run folders hold ids and no texts; twins are rebuilt from the
completion cache as for an export. No request is sent.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from littlehuman import data
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import LittlehumanError
from littlehuman.exporting.item_clusters import test_dataset_of
from littlehuman.exporting.rebuild import CONFIG, config_of, rebuild
from littlehuman.records import Dataset, Example, Origin
from littlehuman.runs.artifacts import RESULT
from littlehuman.store import read_json

_KEPT = 2  # datasets in memory


@dataclass(frozen=True)
class ItemTexts:
    """Texts by id. `problems` say why some are not at hand."""

    human: Mapping[str, Example] = field(default_factory=dict)  # all human training points of the dataset
    twins: Mapping[str, Example] = field(default_factory=dict)
    test: Mapping[str, Example] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


_datasets: OrderedDict[Hashable, Dataset] = OrderedDict()


def texts_of_cell(cell: Path) -> ItemTexts:
    """The texts of a cell, as far as its data and the cache of completions are at hand; never an error of theirs."""
    try:
        config = config_of(cell / CONFIG)
        dataset = _loaded(config, cell)
    except (LittlehumanError, OSError) as error:
        return ItemTexts(problems=(f"The data of this run is not at hand: {_said(error, cell)}",))
    human, test = ({example.id: example for example in split} for split in (dataset.train, dataset.test))
    result = read_json(cell / RESULT)
    before = result.get("fingerprints", {}).get("dataset")
    changed = before is not None and before != dataset.fingerprint
    problems = ["The data changed since this run: texts may be others than it saw."] if changed else []
    twins: dict[str, Example] = {}
    if result.get("counts", {}).get("synthetic"):
        try:
            points = rebuild(cell).mixture.points
            twins = {point.example.id: point.example for point in points if point.origin is Origin.SYNTHETIC}
        except (LittlehumanError, OSError) as error:
            problems.append(f"The texts of the twins are not at hand: {_said(error, cell)}")
    return ItemTexts(human, twins, test, tuple(problems))


def _loaded(config: RunConfig, cell: Path) -> Dataset:
    """The data of a cell; that of the last few is kept, for cells of one study share it."""
    tested = test_dataset_of(config, cell)
    key = data.data_key(config.dataset, config.task, tested)  # an edited file is read again
    if key not in _datasets:
        _datasets[key] = data.load(config.dataset, config.task, tested)
    _datasets.move_to_end(key)
    while len(_datasets) > _KEPT:
        _datasets.popitem(last=False)
    return _datasets[key]


def _said(error: Exception, cell: Path) -> str:
    """The error's first line, without the place of the results: a page may be read elsewhere."""
    if not (cell / CONFIG).is_file():
        return f"{cell.name} has no {CONFIG}"
    return str(error).split("\n", 1)[0].replace(f"{cell.parent}{os.sep}", "")
