"""What human points are worth: known answers, honest intervals, words where there is no number, and the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import python, write_csv
from study_factory import write_study

from littlehuman import price
from littlehuman.economics import curves, exchange, size_curve, valuation
from littlehuman.economics.curves import Array
from littlehuman.errors import ConfigError, DataError
from littlehuman.study import load
from littlehuman.study.scores import ScoredRuns, read_scores

GRID = np.arange(1000.0, 20001.0, 1000.0)
H = 200
A0, A1 = 0.3, 0.05


def _log(size: Array) -> Array:
    return A0 + A1 * np.log(size)


def _scored(alone: Array, human: Array, sd: float = 0.0, seed: int = 0) -> ScoredRuns:
    """A series with the paper's grid: scores on synthetic points alone, and with H human points each."""
    scores = np.concatenate([alone, human]) + np.random.default_rng(seed).normal(0, sd, 2 * len(GRID))
    return ScoredRuns("ferries", np.tile(GRID, 2), np.repeat([0.0, H], len(GRID)), scores)


def _worth_k(k: float, sd: float = 0.0, seed: int = 0) -> ScoredRuns:
    """A world in which one human point is worth k synthetic ones."""
    return _scored(_log(GRID), _log(GRID + k * H), sd, seed)


def _csv(path: Path, scored: ScoredRuns) -> Path:
    rows = [
        [repr(float(s)), str(int(h)), "x", str(int(n))]
        for s, h, n in zip(scored.score, scored.n_human, scored.n_synthetic, strict=True)
    ]
    return write_csv(path, ["score", "n_human", "remark", "n_synthetic"], rows)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert price.main([*arguments, "--json"]) == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no strict JSON")

    told = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert isinstance(told, dict)
    return told


# known answers


@pytest.mark.parametrize("k", [2.0, 88.0])
def test_without_noise_the_price_ratio_is_what_a_human_point_is_worth(k: float) -> None:
    told = price.price_of_scores(_worth_k(k)).as_json()
    assert told["price_ratio"] == pytest.approx({"value": k, "low": k, "high": k}, rel=1e-4)
    assert told["points_needed"] == pytest.approx(dict.fromkeys(("mean", "median", "p25", "p75"), k * H), rel=1e-6)
    assert told["fit"]["a0"] == pytest.approx(A0) and told["fit"]["a1"] == pytest.approx(A1)


def test_without_noise_a_constant_lift_gives_the_mean_of_the_points_needed() -> None:
    told = price.price_of_scores(_scored(_log(GRID), _log(GRID) + A1 * np.log(2))).as_json()
    assert told["price_ratio"]["value"] == pytest.approx(GRID.mean() / H, rel=1e-6)
    assert told["points_needed"]["mean"] == pytest.approx(GRID.mean(), rel=1e-6)
    assert told["lift"]["value"] == pytest.approx(A1 * np.log(2))


def test_with_little_noise_the_price_ratio_is_within_2_percent_and_inside_its_interval() -> None:
    for seed in range(3):
        ratio = price.price_of_scores(_worth_k(88.0, sd=0.0005, seed=seed)).as_json()["price_ratio"]
        assert ratio["value"] == pytest.approx(88, rel=0.02)
        assert ratio["low"] < 88 < ratio["high"] < 92


def test_one_size_and_one_run_with_human_points_are_enough_for_a_value() -> None:
    runs = _worth_k(50.0, sd=0.001)
    chosen = (runs.n_human == 0) | (runs.n_synthetic == 5000)
    one = price.price_of_scores(ScoredRuns("one", runs.n_synthetic[chosen], runs.n_human[chosen], runs.score[chosen]))
    ratio = one.as_json()["price_ratio"]
    assert ratio["value"] == pytest.approx(50, rel=0.2) and ratio["low"] < ratio["value"] < ratio["high"]
    assert any(
        warning.startswith("1 run with 200 human points cannot tell its own scatter") for warning in one.warnings
    )


def test_the_paper_s_table_3_is_mean_median_and_quartiles_of_points_needed() -> None:
    needed = np.array([22931.17, 9711.42, 16905.38, 23139.0, 15671.53])
    table = valuation.points_needed(GRID[:5] + needed, GRID[:5])
    assert (table.median, table.p25, table.p75) == pytest.approx((16905.38, 15671.53, 22931.17))
    assert table.mean == pytest.approx(17671.7, abs=0.01)
    assert round((table.mean or 0) / 200, 2) == 88.36
    assert (
        "73" in price.PAPER_NOTE and "= 88 by the mean" in price.PAPER_NOTE and "84.5 by the median" in price.PAPER_NOTE
    )


