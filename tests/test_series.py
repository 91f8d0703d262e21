"""Which cells belong together, and what they say about each other, on real runs of a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from littlehuman import results
from littlehuman.errors import DataError
from littlehuman.store import read_json, read_jsonl, write_json, write_jsonl
from littlehuman.study import comparisons, series, sheets


@pytest.fixture
def study(real_study: Path) -> Path:
    return real_study


def test_a_tidy_frame_has_one_row_per_cell_complete_or_not(study: Path) -> None:
    frame = results.load(study)
    assert len(frame) == len(list(study.glob("*/status.json"))) and frame["cell"].is_unique
    done = frame[frame["state"] == "done"]
    assert (done["score"] == done["squad_f1"]).all() and done["n_human"].between(0, 8).all()
    assert frame[frame["state"] == "failed"]["error"].str.len().min() > 10
    assert frame[frame["state"] == "failed"]["score"].isna().all()


def test_series_are_named_by_what_differs(study: Path) -> None:
    """Two strategy seeds; of the second no cell is complete, so it is no series, but its failures are rows."""
    frame = results.load(study)
    names = {name for name in frame["series"]}
    assert all(name.startswith("fieldnotes_qa") for name in names) and any("strategy.seed=1" in name for name in names)
    assert set(frame[frame["state"] == "failed"]["series"]) == {name for name in names if "strategy.seed=1" in name}


def test_cells_without_twins_serve_every_series_of_their_kind(study: Path) -> None:
    frame = results.load(study)
    done = next(iter(series.split(frame)))
    assert {(row.synth_frac, row.seed) for row in done.complete.itertuples() if row.synth_frac == 0} == {(0.0, 0), (0.0, 1)}


def test_a_curve_compares_each_fraction_with_the_smallest_on_the_same_seeds_and_items(study: Path) -> None:
    frame = results.load(study)
    curve = comparisons.replacement_curves(frame)[0]
    table = comparisons.along(curve)
    assert list(table["synth_frac"]) == [0, 0.5, 1] and list(table["n_human"]) == [8, 4, 0]
    assert (table["seeds"] == 2).all() and (table["items"] == 12).all()
    cells = curve.cells
    by_hand = cells[cells["synth_frac"] == 1]["squad_f1"].mean() - cells[cells["synth_frac"] == 0]["squad_f1"].mean()
    assert table["change"].iloc[2] == pytest.approx(by_hand, abs=1e-6)
    assert np.isnan(table["change"].iloc[0])


def test_the_control_is_a_curve_of_its_own(study: Path) -> None:
    control = comparisons.replacement_curves(results.load(study), control=True)
    assert all(curve.control for curve in control) and len({tuple(curve.cells["cell"]) for curve in control}) == 1
    assert set(control[0].cells[control[0].cells["synth_frac"] > 0]["n_synthetic"]) == {0}


def test_a_table_over_seeds_has_the_mean_of_every_metric_and_an_interval(study: Path) -> None:
    table = comparisons.over_seeds(results.load(study))
    assert {"squad_f1", "squad_f1_low", "exact_match_high", "seeds", "protocol"} <= set(table.columns)
    assert ((table["squad_f1_low"] <= table["squad_f1"]) & (table["squad_f1"] <= table["squad_f1_high"])).all()


def test_failed_and_absent_cells_are_listed_as_missing(study: Path) -> None:
    frame = results.load(study)
    found = comparisons.missing(frame)
    assert list(found["state"]) == ["failed", "failed"] and found["error"].str.contains("not recorded").all()
    gone = frame.drop(frame[(frame["synth_frac"] == 1) & (frame["n_train"] == 8) & (frame["seed"] == 1) & frame["synthetic"]].index)
    absent = comparisons.missing(gone)
    assert sorted(zip(absent["state"], absent["seed"], strict=True)) == [("failed", 0), ("failed", 1), ("not run", 1)]


def test_a_sweep_over_sizes_with_one_seed_is_not_missing_the_seeds_of_another_sweep(study: Path) -> None:
    found = comparisons.missing(results.load(study))
    assert set(found["n_train"]) == {8}


def _run(folder: Path, ids: list[str], scores: list[float]) -> Path:
    write_jsonl(folder / sheets.PREDICTIONS, ({"id": i, "scores": {"f1": s}} for i, s in zip(ids, scores, strict=True)))
    return folder


def test_items_are_aligned_by_id_not_by_position(tmp_path: Path) -> None:
    import pandas as pd

    first, second = _run(tmp_path / "a", ["x", "y", "z"], [1, 0, 0.5]), _run(tmp_path / "b", ["z", "x", "y"], [0.25, 1, 0])
    sheet = sheets.of(pd.DataFrame({"seed": [0, 1], "folder": [str(first), str(second)]}), "f1")
    assert sheet is not None and sheet.items == ("x", "y", "z")
    assert sheet.scores.tolist() == [[1, 0, 0.5], [1, 0, 0.25]]


def test_runs_on_other_test_items_are_not_compared(tmp_path: Path) -> None:
    import pandas as pd

    first, second = _run(tmp_path / "a", ["x"], [1]), _run(tmp_path / "b", ["y"], [1])
    with pytest.raises(DataError, match="share no test item"):
        sheets.of(pd.DataFrame({"seed": [0, 1], "folder": [str(first), str(second)]}), "f1")


def test_a_folder_without_cells_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no cells"):
        results.load(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        results.load(tmp_path / "typo")


def test_one_prompt_models_failure_is_no_other_series_gap(study: Path, tmp_path: Path) -> None:
    """Two series that differ in the training values get names that say so."""
    for number, name in enumerate(sorted(p.name for p in study.iterdir() if (p / "result.json").is_file())[:2]):
        result = read_json(study / name / "result.json")
        result["knobs"]["training"]["epochs"] = number
        write_json(tmp_path / f"c{number}" / "result.json", result)
        write_json(tmp_path / f"c{number}" / "status.json", {"state": "done"})
        write_jsonl(tmp_path / f"c{number}" / sheets.PREDICTIONS, read_jsonl(study / name / sheets.PREDICTIONS))
    names = {one.name for one in series.split(results.load(tmp_path))}
    assert len(names) == 2 and all("training.epochs=" in name for name in names)
