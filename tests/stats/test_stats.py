"""Do the intervals cover, and do the tests keep their level? Simulated studies with a known truth say so."""

from __future__ import annotations

import time
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special, stats

from littlehuman.errors import DataError
from littlehuman.stats import (
    Interval,
    at_most,
    compare,
    difference,
    holm,
    of_items,
    over_seeds,
    relative_change,
    two_level,
)
from littlehuman.stats.crossed import Estimate, estimate

Floats = npt.NDArray[np.float64]
STUDIES = 4_000
BAND = (0.93, 0.97)


def _chance(logit: float, *spreads: float) -> float:
    """Mean probability of a logistic model with normal effects (Gauss-Hermite, 200 nodes)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    spread = np.sqrt(np.square(spreads).sum())
    return float(special.expit(logit + spread * nodes) @ weights / weights.sum())


def _right(
    seed: int, logit: float, seeds: int, items: int, by_seed: float, by_item: float, studies: int = STUDIES
) -> Floats:
    """0/1 scores `[studies, seeds, items]`: some seeds are better, some items are easier."""
    rng = np.random.default_rng(seed)
    better, easier = by_seed * rng.normal(size=(studies, seeds, 1)), by_item * rng.normal(size=(studies, 1, items))
    chances: Floats = special.expit(logit + better + easier)
    return (rng.random((studies, seeds, items)) < chances).astype(float)


def _pair(
    seed: int, gain: float, seeds: int, items: int, by_seed: float, studies: int = STUDIES, by_item: float = 0.7
) -> tuple[Floats, Floats]:
    """0/1 scores of two conditions that share the items' ease and, in part, the seeds' luck."""
    rng = np.random.default_rng(seed)
    shared = 1.5 * rng.normal(size=(studies, 1, items)) + by_seed * rng.normal(size=(studies, seeds, 1))
    both = []
    for logit in (0.8 + gain, 0.8):
        own = by_seed * rng.normal(size=(studies, seeds, 1)) + by_item * rng.normal(size=(studies, 1, items))
        both.append((rng.random((studies, seeds, items)) < special.expit(logit + shared + own)).astype(float))
    return both[0], both[1]


def _pair_chance(gain: float, by_seed: float, by_item: float = 0.7) -> float:
    return _chance(0.8 + gain, 1.5, by_seed, by_seed, by_item)


def _normal(
    seed: int,
    seeds: int,
    items: int,
    by_seed: float,
    by_item: float,
    studies: int = STUDIES,
    centre: float = 0.5,
    noise: float = 0.1,
) -> Floats:
    rng = np.random.default_rng(seed)
    effects = by_seed * rng.normal(size=(studies, seeds, 1)) + by_item * rng.normal(size=(studies, 1, items))
    return np.asarray(centre + effects + noise * rng.normal(size=(studies, seeds, items)))


def _covered(found: Estimate, truth: float) -> float:
    return float((np.abs(found.mean - truth) <= found.quantile(0.975) * found.se).mean())


def _p(found: Estimate) -> Floats:
    return 2 * found.tail(np.abs(found.mean) / found.se)


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _at_or_below(rate: float, level: float, studies: int) -> bool:
    """Not above the level by more than three Monte Carlo standard errors."""
    return rate <= level + 3 * float(np.sqrt(level * (1 - level) / studies))


# One run


@pytest.mark.parametrize(("items", "chance"), [(60, 0.5), (230, 0.8), (1000, 0.93)])
def test_interval_of_one_run_covers_the_true_share_of_right_answers(items: int, chance: float) -> None:
    right = (np.random.default_rng(1).random((1_500, items)) < chance).astype(float)
    rate = np.mean([_holds(of_items(run), chance) for run in right])
    assert BAND[0] <= rate <= BAND[1]


@pytest.mark.parametrize("items", [100, 500])
def test_interval_of_one_run_covers_for_token_f1_with_its_peaks_at_0_and_1(items: int) -> None:
    rng = np.random.default_rng(2)
    peaks = rng.choice([0.0, 1.0, 0.5], (1_500, items), p=[0.3, 0.4, 0.3])
    scores = np.where(peaks == 0.5, rng.beta(2, 2, peaks.shape), peaks)
    rate = np.mean([_holds(of_items(run), 0.55) for run in scores])
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


def test_a_run_that_is_right_everywhere_is_not_known_to_be_perfect() -> None:
    for found in (of_items([1.0] * 50), two_level(np.ones((3, 50)))):
        assert found.high == 1 and found.low == pytest.approx(1 - 3.8415 / 53.8415, abs=1e-4)
    assert of_items([0.5] * 50).half_width > 0.03


def test_scores_stay_inside_0_and_1_but_differences_may_be_negative() -> None:
    near_one = np.where(np.arange(40) < 39, 1.0, 0.4) * np.array([[1.0], [1.0], [0.7]])
    assert two_level(near_one).high == 1 < two_level(near_one, clip=False).high
    assert difference(near_one - near_one, near_one).high < 0


# Seeds and items


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("items", "by_seed", "by_item"),
    [
        (230, 0.1, 2.0),
        (230, 0.2, 1.0),
        (230, 0.4, 2.0),
        (230, 0.8, 1.0),
        (1000, 0.1, 1.0),
        (1000, 0.2, 2.0),
        (1000, 0.4, 1.0),
    ],
)
def test_interval_over_seeds_and_items_covers_for_right_and_wrong_answers(
    seeds: int, items: int, by_seed: float, by_item: float
) -> None:
    studies = STUDIES if items == 230 else 1_500
    scores = _right(3, 0.4, seeds, items, by_seed, by_item, studies)
    assert BAND[0] <= _covered(estimate(scores).of_a_score(), _chance(0.4, by_seed, by_item)) <= BAND[1]


@pytest.mark.parametrize(
    ("seeds", "by_seed", "by_item"), [(3, 0.02, 0.2), (3, 0.05, 0.1), (3, 0.2, 0.1), (5, 0.01, 0.2), (10, 0.02, 0.1)]
)
def test_interval_over_seeds_and_items_covers_for_continuous_scores(seeds: int, by_seed: float, by_item: float) -> None:
    assert BAND[0] <= _covered(estimate(_normal(4, seeds, 230, by_seed, by_item)).of_a_score(), 0.5) <= BAND[1]


@pytest.mark.parametrize("by_item", [0.0, 1.0, 2.0])
def test_where_seeds_make_no_difference_the_interval_is_conservative(by_item: float) -> None:
    """Three seeds cannot show that seeds do not matter: coverage up to 98 % instead of 95 %, 99 % for a difference."""
    found, truth = estimate(_right(5, 0.4, 3, 230, 0.0, by_item)), _chance(0.4, by_item)
    assert 0.95 <= _covered(found.of_a_score(), truth) <= 0.985
    assert 0.95 <= _covered(found, truth) <= 0.995


def test_two_seeds_cover_a_little_too_seldom() -> None:
    rate = _covered(estimate(_normal(6, 2, 230, 0.1, 0.2)).of_a_score(), 0.5)
    assert 0.88 <= rate <= 0.95


def test_pooling_seeds_and_items_as_if_independent_is_a_trap() -> None:
    scores, truth = _right(7, 0.4, 3, 230, 0.4, 1.5), _chance(0.4, 0.4, 1.5)
    pooled = scores.reshape(STUDIES, -1)
    half = 1.96 * pooled.std(-1, ddof=1) / np.sqrt(pooled.shape[-1])
    naive = float((np.abs(pooled.mean(-1) - truth) <= half).mean())
    assert naive < 0.70 and _covered(estimate(scores), truth) >= BAND[0]


def test_seed_means_alone_forget_that_the_items_are_a_draw() -> None:
    scores, truth = _right(8, 0.4, 3, 230, 0.0, 2.0), _chance(0.4, 2.0)
    half = stats.t.ppf(0.975, 2) * scores.mean(-1).std(-1, ddof=1) / np.sqrt(3)
    seeds_only = float((np.abs(scores.mean((-2, -1)) - truth) <= half).mean())
    assert seeds_only < 0.90 and _covered(estimate(scores), truth) >= BAND[0]


def test_one_degree_of_freedom_formula_would_reject_too_often_in_the_tail() -> None:
    """Why two t distributions are mixed: Satterthwaite's single t promises 0.1 % and errs ten times as often."""
    scores = _normal(9, 3, 200, 0.05, 0.1, studies=12_000, centre=0.0)
    found = estimate(scores)
    squares = np.stack([scores.mean(-1).var(-1, ddof=1) / 3, scores.mean(-2).var(-1, ddof=1) / 200])
    df = squares.sum(0) ** 2 / (squares**2 / np.array([[2], [199]])).sum(0)
    single = 2 * special.stdtr(np.maximum(df, 2), -np.abs(found.mean) / np.sqrt(squares.sum(0)))
    assert (single < 0.001).mean() > 0.005
    assert _at_or_below(float((_p(found) < 0.001).mean()), 0.001, 12_000)


