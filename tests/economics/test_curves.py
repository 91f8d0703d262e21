"""The curve of scores over synthetic points: three shapes, told apart by AICc."""

from __future__ import annotations

import math

import numpy as np
import pytest

from littlehuman.economics import curves
from littlehuman.economics.curves import Array, Failed, Fitted

SIZES = np.arange(1000.0, 20001.0, 1000.0)


def _noise(sd: float, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, sd, len(SIZES))


def _fits(scores: Array, sizes: Array = SIZES) -> dict[str, Fitted | Failed]:
    return {fit.name: fit for fit in curves.compare(sizes, scores)}


def _fitted(fit: Fitted | Failed) -> Fitted:
    assert isinstance(fit, Fitted), fit
    return fit


def test_the_log_curve_is_that_of_ordinary_least_squares() -> None:
    scores = 0.3 + 0.05 * np.log(SIZES) + _noise(0.01)
    fit = curves.log_curve(SIZES, scores)
    (a1, a0), ((variance, _), _) = np.polyfit(np.log(SIZES), scores, 1, cov=True)
    assert fit.parameters == pytest.approx({"a0": a0, "a1": a1})
    assert fit.residual_sd == pytest.approx(math.sqrt(np.sum((scores - a0 - a1 * np.log(SIZES)) ** 2) / 18))
    assert fit.residual_sd is not None
    assert fit.residual_sd**2 / curves.spread(SIZES) == pytest.approx(variance)


@pytest.mark.parametrize(
    ("name", "scores", "parameters"),
    [
        ("power", 0.8 - 3 * SIZES**-0.4, {"c": 0.8, "a": 3.0, "b": 0.4}),
        ("saturating", 0.8 - 0.4 * np.exp(-SIZES / 3000), {"c": 0.8, "a": 0.4, "b": 3000.0}),
    ],
)
def test_curves_that_level_off_are_found_again(name: str, scores: Array, parameters: dict[str, float]) -> None:
    assert _fitted(_fits(scores)[name]).parameters == pytest.approx(parameters, rel=1e-3)


@pytest.mark.parametrize(
    ("truth", "scores"),
    [
        ("log", 0.3 + 0.05 * np.log(SIZES)),
        ("power", 0.8 - 40 * SIZES**-0.8),
        ("saturating", 0.8 - 0.4 * np.exp(-SIZES / 3000)),
    ],
)
def test_the_curve_that_made_the_data_has_most_weight(truth: str, scores: Array) -> None:
    found = curves.compare(SIZES, scores + _noise(0.002))
    weights = {fit.name: fit.weight for fit in found if isinstance(fit, Fitted) and fit.weight is not None}
    assert max(weights, key=lambda name: weights[name]) == truth
    assert sum(weights.values()) == pytest.approx(1)
    levelling = curves.levelling_off(found)
    assert (levelling.name if levelling else "log") == truth


def test_aicc_counts_parameters_and_variance() -> None:
    scores = 0.8 - 0.4 * np.exp(-SIZES / 3000) + _noise(0.01)
    found = _fits(scores)
    for name, k in (("log", 3), ("saturating", 4)):
        fit, n = _fitted(found[name]), len(SIZES)
        rss = float(np.sum((scores - fit.predict(SIZES)) ** 2))
        assert fit.aicc == pytest.approx(n * math.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def test_too_few_runs_have_no_aicc_and_no_weight_and_too_few_sizes_no_curve_that_levels_off() -> None:
    few = SIZES[:5]
    found = curves.compare(few, 0.8 - 0.4 * np.exp(-few / 3000))
    assert any(isinstance(fit, Fitted) and fit.aicc is None for fit in found)
    assert all(fit.weight is None for fit in found if isinstance(fit, Fitted))
    three = _fits(np.array([0.5, 0.55, 0.6]), SIZES[:3])
    assert three["power"] == Failed("power", "needs 4 different sizes, there are 3")
    two = curves.log_curve(SIZES[:2], np.array([0.5, 0.6]))
    assert two.residual_sd is None and curves.p_rising(two, SIZES[:2]) is None


def test_noise_free_and_constant_scores_do_not_crash() -> None:
    for scores in (0.3 + 0.05 * np.log(SIZES), np.full(20, 0.5), np.zeros(20)):
        found = _fits(scores)
        log = _fitted(found["log"])
        assert log.aicc is not None and math.isfinite(log.aicc)
        assert log.residual_sd == pytest.approx(0, abs=1e-9)
    assert curves.p_rising(curves.log_curve(SIZES, np.full(20, 0.7)), SIZES) == pytest.approx(0.5)


def test_a_shape_that_the_data_does_not_show_is_failed_with_a_reason() -> None:
    power = _fits(0.3 + 0.05 * np.log(SIZES))["power"]
    assert isinstance(power, Failed) and "no bend of this shape" in power.reason


@pytest.mark.parametrize(
    "scores", [0.3 + 0.05 * np.log(SIZES), 0.8 - 3 * SIZES**-0.4, 0.8 - 0.4 * np.exp(-SIZES / 3000)]
)
def test_inverse_undoes_predict(scores: Array) -> None:
    for fit in curves.compare(SIZES, scores + _noise(0.002)):
        if isinstance(fit, Fitted):
            assert fit.inverse(fit.predict(5000.0)) == pytest.approx(5000)
            assert fit.inverse(fit.predict(SIZES)) == pytest.approx(SIZES)


def test_no_size_reaches_a_score_beyond_the_ceiling() -> None:
    found = _fits(0.8 - 0.4 * np.exp(-SIZES / 3000) + _noise(0.002))
    for name in ("power", "saturating"):
        fit = _fitted(found[name])
        assert fit.ceiling is not None
        assert fit.inverse(fit.ceiling + 0.01) == math.inf
        assert list(fit.inverse(np.array([fit.ceiling, 2.0]))) == [math.inf, math.inf]
    assert _fitted(found["saturating"]).inverse(-1.0) == 0


def test_a_falling_curve_has_no_ceiling_and_does_not_level_off_upwards() -> None:
    found = curves.compare(SIZES, 0.6 + 0.2 * np.exp(-SIZES / 3000) + _noise(0.002))
    assert curves.levelling_off(found) is None
    assert (curves.p_rising(_fitted(found[0]), SIZES) or 0) > 0.99
