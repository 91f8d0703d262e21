"""Sizes that follow from the data: of a training set, and of the grids of `conf/experiment`.

A dataset with sizes of its own (`dataset.sizes`, `dataset.tradeoff_step`) keeps them. One without takes all usable
training points, and shares of them where a grid wants smaller sets. The data is read once (`data.load_once`) and
counted; where it cannot be read there are no points, and the stage `data` of the cell says why.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from littlehuman import data
from littlehuman.errors import LittlehumanError
from littlehuman.schema import DatasetConfig, Method, TaskConfig

if TYPE_CHECKING:
    from littlehuman.config.run_config import RunConfig

STEPS = 20  # of a trade-off grid, at most
FEWEST = 3  # steps that make a curve
HALVED, LEAST = ("halves", "joint"), 8  # axes of halved sizes, and the fewest points of one
SHARES = (1.0, 0.6, 0.2)  # of all points, as 5,000, 3,000 and 1,000
HUMAN_SHARE, MOST_HUMAN, LEAST_HUMAN = 0.02, 200, 10  # human points of a trade-off grid (the paper: 200)
_OF_DATA = re.compile(r"[+]*(dataset|task)\b")  # a setting; swept over, each of its values has sizes of its own
_counted: dict[Hashable, int] = {}


def usable_points(config: DatasetConfig, task: TaskConfig) -> int | None:
    """The number of training points of a dataset; None where it cannot be read."""
    try:
        key = data.data_key(config, task)
        if key not in _counted:
            _counted[key] = len(data.load_once(config, task).train)
    except (LittlehumanError, OSError):
        return None
    return _counted[key]


def with_size(config: RunConfig) -> RunConfig:
    """The config with `n_train`: all usable points beside `extra_human`, where neither it nor its dataset says one.

    It is 0 for a cell that trains nothing (`method=annotator`).
    """
    if config.n_train is not None or config.dataset.sizes:
        return config
    trains = config.method is not Method.annotator
    usable = (usable_points(config.audited_dataset, config.task) or 0) if trains else 0
    return replace(config, n_train=max(usable - config.extra_human, 0))


def smaller(dataset: DatasetConfig, usable: int | None, number: int) -> int:
    """The size `number` of a dataset (0 is the largest): of `dataset.sizes`, or a share of all points."""
    sizes = dataset.sizes
    return sizes[number] if number < len(sizes) else max(int((usable or 0) * SHARES[number]), min(usable or 0, 1))


def tradeoff_human(dataset: DatasetConfig, usable: int | None) -> int:
    """The human points that a trade-off grid adds: the dataset's own number, or a share of all points."""
    if dataset.tradeoff_human is not None and _has_steps(dataset, usable):
        return dataset.tradeoff_human
    share = int((usable or 0) * HUMAN_SHARE)
    return min(max(share - share % LEAST_HUMAN, LEAST_HUMAN), MOST_HUMAN)


