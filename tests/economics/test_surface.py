"""The score over human and synthetic points: the right shape is found, and intervals hold what they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from littlehuman.economics import surface
from littlehuman.economics.surface_shapes import Array
from littlehuman.errors import DataError

Truth = Callable[[Array, Array], Array]

TRUTHS: dict[str, Truth] = {
    "exchange": lambda s, h: 0.2 + 0.06 * np.log(np.maximum(s + 20 * h, 1)),
    "separate": lambda s, h: 0.3 + 0.03 * np.log1p(s) + 0.03 * np.log1p(h),
    "substitutes": lambda s, h: 0.2 + 0.05 * np.log1p(s) + 0.07 * np.log1p(h) - 0.006 * np.log1p(s) * np.log1p(h),
}


def grid(
    synthetic: tuple[int, ...] = (0, 500, 1000, 3000, 8000), human: tuple[int, ...] = (0, 50, 200, 500)
) -> tuple[Array, Array]:
    """Every pair but none of both: [n], [n]."""
    pairs = [(s, h) for s in synthetic for h in human if s + h > 0]
    s, h = np.array(pairs, dtype=np.float64).T
    return s, h


def noisy(truth: Truth, s: Array, h: Array, sd: float, seed: int = 0) -> Array:
    return truth(s, h) + sd * np.random.default_rng(seed).normal(size=len(s))


@pytest.mark.parametrize("name", TRUTHS)
def test_the_shape_that_made_the_scores_is_found_with_its_parameters(name: str) -> None:
    s, h = grid()
    exact, scattered = (surface.fit(s, h, noisy(TRUTHS[name], s, h, sd)) for sd in (0.0, 0.004))
    assert exact.name == scattered.name == name
    expected = {"exchange": {"a0": 0.2, "a1": 0.06, "k": 20}, "separate": {"b0": 0.3, "b1": 0.03, "b2": 0.03}}
    known = expected.get(name, {"b0": 0.2, "b1": 0.05, "b2": 0.07, "b3": -0.006})
    assert exact.chosen.parameters == pytest.approx(known, rel=1e-5)
    assert scattered.chosen.parameters == pytest.approx(known, rel=0.25)
    assert scattered.residual_sd == pytest.approx(0.004, rel=0.5)
    assert sum(c.weight or 0 for c in scattered.candidates) == pytest.approx(1)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_95_percent_interval_holds_the_true_score_in_about_95_percent_of_studies(name: str) -> None:
    s, h = grid()
    truth = TRUTHS[name]
    places = np.array([[0, 400], [3000, 100], [16000, 1000], [8000, 0]], dtype=np.float64).T
    true, hits = truth(*places), []
    for study in range(100):
        draws = surface.fit(s, h, noisy(truth, s, h, 0.02, study)).draws.score(*places)
        low, high = np.quantile(draws, [0.025, 0.975], axis=1)
        hits.append((low <= true) & (true <= high))
    # 100 studies: a standard error of 2 % per place, and places of one study go together
    assert 0.90 <= np.mean(hits) <= 0.99
    assert np.mean(hits, axis=0).min() >= 0.86


def test_an_interval_carries_the_doubt_about_the_shape() -> None:
    s, h = grid((1000, 2000, 4000), (0, 200))
    y = noisy(TRUTHS["exchange"], s, h, 0.02, 3)
    fitted = surface.fit(np.tile(s, 2), np.tile(h, 2), np.concatenate([y, noisy(TRUTHS["exchange"], s, h, 0.02, 4)]))
    exchanges = np.mean(~np.isnan(fitted.draws.rate))
    assert 0.02 < exchanges < 0.98  # the draws do not all take the same shape
    inside, outside = fitted.estimate(2000, 200), fitted.estimate(8000, 400)
    assert outside.width > 1.5 * inside.width


def test_draws_are_the_same_ones_for_every_mixture_and_every_call() -> None:
    s, h = grid()
    y = noisy(TRUTHS["separate"], s, h, 0.02)
    first, second = surface.fit(s, h, y), surface.fit(s, h, y)
    assert np.array_equal(first.draws.coefficients, second.draws.coefficients)
    near = first.draws.score(np.array([3000.0, 3100.0]), np.array([100.0, 100.0]))
    assert np.std(near[1] - near[0]) < 0.05 * np.std(near[0])


@pytest.mark.parametrize("name", TRUTHS)
def test_the_fewest_synthetic_points_for_a_score_give_that_score(name: str) -> None:
    s, h = grid()
    fitted = surface.fit(s, h, noisy(TRUTHS[name], s, h, 0.0))
    human = np.array([0.0, 30.0, 100.0])
    needed = fitted.best.least_synthetic(human, np.zeros(3), 0.7)[:, 0]
    assert np.all(needed > 0)
    assert TRUTHS[name](needed, human) == pytest.approx([0.7] * 3, abs=1e-5)
    already = fitted.best.least_synthetic(human, np.full(3, 400.0), 0.3)[:, 0]
    assert np.all(already == 400)


def test_a_score_that_synthetic_points_only_lower_is_reached_with_the_fewest_or_never() -> None:
    s, h = grid()
    fitted = surface.fit(s, h, 0.4 - 0.01 * np.log1p(s) + 0.05 * np.log1p(h))
    needed = fitted.best.least_synthetic(np.array([500.0, 20.0]), np.zeros(2), 0.6)[:, 0]
    assert needed[0] == 0 and np.isinf(needed[1])


def test_a_shape_that_the_runs_cannot_identify_is_left_out_with_the_reason() -> None:
    s, h = grid((0, 1000, 4000), (0, 100, 300))
    alone = (s == 0) | (h == 0)
    s, h = np.tile(s[alone], 2), np.tile(h[alone], 2)
    reasons = {c.name: c.left_out for c in surface.fit(s, h, noisy(TRUTHS["separate"], s, h, 0.01)).candidates}
    assert reasons["separate"] == ""
    assert reasons["substitutes"] == "no run has both human and synthetic points"
    six = slice(0, 6)
    s, h = grid()
    reasons = {
        c.name: c.left_out
        for c in surface.fit(s[six], h[six], noisy(TRUTHS["separate"], s[six], h[six], 0.01)).candidates
    }
    assert reasons["substitutes"] == "needs 7 runs, there are 6"


def test_runs_that_identify_nothing_are_refused_shape_by_shape() -> None:
    with pytest.raises(DataError) as caught:
        surface.fit(np.arange(1000.0, 9000, 1000), np.zeros(8), np.linspace(0.5, 0.6, 8))
    assert "separate: a term does not vary between the runs" in str(caught.value)
    assert "exchange: a term does not vary" in str(caught.value)


def test_equal_scores_give_a_flat_surface_and_no_crash() -> None:
    s, h = grid()
    fitted = surface.fit(s, h, np.full(len(s), 0.5))
    assert fitted.estimate(8000, 500).value == pytest.approx(0.5)
    assert fitted.estimate(8000, 500).width == pytest.approx(0, abs=1e-6)
