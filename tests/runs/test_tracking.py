"""An experiment tracker gets the content of the cell's own files, and its errors do not affect them."""

from pathlib import Path

import pytest
from conftest import TINY, Cli, compose
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from littlehuman.config import validation
from littlehuman.config.identity import run_id
from littlehuman.errors import ConfigError
from littlehuman.runs import tracking
from littlehuman.schema import Tracker, TrackerConfig
from littlehuman.store import read_json, read_jsonl

CELL = (*TINY, "n_train=24", "synth_frac=0.5")


def only_cell(multirun: Path) -> Path:
    (result,) = multirun.rglob("result.json")
    return result.parent


def test_tensorboard_shows_the_curve_the_scores_with_their_intervals_and_the_cost(cli: Cli, multirun: Path) -> None:
    assert cli(*CELL, "tracker=tensorboard").code == 0
    folder = only_cell(multirun)
    result, rows = read_json(folder / "result.json"), list(read_jsonl(folder / "train.jsonl"))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [
        (r["step"], pytest.approx(r["loss"])) for r in rows
    ]
    for end in ("value", "low", "high"):
        name = "score/squad_f1" + ("" if end == "value" else f"_{end}")
        assert events.Scalars(name)[0].value == pytest.approx(result["scores"]["squad_f1"][end])
    assert events.Scalars("counts/synthetic")[0].value == 12 and events.Scalars("cost/usd")[0].value == 0
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_an_untrained_cell_has_scores_and_no_curve(cli: Cli, multirun: Path) -> None:
    assert cli(*TINY, "n_train=0", "tracker=tensorboard").code == 0
    events = EventAccumulator(str(only_cell(multirun) / "tensorboard"))
    events.Reload()
    assert "score/squad_f1" in events.Tags()["scalars"] and "train/loss" not in events.Tags()["scalars"]


def test_an_error_of_the_tracker_loses_no_result(cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(tracked: tracking.TrackedRun) -> None:
        raise ConnectionError("no way to the tracker")

    monkeypatch.setitem(tracking._TRACKERS, Tracker.tensorboard, fails)
    assert cli(*CELL, "tracker=tensorboard").code == 0
    log = (only_cell(multirun) / "run.log").read_text()
    assert "WARNING tracker=tensorboard: ConnectionError: no way to the tracker; the cell itself is complete" in log


def test_a_tracker_that_is_not_installed_is_refused_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match="tracker=wandb  is not installed; try: python -m pip install wandb, or tracker=none"
    ):
        compose(*TINY, "tracker=wandb")


def test_the_tracker_is_not_part_of_the_run_id() -> None:
    assert run_id(compose(*TINY)) == run_id(compose(*TINY, "tracker=tensorboard"))


def test_by_default_nothing_is_tracked(tmp_path: Path) -> None:
    tracking.track(TrackerConfig(), {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
