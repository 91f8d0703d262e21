"""`littlehuman plan`: planted truths, why a layout cannot answer and what mends it, agreement with `price`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compose, python

from benchmarks.simulate import price_truths as truths
from littlehuman import plan
from littlehuman.economics.allocation import Terms
from littlehuman.economics.plan import PlanRequest, plan_of_scores
from littlehuman.economics.price import price_of_scores
from littlehuman.errors import ConfigError
from littlehuman.study.scores import ScoredRuns

TRUTHS = {**truths.PRICE, **truths.PLAN}


def planted(
    truth: str,
    layout: truths.Layout | str = "crossed",
    seeds: int = 3,
    sds: tuple[float, float, float] = (0.3, 0.1, 0.1),
) -> ScoredRuns:
    """A study of a planted truth, scores as shares of 1."""
    cells = truths.LAYOUTS[layout] if isinstance(layout, str) else layout
    s, h, seed = cells.runs(seeds)
    y = truths.scores(TRUTHS[truth], cells, seeds, sds, 1, np.random.default_rng(5))[:, 0] / 100
    return ScoredRuns("trial", s, h, y, seed=seed)


def planned(
    scored: ScoredRuns,
    human: float = 0.8,
    synthetic: float = 0.02,
    owned: int = 0,
    evidence: int | None = None,
    **asked: Any,
) -> plan.PurchasePlan:
    return plan_of_scores(scored, PlanRequest(Terms(human, synthetic, owned, evidence), **{"budget": 100.0, **asked}))


def strict(made: plan.PurchasePlan) -> dict[str, Any]:
    """The plan after a round through strict JSON."""
    value: dict[str, Any] = json.loads(json.dumps(made.as_json(), allow_nan=False))
    return value


def bought(made: plan.PurchasePlan) -> tuple[int, int]:
    assert made.best is not None, made.text()
    return made.best.n_synthetic, made.best.n_human


@pytest.mark.parametrize("name", ["log exchange", "substitutes", "falling"])
def test_the_plan_is_almost_the_best_design_that_the_money_can_buy(name: str) -> None:
    scored, truth = planted(name), TRUTHS[name]
    made = planned(scored, reach=1.0)
    human = np.arange(0.0, 126.0)
    best = float(truth(np.minimum(np.floor((100 - 0.8 * human) / 0.02), 8000), human)[1:].max())
    s, h = bought(made)
    assert made.best is not None and made.best.cost == pytest.approx(0.8 * h + 0.02 * s) and made.best.cost <= 100
    if name == "falling":  # the cheapest of all is best: no synthetic point, all money in labels
        assert s <= 100 and h >= 100
    else:
        assert float(truth(np.array([float(s)]), np.array([float(h)]))[0]) > best - 1.0


def test_price_and_plan_agree_on_which_kind_is_the_better_buy() -> None:
    scored = planted("constant lift", "20 sizes")
    for at in (3000.0, 20_000.0):
        worth = price_of_scores(scored, at=at).headline.worth
        assert 0 < worth.low < worth.high < np.inf
        for paid, human_wins in ((0.5 * worth.low, True), (2 * worth.high, False)):
            verdict = price_of_scores(scored, paid, 1.0, at).verdict
            assert verdict is not None and (verdict.buy == "human wins") is human_wins
            # the money for `at` synthetic points and the 200 human ones
            s, h = bought(planned(scored, paid, 1.0, budget=at + 200 * paid, reach=2.0))
            assert h >= 150 if human_wins else (h < 150 and s > at)


def test_only_what_the_money_the_evidence_and_the_reach_allow_is_proposed() -> None:
    scored = planted("log exchange")
    assert bought(planned(scored, budget=5000.0, reach=1.0)) == (8000, 500)
    rich = planned(scored, budget=5000.0)
    assert bought(rich) == (16_000, 1000) and rich.unspent == pytest.approx(5000 - 800 - 320)
    assert any("of the budget stays unspent" in finding and "--reach 2" in finding for finding in rich.findings)
    assert any("up to 2 times beyond what was tried" in finding for finding in rich.findings)
    few = planned(scored, budget=5000.0, evidence=3000)
    assert sum(bought(few)) <= 3000 and any("evidence texts at hand limit" in finding for finding in few.findings)
    for purchase in (*rich.allocation.curve, *few.allocation.curve) if rich.allocation and few.allocation else ():
        assert purchase.n_synthetic <= 16_000 and purchase.n_human <= 1000


def test_labels_that_are_owned_cost_nothing() -> None:
    scored = planted("substitutes")
    without, owned = (planned(scored, owned=n, budget=40.0) for n in (0, 200))
    assert owned.best is not None and without.best is not None
    assert owned.best.n_human >= 200 and (owned.best.score.value or 0) > (without.best.score.value or 0)
    assert "200 human labels are owned already" in owned.text()


def test_a_larger_budget_never_buys_a_lower_score() -> None:
    curve = strict(planned(planted("log exchange")))["curve"]
    scores = [row["score"]["value"] for row in curve]
    assert len(curve) > 4 and [row["cost"] for row in curve] == sorted(row["cost"] for row in curve)
    assert all(later > earlier - 1e-3 for earlier, later in zip(scores, scores[1:], strict=False))


def test_a_target_gets_the_least_sum_and_one_out_of_reach_gets_none() -> None:
    scored = planted("log exchange")
    made = planned(scored, budget=None, target=0.75)
    assert made.best is not None and made.aims_at_target and made.best.score.value == pytest.approx(0.75, abs=0.01)
    poor = planned(scored, budget=made.best.cost / 2, target=0.75)
    assert not poor.aims_at_target and any("the budget does not reach a score of 0.75" in f for f in poor.findings)
    none = planned(scored, budget=None, target=0.99)
    assert none.best is None and "No design within reach gets to a score of 0.99" in none.text()


def test_a_budget_below_the_cheapest_design_is_told_what_that_costs() -> None:
    made = planned(planted("log", "20 sizes"), budget=1.0)
    assert made.best is None and "1.00 buys no design within reach: the cheapest" in made.text()


REPLACEMENT = truths.replacement(5000)
THIN = {
    "one total": (REPLACEMENT, "every run has 5,000 points in all"),
    "no human points": (truths.Layout(np.arange(1000.0, 9000.0, 1000.0), np.zeros(8)), "no run has human points"),
    "one size": (truths.Layout(np.full(8, 1000.0), np.arange(0.0, 400.0, 50.0)), "all runs lie on one line"),
}


@pytest.mark.parametrize("case", THIN)
def test_a_layout_that_cannot_answer_says_why_and_its_two_cells_mend_it(case: str) -> None:
    layout, reason = THIN[case]
    made = planned(planted("log exchange", layout))
    value = strict(made)
    assert value["plan"] is None and any(reason in finding for finding in value["findings"])
    cells = [(cell["n_synthetic"], cell["n_human"]) for cell in value["next_cells"]]
    assert len(cells) == 2 and "No plan." in made.text() and "Run next:" in made.text()
    most = (layout.synthetic + layout.human).max()
    assert all(0 < s + h <= most for s, h in cells)
    more = np.array(cells, dtype=np.float64).T
    mended = truths.Layout(np.append(layout.synthetic, more[0]), np.append(layout.human, more[1]))
    assert planned(planted("log exchange", mended)).best is not None


def test_two_runs_are_told_how_many_are_needed() -> None:
    made = planned(planted("log exchange", truths.Layout(np.array([1000.0, 2000.0]), np.zeros(2)), seeds=1))
    assert made.best is None and "there are 2 runs, at least 8 are needed" in made.text() and len(made.next_cells) == 2


def test_a_run_without_training_points_is_left_out_and_counted() -> None:
    runs = planted("log exchange")
    assert runs.seed is not None
    added = ScoredRuns(
        "trial",
        np.append(runs.n_synthetic, 0),
        np.append(runs.n_human, 0),
        np.append(runs.score, 0.01),
        seed=np.append(runs.seed, 0),
    )
    made = planned(added)
    assert bought(made) == bought(planned(runs))
    assert any("1 run without any training points is left out" in note for note in made.notes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"human": 0.0}, "human-price=0  must be a number above 0: what one point costs"),
        ({"synthetic": -1.0}, "synthetic-price=-1"),
        ({"budget": 0.0}, "budget=0"),
        ({"budget": float("nan")}, "budget=nan"),
        ({"target": 85.0}, "target=85  must be above 0 and at most 1"),
        ({"reach": 0.5}, "reach=0.5"),
        ({"reach": 1e300}, "reach=1e+300  must be from 1 to 1,000"),
        ({"budget": None}, "budget, target  give one of them"),
        ({"owned": -1}, "owned-human=-1  must be 0 or more"),
        ({"evidence": 3}, "evidence=3  must be at least"),
    ],
)
def test_senseless_questions_are_refused_by_name(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(planted("log exchange", "4 sizes"), **changed)
    assert message in str(caught.value)


# The command line


def csv(folder: Path, runs: ScoredRuns) -> str:
    seeds = np.zeros(len(runs.score)) if runs.seed is None else runs.seed
    rows = zip(runs.n_synthetic.astype(int), runs.n_human.astype(int), runs.score, seeds, strict=True)
    path = folder / "scores.csv"
    path.write_text(
        "n_synthetic,n_human,score,seed\n" + "".join(f"{s},{h},{score:.6f},{k}\n" for s, h, score, k in rows)
    )
    return str(path)


PRICES = ("--human-price", "0.8", "--synthetic-price", "0.02")


def test_the_command_prints_a_plan_as_text_and_as_strict_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, planted("log exchange"))
    assert plan.main([path, "--budget", "300", *PRICES]) == 0
    text = capsys.readouterr().out
    assert "Plan " in text and "Runner-up" in text and "Budgets" in text and "score 0." in text
    assert plan.main([path, "--budget", "300", *PRICES, "--json", "--evidence", "9000", "--owned-human", "10"]) == 0

    def no_constant(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    value = json.loads(capsys.readouterr().out, parse_constant=no_constant)
    assert value["plan"]["n_human"] >= 0 and value["plan"]["score"]["low"] < value["plan"]["score"]["high"]
    assert (value["evidence"], value["owned_human"]) == (9000, 10)
    assert {"runner_up", "sure", "curve", "target_cost", "next_cells", "reasons", "findings", "notes"} <= set(value)


FREE = ["--human-price", "0", "--synthetic-price", "0.02"]


def test_wrong_use_ends_with_2_and_bad_input_with_1_and_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, planted("log exchange", "4 sizes"))
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
        "id": name,
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
    assert series["plan"] is None and len(series["next_cells"]) == 2
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


def test_a_study_without_a_price_or_a_cost_asks_for_one(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main([str(study), "--budget", "300", "--human-price", "1"]) == 1
    mend = f"Try: littlehuman plan {study} --budget 300 --human-price 1 --synthetic-price 0.002\n"
    assert f"nothing was paid for its synthetic points\n{mend}" in capsys.readouterr().err


def test_a_price_that_was_measured_is_not_called_the_readers_own() -> None:
    scored = replace(planted("log exchange"), synthetic_usd=0.02)
    measured, given = (planned(scored, synthetic=price).text() for price in (0.02, 0.03))
    assert "is what those of this study cost, in US dollars" in measured and "the prices are yours" not in measured
    assert "the prices are yours" in given and "of this study cost" not in given
