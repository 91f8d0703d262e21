"""`littlehuman price`: planted truths, words where there is no number, and tables and studies as input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import python, write_csv
from study_factory import write_study

from benchmarks.simulate import price_truths as truths
from littlehuman import price
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.errors import ConfigError, DataError
from littlehuman.study import load
from littlehuman.study.scores import ScoredRuns, read_scores

GRID = np.arange(1000.0, 20001.0, 1000.0)
H = 200


def planted(
    truth: str, seeds: int = 3, layout: str = "20 sizes", sds: tuple[float, float, float] = (0.3, 0.1, 0.1)
) -> ScoredRuns:
    """A study of a planted truth, scores as shares of 1.

    `sds` in points: of a run, of a seed, of a draw of human points.
    """
    s, h, seed = truths.LAYOUTS[layout].runs(seeds)
    rng = np.random.default_rng(11)
    y = truths.scores(truths.PRICE[truth], truths.LAYOUTS[layout], seeds, sds, 1, rng)[:, 0] / 100
    return ScoredRuns(truth, s, h, y, seed=seed)


def _worth_k() -> ScoredRuns:
    """The paper's grid with one run a cell; a human point is worth 40 synthetic ones."""
    return planted("log", seeds=1, sds=(0.2, 0.0, 0.0))


def _csv(path: Path, scored: ScoredRuns) -> Path:
    seeds = scored.seed if scored.seed is not None else np.zeros(len(scored.score), dtype=int)
    rows = [
        [repr(float(s)), str(int(h)), "x", str(int(n)), str(seed)]
        for s, h, n, seed in zip(scored.score, scored.n_human, scored.n_synthetic, seeds, strict=True)
    ]
    return write_csv(path, ["score", "n_human", "remark", "n_synthetic", "seed"], rows)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert price.main([*arguments, "--json"]) == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no strict JSON")

    told = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert isinstance(told, dict)
    return told


# planted truths


def test_a_log_curve_with_a_lift_has_its_worth_at_every_n_inside_the_interval() -> None:
    scored = planted("constant lift")
    for at in (3000.0, 10_000.0, None):
        told = price.price_of_scores(scored, at=at).as_json()
        true = truths.worth(truths.PRICE["constant lift"], at or 20_000)
        assert told["at"] == (at or 20_000) and told["human_points_added"] == H
        assert told["price_ratio"]["low"] <= true <= (told["price_ratio"]["high"] or np.inf)
    rows = told["worth_by_size"]
    assert [row["n"] for row in rows] == sorted(row["n"] for row in rows) and rows[-1]["n"] == 20_000
    assert {key: rows[-1][key] for key in ("value", "low", "high")} == told["price_ratio"]


def test_a_worth_that_grows_with_n_is_told_so_by_the_curve_and_changes_the_verdict() -> None:
    scored = planted("constant lift", sds=(0.3, 0.1, 0.1))
    rows = price.price_of_scores(scored).as_json()["worth_by_size"]
    assert rows[0]["high"] < rows[-1]["low"]
    paid = (rows[0]["high"] + rows[-1]["low"]) / 2
    verdicts = [price.price_of_scores(scored, paid, 1.0, at).as_json()["verdict"] for at in (1000, 20_000)]
    assert verdicts == ["synthetic wins", "human wins"]


def test_a_levelling_curve_below_the_human_points_has_no_number_but_the_reason_in_words() -> None:
    made = price.price_of_scores(planted("saturating, lift", 5, sds=(0.5, 0.2, 0.2)), 100.0, 1.0)
    told = made.as_json()
    assert told["price_ratio"]["value"] is None and told["price_ratio"]["high"] is None
    assert told["verdict"] in ("human wins", "not known")
    assert any("levels off, at about 0.8" in warning for warning in told["warnings"])
    assert "no finite number that can be named" in made.text() and "break-even" not in made.text()


def test_a_curve_that_falls_has_no_number_and_human_points_win_at_any_price() -> None:
    told = price.price_of_scores(planted("falling"), 1e6, 1.0).as_json()
    assert told["price_ratio"] == {"value": None, "low": None, "high": None} and told["unmatched"]
    assert told["verdict"] == "human wins" and told["verdict_because"] == "no number of synthetic points scores as high"
    assert told["prices"]["break_even"]["value"] is None and told["paper"]["mean"] is None


def test_where_human_points_bring_nothing_synthetic_ones_are_never_dearer() -> None:
    told = price.price_of_scores(planted("no gain"), 1000.0, 1.0).as_json()
    assert told["verdict"] == "synthetic wins"
    assert any(warning.startswith("the human points are not shown to raise the score") for warning in told["warnings"])


