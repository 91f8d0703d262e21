"""Runs that fail, are interrupted, killed, or computed elsewhere: what is recorded, and what the next run does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import QUICK, no_result, run_folder, table_rows
from conftest import Cli

from littlehuman.store import read_json, write_json, write_text


def test_failed_run_explains_itself(cli: Cli, multirun: Path) -> None:
    words = (*QUICK, "human_budget=3")
    ended = cli(*words)
    folder = run_folder(multirun, *words)
    status = read_json(folder / "status.json")
    assert ended.code == 1
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "plan", "ConfigError")
    assert "more than the budget allows" in status["reason"]
    assert f"Try: littlehuman {' '.join(QUICK)} human_budget=4\n" in status["error"]
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


@pytest.mark.slow
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
    "rest",
    [{}, {"result.json": '{"scores": '}, pytest.param({"predictions.jsonl": "{"}, marks=pytest.mark.slow)],
    ids=["killed", "torn result", "torn rest"],
)
def test_a_run_that_was_killed_is_computed_again(rest: dict[str, str], cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 1})
    for name, text in rest.items():
        write_text(folder / name, text)
    assert cli(*QUICK).code == 0
    assert read_json(folder / "status.json")["state"] == "done" and read_json(folder / "result.json")["scores"]


@pytest.fixture
def elsewhere(multirun: Path) -> Iterator[Path]:
    """The run folder of `QUICK`, which another process has claimed and computes."""
    folder = run_folder(multirun, *QUICK)
    folder.mkdir(parents=True)
    holder = {"token": "t", "host": "node7", "place": "node7", "pid": 7, "started": "1", "since": "", "released": False}
    write_json(folder / ".lock", holder)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 7, "host": "node7"})
    yield folder


def _at_the_first_sleep(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """What another process does while this one waits for it."""
    calls: list[float] = []

    def sleep(seconds: float) -> None:
        assert len(calls) < 3, "waits on although all is settled"
        if not calls:
            then()
        calls.append(seconds)

    monkeypatch.setattr("littlehuman.execution.sharing.time.sleep", sleep)


WAYS = {"single": (), "sweep": ("-m",), "fused": ("-m", "hydra/launcher=fused")}


def _ways(*slow: str) -> pytest.MarkDecorator:
    """Runs and sweeps; those of these names in the slow tests alone."""
    marks = {True: [pytest.mark.slow], False: []}
    return pytest.mark.parametrize(
        "words", [pytest.param(words, id=name, marks=marks[name in slow]) for name, words in WAYS.items()]
    )


@_ways("sweep")  # it waits in the next test
def test_a_cell_that_another_process_computes_is_waited_for(
    words: tuple[str, ...], elsewhere: Path, cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = run_folder(multirun, *QUICK, "seed=1")
    assert cli(*QUICK, "seed=1").code == 0
    result = {**read_json(other / "result.json"), "id": elsewhere.name.rpartition("-")[2], "files": {}}
    _at_the_first_sleep(monkeypatch, lambda: write_json(elsewhere / "result.json", result))
    ended = cli(*words, *QUICK)
    assert ended.code == 0 and "already complete" in ended.out and elsewhere.name in ended.out, ended.text
    assert f"waiting for {elsewhere}, computed by process 7 on node7" in ended.out and "NOT" not in ended.err


@_ways("single")
def test_a_cell_that_a_dead_process_held_is_taken_over(
    words: tuple[str, ...], elsewhere: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_the_first_sleep(monkeypatch, lambda: os.utime(elsewhere / ".lock", (1, 1)))
    ended = cli(*words, *QUICK)
    assert ended.code == 0 and read_json(elsewhere / "result.json")["scores"], ended.text
    assert read_json(elsewhere / "status.json")["pid"] == os.getpid()


@_ways(*WAYS)
def test_a_failure_in_another_process_is_told_and_not_repeated(
    words: tuple[str, ...], elsewhere: Path, cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = {"state": "failed", "pid": 7, "host": "node7", "reason": "no rows", "error_type": "DataError"}

    def fails() -> None:
        write_json(elsewhere / "status.json", status)
        write_json(elsewhere / ".lock", {**read_json(elsewhere / ".lock"), "released": True})

    _at_the_first_sleep(monkeypatch, fails)
    ended = cli(*words, *QUICK)
    assert ended.code == 1 and no_result(multirun)
    assert f"NOT COMPLETE  {elsewhere}  failed in process 7 on node7: no rows" in ended.err, ended.text
    assert cli(*words, *QUICK).code == 0  # asked again, it is tried again


def test_a_cell_that_was_taken_over_meanwhile_is_left_to_its_new_owner(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(multirun, *QUICK)
    holder = {"token": "t", "host": "node7", "place": "node7", "pid": 7, "started": "1", "since": "", "released": False}
    from littlehuman import pipeline

    real = pipeline.fine_tune

    def suspended(*arguments: Any) -> Any:
        write_json(folder / ".lock-1", holder)
        write_json(folder / "status.json", {"pid": 7})
        return real(*arguments)

    monkeypatch.setattr(pipeline, "fine_tune", suspended)
    _at_the_first_sleep(
        monkeypatch, lambda: (write_json(folder / "result.json", {"id": "other"}), (folder / "status.json").unlink())
    )
    ended = cli(*QUICK)
    assert f"{folder} was taken over by process 7 on node7" in ended.out
    assert f"waiting for {folder}, computed by process 7 on node7" in ended.out
    assert not (folder / "predictions.jsonl").exists() and read_json(folder / "result.json") == {"id": "other"}


@pytest.mark.parametrize("place", ["study=paper/figure3", "hydra.run.dir={}/elsewhere/cell"])
def test_a_failure_is_told_wherever_its_folder_lies(place: str, cli: Cli, multirun: Path) -> None:
    ended = cli(*QUICK, "human_budget=1", place.format(multirun))
    assert ended.code == 1 and "NOT COMPLETE" in ended.err
    assert not list(multirun.glob(".invocation-*"))
