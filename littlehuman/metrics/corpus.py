"""Metrics of a whole test split, and the 95 % interval of any metric.

In: pairs (accepted targets, prediction; an empty prediction is a failed one) and the classes.
Out: a `Tally` per metric: one row of statistics per item, and the value that their sums have.
Because each is a function of sums over items, one bootstrap serves them all.
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
from littlehuman.records import Score
from littlehuman.seeding import number

Floats = NDArray[np.float64]
Pair = tuple[tuple[str, ...], str]
CorpusMetric = Callable[[Sequence[Pair], Sequence[str]], "Tally"]

LEVEL = 0.95
CELLS = 2_000_000  # resampled items held in memory at once (about 40 MB)


@dataclass(frozen=True, slots=True)
class Tally:
    """A metric as sums: `rows` is [items, statistics], `value` maps sums [m, statistics] to [m]."""

    rows: Floats
    value: Callable[[Floats], Floats]
    n_failed: int = 0
    note: str = ""


def mean(values: Sequence[float], n_failed: int = 0, note: str = "") -> Tally:
    """The mean of the items' own scores."""
    n = len(values)
    return Tally(np.array(values, dtype=np.float64).reshape(n, 1), lambda sums: sums[:, 0] / n, n_failed, note)


def macro_f1(pairs: Sequence[Pair], classes: Sequence[str]) -> Tally:
    """Mean of the classes' F1; a class that is neither wanted nor predicted has 0, as in scikit-learn.

    The statistics of an item are its hits, its prediction and its target, one-hot over the classes.
    """
    place = {name: i for i, name in enumerate(classes)}
    rows = np.zeros((len(pairs), 3, len(classes)))
    for row, (targets, answer) in zip(rows, pairs, strict=True):
        row[0, place[targets[0]]] = float(answer == targets[0])
        row[2, place[targets[0]]] = 1
        if answer in place:
            row[1, place[answer]] = 1

    def value(sums: Floats) -> Floats:
        hits, predicted, wanted = sums.reshape(-1, 3, len(classes)).transpose(1, 0, 2)
        return np.asarray((2 * hits / np.maximum(predicted + wanted, 1)).mean(axis=1))

    return Tally(rows.reshape(len(pairs), -1), value, _failed(pairs))


def majority(pairs: Sequence[Pair], classes: Sequence[str]) -> Tally:
    """Accuracy of always saying the commonest target: the baseline beside; the note names the class."""
    counts = Counter(targets[0] for targets, _ in pairs)
    commonest = max(classes, key=lambda name: counts[name])
    return mean([float(targets[0] == commonest) for targets, _ in pairs], note=f"always {commonest!r}")


def corpus_bleu(pairs: Sequence[Pair], classes: Sequence[str]) -> Tally:
    """Standard corpus BLEU, several references an item; the note is sacreBLEU's signature.

    Resampled from each item's n-gram counts and lengths (Koehn 2004), so nothing is tokenised twice.
    """
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU(force=True)  # force: no warning about answers that end in " ."
    parts = [scorer.corpus_score([answer], [[target] for target in targets]) for targets, answer in pairs]
    rows = np.array([[part.sys_len, part.ref_len, *part.counts, *part.totals] for part in parts], dtype=np.float64)

    def value(sums: Floats) -> Floats:
        return np.array([_bleu(BLEU, row) for row in np.rint(sums).astype(int).tolist()])

    return Tally(rows.reshape(len(pairs), -1), value, _failed(pairs), _signature(scorer, pairs))


def _bleu(bleu: Any, sums: list[int]) -> float:
    order = (len(sums) - 2) // 2
    correct, total = sums[2 : 2 + order], sums[2 + order :]
    score = bleu.compute_bleu(correct, total, sums[0], sums[1], smooth_method="exp", max_ngram_order=order)
    return min(float(score.score) / 100, 1.0)


def _signature(scorer: Any, pairs: Sequence[Pair]) -> str:
    # The scorer knows how many references there were only after it has seen them all.
    scorer.corpus_score([answer for _, answer in pairs], list(zip_longest(*(targets for targets, _ in pairs))))
    return str(scorer.get_signature())


def _failed(pairs: Sequence[Pair]) -> int:
    return sum(not answer for _, answer in pairs)


CORPUS_METRICS: dict[str, CorpusMetric] = {"macro_f1": macro_f1, "majority": majority, "corpus_bleu": corpus_bleu}


def summarise(name: str, tally: Tally, items: int, resamples: int) -> Score:
    """Value and percentile-bootstrap interval over the tallied items, `resamples` draws.

    `items` is the size of the test split: those that are not in the tally count as failed. The
    draws belong to the metric's name, so two runs over the same items are resampled alike. Where a
    statistic is biased (macro F1 of few items) the interval is widened to hold the value. Items
    that all score the same give an interval without width: a bootstrap knows only what it has seen.

    Raises:
        DataError: when the tally is empty.
    """
    n = len(tally.rows)
    if n == 0:
        raise DataError(f"{name} could score none of {items} predictions: every item came back unscored (None)")
    value = float(tally.value(tally.rows.sum(axis=0, keepdims=True))[0])
    drawn = tally.value(_resampled_sums(tally.rows, resamples, name))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(value, min(float(low), value), max(float(high), value), n, tally.n_failed + items - n, tally.note)


def _resampled_sums(rows: Floats, resamples: int, name: str) -> Floats:
    n = len(rows)
    generator = np.random.default_rng(number(0, "bootstrap", name))
    sums = np.empty((resamples, rows.shape[1]))
    step = max(1, CELLS // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        sums[start : start + size] = times.astype(np.float64) @ rows
    return sums
