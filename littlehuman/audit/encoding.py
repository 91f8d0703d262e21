"""Texts as arrays of word numbers: each text once, so that shared evidence is split into words once.

A word is that of `languages/words.py`: case folded, without punctuation. Two texts have the same words in the same
order exactly if they have the same key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from littlehuman.languages.words import words

Ints: TypeAlias = NDArray[np.int64]
_ASCII_WORD = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class Encoded:
    """Distinct texts by their words: `flat[starts[i]:starts[i + 1]]` are those of text i, `rows[n]` is row n's text."""

    flat: Ints
    starts: Ints
    rows: Ints
    keys: tuple[bytes, ...] = ()

    @property
    def count(self) -> int:
        """Number of distinct texts."""
        return len(self.starts) - 1

    def lengths(self) -> Ints:
        """Words of each distinct text."""
        return np.diff(self.starts)

    def owners(self) -> Ints:
        """The text of each entry of `flat`."""
        return np.repeat(np.arange(self.count), self.lengths())

    def word_sets(self) -> tuple[Ints, Ints]:
        """The set of each text: sorted words of all texts, and starts."""
        owners = self.owners()
        keys = np.unique(owners << 32 | self.flat)
        counts = np.bincount(keys >> 32, minlength=self.count)
        return keys & 0xFFFFFFFF, np.concatenate([[0], np.cumsum(counts)])

    def rows_by_text(self) -> list[list[int]]:
        """The rows of each distinct text."""
        found: list[list[int]] = [[] for _ in range(self.count)]
        for row, text in enumerate(self.rows.tolist()):
            found[text].append(row)
        return found


@dataclass
class Encoder:
    """One vocabulary for all texts of an audit: texts of any two of its results can be compared."""

    vocabulary: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, bytes] = field(default_factory=dict)  # text -> its word numbers

    def key(self, text: str) -> bytes:
        """Equal for texts of the same words, whatever case and punctuation."""
        known = self._seen.get(text)
        if known is None:
            vocabulary = self.vocabulary
            found = _ASCII_WORD.findall(text.lower()) if text.isascii() else words(text)
            numbers = [vocabulary.setdefault(word, len(vocabulary)) for word in found]
            self._seen[text] = known = np.array(numbers, np.int32).tobytes()
        return known

    def encode(self, texts: Iterable[str]) -> Encoded:
        """The distinct texts among `texts`, by their words, in order of their first row."""
        numbers: dict[bytes, int] = {}
        rows = [numbers.setdefault(self.key(text), len(numbers)) for text in texts]
        arrays = [np.frombuffer(key, np.int32) for key in numbers]
        flat = np.concatenate(arrays).astype(np.int64) if arrays else np.empty(0, np.int64)
        starts = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
        return Encoded(flat, starts, np.array(rows, np.int64), tuple(numbers))
