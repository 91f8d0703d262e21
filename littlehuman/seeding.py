"""Random numbers that are derived from names, not from a stream.

Each random choice has its own seed: the SHA-256 hash of the run's seed, a purpose string, and the names of what is
chosen (ids of examples, for instance). So the number of rows, their order, a resumed run or sharding cannot change
it. The purpose strings decide which data is drawn: they must never be edited.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable


def number(seed: int, purpose: str, *names: object) -> int:
    """A 64-bit hash of seed, purpose and names."""
    text = "\x1f".join([str(seed), purpose, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def rng(seed: int, purpose: str, *names: object) -> random.Random:
    """A generator that is seeded with `number(seed, purpose, *names)`."""
    return random.Random(number(seed, purpose, *names))


def ordering(ids: Iterable[str], seed: int, purpose: str) -> list[str]:
    """The ids in a random order, which depends on `seed` and `purpose`.

    Each id is sorted by its own hash: ids that are added or removed do not reshuffle the rest.
    """
    return sorted(ids, key=lambda name: (number(seed, purpose, name), name))