def test_the_standard_error_is_the_random_effects_formula_by_hand() -> None:
    table = np.array([[0.9, 0.1, 0.5, 0.7], [0.8, 0.0, 0.6, 0.2], [1.0, 0.3, 0.4, 0.9]])
    grand, rows, columns = table.mean(), table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    of_seeds, of_columns = 4 * ((rows - grand) ** 2).sum() / 2, 3 * ((columns - grand) ** 2).sum() / 3
    residual = ((table - rows - columns + grand) ** 2).sum() / 6
    variance = max(of_seeds + of_columns - residual, of_seeds, of_columns) / 12
    assert two_level(table).se == pytest.approx(np.sqrt(variance))


def test_degrees_of_freedom_reproduce_the_half_width() -> None:
    for scores in _normal(10, 3, 50, 0.03, 0.1, studies=20):
        found = two_level(scores, clip=False)
        assert 2 <= found.df <= 49
        assert found.half_width == pytest.approx(stats.t.ppf(0.975, found.df) * found.se, rel=1e-6)


def test_one_study_alone_and_among_many_is_the_same() -> None:
    scores = _normal(11, 3, 40, 0.03, 0.1, studies=5)
    many = estimate(scores)
    half = many.quantile(0.975) * many.se
    for i, study in enumerate(scores):
        found = two_level(study, clip=False)
        assert (found.value, found.se, found.half_width) == pytest.approx((many.mean[i], many.se[i], half[i]))


