"""`hydra/launcher=fused`: the results of a fused sweep are those of separate runs, also when a cell fails."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cli_runs import HUMAN, QUICK, run_folder, table_rows
from conftest import TINY, Cli, claims, write_csv
from hydra.experimental.callback import Callback

from littlehuman import metrics, twins
from littlehuman.errors import ConfigError, DataError
from littlehuman.runs.claims import is_free, take
from littlehuman.schema import LaunchConfig
from littlehuman.store import read_json, read_jsonl, write_text

FUSED = ("-m", "hydra/launcher=fused")
CLAIMS = (*HUMAN, "dataset=fieldnotes_fv")
heard: list[str] = []  # calls of Hydra's callbacks


class Listener(Callback):
    """A Hydra callback of a user."""

    def on_job_start(self, config: Any, **_: Any) -> None:
        heard.append(f"start {config.seed}")

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        heard.append(f"end {config.seed} {job_return.status.name}")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The groups of cells that are trained together, by the names of their folders."""
    groups: list[list[str]] = []
    _around_training(monkeypatch, lambda cells: groups.append([cell.folder.name for cell in cells]))
    return groups


def _around_training(monkeypatch: pytest.MonkeyPatch, before: Callable[[Sequence[Any]], object]) -> None:
    """Call `before` with the cells of each group before they are trained."""
    from littlehuman.training import fit

    real = fit.fit

    def watched(cells: Sequence[fit.Cell], *rest: Any) -> list[fit.Outcome | Exception]:
        before(cells)
        return real(cells, *rest)

    monkeypatch.setattr(fit, "fit", watched)


def _table(study: Path) -> dict[str, dict[str, str]]:
    return {
        cell: {key: value for key, value in row.items() if key != "seconds"} for cell, row in table_rows(study).items()
    }


def _states(study: Path) -> list[str]:
    return sorted(row["state"] for row in _table(study).values())


def _lines(log: Path) -> list[str]:
    """The lines of a log without times."""
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()]


# The same as one after another


