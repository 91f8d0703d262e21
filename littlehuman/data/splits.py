"""The splits that a source does not have, held out so that no evidence stands on two sides.

In: the splits that were read. Out: train, valid and test, and in words what was held out.

Splits that the source does have are not touched: what they share is public knowledge and is
reported as contamination elsewhere, not mended in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from littlehuman.errors import DataError
from littlehuman.records import Example
from littlehuman.schema import DatasetConfig
from littlehuman.seeding import ordering

Examples = tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Splits:
    """The three splits, and how those came about that the source did not have."""

    train: Examples
    valid: Examples
    test: Examples
    notes: tuple[str, ...]


def complete(found: Mapping[str, Examples], config: DatasetConfig) -> Splits:
    """Hold out what is missing. A lone split, whatever its name, is split into all three.

    Raises:
        DataError: when there is no split to train on, or too little distinct evidence.
    """
    points, notes = _with_train(found, config)
    pool, total = points["train"], len(points["train"])
    for name, share in (("test", config.test_share), ("valid", config.valid_share)):
        if name not in points:
            pool, points[name] = hold_out(pool, share * total, config.split_seed, f"held-out {name}")
            notes.append(
                f"{name}: {len(points[name])} of {total} points, held out of train by {_key_name(points['train'])}"
            )
    if not pool:
        raise DataError(
            f"{config.name}: {total} points with too few distinct evidence texts: what was held out leaves nothing to train on"
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
    return {"train": points}, [
        f"only {config.splits.get(name, name)} points are here: they are split into train, valid and test"
    ]


def hold_out(points: Sequence[Example], count: float, seed: int, purpose: str) -> tuple[Examples, Examples]:
    """Split points into (kept, held out); all points of one evidence go to the same side.

    Args:
        points: In any order, which both sides keep.
        count: Points to hold out; whole groups are taken until it is reached.
        seed: With `purpose`, the order in which groups are taken. A new group of points
            elsewhere in the data does not reshuffle the others.
        purpose: Name of the random choice.
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
