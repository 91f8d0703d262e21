"""Rules on one twin's own words: no model is asked and nothing is paid.

In: a twin and the settings. Out: the first rule that it breaks, or nothing.


[folded] Twins that repeat another one of the same cell, in the same words or nearly so.

In: twins one after the other, in the cell's order. Out: for each, whether an earlier one that was
kept says the same. Nothing depends on later twins, so a larger set with the same beginning drops
the same ones from it. Near duplicates are found by MinHash and locality-sensitive hashing (Broder
1997; Leskovec, Rajaraman and Ullman, chapter 3; library datasketch) and then compared exactly:
hashing may miss one in some hundreds at the threshold, and never drops an unlike one.

"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from littlehuman.mixture.text_matching import contains_words, normal, words
from littlehuman.records import Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import RulesConfig

SHINGLE = 3  # characters: one word of ten that differs leaves most of them, in scripts without spaces too
PERMUTATIONS = 128
_MARGIN = 0.1  # hashing looks this far below the threshold, so that it misses next to nothing at it
_WEIGHTS = (0.05, 0.95)  # of what hashing finds for nothing, and of what it misses


class Duplicates:
    """Remembers the twins that were kept."""

    def __init__(self, rules: RulesConfig) -> None:
        self.rules = rules
        self._exact: set[tuple[str, str]] = set()
        self._near: _Near | None = None

    def add(self, twin: Synthetic) -> RejectionCause | None:
        """Keep the twin, or say why not: it repeats, or nearly repeats, an earlier one.

        Twins repeat each other on the same evidence (`same_evidence`; anywhere without it). Near
        ones must also have the same label or answer: a claim and its negation differ in a word.
        """
        text = normal(twin.text)
        place = normal(twin.evidence) if self.rules.same_evidence else ""
        if self.rules.no_duplicates and (place, text) in self._exact:
            return RejectionCause(RejectionKind.DUPLICATE)
        if self.rules.near_duplicates is not None:
            self._near = self._near or _Near(self.rules.near_duplicates)
            if self._near.has_or_takes(
                text, hashlib.blake2b(f"{place}\n{normal(twin.target)}".encode(), digest_size=8).digest()
            ):
                return RejectionCause(RejectionKind.NEAR_DUPLICATE)
        self._exact.add((place, text))
        return None


class _Near:
    """An index of texts by their shingles; `threshold` is a Jaccard similarity, 0..1."""

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self.threshold = threshold
        self._blank: Any = MinHash(num_perm=PERMUTATIONS, seed=1)
        self._index: Any = MinHashLSH(threshold=max(threshold - _MARGIN, 0.05), num_perm=PERMUTATIONS, weights=_WEIGHTS)
        self._kept: list[tuple[bytes, str]] = []

    def has_or_takes(self, text: str, scope: bytes) -> bool:
        """Whether a text of the same scope is near; if none is, the text is kept."""
        shingles = _shingles(text)
        hashed = self._blank.copy()
        hashed.update_batch(
            [scope + shingle.encode("utf-8", "surrogatepass") for shingle in shingles]
        )  # scopes share no shingle
        for index in self._index.query(hashed):
            its_scope, its_text = self._kept[index]
            if its_scope == scope and _jaccard(shingles, _shingles(its_text)) >= self.threshold:
                return True
        self._index.insert(len(self._kept), hashed)
        self._kept.append((scope, text))
        return False


def _shingles(text: str) -> frozenset[str]:
    return frozenset(text[i : i + SHINGLE] for i in range(max(len(text) - SHINGLE + 1, 1)))


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right)


def broken_rule(
    twin: Synthetic, rules: RulesConfig, *, written_anew: bool = True, has_classes: bool = False
) -> RejectionCause | None:
    """Name the first rule that the twin breaks; None when it breaks none.

    Args:
        twin: the twin.
        rules: which rules are in force.
        written_anew: the prompt model wrote the text; a human text is not judged.
        has_classes: the target is a class, so no rule on answers holds.
    """
    text = _text(twin, rules) if written_anew else iter(())
    answer = iter(()) if has_classes else _answer(twin, rules)
    return next(text, None) or next(answer, None)


def _text(twin: Synthetic, rules: RulesConfig) -> Iterator[RejectionCause]:
    length = len(words(twin.text))
    if not length:
        yield RejectionCause(RejectionKind.NO_WORDS, {"field": "text"})
    if rules.min_words is not None and length < rules.min_words:
        yield RejectionCause(RejectionKind.TOO_SHORT, {"limit": rules.min_words})
    if rules.max_words is not None and length > rules.max_words:
        yield RejectionCause(RejectionKind.TOO_LONG, {"field": "text", "limit": rules.max_words})
    if rules.no_copies and contains_words(twin.text, twin.evidence):
        yield RejectionCause(RejectionKind.COPIED)


def _answer(twin: Synthetic, rules: RulesConfig) -> Iterator[RejectionCause]:
    length = len(words(twin.target))
    if not length:
        yield RejectionCause(RejectionKind.NO_WORDS, {"field": "answer"})
    if rules.max_answer_words is not None and length > rules.max_answer_words:
        yield RejectionCause(RejectionKind.TOO_LONG, {"field": "answer", "limit": rules.max_answer_words})
    if (
        rules.answer_in_evidence
        and twin.evidence.strip()
        and not contains_words(twin.target, twin.evidence, articles=False)
    ):
        yield RejectionCause(RejectionKind.ANSWER_NOT_IN_EVIDENCE)
