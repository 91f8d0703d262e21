"""The family of comparisons with one base."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from littlehuman.stats.multiplicity import family_p, local_level


def test_one_comparison_needs_no_adjustment() -> None:
    assert local_level(0.05, np.array([0.7])) == 0.05
    assert family_p(np.array([0.03]), np.array([0.7])) == pytest.approx(0.03)


def test_critical_value_agrees_with_dunnetts_table() -> None:
    """Five comparisons, correlation 1/2, endless degrees of freedom: 2.51 (Dunnett 1964, Biometrics 20)."""
    level = float(local_level(0.05, np.full(5, np.sqrt(0.5))))
    assert stats.norm.isf(level / 2) == pytest.approx(2.51, abs=0.005)


@pytest.mark.parametrize("loadings", [[0.0, 0.0, 0.0], [0.7, 0.3, 0.9, 0.5]])
def test_no_comparison_is_beyond_its_limit_in_95_percent_of_draws(loadings: list[float]) -> None:
    shared = np.array(loadings)
    rng = np.random.default_rng(1)
    z = shared * rng.standard_normal((200_000, 1)) + np.sqrt(1 - shared**2) * rng.standard_normal(
        (200_000, len(shared))
    )
    limit = stats.norm.isf(float(local_level(0.05, shared)) / 2)
    assert (np.abs(z) > limit).any(1).mean() == pytest.approx(0.05, abs=0.0015)


def test_independent_comparisons_are_sidaks() -> None:
    assert local_level(0.05, np.zeros(6)) == pytest.approx(1 - 0.95 ** (1 / 6), rel=1e-6)


def test_comparisons_that_all_hang_on_the_base_are_nearly_one() -> None:
    assert float(local_level(0.05, np.full(8, 1.0))) > 0.015


def test_adjusted_p_is_alpha_at_the_local_level() -> None:
    loadings = np.random.default_rng(2).random((50, 7))
    for alpha in (0.05, 0.01, 0.0175):
        local = local_level(alpha, loadings)
        assert family_p(np.repeat(local[:, None], 7, 1), loadings) == pytest.approx(alpha, rel=1e-6)


def test_adjusted_p_lies_between_the_single_and_bonferronis() -> None:
    single = np.array([0.001, 0.02, 0.4])
    adjusted = family_p(single, np.array([0.6, 0.7, 0.8]))
    assert (adjusted >= single).all() and (adjusted <= np.minimum(3 * single, 1) + 1e-9).all()
