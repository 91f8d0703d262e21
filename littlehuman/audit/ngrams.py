"""Texts that share a run of n words with another collection of texts (Brown et al. 2020, arXiv 2005.14165: n = 13)."""

from __future__ import annotations

import numpy as np

from littlehuman.audit.encoding import Encoded, Ints
from littlehuman.audit.minhash import Hashes

WORDS = 13


def shared_ngrams(left: Encoded, right: Encoded, n: int = WORDS) -> list[tuple[int, int]]:
    """Pairs (text of `left`, text of `right`) with a run of n words in common; one per run of `left`, without repeats.

    Both must be of one `Encoder`. Texts of fewer words are in no pair.
    """
    own, own_text = _ngrams(left, n)
    other, other_text = _ngrams(right, n)
    if not len(own) or not len(other):
        return []
    order = np.argsort(other, kind="stable")
    ordered = other[order]
    at = np.minimum(np.searchsorted(ordered, own), len(ordered) - 1)
    found = ordered[at] == own
    pairs = np.unique(own_text[found] << 32 | other_text[order[at[found]]])
    return list(zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True))


def _ngrams(texts: Encoded, n: int) -> tuple[Hashes, Ints]:
    """A 64-bit hash of each run of n words, and the text that it is in."""
    count = len(texts.flat) - n + 1
    if count <= 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    words = (texts.flat.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    words ^= words >> np.uint64(32)
    key = np.zeros(count, np.uint64)
    for offset in range(n):
        key = key * np.uint64(0x9E3779B97F4A7C15) + words[offset : offset + count]
    owners = texts.owners()
    whole = owners[:count] == owners[n - 1 :]
    return key[whole], owners[:count][whole]