def test_one_seed_is_the_interval_over_items() -> None:
    scores = _right(12, 0.4, 1, 80, 0, 1, studies=1)[0]
    assert two_level(scores) == two_level(scores[0]) == of_items(scores[0])
    assert two_level(scores).seeds == 1


def test_a_metric_without_item_scores_has_an_interval_over_its_seeds() -> None:
    draws = np.clip(0.6 + 0.03 * np.random.default_rng(31).normal(size=(1_500, 3)), 0, 1)
    assert BAND[0] <= np.mean([_holds(over_seeds(runs), 0.6) for runs in draws]) <= BAND[1]
    found = over_seeds([0.6, 0.62, 0.7])
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 0.64, stats.sem([0.6, 0.62, 0.7])))
    assert (found.df, found.seeds, found.items) == (2, 3, 0)


@pytest.mark.parametrize("values", [[0.6], [0.6, 0.6, 0.6]])
def test_seeds_that_do_not_vary_give_no_interval_instead_of_one_without_width(values: list[float]) -> None:
    found = over_seeds(values)
    assert found.value == pytest.approx(0.6) and np.isnan([found.low, found.high, found.se, found.df]).all()


def test_fewer_items_than_seeds_still_give_an_interval() -> None:
    found = two_level(_normal(13, 6, 3, 0.05, 0.1, studies=1)[0], clip=False)
    assert 2 <= found.df <= 5
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, found.df) * found.se, rel=1e-6)