def test_the_interval_of_a_study_is_the_same_every_time() -> None:
    assert (
        price.price_of_scores(_worth_k(88.0, sd=0.01)).as_json()
        == price.price_of_scores(_worth_k(88.0, sd=0.01)).as_json()
    )


# honest intervals


def _intervals(
    constant_lift: bool, runs: int, noise: tuple[float, float], seed: int, studies: int = 1000
) -> tuple[float, float]:
    """Coverage of the true exchange over studies; of ours, and of one that takes the curve as known. Noise is in units of a1."""
    rng = np.random.default_rng(seed)
    n = np.linspace(1000, 20000, runs)
    equal = 2 * n if constant_lift else n + 88 * H
    truth, hits, naive = float(np.mean(equal - n)), 0, 0
    for _ in range(studies):
        y, s = (_log(x) + rng.normal(0, sd * A1, runs) for x, sd in zip((n, equal), noise, strict=True))
        low, high = np.quantile(
            exchange.draws(exchange.ExchangeData(n, y, n, s), 400, rng), [0.025, 0.975], method="inverted_cdf"
        )
        hits += low <= truth <= high
        needed = curves.log_curve(n, y).inverse(s) - n
        naive += abs(needed.mean() - truth) <= 2.09 * needed.std(ddof=1) / np.sqrt(runs)
    return hits / studies, naive / studies


@pytest.mark.parametrize("noise", [(0.3, 0.3), (0.1, 0.5)], ids=["equal noise", "unequal noise"])
@pytest.mark.parametrize("runs", [20, 8])
@pytest.mark.parametrize(
    "constant_lift", [False, True], ids=["a human point is worth 88", "human points lift the score"]
)
def test_the_interval_holds_the_true_worth_in_95_of_100_studies(
    constant_lift: bool, runs: int, noise: tuple[float, float]
) -> None:
    covered, _ = _intervals(constant_lift, runs, noise, seed=11)
    assert 0.93 <= covered <= 0.97


def _coverage_of_few(runs: int, studies: int = 300) -> float:
    """Coverage where a few runs at one size scatter three times as much as the 20 of the curve."""
    rng, n, hits = np.random.default_rng(14), np.full(runs, 5000.0), 0
    for _ in range(studies):
        y, s = _log(GRID) + rng.normal(0, 0.005, len(GRID)), _log(n + 40 * H) + rng.normal(0, 0.015, runs)
        low, high = np.quantile(
            exchange.draws(exchange.ExchangeData(GRID, y, n, s), 400, rng), [0.025, 0.975], method="inverted_cdf"
        )
        hits += low <= 40 * H <= high
    return hits / studies


@pytest.mark.parametrize("runs", [3, 4])
def test_three_runs_with_human_points_are_enough_to_tell_that_they_scatter_more(runs: int) -> None:
    assert 0.91 <= _coverage_of_few(runs) <= 0.98


def test_an_interval_that_gave_few_runs_the_scatter_of_the_curve_would_be_too_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "FEW", 4)
    assert _coverage_of_few(3) < 0.8


def test_every_interval_says_which_human_points_it_speaks_of() -> None:
    for runs in (_worth_k(88.0), _worth_k(50.0, sd=0.01), _scored(_log(GRID), _log(0.8 * GRID), sd=0.001)):
        assert (
            sum("runs of one seed share them at every N" in warning for warning in price.price_of_scores(runs).warnings)
            == 1
        )
    flat = price.price_of_scores(_scored(np.full(len(GRID), 0.7), np.full(len(GRID), 0.9)))
    assert "share them" not in flat.text()  # there is no interval


def test_an_interval_that_takes_the_curve_as_known_would_miss_far_more_often() -> None:
    covered, naive = _intervals(constant_lift=True, runs=20, noise=(0.4, 0.1), seed=12, studies=300)
    assert covered > 0.92 and naive < 0.75


def test_the_interval_of_the_lift_holds_the_truth_in_95_of_100_studies() -> None:
    rng, n, hits = np.random.default_rng(13), GRID[::2], 0
    for _ in range(1000):
        y, s = _log(n) + rng.normal(0, 0.005, len(n)), _log(n) + 0.03 + rng.normal(0, 0.01, len(n))
        lift = size_curve.SizeCurve(n, y, curves.log_curve(n, y), ()).lift(n, s)
        assert lift.low is not None and lift.high is not None
        hits += lift.low <= 0.03 <= lift.high
    assert 0.93 <= hits / 1000 <= 0.97


