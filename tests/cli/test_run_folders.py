"""Where a run writes, and what it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_runs import QUICK, run_folder, table_rows
from conftest import ROOT, Cli, write_csv

from littlehuman.runs.status import collect


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=fused"]], ids=["alone", "fused"])
def test_a_folder_that_holds_another_cell_is_left_alone(
    launcher: list[str], cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    by_number = ("-m", *launcher, *QUICK, "hydra.sweep.subdir=${hydra.job.num}")
    first, again, grown = cli(*by_number, "seed=0,1"), cli(*by_number, "seed=0,1"), cli(*by_number, "seed=0,2,1")
    assert (first.code, again.code, grown.code) == (0, 0, 1), grown.text
    assert again.out.count("already complete") == 2 and grown.out.count("already complete") == 1
    assert (
        len(re.findall(r"REFUSED  \S+/default/1 holds the result of cell \w{8}, and this is cell \w{8}", grown.err))
        == 1
    )
    assert [row["seed"] for row in table_rows(multirun / "default").values()] == ["0", "1", "1"]
    assert "Fix: another folder" in grown.out and "Traceback" not in grown.text


@pytest.mark.slow
def test_a_folder_of_the_users_choice_answers_for_its_own_cell_alone(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    there = tmp_path / "mine" / "out"
    theirs = write_csv(tmp_path / "mine" / "table.csv", ("a", "b"), [["1", "2"]]).read_text()
    place = f"hydra.run.dir={there}"
    assert cli(*QUICK, place).code == 0
    kept = {file: file.read_text() for file in there.rglob("*") if file.is_file() and file.suffix != ".log"}
    assert there / ".hydra" / "config.yaml" in kept
    for other in ("seed=1", "synth_frac=1.5", "+training.foo=1", "n_train=-3"):
        ended = cli(*QUICK, place, other)
        assert ended.code == 1 and "REFUSED" in ended.err and "accuracy" not in ended.out, ended.text
    assert kept == {file: file.read_text() for file in there.rglob("*") if file.is_file() and file.suffix != ".log"}
    assert "already complete" in cli(*QUICK, place).out
    assert (tmp_path / "mine" / "table.csv").read_text() == theirs
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"out", "table.csv"} and not list(
        multirun.iterdir()
    )


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["single", "sweep"])
def test_a_study_outside_of_the_results_is_refused_and_leaves_nothing_there(
    mode: list[str], cli: Cli, multirun: Path
) -> None:
    for study in ("../esc", str(multirun.parent / "esc")):
        ended = cli(*mode, *QUICK, f"study={study}")
        assert ended.code == 1 and f"REFUSED  study={study} must be a folder under multirun/" in ended.err, ended.text
    assert {path.name for path in multirun.parent.iterdir()} <= {"multirun"} and not list(multirun.rglob("status.json"))


def test_a_table_is_written_also_where_a_job_works_in_its_own_folder(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(multirun.parent)
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", "here")
    assert cli(*QUICK, "hydra.job.chdir=true").code == 0
    assert [row["state"] for row in table_rows(multirun.parent / "here" / "default").values()] == ["done"]


def test_the_readme_of_the_results_names_what_a_run_leaves(cli: Cli, multirun: Path) -> None:
    assert cli(*QUICK, "launch.keep_adapter=true").code == 0
    written = (ROOT / "multirun" / "README.md").read_text()
    folder = run_folder(multirun, *QUICK)
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert {
        "status.json",
        "mixture.json",
        "audit.json",
        "train.jsonl",
        "predictions.jsonl",
        "result.json",
        "adapter",
        "run.log",
    } == left
    assert all(name in written for name in left | {"table.csv", "table.md", "CELL/dataset/", "training.safetensors"})
    assert collect(multirun / "nothing") == []
