"""What to buy: plans that can be paid and run, close to the best there is, and never at odds with the price."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.simulate import economics
from benchmarks.simulate import price_truths as truths
from benchmarks.simulate.economics import Setting
from littlehuman.economics.allocation import Allocation, Purchase, Terms, bounds_of
from littlehuman.economics.price_verdict import Buy
from littlehuman.economics.reasons import Kind
from littlehuman.economics.study_model import StudyModel


@cache
def study(truth: truths.Truth, layout: str = "crossed", seeds: int = 3, salt: int = 5) -> StudyModel:
    s, h, seed = truths.LAYOUTS[layout].runs(seeds)
    y = truths.scores(truth, truths.LAYOUTS[layout], seeds, (1.0, 0.5, 0.5), 1, np.random.default_rng(salt))[:, 0]
    return StudyModel(s, h, y, seed)


def best(allocation: Allocation) -> Purchase:
    assert allocation.best is not None
    return allocation.best


@pytest.mark.parametrize("layout", ["crossed", pytest.param("20 sizes", marks=pytest.mark.slow)])
def test_the_median_regret_of_a_plan_is_below_0_3_points_on_every_truth(layout: str) -> None:
    rows = [economics.plan(Setting(truth, layout, 3, (1.0, 0.5, 0.5)), 8, draws=200) for truth in truths.PLAN]
    assert {row.setting.truth: row.median for row in rows if row.median >= 0.3} == {}


@pytest.mark.parametrize("truth", ["constant lift", pytest.param("falling", marks=pytest.mark.slow)])
def test_a_replacement_study_with_its_two_cells_plans_as_well(truth: str) -> None:
    assert economics.plan(Setting(truth, "replacement, mended", 3, (1.0, 0.5, 0.5)), 8, draws=200).median < 0.3


def test_a_plan_costs_at_most_the_budget_and_lies_within_reach() -> None:
    model = study(truths.PLAN["log exchange"])
    for budget in (60.0, 700.0, 5000.0, 1e7):
        plan = model.plan(Terms(7.0, 0.5), budget)
        bought = best(plan)
        assert bought.cost <= budget
        assert bought.cost == pytest.approx(7.0 * bought.n_human + 0.5 * bought.n_synthetic)
        assert bought.n_synthetic <= 8000 and bought.n_human <= 500
        assert not any(reason.kind is Kind.EXTRAPOLATED for reason in plan.reasons)


def test_more_reach_is_asked_for_and_said() -> None:
    model = study(truths.PLAN["log exchange"])
    plan = model.plan(Terms(7.0, 0.5), 1e7, reach=2.0)
    assert best(plan).n_human > 500 or best(plan).n_synthetic > 8000
    assert next(reason for reason in plan.reasons if reason.kind is Kind.EXTRAPOLATED).parts["factor"] == 2.0
    assert best(plan).n_human <= 1000 and best(plan).n_synthetic <= 16000


def test_labels_already_owned_are_free() -> None:
    model = study(truths.PLAN["log exchange"])
    without, owned = (model.plan(Terms(10.0, 1.0, owned_human=n), 500.0) for n in (0, 400))
    assert best(owned).n_human >= 400
    assert best(owned).cost <= 500
    assert (best(owned).score.value or 0) > (best(without).score.value or 0)


def test_every_point_needs_an_evidence_text() -> None:
    model = study(truths.PLAN["log exchange"])
    plan = model.plan(Terms(1.0, 0.01, evidence=1200), 1e6)
    assert best(plan).n_synthetic + best(plan).n_human <= 1200
    assert Kind.EVIDENCE_BINDS in {reason.kind for reason in plan.reasons}


def test_a_budget_that_buys_nothing_within_reach_says_what_the_cheapest_costs() -> None:
    model = study(truths.PRICE["log"], "20 sizes")
    plan = model.plan(Terms(10.0, 1.0), 400.0)
    assert plan.best is None
    assert plan.reasons[0].kind is Kind.NOTHING_AFFORDABLE and plan.reasons[0].parts["cheapest"] == 1000.0


def test_the_curve_over_the_budget_never_falls() -> None:
    curve = study(truths.PLAN["both needed"]).plan(Terms(5.0, 0.5), 1000.0).curve
    assert len(curve) > 5
    costs, scores = [point.cost for point in curve], [point.score.value or 0 for point in curve]
    assert costs == sorted(costs) and np.diff(scores).min() > -0.1  # the search looks at fewer draws than the answer


def test_where_more_synthetic_points_do_harm_a_plan_buys_few() -> None:
    bought = best(study(truths.PLAN["falling"]).plan(Terms(2.0, 0.001), 5000.0))
    assert bought.n_human == 500 and bought.n_synthetic == 0


@pytest.mark.parametrize("truth", ["log", "power", "constant lift", "falling", "no gain"])
@pytest.mark.parametrize("ratio", [3.0, 30.0, 300.0])
def test_price_and_plan_do_not_contradict_each_other(truth: str, ratio: float) -> None:
    model = study(truths.PRICE[truth], "20 sizes")
    n, h = 10_000.0, model.human_points
    verdict = model.price(ratio, 1.0, at=n)
    plan = best(model.plan(Terms(ratio, 1.0), n + ratio * h))
    chosen = model.response.score(plan.n_synthetic, plan.n_human)[0]
    if verdict.buy is Buy.HUMAN:
        against = model.response.score(n + ratio * h, 0)[0]
    elif verdict.buy is Buy.SYNTHETIC:
        against = model.response.score(n, h)[0]
    else:
        return
    assert np.median(chosen) >= np.median(against) - 0.05


def test_a_target_costs_what_the_cheapest_design_that_reaches_it_costs() -> None:
    model, terms = study(truths.PLAN["log exchange"]), Terms(10.0, 1.0)
    goal = model.cost_of(terms, 78.0)
    assert goal.best is not None and goal.cost.value == goal.best.cost
    assert (goal.best.score.value or 0) == pytest.approx(78.0, abs=0.5)
    assert goal.cost.low is not None and goal.cost.low <= goal.best.cost <= (goal.cost.high or np.inf)
    true = truths.PLAN["log exchange"](np.array(float(goal.best.n_synthetic)), np.array(float(goal.best.n_human)))
    assert true == pytest.approx(78.0, abs=1.5)


def test_a_target_out_of_reach_has_no_design_and_no_cost() -> None:
    goal = study(truths.PLAN["log exchange"]).cost_of(Terms(10.0, 1.0), 99.0)
    assert goal.best is None and goal.cost.value == np.inf and goal.unreached > 0.9


def test_bounds_reach_zero_only_where_that_was_tried() -> None:
    tried = bounds_of(np.array([1000.0, 8000]), np.array([0.0, 200]), 2.0)
    assert tried.synthetic == (500, 16000) and tried.human == (0, 400)
