"""Which cells belong together, and what they say about each other, on real runs of a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_factory import write_study

from littlehuman import results
from littlehuman.errors import DataError
from littlehuman.store import read_json, read_jsonl, write_json, write_jsonl
from littlehuman.study import comparisons, item_scores, missing, replacement, series
from littlehuman.study.run_files import PREDICTIONS


@pytest.fixture
def study(real_study: Path) -> Path:
    return real_study


@pytest.mark.slow
def test_a_tidy_frame_has_one_row_per_cell_complete_or_not(study: Path) -> None:
    frame = results.load(study)
    assert len(frame) == len(list(study.glob("*/status.json"))) and frame["cell"].is_unique
    done = frame[frame["state"] == "done"]
    assert (done["score"] == done["squad_f1"]).all() and done["n_human"].between(0, 8).all()
    assert frame[frame["state"] == "failed"]["error"].str.len().min() > 10
    assert frame[frame["state"] == "failed"]["score"].isna().all()


@pytest.mark.slow
def test_series_are_named_by_what_differs(study: Path) -> None:
    """Two strategy seeds; of the second no cell is complete, so it is no series, but its failures are rows."""
    frame = results.load(study)
    names = {name for name in frame["series"]}
    assert all(name.startswith("fieldnotes_qa") for name in names) and any("strategy.seed=1" in name for name in names)
    assert set(frame[frame["state"] == "failed"]["series"]) == {name for name in names if "strategy.seed=1" in name}


@pytest.mark.slow
def test_cells_without_twins_serve_every_series_of_their_kind(study: Path) -> None:
    frame = results.load(study)
    done = next(iter(series.split(frame)))
    assert {(row.synth_frac, row.seed) for row in done.complete.itertuples() if row.synth_frac == 0} == {
        (0.0, 0),
        (0.0, 1),
    }


@pytest.mark.slow
def test_a_curve_compares_each_fraction_with_the_smallest_on_the_same_seeds_and_items(study: Path) -> None:
    frame = results.load(study)
    found = replacement.curves_of_study(frame, None, 0.02)[0]
    table = found.table
    assert list(table["synth_frac"]) == [0, 0.5, 1] and list(table["n_human"]) == [8, 4, 0]
    assert (table["seeds"] == 2).all() and (table["items"] == 12).all()
    cells = found.curve.cells
    by_hand = cells[cells["synth_frac"] == 1]["squad_f1"].mean() - cells[cells["synth_frac"] == 0]["squad_f1"].mean()
    assert table["change"].iloc[2] == pytest.approx(by_hand, abs=1e-6)
    assert np.isnan(table["change"].iloc[0])


@pytest.mark.slow
def test_the_control_is_a_curve_of_its_own(study: Path) -> None:
    control = comparisons.replacement_curves(results.load(study), control=True)
    assert all(curve.control for curve in control) and len({tuple(curve.cells["cell"]) for curve in control}) == 1
    assert set(control[0].cells[control[0].cells["synth_frac"] > 0]["n_synthetic"]) == {0}


@pytest.mark.slow
def test_a_table_over_seeds_has_the_mean_of_every_metric_and_an_interval(study: Path) -> None:
    table = comparisons.over_seeds(results.load(study))
    assert {"squad_f1", "squad_f1_low", "exact_match_high", "seeds", "protocol"} <= set(table.columns)
    assert ((table["squad_f1_low"] <= table["squad_f1"]) & (table["squad_f1"] <= table["squad_f1_high"])).all()


@pytest.mark.slow
def test_failed_and_absent_cells_are_listed_as_missing(study: Path) -> None:
    frame = results.load(study)
    found = missing.missing_conditions(frame)
    assert list(found["state"]) == ["failed", "failed"] and found["error"].str.contains("not recorded").all()
    gone = frame.drop(
        frame[(frame["synth_frac"] == 1) & (frame["n_train"] == 8) & (frame["seed"] == 1) & frame["synthetic"]].index
    )
    absent = missing.missing_conditions(gone)
    assert sorted(zip(absent["state"], absent["seed"], strict=True)) == [("failed", 0), ("failed", 1), ("not run", 1)]


@pytest.mark.slow
def test_a_sweep_over_sizes_with_one_seed_is_not_missing_the_seeds_of_another_sweep(study: Path) -> None:
    found = missing.missing_conditions(results.load(study))
    assert set(found["n_train"]) == {8}


def _run(folder: Path, ids: list[str], scores: list[float]) -> Path:
    write_jsonl(folder / PREDICTIONS, ({"id": i, "scores": {"f1": s}} for i, s in zip(ids, scores, strict=True)))
    return folder


def _cells(*folders: Path) -> pd.DataFrame:
    rows = [{"synth_frac": 0.0, "seed": seed, "folder": str(folder)} for seed, folder in enumerate(folders)]
    return pd.DataFrame(rows)


def test_items_are_aligned_by_id_not_by_position(tmp_path: Path) -> None:
    first, second = (
        _run(tmp_path / "a", ["x", "y", "z"], [1, 0, 0.5]),
        _run(tmp_path / "b", ["z", "x", "y"], [0.25, 1, 0]),
    )
    found = item_scores.item_scores(_cells(first, second), "f1")
    assert found is not None and found.items == ("x", "y", "z") and found.seeds == (0, 1)
    assert found.scores.tolist() == [[[1, 0, 0.5], [1, 0, 0.25]]]


def test_runs_on_other_test_items_are_not_compared(tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", ["x"], [1]), _run(tmp_path / "b", ["y"], [1])
    with pytest.raises(DataError, match="share no test item"):
        item_scores.item_scores(_cells(first, second), "f1")


def test_a_folder_without_cells_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no cells"):
        results.load(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        results.load(tmp_path / "typo")


@pytest.mark.slow
def test_one_prompt_models_failure_is_no_other_series_gap(study: Path, tmp_path: Path) -> None:
    """Two series that differ in the training values get names that say so."""
    for number, name in enumerate(sorted(p.name for p in study.iterdir() if (p / "result.json").is_file())[:2]):
        result = read_json(study / name / "result.json")
        result["knobs"]["training"]["epochs"] = number
        write_json(tmp_path / f"c{number}" / "result.json", result)
        write_json(tmp_path / f"c{number}" / "status.json", {"state": "done"})
        write_jsonl(tmp_path / f"c{number}" / PREDICTIONS, read_jsonl(study / name / PREDICTIONS))
    names = {one.name for one in series.split(results.load(tmp_path))}
    assert len(names) == 2 and all("training.epochs=" in name for name in names)


def test_series_that_differ_late_in_their_settings_are_not_merged(tmp_path: Path) -> None:
    """Many settings differ: the name goes on until it tells all apart, and no run is lost."""
    write_study(tmp_path, fractions=(0.9, 1.0))
    for number, folder in enumerate(sorted(tmp_path.glob("*/result.json"))):
        result = read_json(folder)
        for variant in range(1, 4):
            changed = {**result, "knobs": {**result["knobs"], "n_test": 100 * (variant == 3)}}
            changed["knobs"]["training"] = (
                {"learning_rate": 0.1, "epochs": 9, "batch_size": 4, "lora_r": 2} if variant > 1 else {}
            )
            copy = tmp_path / f"v{variant}-{number}"
            write_json(copy / "result.json", changed)
            write_json(copy / "status.json", {"state": "done"})
    frame = results.load(tmp_path)
    found = list(series.split(frame))
    assert len({one.name for one in found}) == len(found) and sum(len(one.cells) for one in found) == len(frame)


def test_a_name_is_one_short_line_and_tells_long_values_apart() -> None:
    long = "{evidence}\nIs it so that\n{text}? " + "Think. " * 20
    trees = [
        {"dataset": {"name": "wanli"}, "task": {"name": "fv", "model_input": long + end}} for end in ("Yes.", "No.")
    ]
    names = list(series._names({str(number): tree for number, tree in enumerate(trees)}).values())
    assert len(set(names)) == 2 and all("\n" not in name and len(name) < 80 for name in names)
    assert all(name.startswith("wanli, task.model_input={evidence} Is it so that {text}?") for name in names)


def test_a_cell_whose_result_is_lost_does_not_count_as_complete(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 0.9), seeds=(0, 1))
    next(tmp_path.glob("*f0.9-s1*/result.json")).write_text('{"torn')
    frame = results.load(tmp_path)
    assert (
        list(frame["state"]).count("done") == 3
        and "run the cell again" in frame[frame["state"] != "done"]["error"].iloc[0]
    )


def test_strange_answers_in_a_prediction_file_are_read(tmp_path: Path) -> None:
    """Half a surrogate pair, an answer longer than a block, ids that look like dates, a line torn by a kill."""
    lines = [
        '{"id": "2020-01-01", "prediction": "\\ud83d", "scores": {"f1": 0.5}}',
        '{"id": "2020-01-01T00:00:00", "prediction": "' + "x" * 3_000_000 + '", "scores": {"f1": 1.0}}',
    ]
    for name, content in {"whole": lines, "torn": [*lines, '{"id": "3", "sc']}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / PREDICTIONS).write_text("\n".join(content))
        found = item_scores.scores_of(str(tmp_path / name), "f1")
        assert (
            found is not None and found[0] == ("2020-01-01", "2020-01-01T00:00:00") and found[1].tolist() == [0.5, 1.0]
        )


def test_a_folder_of_somebody_else_does_not_stop_the_table(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 0.9), seeds=(0,))
    write_json(tmp_path / "stray" / "result.json", {"accuracy": 1})
    write_json(tmp_path / "stray" / "status.json", {"hello": 1})
    assert len(results.load(tmp_path)) == 3


def test_runs_with_extra_human_points_are_no_part_of_a_replacement_curve(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 1.0), extra_human=(0, 200))
    curves = comparisons.replacement_curves(results.load(tmp_path))
    assert [set(curve.cells["extra_human"]) for curve in curves] == [{0}]
