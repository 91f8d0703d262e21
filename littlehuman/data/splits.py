"""Hold-out splits where the source has no validation or test data: a group split, with the evidence as group.

Splits of the source are not changed: what they share is reported as contamination (`audit/`), not removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from littlehuman.errors import DataError
from littlehuman.formatting import listed
from littlehuman.records import Example
from littlehuman.schema import DatasetConfig
from littlehuman.seeding import ordering

Examples = tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Splits:
    """The three splits, and notes on those that were held out."""

    train: Examples
    valid: Examples
    test: Examples
    notes: tuple[str, ...]


def complete_splits(found: Mapping[str, Examples], config: DatasetConfig) -> Splits:
    """Hold out the missing splits of train. A single split, whatever its name, is divided.

    Raises:
        DataError: when there is no split to train on, or too little distinct evidence.
    """
    points, notes = _with_train(found, config)
    pool, total = points["train"], len(points["train"])
    for name, share in (("test", config.test_share), ("valid", config.valid_share)):
        if name in points:
            continue
        pool, points[name] = hold_out(pool, share * total, config.split_seed, f"held-out {name}")
        by = _key_name(points["train"])
        notes += [f"{name}: {len(points[name])} of {total} points, held out of train by {by}"] if share else []
    if not pool:
        raise DataError(
            f"{config.name}: {total} points with too few distinct evidence texts: "
            "what was held out leaves nothing to train on"
        )
    return Splits(pool, points["valid"], points["test"], tuple(notes))


def _with_train(found: Mapping[str, Examples], config: DatasetConfig) -> tuple[dict[str, Examples], list[str]]:
    if "train" in found:
        return dict(found), []
    if len(found) > 1:
        raise DataError(
            f"{config.name}: has {' and '.join(found)} points, but none to train on\nTry: ++dataset.files.train=NAME"
        )
    (name, points), *_ = found.items()
    shares = {"train": 1.0, "valid": config.valid_share, "test": config.test_share}
    parts = [split for split, share in shares.items() if share]
    return {"train": points}, [
        f"only {config.splits.get(name, name)} points are here: they are split into {listed(parts)}"
    ]


def hold_out(points: Sequence[Example], count: float, seed: int, purpose: str) -> tuple[Examples, Examples]:
    """Split points into (kept, held out); points with the same evidence form a group, which is not divided.

    Args:
        points: the points, whose order both parts keep.
        count: number of points to hold out; whole groups are taken until it is reached.
        seed: decides, with `purpose`, the order of the groups. A new group does not reshuffle the others.
        purpose: purpose string of the random choice (see `seeding`).
    """
    sizes: dict[str, int] = {}
    for point in points:
        sizes[point.evidence_key] = sizes.get(point.evidence_key, 0) + 1
    taken: set[str] = set()
    reached = 0
    for key in ordering(sizes, seed, purpose):
        if reached >= count:
            break
        taken.add(key)
        reached += sizes[key]
    return tuple(p for p in points if p.evidence_key not in taken), tuple(p for p in points if p.evidence_key in taken)


def _key_name(points: Sequence[Example]) -> str:
    return "evidence" if any(point.evidence for point in points) else "text"
