"""What to buy: the best mixture is found, nothing is promised beyond the runs, and bad news is said."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compose, python
from test_surface import TRUTHS, Truth, grid, noisy

from littlehuman import plan
from littlehuman.economics import diagnostics, optimize, surface
from littlehuman.economics.surface_shapes import Array
from littlehuman.errors import ConfigError
from littlehuman.study.scores import ScoredRuns

HARM: Truth = lambda s, h: 0.3 - 0.01 * np.log1p(s) + 0.07 * np.log1p(h)  # noqa: E731
USELESS_LABELS: Truth = lambda s, h: 0.3 + 0.04 * np.log1p(s) - 0.005 * np.log1p(h)  # noqa: E731


def scored(truth: Truth = TRUTHS["separate"], sd: float = 0.004, lie: tuple[Array, Array] | None = None) -> ScoredRuns:
    s, h = grid() if lie is None else lie
    return ScoredRuns("trial", s, h, noisy(truth, s, h, sd))


def strict(made: plan.PurchasePlan) -> dict[str, Any]:
    """The plan after a round through strict JSON."""
    value: dict[str, Any] = json.loads(json.dumps(made.as_json(), allow_nan=False))
    return value


def bought(made: plan.PurchasePlan) -> tuple[int, int]:
    assert made.best is not None, made.text()
    return made.best.n_synthetic, made.best.n_human


def true_best(truth: Truth, budget: float, human_price: float, synthetic_price: float) -> float:
    """The best true score on the whole line within reach, by trying every number of labels."""
    human = np.arange(0, min(int(budget / human_price), 1000) + 1, dtype=np.float64)
    synthetic = np.minimum((budget - human * human_price) // synthetic_price, 16000)
    line = truth(synthetic, human)[synthetic + human > 0]
    return max(float(line.max()), float(truth(np.zeros(1), human[-1:])[0]))


@pytest.mark.parametrize("name", [*TRUTHS, "harm"])
@pytest.mark.parametrize("prices", [(0.8, 0.02), (0.8, 0.2), (0.05, 0.02)])
def test_the_plan_is_almost_the_best_mixture_that_the_money_can_buy(name: str, prices: tuple[float, float]) -> None:
    truth = {**TRUTHS, "harm": HARM}[name]
    for budget in (40, 300):
        made = plan.plan_of_scores(scored(truth), *prices, budget=budget)
        s, h = bought(made)
        assert s * prices[1] + h * prices[0] <= budget + 1e-9
        assert truth(np.array([float(s)]), np.array([float(h)]))[0] > true_best(truth, budget, *prices) - 0.005
        assert (
            made.best
            and made.best.score.low - 0.004
            <= truth(np.array([float(s)]), np.array([float(h)]))[0]
            <= made.best.score.high + 0.004
        )


def test_a_known_optimum_inside_the_line_is_found() -> None:
    # b2 / b1 = 1: at the optimum of ln(1+n_s) + ln(1+n_h) half of the money goes into each
    s, h = bought(plan.plan_of_scores(scored(sd=0), 0.5, 0.05, budget=200))
    assert h == pytest.approx(200, rel=0.1) and s == pytest.approx(2000, rel=0.1)


def test_the_rest_of_the_budget_buys_whole_synthetic_points() -> None:
    prices, reach = optimize.Prices(0.8, 0.002), optimize.SearchBounds((0, 10**6), (0, 1000), 1)
    synthetic, human = optimize.budget_line(500, prices, reach)
    assert {0, 625} <= set(human.tolist()) and len(
        human
    ) <= 402  # each with the most and with the fewest synthetic points
    assert len(set(human.tolist()) & {10, 20, 50, 100, 200, 500}) == 6
    assert np.all(prices.cost(synthetic, human) <= 500 + 1e-6)
    assert synthetic[human == 0].tolist() == [250_000, 1] and synthetic[human == 625].tolist() == [0, 0]
    assert (
        optimize.budget_line(0.3, optimize.Prices(0.1, 0.1), reach)[1].max() == 3
    )  # 0.3 / 0.1 is below 3 in floating point


def test_nothing_beyond_reach_is_proposed_and_what_stays_unspent_is_said() -> None:
    made = plan.plan_of_scores(scored(), 0.8, 0.02, budget=5000)
    assert bought(made) == (16000, 1000)
    assert made.unspent == pytest.approx(5000 - 800 - 320)
    assert any(
        "3,880.00 of the budget stays unspent: nothing is proposed beyond what these runs speak of" in finding
        for finding in made.findings
    )
    assert bought(plan.plan_of_scores(scored(), 0.8, 0.02, budget=5000, reach=1)) == (8000, 500)


def test_money_that_one_kind_could_take_is_no_matter_of_the_limit_where_that_kind_does_not_help() -> None:
    lie = tuple(np.tile(x, 2) for x in grid((1000, 3000, 8000), (0, 50, 200)))
    made = plan.plan_of_scores(scored(HARM, lie=(lie[0], lie[1])), 0.8, 0.02, budget=500)
    assert bought(made) == (500, 400)
    said = next(f for f in made.findings if "stays unspent" in f)
    assert (
        "human points are at their limit (nothing is proposed beyond what these runs speak of" in said
        and said.endswith("more synthetic points do not help")
    )
    made = plan.plan_of_scores(scored(BOTH_HARM, lie=(lie[0], lie[1])), 0.8, 0.02, budget=500)
    assert "limit" not in " ".join(made.findings)


def test_nothing_below_what_was_tried_is_proposed_either() -> None:
    lie = grid((1000, 2000, 4000, 8000), (0, 50, 200))
    s, h = bought(plan.plan_of_scores(scored(TRUTHS["exchange"], lie=lie), 0.01, 1.0, budget=504))
    assert s >= 500  # no run says what human points do alone
    made = plan.plan_of_scores(scored(lie=lie), 0.01, 1.0, budget=100)
    assert made.best is None and "buys no mixture that these runs can speak of" in made.text()
    assert [(c.n_synthetic, c.n_human) for c in made.next_cells] == [(100, 0), (0, 8200)]


def test_extreme_prices_buy_one_kind_alone() -> None:
    exchange = scored(TRUTHS["exchange"])
    assert bought(plan.plan_of_scores(exchange, 1.0, 50.0, budget=300)) == (0, 300)
    s, h = bought(plan.plan_of_scores(exchange, 1000.0, 1e-9, budget=300))
    assert (s, h) == (16000, 0)


def test_points_that_do_harm_are_not_bought_and_that_is_said() -> None:
    made = plan.plan_of_scores(scored(HARM), 0.8, 0.02, budget=300)
    assert bought(made) == (0, 375)
    assert any(
        f.startswith("synthetic points do not help here") and f.endswith("buy human labels only") for f in made.findings
    )
    made = plan.plan_of_scores(scored(USELESS_LABELS), 0.8, 0.02, budget=300)
    assert bought(made) == (15000, 0)
    assert any(
        f.startswith("human points do not help here") and f.endswith("buy synthetic points only") for f in made.findings
    )


BOTH_HARM: Truth = lambda s, h: 0.9 - 0.03 * np.log1p(s) - 0.01 * np.log1p(h)  # noqa: E731


def test_where_both_kinds_do_harm_the_least_is_bought_and_neither_is_advised() -> None:
    lie = grid((1000, 3000, 8000), (0, 50, 200))
    made = plan.plan_of_scores(scored(BOTH_HARM, lie=lie), 0.8, 0.02, budget=300)
    assert bought(made) == (500, 0) and made.choice and made.choice.cheapest is None
    said = [
        f
        for f in made.findings
        if f.startswith("neither kind of points is shown to help (from 1,000 to 8,000 synthetic points")
    ]
    assert len(said) == 1 and said[0].endswith("no reason to spend more")
    assert "the plan is the cheapest mixture these runs speak of" in made.findings
    assert not any(": buy " in finding for finding in made.findings)
    assert "290.00 of the budget stays unspent: more points of either kind do not help" in made.findings


def test_scores_that_nothing_moves_give_no_reason_to_spend() -> None:
    made = plan.plan_of_scores(scored(lambda s, h: 0.5 + 0 * s, sd=0.01), 0.8, 0.02, budget=300)
    assert any("give no reason to spend more" in finding for finding in made.findings)


def test_where_nothing_is_shown_to_help_the_cheapest_mixture_is_the_easier_one() -> None:
    lie = tuple(np.tile(x, 3) for x in grid((1000, 3000, 8000), (0, 50, 200)))
    made = plan.plan_of_scores(
        scored(lambda s, h: 0.5 + 1e-4 * np.log1p(s), sd=0.01, lie=(lie[0], lie[1])), 0.8, 0.02, budget=300
    )
    assert made.cheapest and (made.cheapest.n_synthetic, made.cheapest.n_human, made.cheapest.cost) == (500, 0, 10)
    assert made.choice and made.choice.best != made.cheapest and made.choice.easier == made.cheapest
    assert any(f.startswith("the cheapest mixture, 500 synthetic points for 10.00, gets 0.") for f in made.findings)
    assert (500, 0) in [(cell.n_synthetic, cell.n_human) for cell in made.next_cells]
    assert strict(made)["cheapest_within_reach"]["cost"] == 10
    helped = plan.plan_of_scores(scored(), 0.8, 0.02, budget=300)
    assert helped.choice and helped.choice.cheapest is None and "cheapest mixture" not in helped.text()


# Where the surface does not hold

FEVER = tuple(
    np.array(x, dtype=np.float64) for x in (np.tile(np.arange(1000, 20001, 1000), 2), np.repeat([0, 200], 20))
)
LEVELS_OFF: Truth = lambda s, h: 0.85 - 0.2 * np.exp(-s / 3000) + 0 * h  # noqa: E731
CEILING, NO_FIT, BEYOND = "level off at", "none of the shapes fits these runs (p", "plan lies beyond every run"


def test_a_score_above_the_level_of_the_synthetic_only_runs_is_not_promised_in_silence() -> None:
    lie = (FEVER[0], FEVER[1])
    made = plan.plan_of_scores(scored(LEVELS_OFF, lie=lie), 0.8, 0.02, budget=500)
    assert made.best and made.best.score.value > 0.86  # the truth is 0.85
    assert made.best.n_synthetic <= 20_000  # though twice as many are within reach, and paid for
    said = next(f for f in strict(made)["findings"] if CEILING in f)
    assert "level off at 0.8" in said and "no more synthetic points are proposed than were tried (20,000)" in said
    below = plan.plan_of_scores(scored(LEVELS_OFF, lie=lie), 0.8, 0.02, budget=60)
    rising = plan.plan_of_scores(scored(TRUTHS["exchange"], lie=lie), 0.8, 0.02, budget=500)
    assert CEILING not in below.text() and CEILING not in rising.text()


def test_runs_that_no_shape_fits_are_said_so_and_right_shapes_hardly_ever() -> None:
    s, h = (np.tile(x, 3) for x in grid((1000, 3000, 10000), (0, 100, 300)))
    bent = plan.plan_of_scores(
        scored(lambda s, h: 0.85 - 0.2 * np.exp(-s / 2000) + 8e-5 * h, sd=0.004, lie=(s, h)), 0.8, 0.02, budget=200
    )
    assert any(NO_FIT in f for f in bent.findings)
    for truth in TRUTHS.values():
        p = [
            diagnostics.lack_of_fit(surface.fit(s, h, y, draws=2), ScoredRuns("trial", s, h, y))
            for y in (noisy(truth, s, h, 0.01, seed) for seed in range(40))
        ]
        assert sum(one is None or one < 0.01 for one in p) <= 3
        assert max(one for one in p if one is not None) > 0.5
    s, h = grid()
    once = ScoredRuns("trial", s, h, noisy(TRUTHS["separate"], s, h, 0.01))
    assert diagnostics.lack_of_fit(surface.fit(s, h, once.score), once) is None


def test_a_plan_beyond_every_run_is_called_extrapolated() -> None:
    assert BEYOND in plan.plan_of_scores(scored(), 0.8, 0.02, budget=5000).text()
    assert BEYOND not in plan.plan_of_scores(scored(), 0.8, 0.02, budget=100).text()


def test_points_that_help_are_not_spoken_ill_of() -> None:
    assert not [f for f in plan.plan_of_scores(scored(), 0.8, 0.02, budget=300).findings if "help" in f or "gain" in f]


def test_the_runner_up_is_another_plan_and_a_tie_names_the_simpler_one() -> None:
    clear = plan.plan_of_scores(scored(TRUTHS["exchange"]), 0.8, 0.02, budget=300).choice
    assert clear and clear.runner_up and clear.sure is not None
    assert clear.sure > 0.95 and not clear.too_close
    # k = 20: at this ratio of prices every mixture has the same true score
    made = plan.plan_of_scores(scored(TRUTHS["exchange"]), 0.4, 0.02, budget=200)
    choice = made.choice
    assert choice and choice.runner_up and choice.too_close
    assert choice.best.score.value >= choice.runner_up.score.value
    assert choice.easier.n_human == 0 or choice.easier.n_synthetic == 0
    assert any("too close to tell apart" in f and str(choice.easier) in f for f in made.findings)
    ratio = (choice.best.n_human + 1) / (choice.runner_up.n_human + 1)
    assert max(ratio, 1 / ratio) >= 1.4


def test_the_cost_of_a_target_is_the_least_that_reaches_it() -> None:
    # exchange: a score of 0.7 needs ln(x) = 0.5 / 0.06 and so 4,160 synthetic points, or 208 human ones
    points = float(np.exp(0.5 / 0.06))
    for human_price, synthetic_price in ((1.0, 0.1), (1.0, 0.01)):
        made = plan.plan_of_scores(scored(TRUTHS["exchange"], sd=0.002), human_price, synthetic_price, target=0.7)
        least = min(points * synthetic_price, points / 20 * human_price)
        assert made.target_cost and made.best and made.best.cost == made.target_cost.value
        assert made.target_cost.value == pytest.approx(least, rel=0.1)
        assert made.target_cost.low and made.target_cost.high
        assert made.target_cost.low <= least * 1.05 and made.target_cost.high >= least * 0.95
        assert made.best.score.value == pytest.approx(0.7, abs=1e-3) and made.best.score.value >= 0.7


def test_a_target_and_a_budget_together() -> None:
    enough = plan.plan_of_scores(scored(), 0.8, 0.02, budget=5000, target=0.7)
    assert (
        enough.best
        and enough.best.score.value == pytest.approx(0.7, abs=1e-3)
        and enough.unspent
        and enough.unspent > 4000
    )
    short = plan.plan_of_scores(scored(), 0.8, 0.02, budget=100, target=0.7)
    assert short.best and short.best.cost <= 100 and short.best.score.value < 0.7
    assert any("the budget does not reach a score of 0.7: that would cost" in finding for finding in short.findings)


def test_a_target_below_all_that_was_tried_names_the_limit_of_the_runs() -> None:
    made = plan.plan_of_scores(scored(lie=grid((1000, 2000, 4000), (0, 50, 200))), 0.8, 0.02, target=0.1)
    assert bought(made) == (500, 0)
    assert made.findings[0].startswith("the smallest mixture these runs speak of already gets there")
    assert "smallest mixture" not in plan.plan_of_scores(scored(), 0.8, 0.02, target=0.7).text()


def test_an_unreachable_target_is_said_with_the_best_that_is_within_reach() -> None:
    made = plan.plan_of_scores(scored(), 0.8, 0.02, target=0.95)
    assert made.best is None and strict(made)["plan"] is None and made.target_cost is None
    assert made.within_reach and (made.within_reach.n_synthetic, made.within_reach.n_human) == (16000, 1000)
    assert any(
        "no mixture within reach gets to a score of 0.95" in f and "1,000 human + 16,000 synthetic" in f
        for f in made.findings
    )


def test_a_target_at_the_edge_has_no_upper_end_of_its_cost_and_says_in_how_many_draws_it_is_missed() -> None:
    truth = TRUTHS["separate"]
    edge = float(truth(np.array([16000.0]), np.array([1000.0]))[0]) - 0.003
    made = plan.plan_of_scores(scored(truth, sd=0.01), 0.8, 0.02, target=edge)
    if made.target_cost is None:
        made = plan.plan_of_scores(scored(truth, sd=0.01), 0.8, 0.02, target=edge - 0.01)
    assert made.target_cost and made.target_cost.high is None and 0.025 < made.target_cost.unreachable < 1
    assert strict(made)["target_cost"]["high"] is None
    assert any("of the draws no mixture within reach" in finding for finding in made.findings)


def test_one_more_point_brings_what_the_curve_says_and_money_is_compared() -> None:
    made = plan.plan_of_scores(scored(sd=0.0), 0.5, 0.05, budget=200)
    s, h = bought(made)
    assert made.human and made.synthetic
    assert made.human.per_point.value == pytest.approx(0.03 / (h + 1), rel=0.01)
    assert made.synthetic.per_point.value == pytest.approx(0.03 / (s + 1), rel=0.01)
    # at the optimum both kinds bring the same for the same money
    assert made.human.per_unit.value == pytest.approx(made.synthetic.per_unit.value, rel=0.1)
    assert made.human.tried.value == pytest.approx(0.03 * np.log1p(500), rel=0.01)


def test_a_gap_in_the_tried_numbers_is_named() -> None:
    lie = tuple(np.tile(x, 2) for x in grid((1000, 2000, 4000, 8000), (0, 1000)))
    made = plan.plan_of_scores(scored(lie=(lie[0], lie[1])), 1.0, 0.05, budget=300)
    assert made.best and 0 < made.best.n_human < 1000
    assert any("no run lies between 0 and 1,000 human points" in finding for finding in made.findings)


THIN: dict[str, tuple[Sequence[float], Sequence[float], str]] = {
    "one run": ([1000], [0], "there is 1 run, at least 6 are needed"),
    "five runs": ([0, 0, 1000, 1000, 2000], [100, 200, 0, 100, 0], "there are 5 runs, at least 6 are needed"),
    "no human points": ([1000, 2000, 3000, 4000, 5000, 6000], [0] * 6, "only one number of human points was tried (0)"),
    "one synthetic size": (
        [1000] * 6,
        [0, 10, 20, 50, 100, 200],
        "only one number of synthetic points was tried (1,000)",
    ),
    "two places": ([1000, 0] * 4, [0, 100] * 4, "no surface can be fitted"),
}


@pytest.mark.parametrize("case", THIN)
def test_thin_data_get_no_plan_but_the_cells_to_run_next(case: str) -> None:
    s, h, reason = THIN[case]
    made = plan.plan_of_scores(
        scored(lie=(np.array(s, dtype=np.float64), np.array(h, dtype=np.float64))), 0.8, 0.02, budget=100
    )
    value = strict(made)
    assert value["plan"] is None and any(reason in finding for finding in value["findings"])
    assert 1 <= len(value["next_cells"]) <= 6
    assert all(cell["runs"] > 0 and cell["n_synthetic"] + cell["n_human"] > 0 for cell in value["next_cells"])
    new = {(cell["n_synthetic"], cell["n_human"]) for cell in value["next_cells"]}
    assert not new & {place for place in zip(s, h, strict=True) if list(zip(s, h, strict=True)).count(place) >= 3}
    assert "No plan." in made.text() and "Run next:" in made.text()


@pytest.mark.parametrize("case", THIN)
def test_the_cells_that_are_asked_for_make_a_plan_possible(case: str) -> None:
    s, h, _ = THIN[case]
    first = plan.plan_of_scores(
        scored(lie=(np.array(s, dtype=np.float64), np.array(h, dtype=np.float64))), 0.8, 0.02, budget=100
    )
    more = [(c.n_synthetic, c.n_human) for c in first.next_cells for _ in range(c.runs)]
    lie = np.array([*zip(s, h, strict=True), *more], dtype=np.float64).T
    assert plan.plan_of_scores(scored(lie=(lie[0], lie[1])), 0.8, 0.02, budget=100).best is not None


def test_an_interval_wider_than_all_scores_is_no_plan() -> None:
    lie = tuple(np.tile(x, 2) for x in (np.array([1000.0, 0, 1000]), np.array([0.0, 100, 100])))
    runs = ScoredRuns("trial", lie[0], lie[1], np.array([0.5, 0.4, 0.45, 0.6, 0.55, 0.55]))
    made = plan.plan_of_scores(runs, 0.8, 0.02, budget=100)
    assert made.best is None and "is less certain than all scores differ (0.200)" in made.text()


def test_a_run_without_training_points_is_left_out_and_counted() -> None:
    runs = scored()
    added = ScoredRuns("trial", np.append(runs.n_synthetic, 0), np.append(runs.n_human, 0), np.append(runs.score, 0.01))
    made = plan.plan_of_scores(added, 0.8, 0.02, budget=300)
    assert bought(made) == bought(plan.plan_of_scores(runs, 0.8, 0.02, budget=300))
    assert any("1 run without any training points is left out" in note for note in made.notes)


def test_what_a_plan_does_not_count_is_always_said() -> None:
    for made in (
        plan.plan_of_scores(scored(), 0.8, 0.02, budget=300),
        plan.plan_of_scores(scored(lie=(np.ones(3), np.ones(3))), 0.8, 0.02, budget=300),
    ):
        assert "unlabelled evidence" in made.text() and "shown in prompts are not counted" in made.text()
        assert len(strict(made)["notes"]) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"human_price": 0.0}, "human-price=0  must be a number above 0: what one point costs"),
        ({"synthetic_price": -1.0}, "synthetic-price=-1"),
        ({"budget": 0.0}, "budget=0"),
        ({"budget": float("nan")}, "budget=nan"),
        ({"target": 85.0}, "target=85  must be above 0 and at most 1"),
        ({"reach": 0.5}, "reach=0.5"),
        ({"reach": 1e300}, "reach=1e+300  must be from 1 to 1,000"),
        ({"budget": None}, "budget, target  give one of them"),
    ],
)
def test_senseless_questions_are_refused_by_name(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan.plan_of_scores(scored(), **{"human_price": 0.8, "synthetic_price": 0.02, "budget": 100.0, **changed})
    assert message in str(caught.value)


def test_scores_in_percent_take_a_target_in_percent() -> None:
    runs = scored()
    percent = ScoredRuns("trial", runs.n_synthetic, runs.n_human, 100 * runs.score)
    made, whole = plan.plan_of_scores(percent, 0.8, 0.02, target=70), plan.plan_of_scores(runs, 0.8, 0.02, target=0.7)
    assert made.target_cost and whole.target_cost
    assert made.target_cost.value == pytest.approx(whole.target_cost.value, rel=0.01)


# The command line


def csv(folder: Path, runs: ScoredRuns) -> str:
    rows = zip(runs.n_synthetic.astype(int), runs.n_human.astype(int), runs.score, strict=True)
    path = folder / "scores.csv"
    path.write_text("n_synthetic,n_human,score\n" + "".join(f"{s},{h},{score:.6f}\n" for s, h, score in rows))
    return str(path)


PRICES = ("--human-price", "0.8", "--synthetic-price", "0.02")


def test_the_command_prints_a_plan_as_text_and_as_strict_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, scored())
    assert plan.main([path, "--budget", "300", *PRICES]) == 0
    text = capsys.readouterr().out
    assert "Plan " in text and "Runner-up" in text and "One more" in text and "cost 300.00" in text
    assert plan.main([path, "--budget", "300", *PRICES, "--json"]) == 0

    def no_constant(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    value = json.loads(capsys.readouterr().out, parse_constant=no_constant)
    assert value["plan"]["n_human"] > 0 and value["plan"]["score"]["low"] < value["plan"]["score"]["high"]
    assert {"runner_up", "sure", "one_more", "target_cost", "next_cells", "surface", "findings", "notes"} <= set(value)


def test_thin_data_are_no_failure_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv(tmp_path, scored(lie=(np.array([1000.0, 2000]), np.array([0.0, 0]))))
    assert plan.main([path, "--budget", "300", *PRICES, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["plan"] is None and value["next_cells"]


FREE = ["--human-price", "0", "--synthetic-price", "0.02"]


def test_wrong_use_ends_with_2_and_bad_input_with_1_and_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, scored())
    asked = [path, "--budget", "3"]
    for arguments in (
        [path, *PRICES],
        [*asked, "--human-price", "1"],
        [path, "--budget", "much", *PRICES],
        [*asked, *FREE],
    ):
        with pytest.raises(SystemExit) as end:
            plan.main(arguments)
        assert end.value.code == 2
    capsys.readouterr()
    assert plan.main([str(tmp_path / "absent.csv"), "--budget", "3", *PRICES]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "DataError" in told.err and "absent.csv" in told.err
    assert plan.main([path, "--budget", "-3", *PRICES]) == 1
    assert "budget=-3" in capsys.readouterr().err


def test_help_comes_at_once_and_loads_nothing_heavy() -> None:
    done = python("-X", "importtime", "-m", "littlehuman.plan", "--help")
    assert done.code == 0 and "--human-price" in done.out
    assert not [
        name
        for name in ("pandas", "scipy", "torch", "matplotlib", "hydra")
        if f"| {name}\n" in done.err or f" {name}\n" in done.err
    ]


# A study: the next cells are commands


def cell(
    study: Path, name: str, knobs: dict[str, Any], counts: tuple[int, int], score: float, typed: Sequence[str]
) -> None:
    """A finished run folder, with what a plan reads of it."""
    folder = study / name
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {text}\n" for text in typed))
    (folder / "status.json").write_text(json.dumps({"state": "done"}))
    groups = {group: {"name": value} for group, value in knobs.items() if isinstance(value, str)}
    numbers = {key: value for key, value in knobs.items() if not isinstance(value, str)}
    result = {
        "headline": "accuracy",
        "scores": {"accuracy": {"value": score, "low": score - 0.02, "high": score + 0.02, "n": 100, "n_failed": 0}},
        "knobs": {**groups, **numbers, "synthetic": True, "human_budget": "all"},
        "counts": {"synthetic": counts[0], "human": counts[1], "total": sum(counts), "shortfall": 0},
        "seconds": {},
    }
    (folder / "result.json").write_text(json.dumps(result))


@pytest.fixture
def study(multirun: Path) -> Path:
    """Four finished cells without human points, with settings of their own."""
    for n in (40, 80):
        for seed in (0, 1):
            knobs = {
                "dataset": "fieldnotes_fv",
                "task": "fv",
                "model": "tiny",
                "prompt_model": "recorded",
                "strategy": "few_shot",
            }
            knobs |= {"filter": "none", "protocol": "recommended"}
            numbers = {"synth_frac": 1.0, "n_train": n, "seed": seed, "extra_human": 0}
            typed = [
                "dataset=fieldnotes_fv",
                "model=tiny",
                "training.epochs=3",
                f"n_train={n}",
                "synth_frac=1",
                f"seed={seed}",
                "study=old",
            ]
            cell(multirun / "trial", f"c{n}-{seed}", {**knobs, **numbers}, (n, 0), 0.5 + n / 1000 + seed / 100, typed)
    return multirun / "trial"


def test_a_study_gets_commands_that_keep_its_settings_and_make_the_cells(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.main([str(study), "--budget", "300", *PRICES, "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert series["plan"] is None and series["next_cells"]
    for asked in series["next_cells"]:
        words = shlex.split(asked["command"])
        assert words[:2] == ["littlehuman", "-m"] and "study=trial" in words and "training.epochs=3" in words
        seeds = next(word for word in words if word.startswith("seed=")).removeprefix("seed=").split(",")
        assert len(seeds) == asked["runs"] == len(set(seeds))
        composed = compose(*(word for word in words[2:] if not word.startswith("seed=")))
        human = composed.extra_human + (composed.n_train if composed.synth_frac == 0 else 0)
        synthetic = composed.n_train if composed.synth_frac == 1 else 0
        assert (synthetic, human, composed.synthetic) == (asked["n_synthetic"], asked["n_human"], True)


def test_a_study_elsewhere_gets_commands_that_add_to_it_there(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.economics import next_runs

    asked = [next_runs.NextCell(40, 0, 2, "more seeds")]
    (at_home,) = next_runs.commands(asked, study, "fieldnotes_fv")
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", str(tmp_path / "another place"))
    (elsewhere,) = next_runs.commands(asked, study, "fieldnotes_fv")
    assert at_home.command and at_home.command.startswith("littlehuman -m ")
    assert elsewhere.command == f"LITTLEHUMAN_MULTIRUN={shlex.quote(str(study.parent))} {at_home.command}"


def test_a_study_with_groups_of_the_user_s_own_gets_commands_that_find_them(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.economics import next_runs

    sources = [{"path": "/conf", "schema": "file", "provider": "main"}]
    own = [*sources, {"path": str(tmp_path / "my groups"), "schema": "file", "provider": "command-line"}]
    for cell in study.iterdir():
        (cell / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": {"config_sources": own}}}))
    (away,) = next_runs.commands([next_runs.NextCell(40, 0, 2, "more seeds")], study, "fieldnotes_fv")
    assert away.command and f"-m --config-dir '{tmp_path}/my groups' dataset=fieldnotes_fv" in away.command
    monkeypatch.chdir(tmp_path)
    (inside,) = next_runs.commands([next_runs.NextCell(40, 0, 2, "more seeds")], study, "fieldnotes_fv")
    assert inside.command and "-m --config-dir 'my groups' dataset=fieldnotes_fv" in inside.command


def test_more_seeds_are_seeds_that_were_not_used(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from littlehuman.economics import next_runs

    (made,) = next_runs.commands([next_runs.NextCell(40, 0, 2, "more seeds")], study, "fieldnotes_fv")
    assert made.command and "seed=2,3" in made.command


def test_an_unknown_series_is_refused_with_what_there_is(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main([str(study), "--budget", "300", *PRICES, "--series", "fieldnotes"]) == 1
    assert "fieldnotes_fv" in capsys.readouterr().err
    assert plan.main([str(study), "--budget", "300", *PRICES, "--series", "fieldnotes_fv"]) == 0