def test_the_verdict_follows_the_interval() -> None:
    scored = planted("log", sds=(0.3, 0.1, 0.1))
    worth = price.price_of_scores(scored).headline.worth
    assert np.isfinite([worth.low, worth.high]).all()
    asked = {
        0.9 * worth.low: "human wins",
        1.1 * worth.high: "synthetic wins",
        (worth.low + worth.high) / 2: "not known",
    }
    for paid, verdict in asked.items():
        told = price.price_of_scores(scored, paid, 1.0).as_json()
        assert told["verdict"] == verdict
    assert "inside the interval of its worth" in told["verdict_because"]


def test_the_paper_s_own_number_stands_beside_ours_with_its_name() -> None:
    made = price.price_of_scores(_worth_k())
    paper = made.as_json()["paper"]
    assert paper["runs"] == 20 and paper["price_ratio"] == pytest.approx(paper["mean"] / H)
    assert "paper, Table 3" in made.text() and paper["note"] == price.PAPER_NOTE


def test_the_same_runs_give_the_same_answer_every_time() -> None:
    assert price.price_of_scores(_worth_k()).as_json() == price.price_of_scores(_worth_k()).as_json()


def planted_warnings_on_seeds(warnings: list[str]) -> list[str]:
    return [warning for warning in warnings if "seed" in warning]


def test_what_the_seeds_cannot_tell_is_said() -> None:
    runs = _worth_k()
    unknown = ScoredRuns("x", runs.n_synthetic, runs.n_human, runs.score)
    for scored, said in ((runs, "there is one seed"), (unknown, "the seeds are not known")):
        assert any(warning.startswith(said) for warning in price.price_of_scores(scored).warnings)
    assert not planted_warnings_on_seeds(price.price_of_scores(planted("log")).warnings)


def test_several_numbers_of_human_points_are_valued_separately() -> None:
    made = price.price_of_scores(planted("log", layout="crossed"))
    told = made.as_json()
    assert [entry["human_points_added"] for entry in told["by_human"]] == [50, 200, 500]
    assert "+50 human" in made.text() and "+500 human" in made.text()


def test_every_reason_has_words() -> None:
    class Any_(dict[str, float]):
        def __missing__(self, key: str) -> float:
            return 0.5

    words = [sentence(Reason(kind, Any_())) for kind in Kind]
    assert len(set(words)) == len(Kind) and all(word and not word.endswith(".") for word in words)


# bad input