def test_one_item_tells_nothing_and_says_so() -> None:
    found = two_level([[0.2], [0.4]])
    assert found.value == pytest.approx(0.3) and all(np.isnan([found.low, found.high, found.se, found.df]))
    told = compare([[0.2], [0.4]], [[0.1], [0.1]])
    assert told.p is None and told.smallest_detectable is None
    assert not at_most([[0.2], [0.4]], [[0.1], [0.1]], 0.5).shown


# Two conditions


@pytest.mark.parametrize(
    ("seeds", "items", "by_seed", "gain"),
    [(3, 230, 0.3, 0.0), (3, 230, 0.5, 0.4), (5, 230, 0.3, 0.4), (3, 1000, 0.2, -0.2)],
)
def test_interval_of_a_difference_covers(seeds: int, items: int, by_seed: float, gain: float) -> None:
    new, base = _pair(14, gain, seeds, items, by_seed, studies=2_000)
    assert BAND[0] <= _covered(estimate(new - base), _pair_chance(gain, by_seed) - _pair_chance(0, by_seed)) <= BAND[1]


def test_interval_of_a_difference_is_conservative_where_seeds_make_no_difference() -> None:
    new, base = _pair(15, 0.4, 3, 230, 0.0, studies=2_000)
    assert 0.95 <= _covered(estimate(new - base), _pair_chance(0.4, 0) - _pair_chance(0, 0)) <= 0.995


@pytest.mark.parametrize(("seeds", "by_seed", "gain"), [(3, 0.3, -0.5), (3, 0.5, 0.3), (5, 0.3, -0.5)])
def test_interval_of_a_relative_change_covers(seeds: int, by_seed: float, gain: float) -> None:
    truth = _pair_chance(gain, by_seed) / _pair_chance(0, by_seed) - 1
    new, base = _pair(16, gain, seeds, 230, by_seed, studies=1_200)
    rate = np.mean([_holds(relative_change(*study), truth) for study in zip(new, base, strict=True)])
    assert BAND[0] <= rate <= BAND[1]


def test_relative_change_of_a_known_pair() -> None:
    base = np.array([[0.5, 0.25, 0.75, 0.5], [0.5, 0.5, 0.75, 0.25], [0.75, 0.25, 0.5, 0.5]])
    found = relative_change(base * 0.8, base)
    assert found.value == pytest.approx(-0.2) and _holds(found, -0.2)
    assert all(np.isnan(astuple(relative_change(base, base * 0))[:5]))


def test_a_condition_against_itself_is_no_proof_that_nothing_can_differ() -> None:
    scores = _right(17, 0.4, 3, 230, 0.2, 1.0, studies=1)[0]
    told = compare(scores, scores)
    assert (told.difference.value, told.p, told.p_items) == (0, 1, 1)
    assert told.difference.half_width == pytest.approx(3.8415 / 233.8415, abs=1e-5)


