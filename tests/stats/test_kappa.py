"""Cohen's kappa: its value, its interval against the textbook's, and how often the interval holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from littlehuman.errors import DataError
from littlehuman.stats.kappa import cohens_kappa

TWO = np.array([[0.3, 0.1], [0.12, 0.48]])
THREE = np.array([[0.2, 0.05, 0.05], [0.1, 0.2, 0.1], [0.02, 0.08, 0.2]])


def _labels(joint: np.ndarray, items: int, generator: np.random.Generator) -> tuple[list[str], list[str]]:
    drawn = generator.choice(joint.size, items, p=joint.ravel() / joint.sum())
    return [str(x) for x in drawn // len(joint)], [str(x) for x in drawn % len(joint)]


def _true(joint: np.ndarray) -> float:
    expected = float((joint.sum(0) * joint.sum(1)).sum())
    return (float(np.trace(joint)) - expected) / (1 - expected)


def _textbook(first: list[str], second: list[str]) -> tuple[float, float]:
    """Kappa and its asymptotic standard error (Fleiss, Cohen and Everitt 1969), by statsmodels."""
    from statsmodels.stats import inter_rater

    names, pairs = sorted({*first, *second}), list(zip(first, second, strict=True))
    found = inter_rater.cohens_kappa(np.array([[pairs.count((a, b)) for b in names] for a in names]))
    return float(found.kappa), math.sqrt(float(found.var_kappa))


@pytest.mark.parametrize("joint", [TWO, THREE], ids=["two classes", "three classes"])
def test_value_and_standard_error_are_the_textbooks_in_a_large_sample(joint: np.ndarray) -> None:
    labels = _labels(joint, 4000, np.random.default_rng(1))
    found, (kappa, error) = cohens_kappa(*labels), _textbook(*labels)
    assert found.value == pytest.approx(kappa)
    assert found.se == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize(("joint", "items"), [(TWO, 100), (THREE, 150)], ids=["two classes", "three classes"])
def test_the_interval_holds_the_true_value_in_about_95_of_100_samples(joint: np.ndarray, items: int) -> None:
    generator = np.random.default_rng(2)
    held = [cohens_kappa(*_labels(joint, items, generator)).holds(_true(joint)) for _ in range(400)]
    assert 0.92 <= np.mean(held) <= 0.98  # 95 % +- 3 standard errors of 400 draws


def test_points_on_one_text_are_no_independent_points() -> None:
    generator, truth = np.random.default_rng(3), 2 * (2 / 3) - 1
    robust, naive = [], []
    for _ in range(200):
        right = generator.random((40, 5)) < generator.beta(2, 1, 40)[:, None]
        human = generator.integers(0, 2, (40, 5))
        pair = [[str(x) for x in labels.ravel()] for labels in (human, np.where(right, human, 1 - human))]
        robust.append(cohens_kappa(*pair, np.repeat(np.arange(40), 5).tolist()).holds(truth))
        naive.append(cohens_kappa(*pair).holds(truth))
    assert np.mean(robust) > 0.91 > 0.89 > np.mean(naive)


def test_a_labeller_that_says_one_thing_agrees_by_chance_alone() -> None:
    found = cohens_kappa(["a", "b"] * 20, ["a"] * 40)
    assert found.value == 0 and found.holds(0)


def test_full_agreement_of_a_few_points_is_no_certainty() -> None:
    few, many = (cohens_kappa(["a", "b"] * n, ["a", "b"] * n) for n in (5, 500))
    assert few.value == many.value == 1 and few.high == 1
    assert few.low < 0.5 < 0.98 < many.low


def test_kappa_does_not_exist_where_both_say_one_class_throughout() -> None:
    assert not cohens_kappa(["a"] * 9, ["a"] * 9).known
    assert math.isnan(cohens_kappa(["a"] * 9, ["a"] * 9).value)


def test_one_class_but_for_one_point_gives_a_number() -> None:
    found = cohens_kappa(["a"] * 9 + ["b"], ["a"] * 9 + ["b"])
    assert found.value == 1 and -1 <= found.low < 1


def test_labels_that_do_not_belong_together_are_an_error() -> None:
    with pytest.raises(DataError, match="2 labels and 1"):
        cohens_kappa(["a", "b"], ["a"])
