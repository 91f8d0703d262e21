"""Filters without a model: rules on one twin's own words, and removal of exact and near duplicates.

Near duplicates are found by MinHash and locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman,
chapter 3; library datasketch) and then compared exactly: some pairs in a hundred at the threshold are missed, and no
pair below it is dropped. A duplicate is sought among earlier twins alone, so a larger set with the same beginning
drops the same ones from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from littlehuman.languages import ENGLISH, Language
from littlehuman.mixture.text_matching import contains_words, jaccard, normal, words
from littlehuman.records import Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import RulesConfig

SHINGLE = 3  # characters: one word of ten that differs leaves most of them, in scripts without spaces too
PERMUTATIONS = 128
_MARGIN = 0.1  # the hash index has a lower threshold by this, so that few pairs at the threshold are missed
_WEIGHTS = (0.05, 0.95)  # of false positives and false negatives, in the choice of the index's bands


def broken_rule(
    twin: Synthetic,
    rules: RulesConfig,
    *,
    new_text: bool = True,
    has_classes: bool = False,
    language: Language = ENGLISH,
) -> RejectionCause | None:
    """The first rule that the twin breaks; None when it breaks none.

    Args:
        twin: the twin.
        rules: which rules are in force.
        new_text: the prompt model wrote the text; a human text is not judged.
        has_classes: the target is a class, so no rule on answers holds.
        language: of the answers, for its articles.
    """
    text = _text_problems(twin, rules) if new_text else iter(())
    answer = iter(()) if has_classes else _answer_problems(twin, rules, language)
    return next(text, None) or next(answer, None)


class DuplicateIndex:
    """The twins that were kept so far, to be asked whether a new one repeats one of them.

    Only twins on the same evidence repeat each other (`same_evidence`; any two without it). Near duplicates must
    also have the same label or answer: a claim and its negation differ in a word.
    """

    def __init__(self, rules: RulesConfig) -> None:
        self.rules = rules
        self._exact: set[tuple[str, str]] = set()
        self._near: _NearIndex | None = None

    def add(self, twin: Synthetic) -> RejectionCause | None:
        """Keep the twin; where it repeats an earlier one it is not kept, and the cause is returned."""
        text = normal(twin.text)
        evidence = normal(twin.evidence) if self.rules.same_evidence else ""
        if self.rules.no_duplicates and (evidence, text) in self._exact:
            return RejectionCause(RejectionKind.DUPLICATE)
        if self.rules.near_duplicates is not None:
            self._near = self._near or _NearIndex(self.rules.near_duplicates)
            scope = hashlib.blake2b(f"{evidence}\n{normal(twin.target)}".encode(), digest_size=8).digest()
            if not self._near.add(text, scope):
                return RejectionCause(RejectionKind.NEAR_DUPLICATE)
        self._exact.add((evidence, text))
        return None


class _NearIndex:
    """MinHash LSH index of texts by their character shingles; `threshold` is a Jaccard similarity, 0..1."""

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self.threshold = threshold
        self._blank: Any = MinHash(num_perm=PERMUTATIONS, seed=1)
        self._index: Any = MinHashLSH(threshold=max(threshold - _MARGIN, 0.05), num_perm=PERMUTATIONS, weights=_WEIGHTS)
        self._kept: list[tuple[bytes, str]] = []

    def add(self, text: str, scope: bytes) -> bool:
        """Keep the text, unless a similar one of the same scope is kept already; whether it was kept."""
        shingles = _shingles(text)
        hashed = self._blank.copy()
        # The scope is part of each shingle: texts of two scopes have none in common.
        hashed.update_batch([scope + shingle.encode("utf-8", "surrogatepass") for shingle in shingles])
        for index in self._index.query(hashed):
            other_scope, other = self._kept[index]
            if other_scope == scope and jaccard(shingles, _shingles(other)) >= self.threshold:
                return False
        self._index.insert(len(self._kept), hashed)
        self._kept.append((scope, text))
        return True


def _shingles(text: str) -> frozenset[str]:
    return frozenset(text[i : i + SHINGLE] for i in range(max(len(text) - SHINGLE + 1, 1)))


def _text_problems(twin: Synthetic, rules: RulesConfig) -> Iterator[RejectionCause]:
    length = len(words(twin.text))
    if not length:
        yield RejectionCause(RejectionKind.NO_WORDS, {"field": "text"})
    if rules.min_words is not None and length < rules.min_words:
        yield RejectionCause(RejectionKind.TOO_SHORT, {"limit": rules.min_words})
    if rules.max_words is not None and length > rules.max_words:
        yield RejectionCause(RejectionKind.TOO_LONG, {"field": "text", "limit": rules.max_words})
    if rules.no_copies and contains_words(twin.text, twin.evidence):
        yield RejectionCause(RejectionKind.COPIED)


def _answer_problems(twin: Synthetic, rules: RulesConfig, language: Language) -> Iterator[RejectionCause]:
    length = len(words(twin.target))
    if not length:
        yield RejectionCause(RejectionKind.NO_WORDS, {"field": "answer"})
    if rules.max_answer_words is not None and length > rules.max_answer_words:
        yield RejectionCause(RejectionKind.TOO_LONG, {"field": "answer", "limit": rules.max_answer_words})
    if not rules.answer_in_evidence or not twin.evidence.strip():
        return
    if not contains_words(twin.target, twin.evidence, articles=False, language=language):
        yield RejectionCause(RejectionKind.ANSWER_NOT_IN_EVIDENCE)
