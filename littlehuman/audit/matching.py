"""Rows of two collections that have a text in common: the same words, near duplicates, shared n-grams.

Texts are matched once each; then pairs of texts become pairs of rows, which know their labels and evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from littlehuman.audit.encoding import Encoded, Encoder
from littlehuman.audit.minhash import NEAR, near_pairs
from littlehuman.audit.ngrams import WORDS, shared_ngrams
from littlehuman.audit.sets import Pair
from littlehuman.mixture.text_matching import normal
from littlehuman.records import Example

Rows: TypeAlias = dict[int, dict[int, float]]  # test row -> training row -> similarity
Sides: TypeAlias = tuple[Encoded, Encoded]  # of test and training rows
_MOST_ROWS = 2000  # training rows of one text that a test row is compared with


class Matcher:
    """Test rows against training rows (arguments as in `contamination.contamination`); `left_out` pairs are none."""

    def __init__(
        self,
        test: Sequence[Example],
        train: Sequence[Example],
        encoder: Encoder,
        *,
        has_classes: bool,
        near: float = NEAR,
        n: int = WORDS,
        left_out: Callable[[Example, Example], bool] = lambda one, two: False,
    ) -> None:
        self.test, self.train, self.encoder, self.has_classes = test, train, encoder, has_classes
        self._near, self._n, self._left_out = near, n, left_out
        self._answers: dict[tuple[str, ...], frozenset[str]] = {}
        self._texts: dict[int, list[tuple[int, int, float]]] = {}  # near pairs of texts, by their sides

    def sides(self, text_of: Callable[[Example], str]) -> Sides:
        """The distinct texts of both sides."""
        return self.encoder.encode(map(text_of, self.test)), self.encoder.encode(map(text_of, self.train))

    def same(self, sides: Sides) -> Rows:
        """Rows with the same words in the same order; texts without words match nothing."""
        return self._rows(_same_texts(*sides), sides)

    def near_duplicates(self, sides: Sides) -> Rows:
        """Rows whose texts are near duplicates, the same words in another order among them."""
        return self._rows(self._near_texts(sides), sides)

    def ngrams(self, sides: Sides) -> Rows:
        """Rows whose texts share a run of n words; the similarity is 0, for it is not computed."""
        return self._rows(((s, t, 0.0) for s, t in shared_ngrams(*sides, self._n)), sides)

    def linked(self, sides: Sides, *, near: bool) -> Callable[[int, int], bool]:
        """Whether two rows have the same text, or with `near` nearly the same one."""
        pairs = {(s, t) for s, t, _ in _same_texts(*sides)}
        pairs |= {(s, t) for s, t, _ in self._near_texts(sides)} if near else set()
        test, train = (side.rows.tolist() for side in sides)
        return lambda row, other: (test[row], train[other]) in pairs

    def also(self, rows: Rows, holds: Callable[[int, int], bool]) -> Rows:
        """The pairs of rows for which `holds` is true."""
        kept = {row: {t: x for t, x in others.items() if holds(row, t)} for row, others in rows.items()}
        return {row: others for row, others in kept.items() if others}

    def by_label(self, rows: Rows, *, same: bool) -> Rows:
        """The pairs of rows with the same class or answer, or those with another one."""
        return self.also(rows, lambda row, other: self._agree(row, other) is same)

    def closest(self, row: int, others: Mapping[int, float], origin: str) -> Pair | None:
        """The pair with the training row that is most like a test row; of equal ones, the first with its label."""
        one, train = self.test[row], self.train
        found = [(x, self._agree(row, t), -t) for t, x in others.items() if not self._left_out(one, train[t])]
        if not found:
            return None
        like, _, last = max(found)
        return Pair(self.test[row].id, self.train[-last].id, like, any(agree for _, agree, _ in found), origin)

    def _near_texts(self, sides: Sides) -> list[tuple[int, int, float]]:
        key = id(sides)
        if key not in self._texts:
            test, train = sides
            arrays = near_pairs(test, train, self._near) if test.count and train.count else ()
            self._texts[key] = list(zip(*(array.tolist() for array in arrays), strict=True))
        return self._texts[key]

    def _rows(self, pairs: Iterable[tuple[int, int, float]], sides: Sides) -> Rows:
        test, train = (side.rows_by_text() for side in sides)
        found: Rows = {}
        for s, t, like in pairs:
            for row in test[s]:
                found.setdefault(row, {}).update(dict.fromkeys(train[t][:_MOST_ROWS], like))
        return found

    def _agree(self, row: int, other: int) -> bool:
        return not self._targets(self.test[row]).isdisjoint(self._targets(self.train[other]))

    def _targets(self, example: Example) -> frozenset[str]:
        known = self._answers.get(example.targets)
        if known is None:
            known = frozenset(example.targets if self.has_classes else map(normal, example.targets))
            self._answers[example.targets] = known
        return known


def without(rows: Rows, others: Rows) -> Rows:
    """The rows that are not in `others`."""
    return {row: found for row, found in rows.items() if row not in others}


def _same_texts(test: Encoded, train: Encoded) -> list[tuple[int, int, float]]:
    known = {key: t for t, key in enumerate(train.keys) if key}
    return [(s, known[key], 1.0) for s, key in enumerate(test.keys) if key in known]
