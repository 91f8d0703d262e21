"""What a report says, for programs: strict JSON and flat tables, with the same numbers as the page."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_pages import document_of
from study_factory import write_study

from littlehuman import report, results
from littlehuman.economics.price import price_of_scores
from littlehuman.reporting import answers, findings, gathering
from littlehuman.reporting.answers import COMPARISONS, PRICES, SCHEMA
from littlehuman.study.replacement import curves_of_study
from littlehuman.study.scores import read_scores

SHARES = (0.0, 0.5, 0.9, 1.0)
PRICED = ("--human-price", "0.8", "--synthetic-price", "0.002")


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@dataclass(frozen=True)
class Reported:
    study: Path
    printed: str
    told: dict[str, Any]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """`report --json` of a study with controls, a leak, a gap, a failure and a trade-off, with prices and a budget."""
    path = tmp_path_factory.mktemp("multirun") / "study"
    gaps: dict[str, Any] = {"absent": [(0.5, 1)], "failing": {(1.0, 2): "boom"}, "leaked": {0.9: 0.5}}
    write_study(path, fractions=SHARES, control=True, passage=4, **gaps)
    write_study(path, fractions=(1.0,), seeds=(0, 1), sizes=(1000, 2000, 4000), extra_human=(0, 200), items=400)
    drawn = report._figures
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setattr(report, "_figures", lambda data: itertools.islice(drawn(data), 1))  # drawing takes longest
        assert report.main([str(path), "--json", *PRICED, "--budget", "300"]) == 0
    return Reported(path, printed.getvalue(), json.loads(printed.getvalue(), parse_constant=_refuse))


def _told(study: Path, delta: float = 0.02) -> dict[str, Any]:
    """The same without files."""
    found = gathering.gather(study, delta=delta)
    value: dict[str, Any] = json.loads(answers.text(answers.of_report(found, findings.findings_of_study(found), [])))
    return value


def test_the_command_prints_the_file_and_nothing_else(reported: Reported) -> None:
    study, told = reported.study, reported.told
    assert reported.printed == (study / "answers.json").read_text("utf-8")
    assert told["schema"] == SCHEMA and told["study"] == "study"
    assert {"report.html", "answers.json", "comparisons.csv", "figures/replacement.svg"} <= set(told["files"])
    assert all((study / name).is_file() for name in told["files"])
    shown = document_of(study)
    assert shown["answer"] == told["answer"] and shown["findings"] == told["findings"]


def test_each_comparison_has_the_numbers_of_the_table_unrounded(reported: Reported) -> None:
    study, told = reported.study, reported.told
    frame = results.load(study)
    for control, name in ((False, "curves"), (True, "controls")):
        (curve,) = curves_of_study(frame, None, 0.02, control=control)
        (mine,) = told[name]
        for row, share in zip(curve.table.to_dict("records"), mine["shares"], strict=True):
            assert share["synth_frac"] == row["synth_frac"] and share["score"]["low"] == row["low"]
            if share["synth_frac"] == 0:
                assert share["verdict"] is None and share["change"] is None
                continue
            ends = {"value": row["change"], "low": row["change_low"], "high": row["change_high"]}
            assert share["change"] == ends and share["verdict"] == row["verdict"]
            assert (share["p_adjusted"], share["detectable"]) == (row["p_holm"], row["smallest_detectable"])
            assert share["seeds_of_both"] == row["pairs"] and isinstance(share["seeds_of_both"], int)
            assert (share["p_adjusted"] < 0.05) == (ends["low"] > 0 or ends["high"] < 0)
    (curve,) = told["curves"]
    assert (curve["delta"], curve["level"], curve["clusters"]["level"]) == (0.02, 0.95, "passage")
    assert curve["clusters"]["count"] == 25 and {floor["kind"] for floor in curve["floors"]} == {"UNTRAINED"} | {
        "COMMONEST_LABEL"
    }
    assert [s["withheld_because"] for s in curve["shares"]] == [[], [], ["LEAK"], []]
    assert [w["share"] for w in curve["warnings"] if w["kind"] == "LEAK"] == [0.9]


def test_the_table_of_comparisons_has_a_row_for_each(reported: Reported) -> None:
    study, told = reported.study, reported.told
    rows = pd.read_csv(study / "comparisons.csv")
    assert list(rows.columns) == list(COMPARISONS)
    assert rows.groupby(["against", "human_points_alone"]).size().to_dict() == {
        ("human points alone", False): 3,
        ("smallest share", False): 3,
        ("smallest share", True): 3,
    }
    alone = told["curves"][0]["against_human_points_alone"]
    flat = rows[rows["against"] == "human points alone"]
    assert flat["change"].to_list() == [share["change"]["value"] for share in alone["shares"]]
    assert flat["alpha_of_one_comparison"].to_list() == pytest.approx([0.05 / 3] * 3)
    assert flat["withheld_because"].to_list()[1] == "LEAK"


def test_a_result_names_the_cells_that_it_stands_on(reported: Reported) -> None:
    study, told = reported.study, reported.told
    cells, frame = told["cells"], results.load(study)
    done = set(frame.loc[frame["state"] == "done", "cell"])
    assert set(cells["complete"]) == done and cells["counts"] == {"done": len(done), "failed": 2}
    assert all(own["id"] and own["dataset"] and own["mixture"] for own in cells["complete"].values())
    assert {cell for curve in (*told["curves"], *told["controls"]) for cell in curve["cells"]} <= done
    assert {(row["state"], row["error"]) for row in cells["missing"]} == {("failed", "boom"), ("not run", None)}


def test_another_cell_gives_another_digest(tmp_path: Path) -> None:
    def digest() -> str:
        return str(_told(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0, *more), items=20))["cells"]["digest"])

    more: tuple[int, ...] = ()
    first = digest()
    assert digest() == first
    more = (1,)
    assert digest() != first


def test_prices_and_plans_are_those_of_their_own_commands(reported: Reported) -> None:
    study, told = reported.study, reported.told
    (scored,) = read_scores(study)
    assert told["prices"] == [json.loads(json.dumps(price_of_scores(scored, 0.8, 0.002).as_json()))]
    (plan,) = told["plans"]
    assert plan["budget"] == 300 and plan["plan"]["cost"] <= 300 and plan["owned_human"] == scored.owned_human
    assert plan["name"] == "wanli" and document_of(study)["plans"][0]["text"].startswith("wanli: what to buy")
    rows = pd.read_csv(study / "prices.csv")
    assert list(rows.columns) == list(PRICES) and rows["verdict"].notna().to_list()[0]
    assert rows["worth"][0] == pytest.approx(told["prices"][0]["price_ratio"]["value"])


def test_one_seed_gives_nothing_that_could_be_taken_for_a_decision(tmp_path: Path) -> None:
    told = _told(write_study(tmp_path, seeds=(0,), truth=lambda human, _: 0.8 if human else 0.3))
    shares = told["curves"][0]["shares"][1:]
    for share in shares:
        assert share["change_speaks_of"] == "items" and share["verdict"] == "unknown"
        assert {share[key] for key in ("p", "p_adjusted", "p_loss_of_delta", "detectable", "power_at_delta")} == {None}
    assert shares[-1]["p_items"] < 0.01


def test_the_power_at_delta_is_80_percent_where_delta_is_the_smallest_difference_found(tmp_path: Path) -> None:
    frame = results.load(write_study(tmp_path, fractions=(0.0, 1.0), items=300))
    (curve,) = curves_of_study(frame, None, 0.02)
    (again,) = curves_of_study(frame, None, float(curve.table["smallest_detectable"].iloc[-1]))
    assert again.table["power_at_delta"].iloc[-1] == pytest.approx(0.8)
    assert math.isnan(again.table["power_at_delta"].iloc[0])


def test_a_study_without_curves_or_trade_off_has_empty_lists_and_tables(tmp_path: Path) -> None:
    told = _told(write_study(tmp_path, fractions=(1.0,), seeds=(0,)))
    assert told["curves"] == told["controls"] == told["prices"] == told["plans"] == [] and "no curve" in told["answer"]
    assert answers.comparisons(told).empty and list(answers.prices(told).columns) == list(PRICES)


@pytest.mark.parametrize("wrong", [("--budget", "300"), (*PRICED, "--budget", "0"), (*PRICED, "--budget", "nan")])
def test_a_budget_that_cannot_be_is_wrong_usage(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        report.main([str(tmp_path), *wrong])
    assert end.value.code == 2


def test_an_error_leaves_stdout_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path), "--json"]) == 1
    told = capsys.readouterr()
    assert not told.out and "holds no cells" in told.err
