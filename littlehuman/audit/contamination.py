"""Contamination of the test split: test points whose text or evidence stands in the training set.

In: training points of one origin, and test points. Out: per measure the test points that are touched, each with the
training point that it resembles most. Compared are the text (claim, question), text and evidence together, the evidence
and each of its columns; as the same words, as near duplicates (Jaccard similarity of word sets) and by runs of 13
words. Label-aware: `same_label` says whether any such training point has the same class or answer.

Human data repeats itself too. `background` measures the same for human points that are no test points, against the
training points on other evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from littlehuman.audit.encoding import Encoder
from littlehuman.audit.matching import Matcher, Rows, without
from littlehuman.audit.minhash import NEAR
from littlehuman.audit.ngrams import WORDS
from littlehuman.audit.sets import Pair, sample
from littlehuman.records import Example

SAME_TEXT, NEAR_TEXT, NGRAM_TEXT = "same_text", "near_text", "ngram_text"
SAME_ROW, NEAR_ROW = "same_row", "near_row"  # text and evidence
SAME_EVIDENCE, NEAR_EVIDENCE, NGRAM_EVIDENCE = "same_evidence", "near_evidence", "ngram_evidence"
COLUMN = "column:"  # and its name: the same words in this column of the evidence
REPEATED = "repeated"  # the same or nearly the same text with the same class or answer, on whatever evidence
OPPOSITE = "opposite_label"  # the same or nearly the same text with another class
SAMPLE = 1000  # points of `background`


@dataclass(frozen=True)
class Contamination:
    """Test points that training points of one origin touch: measure -> id of the test point -> the closest pair."""

    rows: int
    found: Mapping[str, Mapping[str, Pair]]

    def ids(self, *measures: str) -> set[str]:
        """Test points that any of these measures found."""
        return {i for name in measures for i in self.found.get(name, ())}


def contamination(
    train: Sequence[Example],
    test: Sequence[Example],
    *,
    has_classes: bool,
    columns: Sequence[str] = (),
    origin: str = "",
    n: int = WORDS,
    near: float = NEAR,
    left_out: Callable[[Example, Example], bool] | None = None,
    encoder: Encoder | None = None,
) -> Contamination:
    """Find the test points that training points touch.

    Args:
        train: training points of one origin.
        test: test points.
        has_classes: targets are classes.
        columns: names of the evidence's columns, of points that have them (`Example.parts`).
        origin: who wrote the training points, for the pairs.
        n: words of an n-gram.
        near: smallest Jaccard similarity of near duplicates.
        left_out: whether a test point and a training point are no pair.
        encoder: of texts that several calls share.
    """
    encoder = encoder or Encoder()
    match = Matcher(test, train, encoder, has_classes=has_classes, near=near, n=n, left_out=left_out or _never)
    found = {
        measure: {pair.left: pair for row, others in rows.items() if (pair := match.closest(row, others, origin))}
        for measure, rows in _measures(match, columns)
    }
    return Contamination(len(test), {name: pairs for name, pairs in found.items() if pairs})


def touching(has_classes: bool) -> tuple[str, ...]:
    """The measures whose test points count as contaminated: what is asked was seen, not only what it is asked about."""
    return (SAME_ROW, NEAR_ROW, REPEATED, NGRAM_TEXT, *([SAME_TEXT] if has_classes else ()))


def on_evidence(columns: Sequence[str]) -> tuple[str, ...]:
    """The measures of test points whose evidence, or a column of it, is trained on."""
    return (SAME_EVIDENCE, *(COLUMN + name for name in columns))


def background(train: Sequence[Example], pool: Sequence[Example], *, encoder: Encoder, **options: Any) -> Contamination:
    """The same for human points (a sample) against the training points on other evidence than theirs."""
    on_one = partial(_is_on_one_evidence, encoder)
    return contamination(train, sample(pool, SAMPLE), left_out=on_one, encoder=encoder, **options)


def within(points: Sequence[Example], *, has_classes: bool) -> Contamination:
    """The same for the points of one collection against each other."""
    return contamination(points, points, has_classes=has_classes, left_out=lambda a, b: a.id == b.id)


def _column(at: int, example: Example) -> str:
    return example.parts[at] if at < len(example.parts) else ""


def _never(one: Example, two: Example) -> bool:
    return False


def _is_on_one_evidence(encoder: Encoder, one: Example, two: Example) -> bool:
    return one.id == two.id or bool(one.evidence and encoder.key(one.evidence) == encoder.key(two.evidence))


def _measures(match: Matcher, columns: Sequence[str]) -> Iterator[tuple[str, Rows]]:
    """Measure -> test row -> training row -> similarity."""
    texts = match.sides(lambda example: example.text)
    same, near = match.same(texts), match.near_duplicates(texts)
    either = {row: same.get(row, {}) | near.get(row, {}) for row in same | near}
    yield SAME_TEXT, same
    yield NEAR_TEXT, without(near, same)
    yield NGRAM_TEXT, match.ngrams(texts)
    yield REPEATED, match.by_label(either, same=True)
    if match.has_classes:
        yield OPPOSITE, match.by_label(either, same=False)
    if not any(example.evidence for example in match.test):
        return
    evidence = match.sides(lambda example: example.evidence)
    on_same, on_near = match.same(evidence), match.near_duplicates(evidence)
    same_row = match.also(same, match.linked(evidence, near=False))
    yield SAME_ROW, same_row
    yield NEAR_ROW, without(match.also(either, match.linked(evidence, near=True)), same_row)
    yield SAME_EVIDENCE, on_same
    yield NEAR_EVIDENCE, without(on_near, on_same)
    yield NGRAM_EVIDENCE, match.ngrams(evidence)
    for at, name in enumerate(columns):
        yield COLUMN + name, match.same(match.sides(partial(_column, at)))
