"""The table of a study, the status of a run, and the summary at the end of a run."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import compose

from littlehuman.config.identity import identity_values
from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.execution import summary
from littlehuman.metrics.corpus import Score
from littlehuman.records import Example, Mixture, Origin, Point, Prediction, Rejected
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.runs import claims
from littlehuman.runs.artifacts import (
    RESULT,
    knobs,
    result_of_cell,
    rows,
    scores_as_json,
    versions,
    write_mixture,
    write_predictions,
    write_result,
)
from littlehuman.runs.status import (
    INVOCATION,
    IncompleteCell,
    RunStatus,
    collect,
    mark_done,
    report_incomplete,
    report_refused,
)
from littlehuman.store import read_json, read_jsonl, write_json, write_text
from littlehuman.study import table as study_table
from littlehuman.study.load import load


def _result(seed: int = 0, value: float = 0.5, **changes: Any) -> dict[str, Any]:
    config = compose(f"seed={seed}", "synth_frac=0.5", "n_train=4")
    scores = {
        "squad_f1": Score(value, value - 0.1, value + 0.1, items=20, n_failed=1),
        "exact_match": Score(0.25, 0.2, 0.3, items=20, n_failed=1),
    }
    return {
        "id": "a1",
        "scores": scores_as_json(scores),
        "headline": "squad_f1",
        "knobs": identity_values(config),
        "counts": {"human": 2, "synthetic": 2, "total": 4, "shortfall": 0},
        "human_labels": {"in_training": 2, "in_prompts": 3, "total": 5},
        "cost": {"usd": 0.0, "from_cache": 0},
        "seconds": {"data": 0.25, "training": 1.5},
        **changes,
    }


def _cell(study: Path, name: str, state: str, seed: int = 0, error: Exception | None = None) -> Path:
    """A run folder in one of the possible states."""
    folder = study / name
    status = RunStatus(folder)
    status.note_knobs(identity_values(compose(f"seed={seed}", "synth_frac=0.5", "n_train=4")))
    with status.stage("training"):
        pass
    if error:
        status.failed(error)
    if state == "done":
        write_result(folder, _result(seed))
        status.done()
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Path]:
    _cell(tmp_path, "a-done", "done", seed=0)
    _cell(
        tmp_path,
        "b-failed",
        "failed",
        seed=1,
        error=DataError("claims.csv: no column 'claim'\nTry: dataset.columns.text=NAME"),
    )
    claim = claims.take(_cell(tmp_path, "c-running", "running", seed=2))
    assert claim
    yield tmp_path
    claim.release()


def _read(study: Path) -> list[dict[str, str]]:
    with (study / "table.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_table_has_a_row_for_each_cell_in_whatever_state(study: Path) -> None:
    study_table.write(study)
    table = _read(study)
    assert [(row["cell"], row["state"]) for row in table] == [
        ("a-done", "done"),
        ("b-failed", "failed"),
        ("c-running", "running"),
    ]
    assert [row["error"] for row in table] == ["", "claims.csv: no column 'claim'", ""]
    assert [row["squad_f1"] for row in table] == ["0.5", "", ""]


def test_a_cell_whose_process_is_gone_is_told_as_stopped(study: Path) -> None:
    _cell(study, "d-killed", "running", seed=3)
    (study / "e-of-an-older-version").mkdir()
    write_json(study / "e-of-an-older-version" / "status.json", {"state": "running", "pid": os.getpid()})
    stopped = {row["cell"]: row["error"] for row in rows(study) if row["state"] == "stopped"}
    assert set(stopped) == {"d-killed", "e-of-an-older-version"}
    assert set(stopped.values()) == {"its process ended without a word; the same command goes on"}
    assert list(load(study)["state"]) == ["done", "failed", "running", "stopped", "stopped"]
    study_table.write(study)
    assert [row["state"] for row in _read(study)][2:] == ["running", "stopped", "stopped"]


def test_every_row_has_the_configuration_even_of_failed_cells(study: Path) -> None:
    study_table.write(study)
    for seed, row in enumerate(_read(study)):
        assert (row["dataset"], row["synth_frac"], row["n_train"], row["seed"]) == (
            "fieldnotes_qa",
            "0.5",
            "4",
            str(seed),
        )
        assert row["synthetic"] == "True"  # the knob; the counts have columns of their own
    assert (_read(study)[0]["n_human"], _read(study)[0]["n_synthetic"], _read(study)[0]["human_labels"]) == (
        "2",
        "2",
        "5",
    )


def test_the_table_has_scores_intervals_and_costs(study: Path) -> None:
    row = rows(study)[0]
    assert (row["squad_f1"], row["squad_f1_low"], row["squad_f1_high"]) == (0.5, 0.4, 0.6)
    assert (row["seconds"], row["usd"]) == (1.8, 0.0)


def test_a_run_that_was_killed_after_its_last_file_is_done(tmp_path: Path) -> None:
    folder = _cell(tmp_path, "cell", "running")
    write_result(folder, _result())
    assert result_of_cell(folder, "a1") and rows(tmp_path)[0]["state"] == "done"
    with pytest.raises(ConfigError, match="cell +holds the result of cell a1, and this is cell b2"):
        result_of_cell(folder, "b2")


def test_a_run_without_a_whole_result_is_not_complete(tmp_path: Path) -> None:
    folder = _cell(tmp_path, "cell", "running")
    assert not result_of_cell(folder, "a1")
    write_text(folder / RESULT, '{"scores": ')
    assert not result_of_cell(folder, "a1") and rows(tmp_path)[0]["state"] == "stopped"


def test_the_table_for_reading_names_what_differs_and_explains_what_failed(study: Path) -> None:
    text = study_table.markdown(rows(study))
    lines = text.splitlines()
    assert lines[0] == "| cell | state | protocol | seed | n_human | n_synthetic | squad_f1 | exact_match |"
    assert lines[2] == "| a-done | done | recommended | 0 | 2 | 2 | 0.500 [0.400, 0.600] | 0.250 [0.200, 0.300] |"
    assert lines[3] == "| b-failed | failed | recommended | 1 |  |  |  |  |"
    assert "b-failed: claims.csv: no column 'claim'" in text


def test_an_empty_study_has_an_empty_table(tmp_path: Path) -> None:
    assert rows(tmp_path) == []
    study_table.write(tmp_path)
    assert _read(tmp_path) == []


def test_a_changed_cell_and_a_lost_one_change_the_table_that_was_written_before(study: Path) -> None:
    study_table.write(study)
    write_result(study / "a-done", _result(value=0.7))
    shutil.rmtree(study / "b-failed")
    text = study_table.write(study).with_suffix(".md").read_text()
    assert text == study_table.markdown(rows(study)) and "0.700" in text and "b-failed" not in text
    assert [row["cell"] for row in _read(study)] == ["a-done", "c-running"] and _read(study)[0]["squad_f1"] == "0.7"


def test_the_table_depends_on_the_folders_alone(study: Path) -> None:
    first = study_table.write(study).read_text()
    write_text(study / "table.csv", "nonsense")
    write_text(study / "notes.txt", "a file of the user's")
    assert study_table.write(study).read_text() == first


def test_cells_that_end_at_the_same_time_leave_a_whole_table(tmp_path: Path) -> None:
    cells = [RunStatus(tmp_path / f"cell-{number}") for number in range(6)]

    def end(status: RunStatus) -> None:
        status.failed(DataError("no rows"))
        study_table.write(tmp_path)

    with ThreadPoolExecutor(len(cells)) as pool:
        list(pool.map(end, cells))
    assert [row["state"] for row in _read(tmp_path)] == ["failed"] * 6


def test_a_mixture_is_written_without_any_text_of_the_data(tmp_path: Path) -> None:
    points = (
        Point(Example("a", "secret evidence", "secret text", ("x",)), Origin.HUMAN),
        Point(Example("b", "e", "t", ("y",)), Origin.SYNTHETIC),
    )
    write_mixture(
        tmp_path,
        Mixture(points, 3, frozenset({"b"})),
        [Rejected("c", RejectionCause(RejectionKind.MISSING_FIELD, {"field": "Label"}), "I cannot.")],
    )
    written = read_json(tmp_path / "mixture.json")
    assert written["points"] == [{"id": "a", "origin": "human"}, {"id": "b", "origin": "synthetic"}]
    assert written["counts"] == {"human": 1, "synthetic": 1, "total": 2, "shortfall": 1}
    assert written["human_labels"] == {"in_training": 1, "in_prompts": 1, "total": 2}
    cause = {"reason": "no Label", "kind": "missing_field", "parts": {"field": "Label"}}
    assert written["rejected"] == [{"example_id": "c", **cause, "raw": "I cannot."}]
    assert len(written["fingerprint"]) == 16 and "secret" not in (tmp_path / "mixture.json").read_text()


def test_predictions_have_a_line_for_each_test_point(tmp_path: Path) -> None:
    predictions = [Prediction("a", ("None", "NA"), ""), Prediction("b", ("x",), "x")]
    shared = {"a": {"passage": "p1", "document": "d1"}}
    write_predictions(tmp_path, predictions, [{"exact_match": 0.0}, {"exact_match": 1.0}], shared)
    first, second = read_jsonl(tmp_path / "predictions.jsonl")
    assert first == {
        "id": "a",
        "target": "None",
        "targets": ["None", "NA"],
        "prediction": "",
        "scores": {"exact_match": 0.0},
        "clusters": {"passage": "p1", "document": "d1"},
    }
    assert second["scores"] == {"exact_match": 1.0} and second["clusters"] == {}


def test_a_score_is_written_with_interval_items_and_failures() -> None:
    written = scores_as_json(
        {
            "accuracy": Score(2 / 3, 0.5, 0.8, items=30, n_failed=2),
            "corpus_bleu": Score(0.1, 0.0, 0.2, items=30, note="signature"),
        }
    )
    assert written["accuracy"] == {"value": 0.666667, "low": 0.5, "high": 0.8, "n": 30, "n_failed": 2}
    assert written["corpus_bleu"]["note"] == "signature"


def test_versions_list_the_packages_that_a_result_depends_on() -> None:
    found = versions()
    assert {"littlehuman", "torch", "transformers", "peft"} <= set(found) and "absent" not in (
        found["torch"],
        found["littlehuman"],
    )


def test_a_status_has_stage_times_and_final_state(tmp_path: Path) -> None:
    status = RunStatus(tmp_path)
    assert read_json(tmp_path / "status.json")["state"] == "running"
    with pytest.raises(ZeroDivisionError), status.stage("mixing"):
        raise ZeroDivisionError("broken")
    status.failed(ZeroDivisionError("broken\nin two lines"))
    status = read_json(tmp_path / "status.json")
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "mixing", "ZeroDivisionError")
    assert status["reason"] == "ZeroDivisionError: broken" and status["error"] == "broken\nin two lines"
    assert {"started", "updated", "pid", "host"} <= set(status)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigError([Problem("a=1", "is wrong"), Problem("b=2", "too")]), "a=1 is wrong; b=2 too"),
        (DataError("file.csv: no rows\nTry: another"), "file.csv: no rows"),
        (KeyError("key"), "KeyError: 'key'"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("\n\n first said here"), "RuntimeError: first said here"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_reason_is_one_line(tmp_path: Path, error: BaseException, reason: str) -> None:
    RunStatus(tmp_path).failed(error)
    assert read_json(tmp_path / "status.json")["reason"] == reason


def test_incomplete_cells_are_reported_to_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = tmp_path / "reports"
    RunStatus(tmp_path / "unasked").failed(DataError("nobody listens"))
    monkeypatch.setenv(INVOCATION, str(reports))
    RunStatus(tmp_path / "b" / "deep" / "cell").failed(DataError("no rows"))
    report_incomplete(tmp_path / "a", "is being computed by another process")
    assert collect(reports) == [
        IncompleteCell(str(tmp_path / "a"), "is being computed by another process"),
        IncompleteCell(str(tmp_path / "b" / "deep" / "cell"), "in stage start: no rows"),
    ]
    assert collect(reports) == [] and not reports.exists()


REFUSAL = ConfigError([Problem("a=1", "is wrong")])


@pytest.mark.parametrize("work", ["", "result.json", "notes.txt", "mixture.json"])
def test_a_refused_config_leaves_no_folder_unless_there_is_work_in_it(work: str, multirun: Path) -> None:
    folder = multirun / "study" / "cell"
    for name in (".hydra/config.yaml", "run.log", "status.json", *([work] if work else [])):
        write_text(folder / name, "x")
    report_refused(folder, REFUSAL, attempted=False)
    assert folder.exists() == folder.parent.exists() == bool(work)
    assert not work or (folder / work).read_text() == "x"


def test_a_refused_config_removes_no_folder_outside_a_study_and_none_of_an_earlier_attempt(
    multirun: Path,
) -> None:
    own, tried = multirun.parent / "mine" / "out", multirun / "study" / "cell"
    for folder in (own, tried):
        write_text(folder / "run.log", "of another program")
    report_refused(own, REFUSAL, attempted=False)
    report_refused(tried, REFUSAL, attempted=True)
    assert (own / "run.log").exists() and (tried / "run.log").exists()


def test_a_table_is_updated_only_inside_a_study(multirun: Path) -> None:
    for folder in (
        multirun / "study" / "cell",
        multirun / "cell",
        multirun.parent / "elsewhere" / "cell",
        multirun / "../up/cell",
    ):
        folder.mkdir(parents=True)
        study_table.update(folder)
    assert list(multirun.parent.rglob("table.*")) and {path.parent for path in multirun.parent.rglob("table.*")} == {
        multirun / "study"
    }


def test_a_test_dataset_is_shown_by_its_name() -> None:
    assert knobs({"dataset": {"name": "wanli"}, "test_dataset": {"name": "fever", "path": None}, "seed": 0}) == {
        "dataset": "wanli",
        "seed": 0,
        "test_dataset": "fever",
    }


def test_the_summary_of_a_run_is_a_readable_table(tmp_path: Path) -> None:
    text = summary.run_summary(_result(), tmp_path / "cell", single=True)
    twins = "2 synthetic twins (points by qwen-1.5b on the same texts)"
    assert f"smollm2 fine-tuned on fieldnotes_qa: 2 human points, {twins}\n" in text
    assert "tested on 20 human points; protocol recommended, seed 0" in text
    rows = [line for line in text.splitlines() if "%" in line]
    assert rows[1] == "  squad_f1            50.0%   40.0 to  60.0  words in common, SQuAD's rules"
    assert [row.split()[0] for row in rows[1:]] == ["squad_f1", "exact_match"]
    assert f"results: {tmp_path / 'cell'}" in text and "next:" in text


def test_the_next_command_keeps_what_was_typed_and_the_folder_of_own_groups_but_no_password(tmp_path: Path) -> None:
    typed = ["dataset=ferry", "synth_frac=0.5", "prompt_model.base_url=http://me:secret@host/v1"]
    text = summary.run_summary(_result(), tmp_path, single=True, overrides=typed, config_dir="my groups")
    assert "littlehuman -m --config-dir 'my groups' synth_frac=0,0.9,1 dataset=ferry" in text
    assert "http://***@host/v1" in text and "secret" not in text and "synth_frac=0.5" not in text


def test_the_summary_has_a_cost_only_where_money_was_spent(tmp_path: Path) -> None:
    paid = _result(cost={"usd": 1.234, "from_cache": 1})
    assert "(1.23 USD)" in summary.run_summary(paid, tmp_path, single=True)
    assert "USD" not in summary.run_summary(_result(), tmp_path, single=True)


def test_the_summary_of_a_cell_in_a_sweep_is_one_line(tmp_path: Path) -> None:
    assert summary.run_summary(_result(), tmp_path / "cell", single=False) == "cell: squad_f1 50.0 % [40.0, 60.0]"


def test_the_summary_says_when_there_are_no_twins(tmp_path: Path) -> None:
    human = _result(counts={"human": 4, "synthetic": 0, "total": 4, "shortfall": 0})
    assert "4 human points, no synthetic points" in summary.run_summary(human, tmp_path, single=True)


def test_a_truncated_status_file_does_not_break_the_table(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "status.json").write_text("{")
    write_json(tmp_path / "other" / "status.json", {"state": "failed", "reason": "why"})
    assert [(row["state"], row["error"]) for row in rows(tmp_path)] == [("unknown", ""), ("failed", "why")]
    study_table.write(tmp_path)


def test_a_complete_run_that_was_killed_before_its_last_status_is_marked_done(tmp_path: Path) -> None:
    RunStatus(tmp_path)
    mark_done(tmp_path)
    assert read_json(tmp_path / "status.json")["state"] == "done"