def test_so_much_scatter_that_the_curve_may_be_flat_leaves_the_interval_without_an_upper_end() -> None:
    n = np.array([1000.0, 2000, 4000, 8000])
    alone = _log(n) + 0.014 * np.array([1, -1, -1, 1])
    told = price.price_of_scores(
        ScoredRuns("few", np.tile(n, 2), np.repeat([0.0, H], 4), np.concatenate([alone, _log(2 * n)]))
    )
    assert told.valuation.curve.rises
    ratio = told.as_json()["price_ratio"]
    assert ratio["value"] is not None and ratio["low"] is not None and ratio["high"] is None
    assert any("no upper end" in warning for warning in told.warnings)
    assert "no upper end" in told.text()


# where there is no number, there are words


@pytest.mark.parametrize(
    "alone", [0.7 + 0 * GRID, 1 - 0.02 * np.log(GRID), 0.7 + 1e-5 * np.log(GRID)], ids=["flat", "falling", "hardly"]
)
def test_where_more_synthetic_data_does_not_help_there_is_no_number_but_words(alone: Array) -> None:
    told = price.price_of_scores(_scored(alone, np.full(len(GRID), 0.9), sd=0.01))
    as_json = told.as_json()
    assert as_json["points_needed"] is None and as_json["price_ratio"] is None
    assert all(run["equivalent_size"] is None and run["points_needed"] is None for run in as_json["equivalents"])
    words = "more synthetic data does not help here: no finite equivalent"
    assert any(words in warning for warning in as_json["warnings"]) and words in told.text()


def test_exactly_equal_scores_are_flat() -> None:
    for score in (0.0, 0.7):
        told = price.price_of_scores(_scored(np.full(len(GRID), score), np.full(len(GRID), 0.9))).as_json()
        assert told["price_ratio"] is None


def test_a_curve_that_levels_off_below_the_human_runs_is_said_in_words() -> None:
    told = price.price_of_scores(
        _scored(0.8 - 0.4 * np.exp(-GRID / 3000), 0.85 - 0.1 * np.exp(-GRID / 3000), sd=0.003), 500.0, 1.0
    )
    text = " ".join(told.warnings)
    assert re.search(r"the curve levels off at 0\.(79|80)", text) and "optimistic" in text
    assert "no amount of synthetic data reaches them under that curve" in text
    assert told.as_json()["price_ratio"]["value"] > 0  # the paper's number stays
    assert told.verdict is not None and told.verdict[0] == "undecided"
    below = price.price_of_scores(
        _scored(0.8 - 0.4 * np.exp(-GRID / 3000), 0.78 - 0.1 * np.exp(-GRID / 3000), sd=0.003)
    )
    assert "levels off" in " ".join(below.warnings) and "no amount" not in " ".join(below.warnings)


def test_a_rise_that_is_not_shown_is_no_curve_that_falls() -> None:
    sizes = np.array([1000.0, 2000, 4000, 8000])
    scatter = 0.03 * np.array([1.0, -1, -1, 1.5])

    def told(slope: float) -> price.Price:
        alone = 0.7 + slope * np.log(sizes) + scatter
        return price.price_of_scores(
            ScoredRuns("few", np.tile(sizes, 2), np.repeat([0.0, H], 4), np.concatenate([alone, alone + 0.05]))
        )

    unknown, falling = told(0.005), told(-0.05)
    assert unknown.warnings[0].startswith(
        "not shown to rise, and no number can be named: 4 runs with this scatter cannot tell a rise"
    )
    assert "p = 0." in unknown.warnings[0] and "no finite equivalent" in unknown.warnings[0]
    assert (
        "no number of synthetic points can be named for them" in unknown.text()
        and "is equivalent" not in unknown.text()
    )
    assert falling.warnings[0].startswith("more synthetic data does not help here: no finite equivalent (slope a1 = -")
    assert "no number of synthetic points is equivalent to them" in falling.text()