@pytest.mark.parametrize("shares", ["0.5", pytest.param("0,0.5", marks=pytest.mark.slow)])
def test_a_fused_sweep_has_the_same_results_and_files_as_separate_runs(
    shares: str, cli: Cli, multirun: Path, trained: list[list[str]]
) -> None:
    sweep = (
        *TINY,
        "launch.keep_adapter=true",
        "n_train=6",
        f"synth_frac={shares}",
        "seed=0,1",
        "training.batch_size=2",
    )
    for words in (("-m", "study=alone"), (*FUSED, "study=together")):
        ended = cli(*words, *sweep)
        assert ended.code == 0, ended.text
    count = 2 * len(shares.split(","))
    assert [len(group) for group in trained] == [1] * count + [count]
    alone, together = multirun / "alone", multirun / "together"
    assert _table(alone) == _table(together) and _states(together) == ["done"] * count
    for one in sorted(path.parent for path in alone.glob("*/result.json")):
        other = together / one.name
        files = [{path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (one, other)]
        assert files[0] == files[1]
        assert list(read_jsonl(one / "predictions.jsonl")) == list(read_jsonl(other / "predictions.jsonl"))
        assert (one / "mixture.json").read_text() == (other / "mixture.json").read_text()
        assert _lines(one / "run.log") == _lines(other / "run.log")
        first, second = read_json(one / "result.json"), read_json(other / "result.json")
        assert list(first) == list(second) and list(first["seconds"]) == list(second["seconds"])
        same = set(first) - {"seconds", "environment", "training", "files"}  # adapters differ by rounding
        assert {key: first[key] for key in same} == {key: second[key] for key in same}
        assert second["training"]["final_loss"] == pytest.approx(first["training"]["final_loss"], rel=1e-4)
        losses = [[row["loss"] for row in read_jsonl(folder / "train.jsonl")] for folder in (one, other)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4) and len(losses[0]) == 3


@pytest.mark.slow
def test_the_same_sweep_again_computes_only_what_is_missing(cli: Cli, multirun: Path, trained: list[list[str]]) -> None:
    sweep = (*FUSED, *QUICK, "seed=0,1", "launch.progress=true")
    first = cli(*sweep)
    assert first.code == 0 and [len(group) for group in trained] == [2]
    assert "cells: 100%" in first.err and "2/2" in first.err and "done=2" in first.err
    lost = run_folder(multirun, *QUICK, "seed=1")
    (lost / "result.json").unlink()
    kept = {path: path.stat().st_mtime_ns for path in multirun.rglob("result.json")}
    again = cli(*sweep, "launch.progress=false")
    assert again.code == 0 and again.text.count("already complete") == 1 and trained[1:] == [[lost.name]]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept and (lost / "result.json").exists()
    assert "cells:" not in again.err
    assert (
        cli(*QUICK, "seed=1", "hydra/launcher=fused").out.count("already complete") == 1
    )  # a plain run has no launcher


@pytest.mark.slow
def test_log_records_of_the_shared_training_are_in_the_log_of_each_cell(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _around_training(
        monkeypatch, lambda cells: logging.getLogger("littlehuman.models.memory").warning("smaller batches")
    )
    ended = cli(*FUSED, *QUICK, "seed=0,1")
    assert ended.code == 0 and ended.out.count("smaller batches") == 1
    for seed in (0, 1):
        assert _lines(run_folder(multirun, *QUICK, f"seed={seed}") / "run.log").count("WARNING smaller batches") == 1


# What is trained together


@pytest.mark.slow
def test_cells_of_different_models_or_launch_options_are_trained_apart(
    cli: Cli, multirun: Path, tmp_path: Path, trained: list[list[str]]
) -> None:
    for name, said in {
        "one": "n_train: 4\nlaunch: {micro_batch: 2}",
        "two": "n_train: 5\nlaunch: {micro_batch: 8}",
        "three": "n_train: 6\nlaunch: {micro_batch: 8}",
        "four": "n_train: 4\nmodel: {weights: 'random:bert'}\nlaunch: {micro_batch: 8}",
    }.items():
        write_text(tmp_path / "conf" / "experiment" / f"{name}.yaml", f"# @package _global_\n{said}\n")
    mine = ("experiment=one,two,three,four", "training.lora_targets=all_linear")
    ended = cli("--config-dir", str(tmp_path / "conf"), *FUSED, *CLAIMS, *mine)
    assert ended.code == 0, ended.text
    about = {path.parent.name: read_json(path)["knobs"] for path in multirun.rglob("result.json")}
    groups = [[(about[cell]["model"]["weights"], about[cell]["n_train"]) for cell in group] for group in trained]
    assert groups == [[("random:llama", 4)], [("random:llama", 5), ("random:llama", 6)], [("random:bert", 4)]]


@pytest.mark.slow
def test_a_cell_that_occurs_twice_in_a_sweep_is_computed_once(
    cli: Cli, multirun: Path, trained: list[list[str]]
) -> None:
    ended = cli(*FUSED, *QUICK, "prompt_model=qwen-1.5b,smollm2")  # without twins the prompt model makes no difference
    assert ended.code == 0 and ended.text.count("already complete") == 1, ended.text
    assert [len(group) for group in trained] == [1] and len(_table(multirun / "default")) == 1


@pytest.mark.slow
def test_no_more_cells_than_asked_for_are_prepared_ahead(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    _around_training(monkeypatch, lambda cells: seen.append((len(cells), len(list(multirun.rglob("mixture.json"))))))
    assert cli(*FUSED, *QUICK, "seed=0,1,2", "hydra.launcher.ahead=2").code == 0
    assert seen == [(2, 2), (1, 3)]


def test_a_sweep_that_may_prepare_no_cell_is_refused() -> None:
    from hydra_plugins.littlehuman_fused.launcher import FusedLauncher

    with pytest.raises(ConfigError, match="hydra.launcher.ahead=0 +must be 1 or more"):
        FusedLauncher(ahead=0).launch([["seed=0"]], 0)


@pytest.mark.slow
def test_environment_and_callbacks_of_hydra_are_as_with_any_launcher(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    heard.clear()
    _around_training(monkeypatch, lambda cells: heard.append(f"training says {os.environ.get('LITTLEHUMAN_SAID')}"))
    ended = cli(
        *FUSED,
        *QUICK,
        "seed=0,1",
        "+hydra.job.env_set.LITTLEHUMAN_SAID=so",
        f"+hydra.callbacks.mine._target_={__name__}.Listener",
    )
    assert ended.code == 0 and "LITTLEHUMAN_SAID" not in os.environ
    assert heard == ["start 0", "start 1", "training says so", "end 0 COMPLETED", "end 1 COMPLETED"]


@pytest.mark.slow  # a second each; the default tests hold the file's main promises
def test_data_edited_during_the_training_changes_no_run_folder(
    cli: Cli, multirun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ("evidence", "text", "target")
    table = write_csv(tmp_path / "claims.csv", columns, claims(40))
    _around_training(monkeypatch, lambda cells: write_csv(table, columns, claims(50)))
    ended = cli(
        *FUSED, *TINY, "synth_frac=0", "dataset=table", "task=fv", f"dataset.path={table}", "n_train=4", "seed=0,1"
    )
    assert ended.code == 0 and _states(multirun / "default") == ["done", "done"]
    cells = list(multirun.glob("default/table-*"))
    assert len(cells) == 2 and all(folder.name.endswith(read_json(folder / "result.json")["id"]) for folder in cells)


# Failures


def test_a_cell_that_fails_stops_no_other_cell(cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cells cannot be prepared, one cannot be trained, one cannot be written."""
    from littlehuman.training import fit

    def with_an_unreadable_row(
        cells: Sequence[fit.Cell], launch: LaunchConfig, finished: Callable[[int, Any], None]
    ) -> None:
        for index, cell in enumerate(cells):
            if cell.seed == 1:
                finished(index, DataError("row 7: 900 tokens\nTry: shorten this row"))
            else:
                fit_(cells[index : index + 1], launch, lambda _, outcome, index=index: finished(index, outcome))  # type: ignore[misc]

    fit_ = fit.fit
    monkeypatch.setattr(fit, "fit", with_an_unreadable_row)
    (run_folder(multirun, *QUICK) / "predictions.jsonl").mkdir(parents=True)  # a folder stands where the file shall be
    ended = cli(*FUSED, *CLAIMS, "n_train=4", "human_budget=all,3", "seed=0,1,2")
    assert ended.code == 1 and _states(multirun / "default") == ["done"] + ["failed"] * 5, ended.text
    stages = []
    for folder in sorted(path.parent for path in multirun.rglob("status.json")):
        status, log = read_json(folder / "status.json"), (folder / "run.log").read_text()
        if status["state"] == "failed":
            stages.append(status["stage"])
            assert str(folder) in ended.err and status["reason"] in ended.err
            assert status["error"] in log and "Traceback" not in log
    assert sorted(stages) == ["plan"] * 3 + ["scoring", "training"]


@pytest.mark.slow
def test_an_error_of_a_group_is_the_error_of_each_of_its_cells_and_of_no_other(
    cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn"
    write_text(torn / "config.json", "{}")  # all that is looked for beforehand
    ended = cli(*FUSED, *QUICK, "seed=0,1", f"model.weights=random:llama,{torn}")
    assert ended.code == 1 and _states(multirun / "default") == ["done", "done", "failed", "failed"], ended.text
    for seed in (0, 1):
        failed = run_folder(multirun, *QUICK, f"seed={seed}", f"model.weights={torn}")
        status = read_json(failed / "status.json")
        assert (status["stage"], status["error_type"]) == ("training", "WeightsError") and str(torn) in status["error"]
        assert (failed / "run.log").read_text().count(status["error"]) == 1


@pytest.mark.slow  # a second each; the default tests hold the file's main promises
def test_a_bug_in_the_training_of_a_group_leaves_a_traceback_with_each_cell(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(cells: Sequence[Any]) -> None:
        raise ZeroDivisionError("broken on purpose")

    _around_training(monkeypatch, broken)
    ended = cli(*FUSED, *QUICK, "seed=0,1")
    assert ended.code == 1 and ended.err.count("in stage training: ZeroDivisionError: broken on purpose") == 2
    for seed in (0, 1):
        log = (run_folder(multirun, *QUICK, f"seed={seed}") / "run.log").read_text()
        assert log.count("failed in stage training") == 1 and log.count("in broken") == 1


@pytest.mark.slow
def test_cells_that_another_process_computes_are_waited_for_after_all_others(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch, trained: list[list[str]]
) -> None:
    folder = run_folder(multirun, *QUICK, "seed=0")
    folder.mkdir(parents=True)
    claim = take(folder)
    assert claim
    monkeypatch.setattr("littlehuman.execution.sharing.time.sleep", lambda _: claim.release())
    ended = cli(*FUSED, *QUICK, "seed=0,1,2")
    assert ended.code == 0 and [len(group) for group in trained] == [2, 1] and trained[1] == [folder.name]
    assert f"waiting for {folder}, computed by process {os.getpid()}" in ended.out


@pytest.mark.slow
def test_a_cell_stays_claimed_from_preparation_to_end(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def before(cells: Sequence[Any]) -> None:
        for cell in cells:
            assert take(cell.folder) is None
            status = read_json(cell.folder / "status.json")
            seen.append((status["state"], status["stage"]))

    _around_training(monkeypatch, before)
    assert cli(*FUSED, *QUICK, "seed=0,1").code == 0 and seen == [("running", "training")] * 2
    assert all(is_free(run_folder(multirun, *QUICK, f"seed={seed}")) for seed in (0, 1))


def _interrupt_at_the_second_call(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
    """Ctrl-C while the second cell is in the function `name` of a module."""
    calls: list[object] = []
    real = getattr(module, name)

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, name, interrupted)


@pytest.mark.slow
def test_an_interruption_keeps_what_is_finished_and_the_same_command_goes_on(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch, trained: list[list[str]]
) -> None:
    _interrupt_at_the_second_call(monkeypatch, metrics, "score")
    ended = cli(*FUSED, *QUICK, "seed=0,1,2")
    assert ended.code == 130 and "Traceback" not in ended.text and ended.err.count("KeyboardInterrupt") == 2
    assert _states(multirun / "default") == ["done", "failed", "failed"]
    stages = [
        read_json(path)["stage"] for path in multirun.rglob("status.json") if read_json(path)["state"] == "failed"
    ]
    assert sorted(stages) == ["scoring", "training"]
    assert cli(*FUSED, *QUICK, "seed=0,1,2").code == 0
    assert [len(group) for group in trained] == [3, 2] and _states(multirun / "default") == ["done"] * 3


@pytest.mark.slow  # a second each; the default tests hold the file's main promises
def test_an_interruption_while_cells_are_prepared_ends_the_prepared_ones_too(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupt_at_the_second_call(monkeypatch, twins, "write")
    ended = cli(*FUSED, *QUICK, "seed=0,1,2")
    assert ended.code == 130 and ended.err.count("NOT COMPLETE") == 2
    assert _states(multirun / "default") == ["failed", "failed"]  # the third one was never begun
