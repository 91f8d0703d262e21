"""Metrics of a whole test set through the same model."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from littlehuman.errors import DataError
from littlehuman.stats import Verdict, analyse, of_cells
from littlehuman.stats.counts import cells_of, corpus_bleu, item_values, macro_f1


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1))


def test_a_mean_given_as_counts_is_analysed_as_the_mean() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(60), 4)
    easy = rng.random(240) + 0.3 * rng.random(60)[labels]
    scores = (easy + 0.3 * rng.standard_normal((4, 3, 240)) > 0.5).astype(float)
    scores[3] *= rng.random((3, 240)) > 0.2
    usual = analyse(scores, labels)
    counted = of_cells(cells_of(np.stack([scores, np.ones_like(scores)], -1), _mean, labels))
    for one, other in zip(usual.differences[1:], counted.differences[1:], strict=True):
        assert one is not None and other is not None and one.verdict is other.verdict
        assert one.interval.value == pytest.approx(other.interval.value)
        assert one.interval.half_width == pytest.approx(other.interval.half_width)
    assert usual.scores[2].half_width == pytest.approx(counted.scores[2].half_width)
    assert usual.parts.icc == pytest.approx(counted.parts.icc)
    assert counted.differences[3] is not None and counted.differences[3].verdict is Verdict.WORSE


def _labels(rng: np.random.Generator, clusters: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Confusion counts `[2 arms, 3 seeds, items, 9]` of three unequal classes, hard and easy by cluster."""
    numbers = np.repeat(np.arange(clusters), size)
    wanted = rng.choice(3, len(numbers), p=(0.6, 0.3, 0.1))
    ease = rng.standard_normal(clusters)[numbers] + rng.standard_normal(len(numbers))
    right = ease + 0.7 * rng.standard_normal((2, 3, len(numbers))) > -0.8
    said = np.where(right, wanted, (wanted + 1) % 3)
    hot = np.eye(3)
    wanted_rows = np.broadcast_to(hot[wanted], (*right.shape, 3))
    return np.concatenate([hot[wanted] * right[..., None], hot[said], wanted_rows], -1), numbers


def _sentences(rng: np.random.Generator, clusters: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """N-gram counts `[2 arms, 3 seeds, items, 10]` of answers that are good or bad by cluster."""
    numbers = np.repeat(np.arange(clusters), size)
    words = rng.integers(4, 12, (2, 3, len(numbers)))
    good = np.clip(0.6 + 0.15 * rng.standard_normal(clusters)[numbers], 0.05, 0.95)
    totals = [words - order for order in range(4)]
    found = [rng.binomial(total, good ** (order + 1)) for order, total in enumerate(totals)]
    return np.stack([words, np.broadcast_to(words[0, 0] + 1, words.shape), *found, *totals], -1).astype(float), numbers


@pytest.mark.parametrize(("draw", "metric"), [(_labels, macro_f1), (_sentences, corpus_bleu)])
def test_the_covariance_agrees_with_a_paired_cluster_bootstrap(draw, metric) -> None:  # type: ignore[no-untyped-def]
    """Clusters are resampled with replacement, the same ones for all cells (Koehn 2004)."""
    rng = np.random.default_rng(5)
    counts, numbers = draw(rng, 80, 5)
    cells = cells_of(counts, metric, numbers)
    sums = counts.reshape(6, 80, 5, -1).sum(2)
    times = rng.multinomial(80, np.full(80, 1 / 80), 2_000).astype(float)
    drawn = metric(np.einsum("rm,cms->rcs", times, sums).reshape(-1, sums.shape[-1])).reshape(2_000, 6)
    oracle = np.cov(drawn.T)
    assert np.diag(cells.covariance) == pytest.approx(np.diag(oracle), rel=0.15)
    gap = np.array([1, 1, 1, -1, -1, -1]) / 3
    assert gap @ cells.covariance @ gap == pytest.approx(gap @ oracle @ gap, rel=0.15)


def test_the_values_of_items_have_the_metric_as_their_mean() -> None:
    counts, _ = _labels(np.random.default_rng(6), 30, 2)
    value, values = item_values(counts[0, 0], macro_f1)
    assert values.mean() == pytest.approx(value) == pytest.approx(macro_f1(counts[0, 0].sum(0)[None])[0])
    one, alone = item_values(counts[0, 0, :1], macro_f1)
    assert alone == pytest.approx([one])


def test_missing_cells_are_left_out() -> None:
    counts = np.random.default_rng(2).integers(0, 2, (3, 3, 50, 2)).astype(float)
    counts[..., 1] = 1
    counts[2, 1] = np.nan
    curve = of_cells(cells_of(counts, _mean))
    assert [s.seeds for s in curve.scores] == [3, 3, 2]
    counts[1, 1, 7] = np.nan
    with pytest.raises(DataError, match="a cell lacks some counts"):
        cells_of(counts, _mean)
    with pytest.raises(DataError, match=r"expected \[arms, seeds, items, statistics\]"):
        cells_of(counts[0], _mean)


def test_macro_f1_of_counts_is_the_mean_of_the_classes_f1() -> None:
    rng = np.random.default_rng(3)
    wanted, predicted = rng.integers(0, 3, (2, 80))
    hot = np.eye(3)
    rows = np.concatenate([hot[wanted] * (wanted == predicted)[:, None], hot[predicted], hot[wanted]], -1)
    hits = [((wanted == c) & (predicted == c)).sum() for c in range(3)]
    precision = [hits[c] / (predicted == c).sum() for c in range(3)]
    recall = [hits[c] / (wanted == c).sum() for c in range(3)]
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
    assert macro_f1(rows.sum(0)[None]) == pytest.approx(np.mean(f1))


def test_corpus_bleu_of_counts_is_sacrebleus() -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        totals = np.sort(rng.integers(0, 12, 4))[::-1]
        found = [int(rng.integers(0, total + 1)) * int(rng.random() < 0.7) for total in totals]
        length, reference = int(totals[0]), int(rng.integers(1, 14))
        theirs = BLEU.compute_bleu(found, totals.tolist(), length, reference, smooth_method="exp").score / 100
        assert corpus_bleu(np.array([[length, reference, *found, *totals]])) == pytest.approx(min(theirs, 1), abs=1e-9)
