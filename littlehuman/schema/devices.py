"""What the names of devices, precisions and weights tell by their spelling alone, without torch and without the hub.

In: such names, from the config. Out: problems, each with its key, its value and the mend. Whether what is
well spelt is there is another matter: `training/beforehand.py`.
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
    """Devices and precisions that do not exist anywhere."""
    yield from device("launch.device", launch.device)
    yield from precision("launch.dtype", launch.dtype, ("auto", *PRECISIONS))


def device(key: str, name: str) -> Iterator[Problem]:
    """A device that torch would not know, or that computes nothing of ours."""
    if not DEVICE.fullmatch(name):
        yield Problem(f"{key}={name}", DEVICES)


def precision(key: str, name: str, known: tuple[str, ...] = PRECISIONS) -> Iterator[Problem]:
    """A precision that is none of `known`."""
    if name not in known:
        yield Problem(f"{key}={name}", did_you_mean(name, known))


def revision(group: str, weights: str, wanted: str | None) -> Iterator[Problem]:
    """A version asked of weights that have none: it would be passed over in silence."""
    if wanted is not None and not is_hub_id(weights):
        what = f"names a version on the hub, and {group}.weights={weights} is not there; try {group}.revision=null"
        yield Problem(f"{group}.revision={wanted}", what)


def is_hub_id(weights: str) -> bool:
    """Whether `weights` can only be a model of the hub: no package, no random model, no folder."""
    kind, colon, _ = weights.partition(":")
    return (
        not (colon and kind in ("package", "random"))
        and not weights.startswith((".", "/", "~"))
        and not Path(weights).is_dir()
    )
