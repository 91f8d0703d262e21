"""Diversity of texts, twins beside human texts of the same number.

Each measure depends on how many texts it sees, so it is computed on random subsets of one size of either side. `low`
and `high` are the human mean less and plus three standard deviations of such a subset drawn anew.

distinct_1, distinct_2   different words, and pairs of words, of all (Li et al. 2016, arXiv 1510.03055)
compression              size of the texts after DEFLATE, of the size before: repetition makes it smaller
vendi                    effective number of different texts, of their number: the exponential of the entropy of the
                         eigenvalues of a kernel (Friedman and Dieng 2023, arXiv 2210.02410), here the cosine of words
                         and pairs of words, weighted by rarity
self_bleu                BLEU of a text against the others: high if they are alike (Zhu et al. 2018, arXiv 1802.01886)
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from littlehuman.audit.encoding import Encoder, Ints
from littlehuman.records import Example
from littlehuman.seeding import rng
from littlehuman.twins.diversity import distinct

SUBSETS, SIZE, LEAST = 10, 200, 20
SPREADS = 3.0
_BLEU_TEXTS = 60


@dataclass(frozen=True)
class Diverse:
    """One measure: the twins' mean, the human mean and interval, of subsets of `size` texts."""

    twins: float
    human: float
    low: float
    high: float
    size: int
    more_is_diverse: bool = True

    @property
    def is_poor(self) -> bool:
        """Whether twins are less diverse than the human interval."""
        return self.twins < self.low if self.more_is_diverse else self.twins > self.high


def diversity(twins: Sequence[Example], human: Sequence[Example]) -> dict[str, Diverse]:
    """All measures; none where either side has fewer than `2 * LEAST` human texts or `LEAST` twins."""
    size = min(len(twins), len(human) // 2, SIZE)
    if size < LEAST:
        return {}
    sides = [_of_subsets(tuple(twins), size), _of_subsets(tuple(human), size)]
    overlap = 1 / (1 - size / len(human)) ** 0.5  # subsets of one collection vary less than texts drawn anew
    return {name: _compared(name, sides, size, SPREADS * overlap) for name in sides[0][0]}


@lru_cache(maxsize=2)  # the cells of a sweep share the human side
def _of_subsets(points: tuple[Example, ...], size: int) -> list[dict[str, float]]:
    encoder = Encoder()
    return [_measured(subset, encoder) for subset in _subsets(points, size)]


def _compared(name: str, sides: list[list[dict[str, float]]], size: int, spreads: float) -> Diverse:
    ours, theirs = (np.array([found[name] for found in side]) for side in sides)
    mean, spread = float(theirs.mean()), spreads * float(theirs.std(ddof=1))
    return Diverse(float(ours.mean()), mean, mean - spread, mean + spread, size, name != "self_bleu")


def _subsets(points: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Random subsets, by the number of points alone: the same for the same points in one order."""
    for number in range(SUBSETS):
        yield rng(0, "texts whose diversity is measured", number, len(points)).sample(list(points), size)


def _measured(points: Sequence[Example], encoder: Encoder) -> dict[str, float]:
    texts = [np.frombuffer(encoder.key(example.text), np.int32).astype(np.int64) for example in points]
    raw = "\n".join(example.text for example in points).encode()
    pairs = [text[:-1] << 32 | text[1:] for text in texts]
    words = [text.tolist() for text in texts]
    return {
        "distinct_1": distinct(words, 1) or 0.0,
        "distinct_2": distinct(words, 2) or 0.0,
        "compression": len(zlib.compress(raw, 9)) / max(len(raw), 1),
        "vendi": vendi([np.concatenate(both) for both in zip(texts, pairs, strict=True)]) / len(texts),
        "self_bleu": self_bleu(words[:_BLEU_TEXTS]),
    }


def vendi(features: Sequence[Ints]) -> float:
    """Vendi score, 1 (all texts alike) to the number of texts (nothing in common); each text is a bag of features."""
    from scipy import sparse

    count = len(features)
    columns, inverse = np.unique(np.concatenate(features), return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(text) for text in features])])
    matrix = sparse.csr_matrix((np.ones(len(inverse)), inverse, starts), (count, len(columns)))
    matrix.sum_duplicates()
    rarity = 1 + np.log((1 + count) / (1 + np.bincount(matrix.indices, minlength=len(columns))))
    matrix = matrix @ sparse.diags(rarity)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    kernel = (matrix @ matrix.T).toarray() / np.maximum(np.outer(lengths, lengths), 1e-12)
    np.fill_diagonal(kernel, 1.0)
    values = np.linalg.eigvalsh(kernel / count)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def self_bleu(texts: Sequence[Sequence[int]]) -> float:
    """Mean BLEU (1 to 4 words, smoothed by one count for each order above the first) of each text against the rest."""
    orders = [[Counter(_grams(text, n)) for text in texts] for n in range(1, 5)]
    limits = [_largest(counts) for counts in orders]
    scores = []
    for i, text in enumerate(texts):
        logs = []
        for n, (counts, limit) in enumerate(zip(orders, limits, strict=True)):
            total = max(len(text) - n, 0)
            matched = sum(min(count, limit(gram, count)) for gram, count in counts[i].items())
            if total:
                logs.append(np.log(max(matched + (n > 0), 1e-9) / (total + (n > 0))))
        scores.append(float(np.exp(np.mean(logs))) if logs else 0.0)
    return float(np.mean(scores)) if scores else 0.0


def _grams(text: Sequence[int], n: int) -> list[tuple[int, ...]]:
    return list(zip(*(text[offset:] for offset in range(n)), strict=False))


def _largest(counts: Sequence[Counter[tuple[int, ...]]]) -> Callable[[tuple[int, ...], int], int]:
    """How often a run of words comes in another text than the one that has it `own` times."""
    most: dict[tuple[int, ...], tuple[int, int]] = {}
    for found in counts:
        for gram, count in found.items():
            first, second = most.get(gram, (0, 0))
            most[gram] = (count, first) if count > first else (first, max(second, count))
    return lambda gram, own: most[gram][1] if most[gram][0] == own else most[gram][0]
