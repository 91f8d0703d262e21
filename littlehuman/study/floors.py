"""What a model scores that learnt nothing: floors under the scores of a curve.

In: a series and a metric. Out: `Floor`s: the untrained model (cells with `n_train=0`), and the best constant
prediction: the commonest label, or the gold answer that scores best when it is given to every question. A curve that
is nowhere shown to lie above its floors says nothing about data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from littlehuman.languages import Language, rules_of_result
from littlehuman.metrics.answers import ANSWER_METRICS, right_by_bleu
from littlehuman.schema import MetricsConfig
from littlehuman.study.run_files import answers_of, result_of
from littlehuman.study.series import Series

TRIED = 20  # constant answers that are scored in full
_LOOKED_AT = 2_000  # gold answers that are ranked by shared words, on
_RANKED_ON = 500  # evenly spaced items
Targets = tuple[tuple[str, ...], ...]  # accepted answers of each item


class FloorKind(StrEnum):
    """Where a floor comes from."""

    UNTRAINED = "the untrained model"
    COMMONEST_LABEL = "always the commonest label"
    CONSTANT_ANSWER = "always the best constant answer"


@dataclass(frozen=True, slots=True)
class Floor:
    """A score in 0..1 that needs no training; `answer` is the label or answer that is always given."""

    kind: FloorKind
    value: float
    answer: str = ""


def floors_of(series: Series, metric: str, folder: str) -> tuple[Floor, ...]:
    """The floors of a metric, the untrained model first; `folder` is any run of the curve, for its test items."""
    return (*_untrained(series, metric), *_constant(series, metric, folder))


def _untrained(series: Series, metric: str) -> Iterator[Floor]:
    cells = series.complete
    points = pd.to_numeric(cells["n_human"]) + pd.to_numeric(cells["n_synthetic"])
    if metric in cells and (values := cells.loc[points == 0, metric].dropna().astype(float)).size:
        yield Floor(FloorKind.UNTRAINED, float(values.mean()))


def _constant(series: Series, metric: str, folder: str) -> Iterator[Floor]:
    if metric not in (*_OF_LABELS, *ANSWER_METRICS):
        return
    targets = tuple(targets for targets, _ in answers_of(folder))
    if targets:
        result = result_of(folder)
        threshold = float(
            result.get("knobs", {}).get("metrics", {}).get("bleu_threshold", MetricsConfig.bleu_threshold)
        )
        answer, value = _best_constant(targets, metric, rules_of_result(result), threshold)
        kind = FloorKind.COMMONEST_LABEL if metric in _OF_LABELS else FloorKind.CONSTANT_ANSWER
        yield Floor(kind, value, answer)
    elif metric == "accuracy" and "majority" in series.complete and series.complete["majority"].notna().any():
        yield Floor(FloorKind.COMMONEST_LABEL, float(series.complete["majority"].astype(float).mean()))


@lru_cache(maxsize=64)
def _best_constant(targets: Targets, metric: str, language: Language, threshold: float) -> tuple[str, float]:
    if metric in _OF_LABELS:
        label, hits = Counter(own[0] for own in targets).most_common(1)[0]
        return label, _OF_LABELS[metric](hits / len(targets), len({own[0] for own in targets}))
    score = ANSWER_METRICS[metric]
    if metric == right_by_bleu.__name__:
        score = partial(score, threshold=threshold)
    candidates = _candidates(targets, language)
    found = {answer: [score(own, answer, language) for own in targets] for answer in candidates}
    means = {answer: float(np.mean([v or 0.0 for v in values])) for answer, values in found.items()}
    answer = max(means, key=lambda name: means[name])
    return answer, means[answer]


_OF_LABELS: dict[str, Callable[[float, int], float]] = {  # share of the label, number of classes -> score
    "accuracy": lambda share, classes: share,
    "macro_f1": lambda share, classes: 2 * share / (1 + share) / classes,
}


def _candidates(targets: Targets, language: Language) -> Sequence[str]:
    """Gold answers that promise most as a constant one: by word overlap (F1) with the gold answers of all items."""
    every = Counter(answer for own in targets for answer in dict.fromkeys(own) if answer.strip())
    common = [answer for answer, _ in every.most_common(_LOOKED_AT)] or [""]
    if len(common) <= TRIED:
        return common
    ranked = targets[:: max(1, len(targets) // _RANKED_ON)]
    overlap = np.zeros(len(common))
    words = [_words(answer, language) for answer in common]
    holding: dict[str, list[int]] = {}
    for at, own in enumerate(words):
        for word in own:
            holding.setdefault(word, []).append(at)
    for item in ranked:
        best: dict[int, float] = {}
        for gold in item:
            mine = _words(gold, language)
            shared = Counter(at for word in mine for at in holding.get(word, ()))
            for at, count in shared.items():
                best[at] = max(best.get(at, 0.0), 2 * count / (len(mine) + len(words[at])))
        for at, value in best.items():
            overlap[at] += value
    return [common[at] for at in np.argsort(-overlap, kind="stable")[:TRIED]]


@lru_cache(maxsize=8192)
def _words(answer: str, language: Language) -> frozenset[str]:
    return frozenset(answer.lower().split() if language.is_english else language.answer_words(answer))
