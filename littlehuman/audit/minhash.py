"""Near duplicates between two collections of texts: MinHash with banding, then the exact Jaccard similarity.

In: word sets. Out: pairs whose sets have at least a given Jaccard similarity. A signature is 144 minima of random hash
functions of a text's words; texts that agree in all six of any of the 24 bands are candidates, which a pair of
similarity .8 is with probability .999 (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
Candidates are then compared word for word, so that none is reported wrongly.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from littlehuman.audit.encoding import Encoded, Ints
from littlehuman.seeding import number

NEAR = 0.8
BANDS, ROWS = 24, 6
MOST = 40  # candidates of one text and band: texts of one template all resemble each other
_CHUNK = 1 << 17  # candidates that are compared at once
Hashes: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]


def near_pairs(left: Encoded, right: Encoded, threshold: float = NEAR) -> tuple[Ints, Ints, Floats]:
    """Pairs of distinct texts whose word sets have a Jaccard similarity of `threshold` or more.

    Both must be of one `Encoder`. Of texts that resemble very many others some pairs are left out (`MOST`).

    Returns:
        Texts of `left`, texts of `right`, similarities; sorted by text of `left`, then the most similar first.
    """
    sets = left.word_sets(), right.word_sets()
    bands = [_band_keys(*one) for one in sets]
    candidates = np.unique(np.concatenate([_matches(a, b) for a, b in zip(*bands, strict=True)]))
    i, j = candidates >> 32, candidates & 0xFFFFFFFF
    like = _jaccard(sets[0], sets[1], i, j)
    kept = like >= threshold - 1e-12
    i, j, like = i[kept], j[kept], like[kept]
    order = np.lexsort((j, -like, i))
    return i[order], j[order], like[order]


def _band_keys(flat: Ints, starts: Ints) -> list[Hashes]:
    """Per band a key of each text. Texts without words get keys of their own, which match nothing."""
    count = len(starts) - 1
    empty = np.diff(starts) == 0
    words = flat.astype(np.uint64)
    at = np.minimum(starts[:-1], max(len(flat) - 1, 0))
    found = []
    for band in range(BANDS):
        key = np.zeros(count, np.uint64)
        for row in range(ROWS):
            least = np.minimum.reduceat(_mixed(words, band * ROWS + row), at) if len(flat) else key
            key = _finished(key * np.uint64(0x9E3779B97F4A7C15) + least)
        found.append(np.where(empty, np.uint64(0), key))
    return found


def _mixed(words: Hashes, index: int) -> Hashes:
    """One random hash function of all words."""
    a, b = (np.uint64(number(0, "MinHash", name, index)) for name in "ab")
    return _finished((words + np.uint64(1)) * (a | np.uint64(1)) + b)


def _finished(value: Hashes) -> Hashes:
    value = value ^ (value >> np.uint64(31))
    value = value * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(value ^ (value >> np.uint64(27)))


def _matches(left: Hashes, right: Hashes) -> Ints:
    """Candidates of one band, as `left << 32 | right`."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    low = np.searchsorted(ordered, left, "left")
    high = np.searchsorted(ordered, left, "right")
    counts = np.where(left == 0, 0, np.minimum(high - low, MOST))
    i = np.repeat(np.arange(len(left)), counts)
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(i << 32 | order[np.repeat(low, counts) + inside])


def _jaccard(left: tuple[Ints, Ints], right: tuple[Ints, Ints], i: Ints, j: Ints) -> Floats:
    """The exact similarity of each candidate pair."""
    from scipy import sparse

    size = int(max(left[0].max(initial=0), right[0].max(initial=0))) + 1
    a, b = (sparse.csr_matrix((np.ones(len(f), np.int32), f, s), (len(s) - 1, size)) for f, s in (left, right))
    sizes = np.diff(left[1])[i] + np.diff(right[1])[j]
    common = np.zeros(len(i), np.int64)
    for at in range(0, len(i), _CHUNK):
        part = slice(at, at + _CHUNK)
        common[part] = np.asarray(a[i[part]].multiply(b[j[part]]).sum(1)).ravel()
    return np.asarray(common / np.maximum(sizes - common, 1), np.float64)
