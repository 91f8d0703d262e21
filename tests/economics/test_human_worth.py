"""What a human point is worth at N.

Intervals hold the truth, nothing is named where nothing is, and verdicts follow from intervals.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.simulate import economics
from benchmarks.simulate import price_truths as truths
from benchmarks.simulate.economics import Setting
from littlehuman.economics.human_worth import HumanWorth, worth_draws
from littlehuman.economics.paper_equivalent import paper_equivalent
from littlehuman.economics.price_verdict import Buy, price_verdict
from littlehuman.economics.reasons import Kind
from littlehuman.economics.study_model import StudyModel
from littlehuman.errors import ConfigError, DataError
from littlehuman.stats.interval import Interval

STUDIES = 60


@cache
def study(
    truth: str, seeds: int = 3, layout: str = "20 sizes", sds: tuple[float, float, float] = (1.0, 0.5, 0.5)
) -> StudyModel:
    s, h, seed = truths.LAYOUTS[layout].runs(seeds)
    rng = np.random.default_rng(11)
    y = truths.scores(truths.PRICE[truth], truths.LAYOUTS[layout], seeds, sds, 1, rng)[:, 0]
    return StudyModel(s, h, y, seed)


@pytest.mark.parametrize(
    "truth",
    [
        *("log", "constant lift", "falling"),
        *(pytest.param(truth, marks=pytest.mark.slow) for truth in ("power", "saturating", "a little of both")),
    ],
)
def test_the_interval_holds_the_worth_and_confident_verdicts_are_right(truth: str) -> None:
    row = economics.price(Setting(truth, "20 sizes", 3, (1.0, 0.5, 0.5)), STUDIES, draws=400)
    # 60 studies: below these a coverage of 0.92 and 5 % wrong verdicts are hardly possible (p < 0.001)
    assert row.covered >= 0.80
    assert row.wrong <= 0.17


def test_a_curve_that_falls_has_no_number_and_human_points_win_at_any_price() -> None:
    model = study("falling")
    worth = model.worth()
    assert worth.worth.value == np.inf and worth.unmatched
    assert Kind.DOES_NOT_RISE in {reason.kind for reason in worth.reasons}
    assert {model.price(price, 1.0).buy for price in (1.0, 1e6)} == {Buy.HUMAN}


def test_a_curve_that_levels_off_below_the_human_points_has_a_lower_end_only() -> None:
    worth = study("saturating, lift", 5, sds=(0.5, 0.2, 0.2)).worth()
    assert worth.worth.value == np.inf and worth.worth.high == np.inf
    assert 0 < worth.worth.low < np.inf
    levelling = next(reason for reason in worth.reasons if reason.kind is Kind.LEVELS_OFF)
    assert levelling.parts["ceiling"] == pytest.approx(85, abs=1)


def test_where_neither_kind_helps_nothing_is_claimed() -> None:
    s, h, seed = truths.LAYOUTS["20 sizes"].runs(3)
    model = StudyModel(s, h, 70 + np.random.default_rng(0).normal(size=len(s)), seed)
    worth = model.worth()
    assert worth.worth.low == -np.inf and worth.worth.high == np.inf and not worth.unmatched
    assert Kind.NEITHER_SHOWN in {reason.kind for reason in worth.reasons}
    assert {model.price(price, 1.0).buy for price in (0.1, 10.0, 1e4)} == {Buy.NOT_KNOWN}


def test_under_a_constant_lift_the_worth_grows_with_the_synthetic_points_at_hand() -> None:
    model = study("constant lift", sds=(0.3, 0.1, 0.1))
    n = np.geomspace(1000, 20_000, 25)
    middle, low, high = worth_draws(model.response, n, 200).limits()
    true = np.array([truths.worth(truths.PRICE["constant lift"], x) for x in n])
    assert np.mean((low <= true) & (true <= high)) > 0.9
    assert middle[-1] > 5 * middle[0]


def test_at_takes_the_largest_size_by_default_and_refuses_sizes_outside_the_study() -> None:
    model = study("log")
    assert model.worth().n == 20000
    assert model.worth(at=5000).n == 5000
    with pytest.raises(ConfigError, match="--at 20000"):
        model.worth(at=50_000)
    with pytest.raises(ConfigError, match="--at 1000"):
        model.worth(at=10)


def test_a_replacement_study_is_refused_with_the_reason_and_two_cells() -> None:
    s, h, seed = truths.replacement(500).runs(3)
    model = StudyModel(s, h, 50 + np.random.default_rng(0).normal(size=len(s)), seed)
    with pytest.raises(DataError, match="every run has 500 points in all.*\n.*n_synthetic=.* and n_synthetic="):
        model.price(1, 0.1)


@pytest.mark.parametrize(
    ("low", "high", "human_price", "buy"),
    [
        (10.0, 30.0, 9.0, Buy.HUMAN),
        (10.0, 30.0, 20.0, Buy.NOT_KNOWN),
        (10.0, 30.0, 31.0, Buy.SYNTHETIC),
        (10.0, np.inf, 1e6, Buy.NOT_KNOWN),
        (-5.0, 2.0, 3.0, Buy.SYNTHETIC),
        (-np.inf, np.inf, 3.0, Buy.NOT_KNOWN),
    ],
)
def test_the_verdict_is_read_off_the_interval(low: float, high: float, human_price: float, buy: Buy) -> None:
    worth = HumanWorth(1000, 50, Interval(20.0, low, high), Interval(1.0, 0.5, 1.5), 2.0, ())
    verdict = price_verdict(worth, human_price, 1.0)
    assert verdict.buy is buy
    assert (Kind.PRICE_IN_INTERVAL in {reason.kind for reason in verdict.reasons}) == (buy is Buy.NOT_KNOWN)
    assert price_verdict(worth, 2 * human_price, 2.0).buy is buy  # only the ratio counts
    assert price_verdict(worth, 1.0, 2.0).break_even.value == 40.0


def test_one_and_two_seeds_and_unknown_ones_are_named() -> None:
    model = study("log", 3, "4 sizes")
    kinds = {n: StudyModel(model.n_synthetic, model.n_human, model.score, model.seed % n).caveats for n in (1, 2, 3)}  # type: ignore[operator]
    assert [[reason.kind for reason in kinds[n]] for n in (1, 2, 3)] == [[Kind.ONE_SEED], [Kind.TWO_SEEDS], []]
    assert StudyModel(model.n_synthetic, model.n_human, model.score).caveats[0].kind is Kind.NO_SEEDS


def test_one_seed_claims_less_than_three() -> None:
    three = study("constant lift", 3)
    first = three.seed == 0
    one = StudyModel(three.n_synthetic[first], three.n_human[first], three.score[first], three.seed[first])  # type: ignore[index]
    widths = [model.worth().lift for model in (three, one)]
    assert widths[1].half_width > 1.5 * widths[0].half_width


def test_the_papers_own_number_is_its_mean_over_runs_without_an_interval() -> None:
    sizes = np.array([1000.0, 2000, 4000])
    s, h = np.tile(sizes, 2), np.repeat([0.0, 200], 3)
    score = np.append(10 + 2 * np.log(sizes), 10 + 2 * np.log(sizes + [500, 1500, 4000]))
    found = paper_equivalent(s, h, score, 200)
    assert found is not None and (found.a0, found.a1) == pytest.approx((10, 2))
    assert (found.mean, found.median, found.price_ratio) == pytest.approx((2000, 1500, 10))
    assert found.p25 == pytest.approx(1000) and found.p75 == pytest.approx(2750)


def test_the_papers_definition_names_nothing_on_a_falling_curve() -> None:
    model = study("falling")
    found = model.paper()
    assert found is not None and found.a1 < 0 and found.mean is None and found.price_ratio is None
    assert paper_equivalent(model.n_synthetic, model.n_human, model.score, 77) is None