@pytest.mark.parametrize("by_seed", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("seeds", [3, 5])
def test_p_over_seeds_and_items_keeps_its_level(seeds: int, by_seed: float) -> None:
    new, base = _pair(18, 0.0, seeds, 230, by_seed)
    p = _p(estimate(new - base))
    for level in (0.05, 0.01, 0.001):
        assert _at_or_below(float((p < level).mean()), level, STUDIES), level


def test_p_over_seeds_and_items_keeps_its_level_on_a_large_test_set() -> None:
    p = _p(estimate(_normal(19, 3, 2_000, 0.01, 0.05, studies=2_000, centre=0.0)))
    for level in (0.05, 0.01):
        assert _at_or_below(float((p < level).mean()), level, 2_000), level


def test_p_over_items_keeps_its_level_with_one_seed() -> None:
    new, base = _pair(20, 0.0, 1, 230, 0.0, studies=2_000)
    told = [compare(*study) for study in zip(new, base, strict=True)]
    assert {(t.items_test, t.p) for t in told} == {("exact McNemar test", None)}
    rate = float(np.mean([t.p_items < 0.05 for t in told]))
    assert rate > 0.02 and _at_or_below(rate, 0.05, 2_000)


def test_p_over_items_keeps_its_level_for_given_models() -> None:
    new, base = _pair(21, 0.0, 3, 230, 0.0, studies=1_500)
    told = [compare(*study) for study in zip(new, base, strict=True)]
    assert {t.items_test for t in told} == {"paired permutation test"}
    rate = float(np.mean([t.p_items < 0.05 for t in told]))
    assert rate > 0.03 and _at_or_below(rate, 0.05, 1_500)


def test_p_over_items_speaks_of_these_models_only() -> None:
    """Seeds that differ by luck look like a difference to the test over items, and not to the one over seeds."""
    new, base = _pair(22, 0.0, 3, 230, 0.4, studies=500)
    told = [compare(*study) for study in zip(new, base, strict=True)]
    assert np.mean([t.p_items < 0.05 for t in told]) > 0.25
    assert _at_or_below(float(np.mean([t.p is not None and t.p < 0.05 for t in told])), 0.05, 500)


def test_mcnemar_counts_only_items_on_which_two_runs_disagree() -> None:
    new, base = np.zeros(100), np.zeros(100)
    new[:9], base[9:11], new[50:], base[50:] = 1, 1, 1, 1
    assert compare(new, base).p_items == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert compare(new, new).p_items == 1


def test_permutation_test_agrees_with_all_sign_flips() -> None:
    change = np.array([0.3, 0.2, -0.1, 0.25, 0.4, 0.0, 0.15, -0.05, 0.35, 0.1])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 10)).reshape(10, -1)
    exact = float((np.abs(change @ flips) >= abs(change.sum()) - 1e-9).mean())
    told = compare(0.5 + change, np.full(10, 0.5), resamples=49_999)
    assert told.p_items == pytest.approx(exact, abs=0.003)


