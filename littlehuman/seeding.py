"""Every random choice has a name.

In: a seed, a purpose, and what the choice is about. Out: a generator or an order that depends on
those names alone, so that the number of rows, their order, a resumed run or another shard can
not change it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable


def number(seed: int, purpose: str, *names: object) -> int:
    """A 64-bit number that belongs to these names."""
    text = "\x1f".join([str(seed), purpose, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def rng(seed: int, purpose: str, *names: object) -> random.Random:
    """A generator that belongs to these names."""
    return random.Random(number(seed, purpose, *names))


def ordering(ids: Iterable[str], seed: int, purpose: str) -> list[str]:
    """The ids in the random order that `purpose` has under `seed`.

    Each id is placed by its own number: rows that are added or removed do not reshuffle the rest.
    """
    return sorted(ids, key=lambda name: (number(seed, purpose, name), name))
