"""Runs that fail, are interrupted, killed, or computed elsewhere: what is recorded, and what the next run does."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import HUMAN, QUICK, no_result, run_folder, table_rows
from conftest import Cli
from filelock import FileLock

from littlehuman.store import read_json, write_json, write_text


def test_failed_run_explains_itself(cli: Cli, multirun: Path) -> None:
    ended = cli(*HUMAN, "dataset=fieldnotes_fv", "n_train=9000")
    folder = run_folder(multirun, *HUMAN, "dataset=fieldnotes_fv", "n_train=9000")
    status = read_json(folder / "status.json")
    assert ended.code == 1
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "plan", "ConfigError")
    assert "usable training points" in status["reason"] and "Try: littlehuman dataset=" in status["error"]
    assert status["error"] in (folder / "run.log").read_text()
    assert not (folder / "result.json").exists()
    assert table_rows(multirun / "default")[folder.name]["error"] == status["reason"]


def test_a_run_that_fails_unexpectedly_explains_itself_with_a_traceback(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr("littlehuman.pipeline.fine_tune", broken)
    ended = cli(*QUICK)
    folder = run_folder(multirun, *QUICK)
    status = read_json(folder / "status.json")
    assert ended.code == 1 and "in stage training: ZeroDivisionError: broken on purpose" in ended.err
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "training", "ZeroDivisionError")
    log = (folder / "run.log").read_text()
    assert "failed in stage training" in log and "Traceback" in log and "in broken" in log
    assert not (folder / "result.json").exists() and (folder / "mixture.json").exists()
    assert table_rows(multirun / "default")[folder.name]["state"] == "failed"


def test_a_result_that_cannot_be_written_is_a_failed_run_and_is_repeated_later(cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    (folder / "predictions.jsonl").mkdir(parents=True)  # a folder stands where the file shall be
    ended = cli(*QUICK)
    assert ended.code == 1 and read_json(folder / "status.json")["stage"] == "scoring"
    (folder / "predictions.jsonl").rmdir()
    assert cli(*QUICK).code == 0
    status = read_json(folder / "status.json")
    assert status["state"] == "done" and "error" not in status
    assert table_rows(multirun / "default")[folder.name]["error"] == ""


def test_an_interrupted_run_is_noted_and_stops_the_sweep(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("littlehuman.pipeline.fine_tune", interrupted)
    ended = cli("-m", *QUICK, "seed=0,1")
    assert ended.code == 130 and "interrupted in stage training" in ended.out and "Traceback" not in ended.text
    (status,) = multirun.glob("default/*/status.json")
    assert (read_json(status)["state"], read_json(status)["reason"]) == ("failed", "KeyboardInterrupt")


@pytest.mark.parametrize(
    "rest", [{}, {"result.json": '{"scores": '}, {"predictions.jsonl": "{"}], ids=["killed", "torn result", "torn rest"]
)
def test_a_run_that_was_killed_is_computed_again(rest: dict[str, str], cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 1})
    for name, text in rest.items():
        write_text(folder / name, text)
    assert cli(*QUICK).code == 0
    assert read_json(folder / "status.json")["state"] == "done" and read_json(folder / "result.json")["scores"]


def test_a_cell_that_another_process_computes_is_left_alone_and_said_to_be_missing(cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 1})
    with FileLock(folder / ".lock"):
        ended = cli(*QUICK)
    assert ended.code == 1
    assert (
        f"NOT COMPLETE  {folder}  is being computed by another process" in ended.err and "Traceback" not in ended.text
    )
    assert read_json(folder / "status.json") == {"state": "running", "stage": "training", "pid": 1} and no_result(
        multirun
    )


@pytest.mark.parametrize("place", ["study=paper/figure3", "hydra.run.dir={}/elsewhere/cell"])
def test_a_failure_is_told_wherever_its_folder_lies(place: str, cli: Cli, multirun: Path) -> None:
    ended = cli(*HUMAN, "n_train=9000", place.format(multirun))
    assert ended.code == 1 and "NOT COMPLETE" in ended.err
    assert not list(multirun.glob(".invocation-*"))
