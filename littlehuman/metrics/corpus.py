"""Corpus metrics (macro F1, majority baseline, corpus BLEU), and their bootstrap intervals.

Each metric is a function of sums of per-item statistics, such as n-gram counts. So one bootstrap, which resamples
items, works for all of them. An empty prediction is a failed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError
from littlehuman.languages import ENGLISH, Language
from littlehuman.seeding import number
from littlehuman.stats import LEVEL, Interval

Floats = NDArray[np.float64]
Pair = tuple[tuple[str, ...], str]
CorpusMetric = Callable[[Sequence[Pair], Sequence[str], Language], "SumStatistics"]

MAX_RESAMPLED = 2_000_000  # resampled items held in memory at once (about 40 MB)


@dataclass(frozen=True, slots=True)
class Score(Interval):
    """A metric over the test items: its value in 0..1 with the interval, and how many items failed."""

    n_failed: int = 0
    note: str = ""

    @property
    def n(self) -> int:
        """Items that were scored."""
        return self.items


@dataclass(frozen=True, slots=True)
class SumStatistics:
    """A metric's statistics per item: `rows` [items, statistics]; `value` maps m sums [m, statistics] to scores [m]."""

    rows: Floats
    value: Callable[[Floats], Floats]
    n_failed: int = 0
    note: str = ""


def mean(values: Sequence[float], n_failed: int = 0, note: str = "") -> SumStatistics:
    """The mean of the item scores."""
    n = len(values)
    return SumStatistics(np.array(values, dtype=np.float64).reshape(n, 1), lambda sums: sums[:, 0] / n, n_failed, note)


def macro_f1(pairs: Sequence[Pair], classes: Sequence[str], language: Language = ENGLISH) -> SumStatistics:
    """Unweighted mean of the classes' F1; a class without targets and predictions has 0, as in scikit-learn."""
    index = {name: i for i, name in enumerate(classes)}
    wanted = np.array([index[targets[0]] for targets, _ in pairs], np.int64)
    rows = confusion_rows(wanted, np.array([index.get(answer, -1) for _, answer in pairs], np.int64), len(classes))

    def value(sums: Floats) -> Floats:
        true_positives, predicted, actual = sums.reshape(-1, 3, len(classes)).transpose(1, 0, 2)
        return np.asarray((2 * true_positives / np.maximum(predicted + actual, 1)).mean(axis=1))

    return SumStatistics(rows, value, _failed(pairs))


def confusion_rows(wanted: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> Floats:
    """Statistics of items `[items, 3 x classes]`: true positive, prediction and target, each one-hot over the classes.

    `wanted` and `said` `[items]` number the classes; -1 is a prediction of none of them.
    """
    rows = np.zeros((len(wanted), 3, classes))
    items = np.arange(len(wanted))
    rows[items, 2, wanted] = 1
    rows[items[said >= 0], 1, said[said >= 0]] = 1
    rows[:, 0] = rows[:, 1] * rows[:, 2]
    return rows.reshape(len(wanted), -1)


def majority(pairs: Sequence[Pair], classes: Sequence[str], language: Language = ENGLISH) -> SumStatistics:
    """The majority baseline: accuracy of always predicting the most frequent target, which the note names."""
    counts = Counter(targets[0] for targets, _ in pairs)
    most_frequent = max(classes, key=lambda name: counts[name])
    return mean([float(targets[0] == most_frequent) for targets, _ in pairs], note=f"always {most_frequent!r}")


def corpus_bleu(pairs: Sequence[Pair], classes: Sequence[str], language: Language = ENGLISH) -> SumStatistics:
    """Standard corpus BLEU with several references per item; the note is sacreBLEU's signature, with its tokenizer.

    The statistics of an item are its lengths and n-gram counts (bootstrap of BLEU: Koehn 2004).
    """
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU(force=True, tokenize=language.bleu)  # force: no warning about tokenised answers (" .")
    parts = [scorer.corpus_score([answer], [[target] for target in targets]) for targets, answer in pairs]
    rows = np.array([[part.sys_len, part.ref_len, *part.counts, *part.totals] for part in parts], dtype=np.float64)

    def value(sums: Floats) -> Floats:
        return np.array([_bleu(BLEU, row) for row in np.rint(sums).astype(int).tolist()])

    return SumStatistics(rows.reshape(len(pairs), -1), value, _failed(pairs), _signature(scorer, pairs))


def _bleu(bleu: Any, sums: list[int]) -> float:
    order = (len(sums) - 2) // 2
    correct, total = sums[2 : 2 + order], sums[2 + order :]
    score = bleu.compute_bleu(correct, total, sums[0], sums[1], smooth_method="exp", max_ngram_order=order)
    return min(float(score.score) / 100, 1.0)


def _signature(scorer: Any, pairs: Sequence[Pair]) -> str:
    # The signature has the number of references, which the scorer knows only after it has scored all items.
    scorer.corpus_score([answer for _, answer in pairs], list(zip_longest(*(targets for targets, _ in pairs))))
    return str(scorer.get_signature())


def _failed(pairs: Sequence[Pair]) -> int:
    return sum(not answer for _, answer in pairs)


CORPUS_METRICS: dict[str, CorpusMetric] = {"macro_f1": macro_f1, "majority": majority, "corpus_bleu": corpus_bleu}


def bootstrap_score(name: str, statistics: SumStatistics, items: int, resamples: int) -> Score:
    """Value and percentile-bootstrap interval over items, with `resamples` resamples.

    `items` is the size of the test split: items without statistics count as failed. The resamples depend on the
    metric's name only, so two runs on the same items have the same ones. Where a statistic is biased (macro F1 of few
    items), the interval is widened to include the value. Items that all score the same give an interval of width 0.

    Raises:
        DataError: when there are no statistics.
    """
    n = len(statistics.rows)
    if n == 0:
        raise DataError(f"{name} could score none of {items} predictions: every item came back unscored (None)")
    value = float(statistics.value(statistics.rows.sum(axis=0, keepdims=True))[0])
    resampled = statistics.value(_resampled_sums(statistics.rows, resamples, name))
    low, high = (float(q) for q in np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    failed = statistics.n_failed + items - n
    return Score(value, min(low, value), max(high, value), items=n, n_failed=failed, note=statistics.note)


def _resampled_sums(rows: Floats, resamples: int, name: str) -> Floats:
    n = len(rows)
    generator = np.random.default_rng(number(0, "bootstrap", name))
    sums = np.empty((resamples, rows.shape[1]))
    step = max(1, MAX_RESAMPLED // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        sums[start : start + size] = times.astype(np.float64) @ rows
    return sums
