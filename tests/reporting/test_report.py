"""The report of a study: complete, honest about what is missing, and one file that loads nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from conftest import compose, python
from report_pages import document_of, rows_of, texts_of, titles_of
from study_factory import FRACTIONS, identity_tree, write_study

from littlehuman import formatting, report, results
from littlehuman.config.identity import identity_values as real_values
from littlehuman.errors import DataError
from littlehuman.reporting import findings, gathering
from littlehuman.store import read_json, write_json
from littlehuman.study import text_comparison
from littlehuman.study.replacement import curves_of_study

CAUSE = "RuntimeError: <b>out of memory</b> & nothing else"
DPI = 30


@dataclass(frozen=True)
class Written:
    study: Path
    said: list[str]
    files: list[Path]

    @property
    def text(self) -> str:
        """All that the page says, a text a line."""
        return "\n".join(texts_of(document_of(self.study)))

    @property
    def rows(self) -> list[list[str]]:
        return rows_of(document_of(self.study))


def _write(study: Path, *, drawn: bool = False, **options: object) -> Written:
    """The report of a study; with its figures, which take longest, where they are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(report, "_figures", lambda data: iter(()))
        said, files, _ = report.write(study, dpi=DPI, **options)  # type: ignore[arg-type]
    return Written(study, said, files)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A study with everything: curves with gaps, controls, a trade-off, texts, failures."""
    study = tmp_path_factory.mktemp("multirun") / "everything"
    absent, failing = [(0.95, 1)], {(0.5, seed): CAUSE for seed in (0, 1, 2)} | {(1.0, 2): CAUSE}
    write_study(study, fractions=FRACTIONS, control=True, failing=failing, absent=absent, texts=40)
    write_study(study, fractions=(1.0,), seeds=(0, 1), sizes=(1000, 2000, 4000), extra_human=(0, 200), items=400)
    return _write(study, drawn=True, prices=(0.8, 0.002))


@pytest.fixture(scope="module")
def tables(written: Written) -> dict[str, pd.DataFrame]:
    """The table of each curve of that study."""
    frame = results.load(written.study)
    curves = [curve for control in (False, True) for curve in curves_of_study(frame, None, 0.02, control=control)]
    return {f"{curve.curve.name} {curve.curve.control}": curve.table for curve in curves}


def test_every_file_is_written(written: Written) -> None:
    names = {path.relative_to(written.study).as_posix() for path in written.files}
    figures = {
        f"figures/{name}.{kind}"
        for name in ("replacement", "zoom", "learning_curve", "tradeoff", "texts")
        for kind in ("png", "svg")
    }
    answers = {"answers.json", "comparisons.csv", "prices.csv"}
    assert (
        names
        == {"report.html", "report.md", "table.csv", "table.md", "over_seeds.csv", "over_seeds.md"} | answers | figures
    )
    assert all(path.stat().st_size > 100 for path in written.files)


def test_a_failed_cell_is_shown_with_its_cause_and_the_cause_cannot_become_html(written: Written) -> None:
    assert CAUSE in written.text and "<b>out" not in (written.study / "report.html").read_text("utf-8")
    assert "<b>" not in (written.study / "report.md").read_text("utf-8").replace("\\<b\\>", "")


def test_cells_without_a_result_are_missing_not_forgotten(written: Written) -> None:
    (lost,) = (s for s in document_of(written.study)["sections"]["runs"] if s["title"] == "Not complete")
    states = [row[1] for table in lost["tables"] for row in table["rows"]]
    assert states.count("failed") == 8 and states.count("not run") >= 2  # 4 with twins, 4 without
    assert any(row[:2] == ["50 %", "no complete run"] for row in written.rows)
    assert any("not complete" in sentence and "8 failed" in sentence for sentence in written.said)


def test_the_intervals_are_those_of_the_comparisons(written: Written, tables: dict[str, pd.DataFrame]) -> None:
    assert len(tables) == 2
    for table in tables.values():
        for row in table.itertuples():
            assert any(formatting.interval(row.mean, row.low, row.high) == shown[2] for shown in written.rows)
        for row in table.iloc[1:].itertuples():
            change = formatting.interval(row.change, row.change_low, row.change_high, signed=True)
            assert any(change in shown for shown in written.rows) and change.count(",") == 1


def test_tables_beside_the_page_hold_every_cell_and_condition(written: Written) -> None:
    cells, conditions = pd.read_csv(written.study / "table.csv"), pd.read_csv(written.study / "over_seeds.csv")
    assert len(cells) == sum(path.is_dir() and path.name != "figures" for path in written.study.iterdir())
    done = results.load(written.study).query("state == 'done'")
    assert conditions["seeds"].sum() == len(done)
    assert len((written.study / "over_seeds.md").read_text().splitlines()) == len(conditions) + 2


def test_protocol_prices_costs_and_audit_are_named(written: Written) -> None:
    document = document_of(written.study)
    assert ["protocol", "recommended"] in document["facts"]
    assert "one human point costs 0.8 / 0.002 = 400 synthetic ones" in document["tradeoffs"][0]["text"]
    assert {"What the twins add to the human points alone", "Cost", "Usable answers"} <= titles_of(document)
    assert document["methods"] and len(document["curves"]) == len(document["controls"]) == 1
    assert "twin repeats another (%)" in written.text
    assert "asked for unsupported, came back supported: 2" in written.text


def test_an_answer_and_at_most_five_lines_that_never_say_significant(written: Written) -> None:
    assert 2 <= len(written.said) <= 6
    assert written.said[0].startswith("On wanli (synthetic twins by qwen-1.5b, n = 5,000)")
    assert document_of(written.study)["answer"] == written.said[0]
    assert not any("significan" in sentence for sentence in written.said)


def _said(study: Path, **options: object) -> list[str]:
    return findings.findings_of_study(gathering.gather(study, delta=0.02, **options))  # type: ignore[arg-type]


def test_a_loss_that_is_there_is_called_worse_with_its_interval(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        fractions=(0.0, 1.0),
        items=400,
        seeds=range(5),
        truth=lambda human, _: 0.8 if human else 0.6,
        scatter=0.3,
    )
    said = _said(tmp_path)
    assert re.search(r", 100 % costs \d+\.\d percentage points \[\d+\.\d, \d+\.\d\]\.$", said[0])
    assert any(
        re.search(r"against 5,000 human points alone: worse: -[0-9.]+ percentage points \[-[0-9.]+, -", s) for s in said
    )
    assert not any("ruled out" in s or "equal" in s for s in said)


def test_no_loss_is_claimed_only_when_it_was_shown(tmp_path: Path) -> None:
    flat = {"truth": lambda human, synthetic: 0.7, "fractions": (0.0, 0.9, 0.975)}
    much = _said(write_study(tmp_path / "much", items=3000, seeds=range(5), scatter=0.3, **flat))
    assert much[0].endswith(", up to 97.5 % synthetic costs less than 2 percentage points.")
    assert any(": equal within 2 percentage points: " in s for s in much)
    little = _said(write_study(tmp_path / "little", items=30, seeds=range(3), **flat))
    assert "it is not known whether 90 % and 97.5 % synthetic cost 2 percentage points or more" in little[0]
    assert any(": not known: " in s and "percentage points would be found (80 % power)" in s for s in little)
    assert not any("ruled out" in s or "less than" in s for s in little)


def test_twins_are_set_against_the_same_human_points_alone(tmp_path: Path) -> None:
    truth = lambda human, synthetic: 0.55 + (0.25 if synthetic else 0.0)  # noqa: E731
    write_study(
        tmp_path, fractions=(0.0, 0.9), control=True, items=500, truth=truth, prompt_models=("a", "b"), scatter=0.3
    )
    found = gathering.gather(tmp_path, delta=0.02)
    assert len(found.lines) == 2 and len(found.controls) == 1  # nobody's twins: the control serves both
    assert list(found.added["synth_frac"]) == [0.9, 0.9]
    assert ((found.added["change_low"] < 0.25) & (found.added["change_high"] > 0.25)).all()


def test_shares_that_have_no_seed_in_common_are_not_compared(tmp_path: Path) -> None:
    failing = {(0.0, 0): CAUSE, (0.0, 1): CAUSE, (0.9, 2): CAUSE}
    page = _write(write_study(tmp_path, fractions=(0.0, 0.9, 1.0), failing=failing))
    assert any(
        s.startswith("90 % synthetic")
        and "not compared: no seed is complete here and with 5,000 human points alone" in s
        for s in page.said
    )
    assert any(row[:2] == ["90 %", "not compared"] for row in page.rows)


def test_one_seed_is_said_to_know_nothing_of_other_seeds(tmp_path: Path) -> None:
    less = {"truth": lambda human, synthetic: 0.8 if human else 0.5, "items": 500}
    one = _write(write_study(tmp_path, seeds=(7,), **less))
    assert "nothing is decided: one seed: another training would differ" in one.said[0]
    assert any("on other test items for these trained models; of other seeds nothing is known" in s for s in one.said)
    assert not {"worse", "better", "equal within delta"} & {cell for row in one.rows for cell in row}


def test_a_share_with_one_seed_is_judged_by_the_scatter_of_the_others(tmp_path: Path) -> None:
    less = {"truth": lambda human, synthetic: 0.8 if human else 0.4, "items": 500, "scatter": 0.3}
    page = _write(write_study(tmp_path, fractions=(0.0, 0.9, 1.0), absent=[(1.0, 1), (1.0, 2)], **less))
    assert "100 % costs" in page.said[0]
    assert any(row[:2] == ["100 %", "worse"] for row in page.rows) and "not known: one seed" not in page.text


def test_a_study_without_fractions_says_what_to_run(tmp_path: Path) -> None:
    plain = _write(write_study(tmp_path, fractions=(1.0,), seeds=(0,)), drawn=True)
    assert "No series has two complete synthetic shares" in plain.text
    assert "No series has three complete sizes" in plain.text
    assert not (tmp_path / "figures").exists()
    assert any("no curve to read" in sentence for sentence in plain.said)


def test_a_study_whose_runs_cannot_tell_what_human_points_are_worth_is_reported_with_the_reason(tmp_path: Path) -> None:
    page = _write(write_study(tmp_path, fractions=(1.0,), seeds=(0, 1), sizes=(1000, 2000, 4000), items=60))
    assert "what human points are worth cannot be told: " in page.said[0]
    (one,) = document_of(tmp_path)["tradeoffs"]
    assert page.said[0] == f"{one['name']}: what human points are worth cannot be told: {one['why']}."


def test_one_curve_fails_to_hide_behind_many(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        datasets=("a", "b", "c"),
        fractions=(0.0, 0.9, 1.0),
        items=300,
        truth=lambda h, _: 0.8 if h else 0.5,
        scatter=0.3,
    )
    assert _said(tmp_path)[0].startswith("At 100 % synthetic, of 3 curves: 3 worse; changes from -")


def test_another_metric_and_one_without_scores_of_single_items(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 1.0))
    page = _write(tmp_path, metric="macro_f1")
    assert "macro f1, protocol recommended" in page.text
    assert "nothing is compared: this metric has no scores of single items" in page.said[0]
    with pytest.raises(DataError, match="no cell has a metric 'macro_f2'; did you mean 'macro_f1'"):
        report.write(tmp_path, metric="macro_f2")


def test_a_study_in_which_all_failed_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,), failing={(0.0, 0): CAUSE, (1.0, 0): CAUSE})
    assert report.main([str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert (
        f"none of the 2 cells of this study is complete (first cause: {CAUSE})" in told.err
        and "Traceback" not in told.err
    )
    assert not told.out and not (tmp_path / "report.html").exists()


def test_what_is_no_study_and_what_is_no_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path / "nowhere")]) == 1
    assert report.main([str(tmp_path)]) == 1
    errors = capsys.readouterr().err
    assert "nowhere: is no folder" in errors and "holds no cells" in errors
    for wrong in (["--delta", "2"], ["--human-price", "0.8"], ["--human-price", "-1", "--synthetic-price", "1"]):
        with pytest.raises(SystemExit) as end:
            report.main([str(tmp_path), *wrong])
        assert end.value.code == 2


def test_the_command_prints_findings_and_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0, 1)))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("On wanli (synthetic twins by qwen-1.5b, n = 5,000)")
    assert str(tmp_path / "report.html") in lines and str(tmp_path / "figures" / "replacement.png") in lines


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = "('pandas', 'matplotlib', 'scipy', 'torch')"
    code = f"import sys; from littlehuman import report; print([m for m in {heavy} if m in sys.modules])"
    assert python("-c", code).out.strip() == "[]"


def test_made_studies_have_the_keys_of_real_ones() -> None:
    real = real_values(compose("dataset=wanli", "synth_frac=0.5"))
    made = identity_tree("wanli", "smollm2", "smollm2", 5000, 0, 0.5, 0, True, "recommended")
    assert made.keys() == real.keys()
    assert all(
        made[group].keys() <= real[group].keys()
        for group in ("dataset", "task", "prompt_model", "strategy", "protocol")
    )


@pytest.mark.slow
def test_a_study_of_two_thousand_cells_is_reported_whole(tmp_path: Path) -> None:
    models = [f"model-{i}" for i in range(5)]
    datasets = ("wanli", "fever", "scifact", "ropes", "coqa")
    fractions = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)
    write_study(tmp_path, datasets=datasets, models=models, fractions=fractions, seeds=range(10), items=100)
    page = _write(tmp_path, drawn=True)
    assert len(pd.read_csv(tmp_path / "table.csv")) == 2000
    conditions = pd.read_csv(tmp_path / "over_seeds.csv")
    assert len(conditions) == 200 and (conditions["seeds"] == 10).all()
    assert len(curves_of_study(results.load(tmp_path), None, 0.02)) == 25
    assert all(name in page.text for name in conditions["series"])


def test_a_model_that_learnt_nothing_is_not_said_to_lose_nothing(tmp_path: Path) -> None:
    """A flat curve at the share of the commonest label is no evidence that human data can be replaced."""
    idle = _write(
        write_study(tmp_path / "idle", fractions=(0.5, 1.0), truth=lambda human, synthetic: 0.5, majority=0.6)
    )
    assert "no score is shown to lie above always the commonest label (60.0 %)" in idle.said[0]
    assert "withheld: because no score is shown" in idle.text
    assert not any(word in sentence for sentence in idle.said for word in ("ruled out", "equal", "less than"))
    learnt = _write(write_study(tmp_path / "learnt", fractions=(0.5, 1.0), truth=lambda human, synthetic: 0.9))
    assert not any("learnt" in sentence for sentence in learnt.said)


def test_a_base_that_is_no_human_data_is_named_in_the_answer(tmp_path: Path) -> None:
    """In a zoom the smallest share is 95 %: nothing there is said against human data alone."""
    flat = {"truth": lambda human, synthetic: 0.7, "items": 3000, "scatter": 0.3}
    said = _said(write_study(tmp_path, fractions=(0.95, 0.975, 1.0), seeds=range(5), **flat))
    assert said[0].endswith("up to 100 % synthetic costs less than 2 percentage points (all against 95 % synthetic).")


def test_failures_outside_every_series_are_counted_in_short(tmp_path: Path) -> None:
    write_study(tmp_path, datasets=("wanli",), fractions=(0.0, 0.9))
    write_study(
        tmp_path, datasets=("fever",), fractions=(0.0,), failing={(0.0, seed): "no such file" for seed in range(3)}
    )
    assert any("3 failed" in sentence for sentence in _said(tmp_path))


def test_a_failed_cell_that_two_prompt_models_share_is_one_failure(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 0.9), prompt_models=("a", "b"), failing={(0.0, 0): "out of memory"})
    found = gathering.gather(tmp_path, delta=0.02)
    assert list(found.missing["state"]) == ["failed"]
    assert any("not complete: 1 failed" in sentence for sentence in findings.findings_of_study(found))


def test_gains_and_losses_are_counted_apart(tmp_path: Path) -> None:
    better = {
        "truth": lambda human, synthetic: 0.6 if human else 0.9,
        "items": 1000,
        "scatter": 0.2,
        "prompt_models": ("a", "b", "c"),
    }
    said = _said(write_study(tmp_path, fractions=(0.0, 1.0), **better))  # type: ignore[arg-type]
    assert said[0].startswith("At 100 % synthetic, of 3 curves: 3 better; changes from +")


def test_a_long_cause_is_cut_and_an_absent_one_is_no_nan(tmp_path: Path) -> None:
    page = _write(write_study(tmp_path, fractions=(0.0, 0.9), failing={(0.9, 0): "x" * 5000}, absent=[(0.9, 1)]))
    assert "x" * 300 in page.text and "x" * 400 not in page.text and "nan" not in page.text.split("\n")


def test_what_two_seeds_cannot_show_is_said(tmp_path: Path) -> None:
    less = {"truth": lambda human, synthetic: 0.8 if human else 0.7, "items": 400}
    said = _said(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0, 1), **less))
    assert any(s.startswith("Two seeds cannot show") for s in said)


def test_problems_are_named_with_their_share_and_seeds_before_all_else(tmp_path: Path) -> None:
    broken = {"empty": [(1.0, 0), (1.0, 2)], "short": {(0.5, 1): 900}, "constant": [(0.9, 1)]}
    page = _write(write_study(tmp_path, fractions=(0.0, 0.5, 0.9, 1.0), qa=True, items=400, **broken))
    told = page.said[1]
    assert told.startswith("No verdict rests on these runs: at 50 %, seed 1: 18.0 % of the training points asked for")
    assert "at 90 %, seed 1: the training collapsed" in told and "more below its table" in told
    assert "at 100 %, seeds 0, 2: 100.0 % of the answers are empty" in page.text
    assert "for 50 %, 90 % and 100 % the verdict is withheld" in page.said[0] or "no verdict is given" in page.said[0]
    assert sum(row[1].startswith("withheld: because") for row in page.rows) == 3


def test_the_page_says_how_many_clusters_and_what_the_items_are_worth(tmp_path: Path) -> None:
    page = _write(write_study(tmp_path, fractions=(0.0, 1.0), items=400, passage=10, icc=0.4)).text
    assert re.search(r"400 test items in 40 passages, intra-cluster correlation 0\.\d\d", page)
    few = _write(write_study(tmp_path / "few", fractions=(0.0, 1.0), items=100, passage=10)).text
    assert "Fewer than 20 clusters" in few


def test_each_verdict_agrees_with_the_interval_beside_it(written: Written, tables: dict[str, pd.DataFrame]) -> None:
    for table in tables.values():
        for row in table.iloc[1:].itertuples():
            low, high = row.change_low, row.change_high
            held = {"worse": high < 0, "better": low > 0, "equal": low > -0.02 and high < 0.02}
            assert held.get(str(row.verdict), True)


def test_a_study_in_which_one_twin_has_another_label_is_reported(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,), texts=40)
    (profile,) = tmp_path.glob("*/texts.json")
    texts = read_json(profile)
    texts["synthetic"]["target"] = ["unsupported", *texts["human"]["target"][1:]]  # the first pair was "supported"
    write_json(profile, texts)
    (group,) = text_comparison.compare(tmp_path)
    assert group.labels and group.labels.p == 1.0
    assert "replacement.png" in " ".join(map(str, _write(tmp_path, drawn=True).files))


def test_a_sweep_that_the_page_suggests_asks_for_the_user_s_own_groups_without_their_place(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.5,), seeds=(0,))
    assert "littlehuman -m study=" in _write(tmp_path).text
    sources = [{"path": "/home/me/groups", "schema": "file", "provider": "command-line"}]
    (cell,) = (path.parent for path in tmp_path.glob("*/result.json"))
    write_json(cell / ".hydra" / "hydra.yaml", {"hydra": {"runtime": {"config_sources": sources}}})
    page = _write(tmp_path).text
    assert "littlehuman -m --config-dir DIR study=" in page and "/home/me" not in page


def test_what_was_left_out_or_cut_stands_on_the_page_once_with_its_number_of_cells(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s", fractions=(0.0, 1.0), seeds=(0, 1))
    for number, file in enumerate(sorted(study.glob("*/result.json"))):
        cut = f"dataset.max_tokens=256 cuts the evidence of {number + 3} of 12 training rows"
        rare = ["a class that <b>one</b> cell doubts"] if not number else []
        write_json(file, read_json(file) | {"dropped_rows": {"empty text": 7}, "notes": [cut, *rare]})
    found = gathering.gather(study).left_out
    assert found["cells"].tolist() == [4, 4, 1] and found["varies"].tolist() == [False, True, False]
    page = _write(study).text
    assert "7 rows are left out: empty text" in page and "3 of 12 training rows (numbers of the first" in page
    assert "4 of 12 training rows" not in page and "<b>one</b>" in page
