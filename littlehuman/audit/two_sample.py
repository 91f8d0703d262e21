"""Classifier two-sample test: can a classifier tell twins from human texts, and by which words?

Logistic regression (scikit-learn) on TF-IDF of words and pairs of words, evaluated by cross-validation whose folds hold
all texts of one evidence together; the AUC is .5 where the two cannot be told apart (Lopez-Paz and Oquab 2017, arXiv
1610.06545). p is of a permutation test: with the models held fixed, labels are exchanged in the held-out folds, between
a twin and its original where both are there, else between evidences. Human texts of two random halves of the evidences
are the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from littlehuman.audit.sets import sample
from littlehuman.records import Example
from littlehuman.seeding import number

FOLDS, PERMUTATIONS, LEAST = 5, 999, 20
MOST = 400  # texts of either side
TELLING = 10  # words
Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class TwoSample:
    """AUC of the classifier with p, texts of either side, and the words (of twins, of humans) that tell most."""

    auc: float
    p: float
    texts: int
    words: tuple[tuple[str, float], ...]


def two_sample(twins: Sequence[Example], human: Sequence[Example]) -> TwoSample | None:
    """Tell twins from human texts; None where either side has fewer than 20 texts, or all are on one evidence.

    Twins with their own original among `human` are compared in pairs.
    """
    chosen = _paired(twins, human)
    if min(map(len, chosen)) < LEAST:
        return None
    points = [*chosen[0], *chosen[1]]
    labels = np.repeat([1, 0], [len(chosen[0]), len(chosen[1])])
    folds = _folds(points)
    if len(set(folds.tolist())) < 2:
        return None
    scores, words = _held_out([example.text for example in points], labels, folds)
    auc, *others = _auc(scores, np.stack([labels, *_exchanges(points, labels)]), folds).tolist()
    p = (1 + sum(other >= auc - 1e-12 for other in others)) / (1 + PERMUTATIONS)
    return TwoSample(auc, p, min(map(len, chosen)), words)


@lru_cache(maxsize=2)  # the cells of a sweep share it
def of_human_points(points: tuple[Example, ...]) -> TwoSample | None:
    """The test of human texts against human texts on other evidence: what it says where there is no difference."""
    return two_sample(*halves(points))


def halves(points: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Two random halves of the documents, or of the evidences."""
    sides: tuple[list[Example], list[Example]] = ([], [])
    for e in points:
        sides[number(0, "half of an audit", e.group or e.evidence_key) % 2 == 0].append(e)
    return sides


def _paired(twins: Sequence[Example], human: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """The texts to compare: pairs where all twins have an original, else samples of either side."""
    originals = {example.id: example for example in human}
    chosen = sample(twins, MOST)
    if all(twin.id in originals for twin in chosen):
        return chosen, [originals[twin.id] for twin in chosen]
    return chosen, sample(human, MOST)


def _folds(points: Sequence[Example]) -> Labels:
    """A fold of each text; texts of one document, or of one evidence, are in one fold, and a twin with its original."""
    keys = {e.id: e.group or e.evidence_key for e in points}  # originals come last, and twins know no document
    return np.array([number(0, "fold of an audit", keys[e.id]) % FOLDS for e in points], np.int64)


def _held_out(texts: list[str], labels: Labels, folds: Labels) -> tuple[Floats, tuple[tuple[str, float], ...]]:
    """The score of each text by a model of the other folds, and the words with the largest weights over all texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[^\w\s]")
    try:
        features = vectors.fit_transform(texts)
    except ValueError:  # no word is in two texts
        return np.zeros(len(texts)), ()
    scores = np.zeros(len(texts))
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any() and len(set(labels[~inside].tolist())) == 2:
            model = LogisticRegression(C=10.0, solver="liblinear", random_state=0)
            scores[inside] = model.fit(features[~inside], labels[~inside]).decision_function(features[inside])
    weights = LogisticRegression(C=10.0, solver="liblinear", random_state=0).fit(features, labels).coef_[0]
    names = vectors.get_feature_names_out()
    best = sorted(range(len(names)), key=lambda at: -abs(weights[at]))[:TELLING]
    return scores, tuple((str(names[at]), round(float(weights[at]), 3)) for at in best)


def _auc(scores: Floats, labels: Labels, folds: Labels) -> Floats:
    """Area under the ROC curve within the folds, over all pairs of a twin and a human text, for rows of `labels`.

    Ties count half. Labels are `[permutations, texts]`, the result `[permutations]`.
    """
    from scipy.stats import rankdata

    right, pairs = np.zeros(len(labels)), np.zeros(len(labels))
    for fold in range(FOLDS):
        own = labels[:, folds == fold]
        ones = own.sum(1)
        if own.size:
            right += own @ rankdata(scores[folds == fold]) - ones * (ones + 1) / 2
            pairs += ones * (own.shape[1] - ones)
    return np.where(pairs > 0, right / np.maximum(pairs, 1), 0.5)


def _exchanges(points: Sequence[Example], labels: Labels) -> list[Labels]:
    """Labels exchanged at random within pairs, or between evidences where a text has no partner of its id."""
    rng = np.random.default_rng(number(0, "labels exchanged in an audit", len(points)))
    half = int(labels.sum())
    if len(points) == 2 * half and all(points[i].id == points[half + i].id for i in range(half)):
        swaps = rng.integers(0, 2, (PERMUTATIONS, half))
        return [np.concatenate([1 - swap, swap]) for swap in swaps]
    names = {name: at for at, name in enumerate(dict.fromkeys(e.evidence_key for e in points))}
    groups = np.array([names[e.evidence_key] for e in points])
    mixed = len({(g, x) for g, x in zip(groups.tolist(), labels.tolist(), strict=True)}) > len(names)
    if mixed:  # both kinds on one evidence: texts are exchanged, not evidences
        return [rng.permutation(labels) for _ in range(PERMUTATIONS)]
    first = np.zeros(len(names), np.int64)
    first[groups] = labels
    return [rng.permutation(first)[groups] for _ in range(PERMUTATIONS)]