@pytest.mark.parametrize(
    ("human", "synthetic", "named"),
    [
        (0.0, 1.0, "human-price=0"),
        (1.0, -1.0, "synthetic-price=-1"),
        (1.0, None, "synthetic-price"),
        (float("nan"), 1.0, "nan"),
    ],
)
def test_impossible_prices_are_refused(human: float, synthetic: float | None, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        price.price_of_scores(_worth_k(), human, synthetic)
    assert named in str(caught.value)


@pytest.mark.parametrize(("at", "mend"), [("999", "--at 1000"), ("20001", "--at 20000"), ("nan", "--at 20000")])
def test_an_n_outside_the_study_is_refused_with_the_nearest_inside(
    at: str, mend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert price.main([str(_csv(tmp_path / "scores.csv", _worth_k())), "--at", at]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "lies outside the study" in err
    assert f"Try: littlehuman price {tmp_path / 'scores.csv'} {mend}\n" in err


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
        (
            "n_synthetic,n_human,score,seed\n1000,0,0.5,1\n2000,0,0.6,\n",
            ["row 3, column seed: the cell is blank", "give every row a seed, or delete the column"],
        ),
        (HEADER + "1000,0,0.5\n", ["there is 1 run, at least 8 are needed", "add runs at n_synthetic="]),
        (HEADER + "0,0,0.5\n", ["no run was trained on any points"]),
        (HEADER + 4 * "1000,0,0.5\n2000,0,0.6\n", ["no run has human points"]),
        (HEADER + 4 * "0,100,0.5\n0,200,0.6\n", ["no run has synthetic points"]),
        (HEADER + 4 * "1000,0,0.5\n1000,200,0.7\n", ["all runs lie on one line", "with n_human="]),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place_and_the_mend(
    text: str, parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    assert price.main([str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("DataError: ") and "scores.csv" in err and "\nFix: " in err
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
    runs = _worth_k()
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
        fine = ScoredRuns("fine", runs.n_synthetic, runs.n_human, scale * _worth_k().score)
        assert read_scores(_csv(tmp_path / "fine.csv", fine))[0].notes == ()


def test_seeds_of_a_table_are_any_labels_and_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("n_synthetic,n_human,score,Seed\n1000,0,0.5,b\n2000,0,0.6,a\n1000,9,0.6,b\n", encoding="utf-8")
    [scored] = read_scores(path)
    assert scored.seed is not None and scored.seed.tolist() == [1, 0, 1]
    path.write_text(HEADER + "1000,0,0.5\n", encoding="utf-8")
    assert read_scores(path)[0].seed is None


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
            "folder": "",
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


def test_a_real_study_is_read_with_its_counts_seeds_and_one_series_per_prompt_model(tmp_path: Path) -> None:
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
        told = price.price_of_scores(scored).as_json()
        assert told["human_points_added"] == 200 and told["runs"]["seeds"] == 2
        assert any(warning.startswith("two seeds say little") for warning in told["warnings"])


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
    one_size = [cell for cell in _cells("rafts", _worth_k()) if cell["n_synthetic"] == 1000]
    boats = _cells("boats", _worth_k(), human_in_prompts=7)
    _study(monkeypatch, *boats, failed, *_cells("ferries", _worth_k()), *one_size)
    told = _json(capsys, str(tmp_path))["series"]
    assert [entry["name"] for entry in told] == ["boats", "ferries", "rafts"]
    assert told[0]["price_ratio"] == told[1]["price_ratio"]
    assert told[0]["metric"] == "accuracy" and "up to 7 human-labelled points" in " ".join(told[0]["warnings"])
    assert "1 of 41 cells is not complete and did not count" in told[0]["warnings"]
    assert not any("not complete" in warning for warning in told[1]["warnings"])
    assert "series rafts: there are 2 runs, at least 8 are needed" in told[2]["error"]
    [picked] = _json(capsys, str(tmp_path), "--series", "ferries")["series"]
    assert picked["name"] == "ferries"
    assert price.main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "boats: 20 runs" in text and "ferries: 20 runs" in text and text.count(price.PAPER_NOTE) == 1
    assert text.count("1 of 41 cells is not complete") == 1 and f"{tmp_path}, series rafts: there are 2 runs" in text
    assert price.main([str(tmp_path), "--series", "ferrie"]) == 1
    assert "did you mean 'ferries'" in capsys.readouterr().err
    assert price.main([str(tmp_path), "--series", "rafts"]) == 1


def test_a_study_knows_its_human_labels_and_what_a_synthetic_point_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _worth_k()
    paid = {"human_labels": 207.0, "usd": 1.0, "usd_saved": 0.25}
    _study(monkeypatch, *_cells("boats", runs, **paid), *_cells("local", runs, usd=0.0, usd_saved=None))
    boats, local = read_scores(tmp_path)
    assert boats.owned_human == 207 and boats.synthetic_usd == pytest.approx(40 * 1.25 / runs.n_synthetic.sum())
    assert local.owned_human == 200 and local.synthetic_usd is None


def test_a_study_without_a_finished_cell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _study(monkeypatch, {"state": "running", "series": "boats"})
    with pytest.raises(DataError, match="the only cell of this study is not finished"):
        read_scores(tmp_path)


# the command line


def test_json_has_its_keys_and_nothing_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _csv(tmp_path / "scores.csv", planted("log"))
    told = _json(capsys, str(path), "--human-price", "0.8", "--synthetic-price", "0.002")
    assert set(told) >= {"name", "metric", "at", "lift", "reasons", "worth_by_size", "paper", "models", "note"}
    assert set(told["price_ratio"]) == {"value", "low", "high"}
    assert sum(model["weight"] for model in told["models"]) == pytest.approx(1)
    assert told["human_points_added"] == H
    assert told["runs"] == {"synthetic_only": 60, "with_human": 60, "seeds": 3}
    assert told["verdict"] == "synthetic wins" and all(isinstance(warning, str) for warning in told["warnings"])
    assert "verdict" not in _json(capsys, str(path))


@pytest.mark.parametrize("truth", ["falling", "saturating, lift"])
def test_json_is_strict_where_numbers_are_infinite(
    truth: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = ("--human-price", "1", "--synthetic-price", "1")
    _json(capsys, str(_csv(tmp_path / "scores.csv", planted(truth))), *prices)


def test_one_price_alone_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _csv(tmp_path / "scores.csv", _worth_k())
    with pytest.raises(SystemExit) as ended:
        price.main([str(path), "--human-price", "1"])
    assert (
        ended.value.code == 2 and "--synthetic-price is missing: give both prices, or none" in capsys.readouterr().err
    )


def test_the_command_ends_with_0_or_2_and_without_a_traceback(tmp_path: Path) -> None:
    path = _csv(tmp_path / "scores.csv", planted("log"))
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