def test_a_worth_that_may_be_nothing_is_no_threshold_below_nothing() -> None:
    told = price.price_of_scores(_scored(_log(GRID), _log(GRID) - 0.004, sd=0.01))
    ratio = told.as_json()["price_ratio"]
    assert ratio["low"] < ratio["value"] <= 0 < ratio["high"]
    assert "no worth of the human points can be shown: -" in told.text() and "costs more than -" not in told.text()
    assert told.as_json()["points_needed"]["median"] < 0 and "which may be chance" in " ".join(told.warnings)


def test_the_verdict_is_open_where_the_curve_levels_off_and_no_lift_is_shown() -> None:
    bend = 0.8 - 0.4 * np.exp(-GRID / 3000)
    told = price.price_of_scores(_scored(bend, bend, sd=0.004, seed=1), 500.0, 1.0)
    worth = told.headline
    assert told.valuation.curve.levelling is not None and worth is not None and not worth.above_ceiling
    assert worth.price_ratio is not None and worth.price_ratio.high is not None and worth.price_ratio.high < 500
    assert told.verdict is not None and told.verdict[0] == "undecided" and "levels off" in told.verdict[1]
    harmful = price.price_of_scores(_scored(bend, bend - 0.1, sd=0.004, seed=1), 500.0, 1.0)
    assert harmful.verdict is not None and harmful.verdict[0] == "synthetic wins"


def test_human_points_that_were_worth_less_than_nothing_extra_are_said_in_words() -> None:
    told = price.price_of_scores(_scored(_log(GRID), _log(0.8 * GRID), sd=0.001), 1.0, 1.0)
    as_json = told.as_json()
    assert as_json["points_needed"]["median"] < 0 and as_json["price_ratio"]["high"] < 0
    assert "worth less than nothing extra" in " ".join(told.warnings) and "may be chance" not in " ".join(told.warnings)
    assert "is worth -" not in told.text()
    assert "synthetic data wins at any price" in told.text() and as_json["verdict"] == "synthetic wins"


def test_a_size_beyond_all_reach_is_no_huge_number() -> None:
    told = price.price_of_scores(_scored(_log(GRID), np.full(len(GRID), 5.0), sd=0.001), 10.0, 1.0)
    as_json = told.as_json()
    assert as_json["price_ratio"]["value"] is None and set(as_json["points_needed"].values()) == {None}
    assert "no finite equivalent" in " ".join(told.warnings) and "out of reach" in told.text()
    assert told.text().count("infinitely many more synthetic points") == 1 and "infinitely many to" not in told.text()
    assert as_json["verdict"] == "human wins"


def test_without_human_runs_the_curve_alone_is_told() -> None:
    runs = _worth_k(1.0)
    alone = runs.n_human == 0
    told = price.price_of_scores(
        ScoredRuns("alone", runs.n_synthetic[alone], runs.n_human[alone], runs.score[alone]), 1.0, 1.0
    )
    as_json = told.as_json()
    assert as_json["fit"]["a1"] == pytest.approx(A1) and as_json["runs"] == {"synthetic_only": 20, "with_human": 0}
    assert as_json["price_ratio"] is None and "no runs with both" in " ".join(told.warnings)
    assert as_json["verdict"] == "undecided" and "ln(synthetic points)" in told.text()


def test_several_numbers_of_human_points_are_valued_separately_and_most_runs_make_the_headline() -> None:
    twice, extra = _worth_k(50.0), np.array([2000.0, 8000.0])
    runs = ScoredRuns(
        "several",
        np.concatenate([twice.n_synthetic, extra, [0.0]]),
        np.concatenate([twice.n_human, [20.0, 20.0], [200.0]]),
        np.concatenate([twice.score, _log(extra + 20 * 50), [0.4]]),
    )
    told = price.price_of_scores(runs).as_json()
    assert told["human_points_added"] == 200
    assert [entry["human_points_added"] for entry in told["by_human"]] == [200, 20]
    assert [entry["price_ratio"]["value"] for entry in told["by_human"]] == pytest.approx([50, 50])
    said = " ".join(told["warnings"])
    assert "valued beside it: 20" in said and "1 run without synthetic points" in said


# prices


@pytest.mark.parametrize(
    ("human", "verdict"),
    [(0.002, "human wins"), (0.176, "undecided"), (0.8, "synthetic wins")],
)
def test_the_verdict_follows_the_interval_of_the_break_even_ratio(human: float, verdict: str) -> None:
    told = price.price_of_scores(_worth_k(88.0, sd=0.005), human, 0.002)
    as_json = told.as_json()
    assert as_json["verdict"] == verdict and as_json["prices"]["ratio"] == pytest.approx(human / 0.002)
    assert verdict in told.text() and "synthetic data wins where a human label costs more than" in told.text()


