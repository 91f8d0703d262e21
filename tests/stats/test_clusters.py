"""Cluster-robust variances of means over test items."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from littlehuman.errors import DataError
from littlehuman.stats import clusters


def _variance(scores: np.ndarray, labels: np.ndarray, icc: float | None = None) -> float:
    known = (
        clusters.describe(scores[None, None], labels) if icc is None else clusters.of_sizes(np.bincount(labels), icc)
    )
    parts = clusters.totals(scores[None], labels) / len(labels)
    return float(clusters.covariance(parts, known)[0, 0])


def _draw(sizes: list[int], icc: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.sqrt(icc) * rng.standard_normal(len(sizes))[labels] + np.sqrt(1 - icc) * rng.standard_normal(
        len(labels)
    ), labels


def test_items_without_clusters_have_the_usual_variance_of_a_mean() -> None:
    scores = np.random.default_rng(0).random(50)
    assert _variance(scores, np.arange(50)) == pytest.approx(scores.var(ddof=1) / 50)
    known = clusters.of_sizes(np.ones(50), 0.0)
    assert known.df == pytest.approx(49) and known.count == 50


def test_equal_clusters_agree_with_statsmodels() -> None:
    scores, labels = _draw([6] * 30, 0.3)
    fitted = sm.OLS(scores, np.ones((180, 1))).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert np.sqrt(_variance(scores, labels)) == pytest.approx(fitted.bse[0])


def test_unequal_clusters_under_independence_are_bias_reduced_linearization() -> None:
    """CR2 by its definition: residuals of each cluster times the inverse root of I - H."""
    scores, labels = _draw([1, 2, 3, 9, 14, 25], 0.0)
    hat = np.full((len(labels), len(labels)), 1 / len(labels))
    residuals = scores - scores.mean()
    total = 0.0
    for c in range(6):
        at = labels == c
        values, vectors = np.linalg.eigh(np.eye(at.sum()) - hat[np.ix_(at, at)])
        total += float((np.ones(at.sum()) @ (vectors * values**-0.5) @ vectors.T @ residuals[at]) ** 2)
    assert _variance(scores, labels, 0.0) == pytest.approx(total / len(labels) ** 2)


def test_unequal_clusters_lie_below_the_jackknife_and_near_it() -> None:
    scores, labels = _draw([1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 33] * 2, 0.3)
    left_out = np.array([scores[labels != c].mean() for c in np.unique(labels)])
    jackknife = float(((left_out - scores.mean()) ** 2).sum())
    assert 0.85 < _variance(scores, labels) / jackknife < 1.0


@pytest.mark.parametrize("icc", [0.0, 0.3, 1.0])
def test_the_variance_is_unbiased_where_clusters_correlate_as_assumed(icc: float) -> None:
    sizes = [1, 33, 5, 17, 2, 28, 9, 12, 21, 3]
    truth = float(sum(n * (1 + (n - 1) * icc) for n in sizes)) / sum(sizes) ** 2
    found = [_variance(*_draw(sizes, icc, seed), icc) for seed in range(1_500)]
    assert np.mean(found) == pytest.approx(truth, rel=0.08)


@pytest.mark.parametrize("icc", [0.0, 0.3, 1.0])
def test_degrees_of_freedom_are_those_of_the_quadratic_form(icc: float) -> None:
    sizes = np.array([1, 33, 5, 17, 2, 28, 9, 12, 21, 3])
    known = clusters.of_sizes(sizes, icc)
    variance, shares = sizes * (1 + (sizes - 1) * icc), sizes / sizes.sum()
    centre = np.eye(10) - np.outer(shares, np.ones(10))
    form = np.diag(known.weights) @ centre @ np.diag(variance) @ centre.T
    assert known.df == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert known.df < 9


def test_intra_cluster_correlation_is_found() -> None:
    found = [
        clusters.describe(s[None, None], labels).icc
        for s, labels in (_draw([1, 5, 9, 20] * 15, 0.3, k) for k in range(200))
    ]
    assert np.mean(found) == pytest.approx(0.3, abs=0.02)
    assert np.isnan(clusters.describe(np.ones((1, 1, 5)), np.arange(5)).icc)


def test_design_effect_of_ten_questions_on_a_passage() -> None:
    assert clusters.design_effect(clusters.of_sizes(np.full(20, 10), 0.3), 0.3) == pytest.approx(1 + 9 * 0.3)


def test_names_of_clusters_may_be_anything_but_must_fit() -> None:
    assert clusters.labels(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    with pytest.raises(DataError, match=r"shape is \(2,\); expected one per item, \(3,\)"):
        clusters.labels([1, 2], 3)


def test_the_coarsest_level_with_enough_clusters_is_taken() -> None:
    items = range(400)
    levels = {
        "item": list(items),
        "passage": [i // 5 for i in items],
        "document": [i // 20 for i in items],
        "half": [i // 200 for i in items],
    }
    assert clusters.coarsest(levels) == "document"
    assert clusters.coarsest(levels, fewest=21) == "passage"
    assert clusters.coarsest({"half": levels["half"]}) is None