def test_permutation_test_agrees_with_scipy_on_more_items_than_one_block() -> None:
    new, base = np.random.default_rng(23).beta(2, 2, (2, 3, 300))
    new = np.minimum(new + 0.02, 1)
    change = (new - base).mean(0)
    library = stats.permutation_test(
        (change,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        n_resamples=4_999,
        vectorized=True,
        rng=1,
        batch=500,
    )
    assert compare(new, base).p_items == pytest.approx(library.pvalue, abs=0.03)


def test_permutation_counts_ties_of_rounded_scores_as_ties() -> None:
    """Thirds do not add up exactly: a sum that is as far out must count as being as far out."""
    change = np.array([1 / 3, 1 / 3, 1 / 3, 2 / 3, -1 / 3, 1 / 3])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    exact = float((np.abs(np.rint(3 * change @ flips)) >= round(3 * change.sum())).mean())
    assert compare(np.maximum(change, 0), np.maximum(-change, 0), resamples=49_999).p_items == pytest.approx(
        exact, abs=0.005
    )


def test_interval_and_p_never_contradict_each_other() -> None:
    new, base = _pair(24, 0.5, 3, 100, 0.3, studies=200)
    for study in zip(new, base, strict=True):
        told = compare(*study)
        assert told.p is not None and (told.p < 0.05) == (not _holds(told.difference, 0))
        assert told.difference == difference(*study)


@pytest.mark.parametrize(
    ("seeds", "by_seed", "by_item"), [(1, 0.0, 0.1), (3, 0.0, 0.2), (3, 0.1, 0.02), (5, 0.01, 0.2), (10, 0.03, 0.1)]
)
def test_the_smallest_detectable_difference_is_detected_in_80_percent(
    seeds: int, by_seed: float, by_item: float
) -> None:
    """At the root mean square of the answers: single answers scatter as the standard errors do, most with few seeds."""
    null = np.clip(_normal(25, seeds, 230, by_seed, by_item, studies=300), 0, 1)
    answers = [compare(study, np.full(study.shape, 0.5)).smallest_detectable for study in null]
    effect = float(np.sqrt(np.mean([value**2 for value in answers if value is not None])))
    found = estimate(_normal(26, seeds, 230, by_seed, by_item, centre=effect))
    power = float((_p(found) < 0.05).mean())
    assert 0.72 <= power <= 0.88


@pytest.mark.parametrize(
    ("seeds", "by_seed", "gain"), [(1, 0.0, -0.3), (3, 0.0, -0.3), (3, 0.3, -0.3), (3, 1.0, -0.5), (5, 0.3, -0.3)]
)
def test_a_loss_of_exactly_the_margin_is_seldom_called_less(seeds: int, by_seed: float, gain: float) -> None:
    margin = _pair_chance(0, by_seed) - _pair_chance(gain, by_seed)
    new, base = _pair(27, gain, seeds, 230, by_seed, studies=2_000)
    told = [at_most(*study, margin) for study in zip(new, base, strict=True)]
    assert _at_or_below(float(np.mean([t.shown for t in told])), 0.05, 2_000)
    assert _at_or_below(float(np.mean([t.p_equivalent < 0.05 for t in told])), 0.05, 2_000)


def test_no_loss_at_all_is_shown_to_be_below_a_margin_that_the_study_can_see() -> None:
    new, base = _pair(28, 0.0, 3, 1000, 0.05, studies=100)
    assert np.mean([at_most(*study, 0.08).shown for study in zip(new, base, strict=True)]) > 0.9


def test_a_large_gain_is_no_loss_but_not_equivalent() -> None:
    base = _right(29, 0.0, 3, 230, 0.1, 1.0, studies=1)[0]
    told = at_most(np.maximum(base, np.arange(230) % 2), base, 0.03)
    assert told.shown and told.p < 0.05 and told.p_equivalent > 0.9


@pytest.mark.parametrize("delta", [0.0, -0.01, float("nan")])
def test_a_margin_of_nothing_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        at_most([1, 0, 1], [1, 0, 0], delta)


def test_holm_against_the_sum_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([None, 0.5]) == [None, 0.5] and holm([]) == [] and holm([None]) == [None]


# What can not be scores


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ([[0.5, float("nan")]], "seed row 0, item 1 .* not a number"),
        ([[0.5, 0.5], [0.5, 55.0]], r"seed row 1, item 1 .* is 55, outside 0\.\.1"),
        ([], r"shape is \(1, 0\)"),
        (np.zeros((2, 2, 2)), r"expected \[seeds, items\]"),
    ],
)
def test_what_is_no_score_is_named(scores: npt.ArrayLike, text: str) -> None:
    with pytest.raises(DataError, match=text):
        two_level(scores)
    with pytest.raises(DataError, match="new scores.*" + text):
        compare(scores, scores)


def test_conditions_on_other_items_are_not_compared() -> None:
    for asked in (compare, difference, relative_change):
        with pytest.raises(DataError, match=r"new scores have the shape \(3, 10\), base scores \(3, 11\)"):
            asked(np.ones((3, 10)), np.ones((3, 11)))
    with pytest.raises(DataError, match="one row, not 3"):
        of_items(np.ones((3, 10)))


def test_a_report_of_two_thousand_comparisons_takes_seconds() -> None:
    new, base = _pair(30, 0.2, 3, 230, 0.1, studies=1)
    compare(new[0], base[0])
    start = time.perf_counter()
    for _ in range(100):
        compare(new[0], base[0])
    assert time.perf_counter() - start < 1.0  # 0.06 s where this was written