def test_flat_synthetic_data_and_human_points_that_lift_the_score_speak_for_human_ones() -> None:
    flat = np.full(len(GRID), 0.7)
    assert price.price_of_scores(_scored(flat, flat + 0.05, sd=0.01), 1.0, 0.001).as_json()["verdict"] == "human wins"
    assert price.price_of_scores(_scored(flat, flat, sd=0.01), 1.0, 0.001).as_json()["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("human", "synthetic", "named"),
    [(0.0, 1.0, "human-price=0"), (1.0, -2.0, "synthetic-price=-2"), (1.0, None, "missing")],
)
def test_impossible_prices_are_refused(human: float, synthetic: float | None, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        price.price_of_scores(_worth_k(1.0), human, synthetic)


# the table of the user's own

HEADER = "n_synthetic,n_human,score\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["the file is empty", "n_synthetic,n_human,score"]),
        ("\n1,2,3\n", ["the first line is empty"]),
        (HEADER, ["no rows under the header"]),
        (
            "n_synth,n_human,score\n1,2,0.5\n",
            ["no column 'n_synthetic'", "n_synth, n_human, score", "did you mean 'n_synth'"],
        ),
        ("a,b\n1,2\n", ["no column 'n_synthetic'", "the file has: a, b"]),
        ("score,n_human,score,n_synthetic\n1,2,3,4\n", ["'score' stands there 2 times"]),
        (HEADER + "1000,0,0.5\n\n2000,0,good\n", ["row 4, column score", "'good' is not a number"]),
        (HEADER + "1000,0,0.5\n2000,0,\n", ["row 3, column score", "blank"]),
        (HEADER + "1000,0,nan\n", ["row 2, column score", "'nan'"]),
        (HEADER + "-1000,0,0.5\n", ["row 2, column n_synthetic", "-1000 is no count"]),
        (HEADER + "1000,0.5,0.5\n", ["row 2, column n_human", "0.5 is no count"]),
        (
            HEADER + "1e300,0,0.5\n",
            ["row 2, column n_synthetic", "1e300 is more than 1,000,000,000,000 training points"],
        ),
        (
            HEADER + '"1,000",0,0.5\n',
            ["row 2, column n_synthetic", "'1,000' is not a number", "1000, without thousands separators"],
        ),
        (HEADER + "12 000 000,0,0.5\n", ["row 2, column n_synthetic", "12000000, without thousands separators"]),
        (HEADER + '1000,0,"0,85"\n', ["row 2, column score", "'0,85' is not a number", "0.85, not 0,85"]),
        (HEADER + "1000,0,85%\n", ["row 2, column score", "without the percent sign"]),
        (
            HEADER + '1000,0,0.5\n"2000,0,0.6\n' + "3000,0,0.7\n" * 9,
            ["row 3: a quotation mark opens before '2000,0,0.6", "never closed"],
        ),
        (HEADER + '"1000\n",0,0.5\n"2\n000",0,0.5\n', ["row 3, column n_synthetic", "a stray quotation mark"]),
        (HEADER + f"{'x' * 500},0,0.5\n", ["row 2, column n_synthetic", f"'{'x' * 40}...' is not a number"]),
        (HEADER + "1000\n", ["row 2, column n_human", "blank"]),
        (HEADER + "1000,0,0.5\n", ["one run only"]),
        (
            HEADER + "1000,0,0.5\n1000,0,0.6\n1000,200,0.7\n",
            ["all 2 runs on synthetic points alone have n_synthetic = 1000"],
        ),
        (HEADER + "1000,200,0.5\n2000,200,0.6\n0,0,0.3\n", ["none of the 3 runs is on synthetic points alone"]),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place_and_the_mend(
    text: str, parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    assert price.main([str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("DataError: ") and "scores.csv" in err and "Try: " in err
    for part in parts:
        assert part in err


def test_a_file_that_is_not_there_or_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or study folder"):
        read_scores(tmp_path / "absent.csv")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(DataError, match="save the sheet as CSV"):
        read_scores(tmp_path / "book.xlsx")


def test_tables_as_spreadsheets_write_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "\ufeffscore;remark; n_human;n_synthetic\r\n0.5;a;0;1000\r\n;;;\r\n0.6;b;200;2e3\r\n", encoding="utf-8"
    )
    [scored] = read_scores(path)
    assert (
        scored.n_synthetic.tolist() == [1000, 2000]
        and scored.n_human.tolist() == [0, 200]
        and scored.score.tolist() == [0.5, 0.6]
    )


def test_headers_in_any_case_and_with_commas_of_their_own_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "N_Synthetic ;Seed (0, 1, 2, or 3); N_HUMAN;Score\n1000;0;0;0.5\n2000;1;200;0.6\n", encoding="utf-8"
    )
    [scored] = read_scores(path)
    assert scored.n_synthetic.tolist() == [1000, 2000] and scored.score.tolist() == [0.5, 0.6]


def test_a_remark_of_any_length_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(f"n_synthetic,n_human,score,remark\n1000,0,0.5,{'x' * 200_000}\n", encoding="utf-8")
    assert read_scores(path)[0].score.tolist() == [0.5]


def test_percent_among_shares_is_pointed_out_with_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = _worth_k(88.0, sd=0.001)
    runs.score[3] *= 100
    path = _csv(tmp_path / "scores.csv", runs)
    note = f"row 5 is {runs.score[3]:g}, most scores lie in 0..1: percent and shares mixed?"
    assert read_scores(path)[0].notes == (note,)
    assert note in _json(capsys, str(path))["warnings"]
    assert price.main([str(path)]) == 0 and note in capsys.readouterr().out
    runs.score[:3], runs.score[3:] = 1000.0, 40.0
    assert (
        read_scores(_csv(tmp_path / "high.csv", runs))[0]
        .notes[0]
        .startswith("row 2 is 1000, half of the scores are 40 or less")
    )
    for scale in (1.0, 100.0):
        fine = ScoredRuns("fine", runs.n_synthetic, runs.n_human, scale * _worth_k(88.0).score)
        assert read_scores(_csv(tmp_path / "fine.csv", fine))[0].notes == ()


def test_a_table_without_a_curve_is_named_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(HEADER + "1000,0,0.5\n1000,200,0.6\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        price.price_of_scores(read_scores(path)[0])
    assert str(caught.value).startswith(f"{path}: the only run on synthetic points alone has n_synthetic = 1000")


# studies


def _study(monkeypatch: pytest.MonkeyPatch, *cells: dict[str, Any]) -> None:
    """A study whose scores are known exactly, in the columns that `results.load` gives."""
    import pandas as pd

    kinds = {
        "without_twins": False,
        "synthetic": True,
        "synth_frac": 1.0,
        "n_train": 0,
        "extra_human": 0,
        "seed": 0,
        "human_in_prompts": 0.0,
    }
    rows = [
        {**kinds, "cell": f"cell-{i}", "control_id": cell["series"], "series_id": cell["series"], **cell}
        for i, cell in enumerate(cells)
    ]
    monkeypatch.setattr(load, "load", lambda folder: pd.DataFrame(rows))


def _cells(series: str, scored: ScoredRuns, **more: Any) -> list[dict[str, Any]]:
    kinds = zip(scored.n_synthetic, scored.n_human, scored.score, strict=True)
    return [
        {
            "state": "done",
            "series": series,
            "metric": "accuracy",
            "protocol": "recommended",
            "n_synthetic": n,
            "n_human": h,
            "score": s,
            **more,
        }
        for n, h, s in kinds
    ]


def test_a_real_study_is_read_with_its_counts_and_one_series_per_prompt_model(tmp_path: Path) -> None:
    sizes, extra = (1000, 2000, 4000), (0, 200)
    study = write_study(
        tmp_path / "study",
        fractions=(1.0,),
        seeds=(0, 1),
        sizes=sizes,
        extra_human=extra,
        prompt_models=("qwen-1.5b", "mini"),
    )
    found = read_scores(study)
    assert len(found) == 2
    for scored in found:
        counts = sorted(zip(scored.n_synthetic.tolist(), scored.n_human.tolist(), strict=True))
        assert counts == sorted((n, h) for n in sizes for h in extra for _ in range(2))
        assert price.price_of_scores(scored).as_json()["human_points_added"] == 200


def test_a_study_has_one_answer_per_series_from_its_finished_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {
        "state": "failed",
        "series": "boats",
        "metric": None,
        "protocol": "recommended",
        "n_synthetic": None,
        "n_human": None,
        "score": None,
    }
    one_size = [cell for cell in _cells("rafts", _worth_k(9.0)) if cell["n_synthetic"] == 1000]
    boats = _cells("boats", _worth_k(50.0), human_in_prompts=7)
    _study(monkeypatch, *boats, failed, *_cells("ferries", _worth_k(88.0)), *one_size)
    told = _json(capsys, str(tmp_path))["series"]
    assert [entry["name"] for entry in told] == ["boats", "ferries", "rafts"]
    assert [entry["price_ratio"]["value"] for entry in told[:2]] == pytest.approx([50, 88])
    assert told[0]["metric"] == "accuracy" and "up to 7 human-labelled points" in " ".join(told[0]["warnings"])
    assert "1 of 41 cells is not complete and did not count" in told[0]["warnings"]
    assert not any("not complete" in warning for warning in told[1]["warnings"])
    assert "series rafts: the only run on synthetic points alone has n_synthetic = 1000" in told[2]["error"]
    [picked] = _json(capsys, str(tmp_path), "--series", "ferries")["series"]
    assert picked["name"] == "ferries"
    assert price.main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "boats: 20 runs" in text and "ferries: 20 runs" in text and text.count(price.PAPER_NOTE) == 1
    assert text.count("1 of 41 cells is not complete") == 1 and f"{tmp_path}, series rafts: the only run" in text
    assert price.main([str(tmp_path), "--series", "ferrie"]) == 1
    assert "did you mean 'ferries'" in capsys.readouterr().err
    assert price.main([str(tmp_path), "--series", "rafts"]) == 1


def test_a_study_without_a_finished_cell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _study(monkeypatch, {"state": "running", "series": "boats"})
    with pytest.raises(DataError, match="the only cell of this study is not finished"):
        read_scores(tmp_path)


# the command line


def test_json_has_its_keys_and_nothing_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _csv(tmp_path / "scores.csv", _worth_k(88.0, sd=0.01))
    told = _json(capsys, str(path), "--human-price", "0.8", "--synthetic-price", "0.002")
    assert set(told["fit"]) >= {"a0", "a1", "residual_sd"}
    assert set(told["points_needed"]) == {"mean", "median", "p25", "p75"} and set(told["price_ratio"]) == {
        "value",
        "low",
        "high",
    }
    assert [model["name"] for model in told["models"]] == ["log", "power", "saturating"]
    assert all({"name", "aicc", "weight", "parameters", "residual_sd"} <= set(model) for model in told["models"])
    assert set(told["equivalents"][0]) == {"n_synthetic", "n_human", "score", "equivalent_size", "points_needed"}
    assert told["human_points_added"] == 200 and told["runs"] == {"synthetic_only": 20, "with_human": 20}
    assert told["verdict"] == "synthetic wins" and all(isinstance(warning, str) for warning in told["warnings"])
    assert "verdict" not in _json(capsys, str(path))


@pytest.mark.parametrize("alone", [np.full(len(GRID), 0.7), _log(GRID)])
def test_json_is_strict_where_numbers_are_infinite(
    alone: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _json(capsys, str(_csv(tmp_path / "scores.csv", _scored(alone, np.full(len(GRID), 9.0), sd=0.001))))


def test_one_price_alone_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _csv(tmp_path / "scores.csv", _worth_k(1.0))
    with pytest.raises(SystemExit) as ended:
        price.main([str(path), "--human-price", "1"])
    assert (
        ended.value.code == 2 and "--synthetic-price is missing: give both prices, or none" in capsys.readouterr().err
    )


def test_the_command_ends_with_0_or_2_and_without_a_traceback(tmp_path: Path) -> None:
    path = _csv(tmp_path / "scores.csv", _worth_k(88.0, sd=0.005))
    good = python("-m", "littlehuman.price", str(path), "--human-price", "0.8", "--synthetic-price", "0.002")
    assert good.code == 0 and good.err == ""
    assert "synthetic wins" in good.out and price.PAPER_NOTE in good.out
    bad = python("-m", "littlehuman.price", str(path), "--human-price", "0", "--synthetic-price", "0.002")
    assert (
        bad.code == 2
        and bad.out == ""
        and "--human-price=0 must be a number above 0" in bad.err
        and "Traceback" not in bad.err
    )
    lazy = python("-X", "importtime", "-m", "littlehuman.price", "--help")
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in lazy.err.splitlines()}
    assert lazy.code == 0 and "numpy" in imported and not {"scipy", "pandas", "torch"} & imported