def tradeoff_steps(dataset: DatasetConfig, usable: int | None) -> list[int]:
    """The sizes of a trade-off grid: equal steps, as many of 20 as leave the human points beside them.

    The steps are the dataset's own where at least three fit, else they follow from the data: round numbers of at least
    ten points, smaller ones only where there would be fewer than three.
    """
    own, human = dataset.tradeoff_step, tradeoff_human(dataset, usable)
    if own is not None and _has_steps(dataset, usable):
        fitting = STEPS if usable is None else min((usable - human) // own, STEPS)
        return [own * count for count in range(1, fitting + 1)]
    room = max((usable or 0) - human, 0)
    step = _round(max(room // STEPS, min(10, room // FEWEST), 1))
    return [step * count for count in range(1, min(room // step, STEPS) + 1)] or [room]


def _has_steps(dataset: DatasetConfig, usable: int | None) -> bool:
    """Whether the dataset's own steps can be taken: three of them fit, or nobody knows."""
    step, human = dataset.tradeoff_step, dataset.tradeoff_human
    return step is not None and (usable is None or FEWEST * step + (human or 0) <= usable)


def _round(step: int) -> int:
    """Down to half of the leading decimal place: 31 to 30, 47 to 45, 480 to 450."""
    unit: int = max(5 * 10 ** (len(str(step)) - 2), 1)
    return step - step % unit


def of_grid(kind: str, *numbers: Any, _root_: DictConfig) -> str:
    """The resolver `littlehuman_grid`: the values of an axis of an experiment, as words of a sweep.

    `sizes`: the dataset's sizes with these numbers. `steps`: those of its trade-off grid. `human`: 0 and the human
    points beside them. `fitting`: those of these sizes that the data has. `halves`: the largest size, its half, a
    quarter, ..., as many as the number says, and `joint` the same beside the human points. In a sweep over several
    datasets each cell resolves its own size (`littlehuman_size`); a step that its dataset is too small for is then its
    largest one.
    """
    dataset, task = OmegaConf.to_object(_root_.dataset), OmegaConf.to_object(_root_.task)
    assert isinstance(dataset, DatasetConfig) and isinstance(task, TaskConfig)
    if _is_swept(_root_):
        return _each_by_itself(kind, numbers)
    usable = usable_points(dataset, task)
    return ", ".join(map(str, _values(kind, numbers, dataset, usable)))


def _values(kind: str, numbers: Sequence[int], dataset: DatasetConfig, usable: int | None) -> list[int]:
    if kind in HALVED:
        return _halves(dataset, usable, numbers[0], tradeoff_human(dataset, usable) if kind == "joint" else 0)
    if kind == "sizes":
        return [smaller(dataset, usable, number) for number in numbers]
    if kind == "human":
        return [0, tradeoff_human(dataset, usable)]
    if kind == "steps":
        return tradeoff_steps(dataset, usable)
    return [size for size in numbers if usable is None or size <= usable] or [usable or 0]


def _halves(dataset: DatasetConfig, usable: int | None, count: int, beside: int) -> list[int]:
    """The largest size that leaves `beside` points, halved again and again; each size once."""
    most = smaller(dataset, usable, 0)
    most = max((most if usable is None else min(most, usable)) - beside, 0)
    sizes = [most >> step for step in range(count)]
    return list(dict.fromkeys(size for size in sizes if size >= min(LEAST, most)))


def of_cell(kind: str, number: int, *, _root_: DictConfig) -> int:
    """The resolver `littlehuman_size`: value `number` (from 0) of an axis, for the dataset of one cell."""
    dataset, task = OmegaConf.to_object(_root_.dataset), OmegaConf.to_object(_root_.task)
    assert isinstance(dataset, DatasetConfig) and isinstance(task, TaskConfig)
    values = _values(kind, [number + (kind in HALVED)], dataset, usable_points(dataset, task))
    return values[0] if kind == "sizes" else values[min(number, len(values) - 1)]


def _each_by_itself(kind: str, numbers: Sequence[int]) -> str:
    if kind == "fitting":
        return ", ".join(map(str, numbers))
    indices = {"sizes": numbers, "steps": range(STEPS), "human": range(2)}.get(kind) or range(numbers[0])
    # Three backslashes: Hydra resolves the parameters of a sweeper twice before it takes them as words.
    return ", ".join(f"\\\\\\${{littlehuman_size:{kind},{index}}}" for index in indices)


def _is_swept(root: DictConfig) -> bool:
    """Whether the command sweeps over datasets, on its command line or in its experiment."""
    hydra: Any = {key: OmegaConf.to_container(root.hydra[key], resolve=False) for key in ("overrides", "sweeper")}
    axes = [f"{key}={value}" for key, value in (hydra["sweeper"].get("params") or {}).items()]
    words = [word for word in [*hydra["overrides"]["task"], *axes] if _OF_DATA.match(word)]
    return any(override.is_sweep_override() for override in OverridesParser.create().parse_overrides(words))


OmegaConf.register_new_resolver("littlehuman_grid", of_grid, replace=True)
OmegaConf.register_new_resolver("littlehuman_size", of_cell, replace=True)
