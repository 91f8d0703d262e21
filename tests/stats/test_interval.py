"""The intervals that need no model cover: of the scores of one run, and of a metric over its seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from littlehuman.errors import DataError
from littlehuman.stats import of_items, over_seeds

BAND = (0.93, 0.97)


@pytest.mark.parametrize(
    ("items", "chance"),
    [(60, 0.5), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((230, 0.8), (1000, 0.93)))],
)
def test_interval_of_one_run_covers_the_true_share_of_right_answers(items: int, chance: float) -> None:
    right = (np.random.default_rng(1).random((1_500, items)) < chance).astype(float)
    rate = np.mean([of_items(run).holds(chance) for run in right])
    assert BAND[0] <= rate <= BAND[1]


@pytest.mark.parametrize("items", [100, 500])
def test_interval_of_one_run_covers_for_token_f1_with_its_peaks_at_0_and_1(items: int) -> None:
    rng = np.random.default_rng(2)
    peaks = rng.choice([0.0, 1.0, 0.5], (1_500, items), p=[0.3, 0.4, 0.3])
    scores = np.where(peaks == 0.5, rng.beta(2, 2, peaks.shape), peaks)
    rate = np.mean([of_items(run).holds(0.55) for run in scores])
    assert BAND[0] <= rate <= BAND[1]


def test_one_run_of_0_and_1_has_wilsons_interval_by_hand() -> None:
    z2, n, share = stats.norm.ppf(0.975) ** 2, 20, 0.7
    centre, half = (
        (share + z2 / (2 * n)) / (1 + z2 / n),
        np.sqrt(z2 * share * (1 - share) / n + z2**2 / (4 * n**2)) / (1 + z2 / n),
    )
    found = of_items([1] * 14 + [0] * 6)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert (found.value, found.half_width, found.seeds, found.items) == pytest.approx((0.7, half, 1, 20))


def test_one_run_of_scores_between_0_and_1_has_students_interval_inside_0_and_1() -> None:
    scores = [0.2, 0.4, 0.5, 0.9, 1.0, 0.3]
    found = of_items(scores)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, np.mean(scores), stats.sem(scores)))
    assert (found.se, found.df, found.items) == (pytest.approx(stats.sem(scores)), 5, 6)
    near_one = of_items([1.0, 1.0, 0.7])
    assert near_one.high == 1 and near_one.low == pytest.approx(0.9 - stats.t.ppf(0.975, 2) * near_one.se)


def test_a_run_that_is_right_everywhere_is_not_known_to_be_perfect() -> None:
    found = of_items([1.0] * 50)
    assert found.high == 1 and found.low == pytest.approx(1 - 3.8415 / 53.8415, abs=1e-4)
    assert of_items([0.5] * 50).half_width == pytest.approx(3.8415 / 53.8415, abs=1e-4)


def test_one_item_tells_nothing_and_says_so() -> None:
    found = of_items([0.3])
    assert found.value == 0.3 and np.isnan([found.low, found.high, found.se, found.df]).all()


def test_a_metric_without_item_scores_has_an_interval_over_its_seeds() -> None:
    draws = np.clip(0.6 + 0.03 * np.random.default_rng(31).normal(size=(1_500, 3)), 0, 1)
    assert BAND[0] <= np.mean([over_seeds(runs).holds(0.6) for runs in draws]) <= BAND[1]
    found = over_seeds([0.6, 0.62, 0.7])
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 0.64, stats.sem([0.6, 0.62, 0.7])))
    assert (found.df, found.seeds, found.items) == (2, 3, 0)


@pytest.mark.parametrize("values", [[0.6], [0.6, 0.6, 0.6]])
def test_seeds_that_do_not_vary_give_no_interval_instead_of_one_without_width(values: list[float]) -> None:
    found = over_seeds(values)
    assert found.value == pytest.approx(0.6) and np.isnan([found.low, found.high, found.se, found.df]).all()


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ([0.5, float("nan")], r"number 1 \(from 0\) is nan, not a number"),
        ([0.5, 55.0], r"number 1 \(from 0\) is 55, outside 0\.\.1"),
        ([], r"shape is \(0,\)"),
        (np.ones((3, 10)), "expected one row"),
    ],
)
def test_what_is_no_score_is_named(scores: npt.ArrayLike, text: str) -> None:
    with pytest.raises(DataError, match=f"^scores: .*{text}"):
        of_items(scores)
    with pytest.raises(DataError, match=f"^values over seeds: .*{text}"):
        over_seeds(scores)
