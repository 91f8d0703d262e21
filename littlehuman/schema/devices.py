"""Syntax checks of the names of devices, dtypes and weights, without torch and without network.

Whether the device or the weights exist is checked in `training/preflight.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from littlehuman.errors import Problem, did_you_mean
from littlehuman.schema import PRECISIONS, LaunchConfig

DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
DEVICES = "must be auto, cpu, cuda or cuda:N"


def problems(launch: LaunchConfig) -> Iterator[Problem]:
    """Problems of the group `launch`."""
    yield from device("launch.device", launch.device)
    yield from precision("launch.dtype", launch.dtype)


def device(key: str, name: str) -> Iterator[Problem]:
    """A device that is not supported."""
    if not DEVICE.fullmatch(name):
        yield Problem(f"{key}={name}", DEVICES)


def precision(key: str, name: str) -> Iterator[Problem]:
    """A dtype that does not exist."""
    if name not in ("auto", *PRECISIONS):
        yield Problem(f"{key}={name}", did_you_mean(name, ("auto", *PRECISIONS)))


def revision(group: str, weights: str, wanted: str | None) -> Iterator[Problem]:
    """A revision for weights that have none, because they are not on the hub: it would be ignored silently."""
    if wanted is not None and not is_hub_id(weights):
        what = f"names a version on the hub, and {group}.weights={weights} is not there; try {group}.revision=null"
        yield Problem(f"{group}.revision={wanted}", what)


def is_hub_id(weights: str) -> bool:
    """Whether `weights` is a model id of the hub: no package, no random model, no folder."""
    kind, colon, _ = weights.partition(":")
    return (
        not (colon and kind in ("package", "random"))
        and not weights.startswith((".", "/", "~"))
        and not Path(weights).is_dir()
    )
