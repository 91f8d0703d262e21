"""The command line as its users meet it: help, sweeps, failures, and words instead of tracebacks."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import CONF, ROOT, TINY, Cli, Ended, claims, compose, python, write_csv
from filelock import FileLock

import littlehuman
from littlehuman import run
from littlehuman.config.identity import cell_name
from littlehuman.config.run_config import RunConfig
from littlehuman.runs.status import collect
from littlehuman.store import read_json, write_json, write_text

COLUMNS = ("evidence", "text", "target")
HUMAN = (*TINY, "synth_frac=0")  # no twin is needed
QUICK = (*HUMAN, "dataset=fieldnotes_fv", "n_train=4")
HEAVY = ("torch", "transformers", "datasets", "openai", "peft", "accelerate", "pandas")
PLANTED = "sk-planted-0123456789-never-shown"
LIGHT = """
import sys
sys.argv = ["littlehuman", *{arguments!r}]
from littlehuman.run import cli
try:
    cli()
finally:
    print("LOADED", *[name for name in {heavy!r} if name in sys.modules])
"""


def _table(study: Path) -> dict[str, dict[str, str]]:
    with (study / "table.csv").open(encoding="utf-8", newline="") as handle:
        return {row["cell"]: row for row in csv.DictReader(handle)}


def _folder(multirun: Path, *overrides: str) -> Path:
    """Where a command's only cell lies."""
    config: RunConfig = compose(*overrides)
    return multirun / config.study / cell_name(config)


def _no_result(multirun: Path) -> bool:
    return not list(multirun.rglob("result.json"))


# What needs no run


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--cfg", "job"], ["--info", "defaults-tree"], ["hydra/launcher=fused", "--cfg", "hydra"]],
    ids=" ".join,
)
def test_help_is_fast(arguments: list[str], tmp_path: Path) -> None:
    started = time.perf_counter()
    ended = python("-c", LIGHT.format(arguments=arguments, heavy=HEAVY), cwd=tmp_path)
    seconds = time.perf_counter() - started
    assert ended.code == 0, ended.text
    assert ended.out.splitlines()[-1] == "LOADED"
    assert seconds < 10  # what was loaded is the real check: this machine may be busy


def test_the_version_is_that_of_littlehuman(cli: Cli) -> None:
    ended = cli("--version")
    assert (ended.code, ended.out) == (0, f"littlehuman {littlehuman.__version__}\n")


def test_help_names_every_group_and_every_option(cli: Cli) -> None:
    ended = cli("--help")
    assert ended.code == 0
    for file in CONF.glob("*/*.yaml"):
        line = next(line for line in ended.out.splitlines() if line.startswith(f"{file.parent.name}: "))
        assert file.stem in line.replace(",", "").split()
    for key in (
        "synth_frac",
        "n_train",
        "n_test",
        "seed",
        "study",
        "human_budget",
        "extra_human",
        "synthetic",
        "test_dataset",
    ):
        assert key in ended.out


@pytest.mark.parametrize(
    "arguments", [["--cfg", "job"], ["--cfg", "job", "--resolve"], ["--info", "searchpath"]], ids=" ".join
)
def test_the_configuration_can_be_shown_without_leaving_a_folder(
    arguments: list[str], cli: Cli, multirun: Path
) -> None:
    ended = cli(*arguments)
    assert ended.code == 0 and not multirun.exists()


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    (script,) = entry_points(group="console_scripts", name="littlehuman")
    assert script.load() is run.cli
    beside = Path(sys.executable).with_name("littlehuman")
    if not beside.exists():
        pytest.skip("littlehuman is not installed in this environment")
    done = subprocess.run([beside, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("littlehuman: how much human data")


@pytest.mark.parametrize("marks", [pytest.param("", marks=[] if find_spec("hatchling") else pytest.mark.slow)])
def test_cli_from_wheel(marks: str, tmp_path: Path) -> None:
    """Where hatchling is not installed pip must fetch it, which may need a network: then this is a slow test."""
    pip = ("-m", "pip", "--disable-pip-version-check", "-q")
    environment = {**os.environ, "PYTHONPATH": ""}
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    commands = (
        ["wheel", "--no-deps", *isolation, "-w", str(tmp_path / "dist"), str(ROOT)],
        ["install", "--no-deps", "--target", str(tmp_path / "site")],
    )
    for command in commands:
        wheels = [str(wheel) for wheel in (tmp_path / "dist").glob("*.whl")] if command[0] == "install" else []
        done = subprocess.run(
            [sys.executable, *pip, *command, *wheels], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    elsewhere = {"cwd": tmp_path, "PYTHONPATH": str(tmp_path / "site")}
    where = python("-c", "import littlehuman.run as r; print(r.conf_folder())", **elsewhere)  # type: ignore[arg-type]
    assert where.out.strip() == str(tmp_path / "site" / "littlehuman" / "conf")
    for arguments in (["--help"], ["--cfg", "job"]):
        ended = python("-m", "littlehuman.run", *arguments, **elsewhere)  # type: ignore[arg-type]
        assert ended.code == 0 and "fieldnotes_qa" in ended.out, ended.text
    assert (tmp_path / "site" / "hydra_plugins" / "littlehuman_fused" / "launcher.py").is_file()
    together = python("-m", "littlehuman.run", "-m", "hydra/launcher=fused", "n_train=90000", "seed=0,1", **elsewhere)  # type: ignore[arg-type]
    assert together.out.count("usable training points") == 2 and "trained together" in together.out, together.text
    found = python("-m", "littlehuman.run", "n_train=90000", **elsewhere)  # type: ignore[arg-type]
    assert re.search(r"fieldnotes_qa has [1-9]\d+ usable training points", found.out), found.text


# Sweeps


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Two cells that can be computed and two that cannot, as one command of its own process."""
    root = tmp_path_factory.mktemp("swept")
    command = ("-m", "littlehuman.run", "-m", *HUMAN, "dataset=fieldnotes_fv", "seed=0,1", "n_train=10,9000")
    return root, python(*command, LITTLEHUMAN_MULTIRUN=str(root))


def test_a_sweep_completes_around_cells_that_fail(swept: tuple[Path, Ended]) -> None:
    root, ended = swept
    assert ended.code == 1, ended.text
    assert len(list((root / "default").glob("*/result.json"))) == 2
    last = ended.err.strip().splitlines()[-3:]
    for seed in (0, 1):
        failed = _folder(root, *HUMAN, "dataset=fieldnotes_fv", f"seed={seed}", "n_train=9000")
        assert (
            sum(
                line.startswith(f"NOT COMPLETE  {failed}  in stage plan: n_train=9000 fieldnotes_fv has 3")
                for line in last
            )
            == 1
        )
    assert last[2] == "2 cell(s) cannot be computed as asked; change the values that are named above."
    assert "Traceback" not in ended.text


def test_table_is_complete_after_a_failure(swept: tuple[Path, Ended]) -> None:
    root, _ = swept
    table = _table(root / "default")
    assert sorted(row["state"] for row in table.values()) == ["done", "done", "failed", "failed"]
    assert set(table) == {folder.parent.name for folder in (root / "default").glob("*/status.json")}
    for row in table.values():
        assert row["seed"] in "01" and row["n_train"] == ("9000" if row["state"] == "failed" else "10")
        assert bool(row["error"]) == (row["state"] == "failed") == (row["accuracy"] == "")
    assert "| failed |" in (root / "default" / "table.md").read_text()


def test_the_same_sweep_again_computes_only_what_is_missing(
    swept: tuple[Path, Ended], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = swept
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", str(root))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("result.json")}
    ended = cli("-m", *HUMAN, "dataset=fieldnotes_fv", "seed=0,1", "n_train=10,9000")
    assert ended.code == 1 and ended.text.count("already complete") == 2 and ended.text.count("ERROR ConfigError") == 2
    assert {path: path.stat().st_mtime_ns for path in root.rglob("result.json")} == before
    # A single run of one of the cells is the same folder, whatever it is called and wherever it computes.
    single = cli(*HUMAN, "dataset=fieldnotes_fv", "seed=1", "n_train=10", "synth_frac=0.0", "launch.micro_batch=2")
    assert single.code == 0 and "already complete" in single.out
    assert {path: path.stat().st_mtime_ns for path in root.rglob("result.json")} == before


def test_a_sweep_names_cells_whose_config_is_refused(cli: Cli, multirun: Path) -> None:
    ended = cli("-m", *HUMAN, "synth_frac=0,1.5", "n_train=9000")
    assert ended.code == 1 and ended.err.count("NOT COMPLETE") == 1
    assert "REFUSED  synth_frac=1.5 must be between 0 and 1" in ended.err and "the same command" not in ended.err
    assert len(_table(multirun / "default")) == 1


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=fused"]], ids=["alone", "fused"])
@pytest.mark.parametrize("typo", ["synth_frac=1.5", "task.metrics=[acuracy]", "+training.foo=1", "+synthfrac=1"])
def test_a_typo_does_not_stay_in_the_study(typo: str, launcher: list[str], cli: Cli, multirun: Path) -> None:
    refused = cli("-m", *launcher, *QUICK, typo)
    assert refused.code == 1 and "REFUSED" in refused.err and "Traceback" not in refused.text
    assert {path.name for path in (multirun / "default").iterdir()} == {"multirun.yaml"}
    assert cli(*QUICK).code == 0 and cli("-m", *QUICK, typo).code == 1
    assert [row["state"] for row in _table(multirun / "default").values()] == ["done"]
    assert len([path for path in (multirun / "default").iterdir() if path.is_dir()]) == 1


def test_a_failure_that_may_pass_and_a_refusal_are_told_apart(cli: Cli, multirun: Path) -> None:
    folder = _folder(multirun, *QUICK)
    (folder / "predictions.jsonl").mkdir(parents=True)  # a folder stands where the file shall be
    ended = cli("-m", *QUICK, "seed=0,-1", "+training.foo=1")
    assert ended.err.splitlines()[-1].startswith("2 cell(s) cannot be computed as asked")
    ended = cli("-m", *QUICK, "n_train=4,-1")
    assert ended.err.splitlines()[-2:] == [
        "1 cell(s) not complete; the same command repeats only what is missing.",
        "1 cell(s) cannot be computed as asked; change the values that are named above.",
    ]


def test_an_experiment_without_its_grid_is_refused_with_the_command_that_was_meant(cli: Cli, multirun: Path) -> None:
    whole = cli("experiment=zoom", *QUICK, "seed=1")  # synth_frac stands in QUICK: nothing is left to the grid
    assert whole.code == 0 and len(_table(multirun / "zoom")) == 1
    shutil.rmtree(multirun / "zoom")
    ended = cli("experiment=zoom", *TINY, "dataset=fieldnotes_fv", "n_train=4", "seed=1")
    assert ended.code == 1 and "experiment=zoom  is a grid over synth_frac, " in ended.out, ended.text
    meant = f"Try: python -m littlehuman.run -m experiment=zoom {' '.join(TINY)} dataset=fieldnotes_fv n_train=4 seed=1"
    assert meant in ended.out and not (multirun / "zoom").exists()


def test_runs_never_collide(tmp_path: Path) -> None:
    """Two commands of the same second; one cell belongs to both."""
    environment = {**os.environ, "LITTLEHUMAN_MULTIRUN": str(tmp_path)}
    commands = [[sys.executable, "-m", "littlehuman.run", "-m", *QUICK, f"seed={seeds}"] for seeds in ("0,1", "0,2")]
    running = [
        subprocess.Popen(c, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for c in commands
    ]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert sum("already complete" in text or "is being computed by another process" in text for text in said) == 1, said
    for process, text in zip(running, said, strict=True):
        assert process.returncode == int("is being computed" in text), text
    table = _table(tmp_path / "default")
    assert sorted((row["seed"], row["state"]) for row in table.values()) == [
        ("0", "done"),
        ("1", "done"),
        ("2", "done"),
    ]
    assert len(list((tmp_path / "default").glob("*/result.json"))) == 3


# Failures


def test_failed_run_explains_itself(cli: Cli, multirun: Path) -> None:
    ended = cli(*HUMAN, "dataset=fieldnotes_fv", "n_train=9000")
    folder = _folder(multirun, *HUMAN, "dataset=fieldnotes_fv", "n_train=9000")
    status = read_json(folder / "status.json")
    assert ended.code == 1
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "plan", "ConfigError")
    assert "usable training points" in status["reason"] and "Try: python -m littlehuman.run" in status["error"]
    assert status["error"] in (folder / "run.log").read_text()
    assert not (folder / "result.json").exists()
    assert _table(multirun / "default")[folder.name]["error"] == status["reason"]


def test_a_run_that_fails_unexpectedly_explains_itself_with_a_traceback(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr("littlehuman.pipeline.fine_tune", broken)
    ended = cli(*QUICK)
    folder = _folder(multirun, *QUICK)
    status = read_json(folder / "status.json")
    assert ended.code == 1 and "in stage training: ZeroDivisionError: broken on purpose" in ended.err
    assert (status["state"], status["stage"], status["error_type"]) == ("failed", "training", "ZeroDivisionError")
    log = (folder / "run.log").read_text()
    assert "failed in stage training" in log and "Traceback" in log and "in broken" in log
    assert not (folder / "result.json").exists() and (folder / "mixture.json").exists()
    assert _table(multirun / "default")[folder.name]["state"] == "failed"


def test_a_result_that_cannot_be_written_is_a_failed_run_and_is_repeated_later(cli: Cli, multirun: Path) -> None:
    folder = _folder(multirun, *QUICK)
    (folder / "predictions.jsonl").mkdir(parents=True)  # a folder stands where the file shall be
    ended = cli(*QUICK)
    assert ended.code == 1 and read_json(folder / "status.json")["stage"] == "scoring"
    (folder / "predictions.jsonl").rmdir()
    assert cli(*QUICK).code == 0
    status = read_json(folder / "status.json")
    assert status["state"] == "done" and "error" not in status
    assert _table(multirun / "default")[folder.name]["error"] == ""


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
    folder = _folder(multirun, *QUICK)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 1})
    for name, text in rest.items():
        write_text(folder / name, text)
    assert cli(*QUICK).code == 0
    assert read_json(folder / "status.json")["state"] == "done" and read_json(folder / "result.json")["scores"]


def test_a_cell_that_another_process_computes_is_left_alone_and_said_to_be_missing(cli: Cli, multirun: Path) -> None:
    folder = _folder(multirun, *QUICK)
    write_json(folder / "status.json", {"state": "running", "stage": "training", "pid": 1})
    with FileLock(folder / ".lock"):
        ended = cli(*QUICK)
    assert ended.code == 1
    assert (
        f"NOT COMPLETE  {folder}  is being computed by another process" in ended.err and "Traceback" not in ended.text
    )
    assert read_json(folder / "status.json") == {"state": "running", "stage": "training", "pid": 1} and _no_result(
        multirun
    )


@pytest.mark.parametrize("place", ["study=paper/figure3", "hydra.run.dir={}/elsewhere/cell"])
def test_a_failure_is_told_wherever_its_folder_lies(place: str, cli: Cli, multirun: Path) -> None:
    ended = cli(*HUMAN, "n_train=9000", place.format(multirun))
    assert ended.code == 1 and "NOT COMPLETE" in ended.err
    assert not list(multirun.glob(".invocation-*"))


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
    assert [row["seed"] for row in _table(multirun / "default").values()] == ["0", "1", "1"]
    assert "Try: another folder" in grown.out and "Traceback" not in grown.text


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


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["single", "sweep"])
def test_a_value_may_be_taken_from_another_key(mode: list[str], cli: Cli, multirun: Path) -> None:
    ended = cli(*mode, *QUICK, "extra_human=${seed}", "seed=1")
    assert ended.code == 0 and read_json(next(multirun.rglob("result.json")))["knobs"]["extra_human"] == 1, ended.text


def test_a_value_that_is_taken_from_nowhere_is_one_clear_message(cli: Cli, multirun: Path) -> None:
    ended = cli(*QUICK, "n_test=${nothing}")
    assert (
        ended.code == 1
        and "REFUSED  n_test Interpolation key 'nothing' not found" in ended.err
        and "Traceback" not in ended.text
    )
    assert not list(multirun.iterdir())


def test_a_table_is_written_also_where_a_job_works_in_its_own_folder(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(multirun.parent)
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", "here")
    assert cli(*QUICK, "hydra.job.chdir=true").code == 0
    assert [row["state"] for row in _table(multirun.parent / "here" / "default").values()] == ["done"]


def test_a_dataset_of_the_users_own_is_one_file_anywhere(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "ferries.csv", ("evidence", "claim", "target"), claims(40))
    mine = tmp_path / "conf" / "dataset"
    write_text(
        mine / "ferries.yaml", f"defaults: [table, _self_]\nname: ferries\npath: {table}\ncolumns: {{text: claim}}\n"
    )
    write_text(mine / "boats.yaml", "defaults: [ferries, _self_]\nname: boats\n")
    own = cli("--config-dir", str(tmp_path / "conf"), *HUMAN, "dataset=ferries", "n_train=4")
    assert own.code == 0 and "fine-tuned on ferries" in own.out, own.text
    assert (
        f"littlehuman.run -m --config-dir {tmp_path / 'conf'} synth_frac=0,0.9,1" in own.out
    )  # what is to be typed next finds it too
    other = cli("--config-dir", str(tmp_path / "conf"), *QUICK, "test_dataset=boats", "n_test=null")
    assert other.code == 0 and "fine-tuned on fieldnotes_fv" in other.out, other.text
    assert any("test points of boats" in str(read_json(path)["notes"]) for path in multirun.rglob("result.json"))


def test_a_test_dataset_of_the_users_own_that_was_edited_is_another_cell(
    cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    table, conf = tmp_path / "ferries.csv", tmp_path / "conf" / "dataset" / "ferry.yaml"
    own = f"defaults: [table, _self_]\nname: ferry\npath: {table}\ncolumns: {{text: claim}}\n"
    command = ["--config-dir", str(tmp_path / "conf"), *QUICK, "test_dataset=ferry", "n_test=null"]
    tested = []
    for count, words in ((40, own), (60, own), (60, own + "max_tokens: 100\n")):
        write_csv(table, ("evidence", "claim", "target"), claims(count))
        write_text(conf, words)
        ended = cli(*command)
        assert ended.code == 0 and "already complete" not in ended.out, ended.text
        tested.append(re.findall(r"tested on (\d+) human points", ended.out)[0])
        assert "already complete" in cli(*command).out
    assert tested == ["8", "12", "12"] and len(_table(multirun / "default")) == 3
    assert {row["test_dataset"] for row in _table(multirun / "default").values()} == {"ferry"}


def test_a_test_dataset_whose_yaml_is_wrong_is_one_clear_message(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    write_text(tmp_path / "conf" / "dataset" / "ferry.yaml", "defaults: [table, _self_]\nname: ferry\nlables: {}\n")
    write_text(tmp_path / "conf" / "dataset" / "barge.yaml", "defaults: [tabel, _self_]\nname: barge\n")
    for name, said in (("ferry", "lables"), ("barge", "did you mean 'table'?")):
        ended = cli("--config-dir", str(tmp_path / "conf"), *QUICK, f"test_dataset={name}")
        assert (
            ended.code == 1 and "test_dataset=" in ended.out and said in ended.out and "Traceback" not in ended.text
        ), ended.text
    assert _no_result(multirun)


def test_another_dataset_may_be_the_test_from_a_local_copy(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    ended = cli(*QUICK, "test_dataset=table", f"test_path={_claims(tmp_path)}", "n_test=2")
    assert ended.code == 0 and "tested on 2 human points" in ended.out, ended.text


# Bad input: one clear message, no traceback, no result


def _claims(path: Path, columns: tuple[str, ...] = COLUMNS, label: str = "supported") -> str:
    rows = claims(20)
    rows[0][2] = label
    return str(write_csv(path / "claims.csv", columns, rows))


BAD: dict[str, tuple[Callable[[Path], list[str]], list[str]]] = {
    "unknown dataset": (lambda _: ["dataset=wanly"], ["dataset/wanly", "wanli"]),
    "unknown protocol": (lambda _: ["protocol=mine"], ["protocol/mine", "recommended"]),
    "share above one": (lambda _: ["synth_frac=1.2"], ["synth_frac=1.2", "must be between 0 and 1", "Try:"]),
    "too many points": (
        lambda _: ["synth_frac=0", "n_train=100000"],
        ["n_train=100000", "usable training points", "Try:"],
    ),
    "missing column": (
        lambda tmp: ["dataset=table", f"dataset.path={_claims(tmp)}", "dataset.columns.text=claim"],
        ["claims.csv", "'claim'", "evidence, target, text", "dataset.columns.text=NAME"],
    ),
    "label outside the map": (
        lambda tmp: ["dataset=table", f"dataset.path={_claims(tmp, label='maybe')}"],
        [
            "claims.csv",
            "'maybe' (1 rows)",
            "'dataset.labels={maybe: CLASS, unsupported: unsupported, supported: supported}'",
        ],
    ),
    "no such path": (
        lambda tmp: ["dataset=wanli", f"dataset.path={tmp}/nowhere"],
        ["/nowhere does not exist", "train.jsonl"],
    ),
    "no source": (
        lambda _: ["dataset=table"],
        ["dataset=table has neither a path nor a hub name", "dataset.path=FILE_OR_FOLDER"],
    ),
    "missing key": (
        lambda _: ["prompt_model=gpt-4-turbo", "n_train=4"],
        ["OPENAI_API_KEY", "not set", "export OPENAI_API_KEY"],
    ),
    "endpoint down": (
        lambda _: [
            "prompt_model=openai_compatible",
            "prompt_model.base_url=http://127.0.0.1:9/v1",
            "prompt_model.retries=0",
            "n_train=4",
        ],
        ["http://127.0.0.1:9/v1", "nothing answers there"],
    ),
    "no recording": (
        lambda _: ["prompt_model=recorded", "prompt_model.path=absent.jsonl", "n_train=4"],
        ["prompt_model.path=absent.jsonl", "no such file"],
    ),
    "an encoder for answers": (
        lambda _: ["model=minilm", "dataset=fieldnotes_qa"],
        ["model=minilm", "cannot write answers", "model=smollm2"],
    ),
    "budget too small": (
        lambda _: ["n_train=20", "synth_frac=0.5", "human_budget=5"],
        ["human_budget=5", "trains on 10 human points", "human_budget=10 or more"],
    ),
    "unknown metric": (
        lambda _: ["task.metrics=[squad_f1,rouge]"],
        ["task.metrics=rouge", "is no metric", "did you mean 'rouge1'?"],
    ),
    "unknown LoRA target": (
        lambda _: ["training.lora_targets=atention"],
        ["training.lora_targets=atention", "all_linear, kv_down"],
    ),
    "test dataset of another task": (lambda _: ["test_dataset=wanli"], ["test_dataset=wanli", "task=fv", "task=qa"]),
    "unknown test dataset": (lambda _: ["test_dataset=sqad"], ["test_dataset=sqad", "did you mean 'squad'?"]),
    "test dataset with other labels": (
        lambda tmp: ["dataset=fieldnotes_fv", "test_dataset=table", f"test_path={_claims(tmp, label='perhaps')}"],
        ["'perhaps'"],
    ),
    "unknown reader": (lambda _: ["dataset.reader=tabel"], ["dataset.reader=tabel", "did you mean 'table'?"]),
    "unknown device": (
        lambda _: [*QUICK, "launch.device=gpu"],
        ["launch.device=gpu", "must be auto, cpu, cuda or cuda:N"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_message(case: str, cli: Cli, multirun: Path, tmp_path: Path) -> None:
    overrides, said = BAD[case]
    ended = cli(*TINY[1:], *([] if case in ("an encoder for answers",) else [TINY[0]]), *overrides(tmp_path))
    assert ended.code != 0
    for words in said:
        assert words in ended.text, ended.text
    assert "Traceback" not in ended.text and _no_result(multirun)
    assert "littlehuman/" not in ended.text.replace(str(ROOT), "")  # no source line either


def test_bad_input_in_a_process_of_its_own_ends_the_same_way(tmp_path: Path) -> None:
    ended = python("-m", "littlehuman.run", "synth_frac=1.2", LITTLEHUMAN_MULTIRUN=str(tmp_path))
    assert ended.code == 1 and "Traceback" not in ended.text and ended.err.startswith("REFUSED  synth_frac=1.2")


def test_a_key_is_never_written_or_shown(cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    ended = cli(
        *TINY,
        "prompt_model=gpt-4-turbo",
        "prompt_model.base_url=http://127.0.0.1:9/v1",
        "prompt_model.retries=0",
        "n_train=4",
    )
    assert ended.code == 1 and "127.0.0.1:9" in ended.text and PLANTED not in ended.text
    files = [path for path in multirun.rglob("*") if path.is_file()]
    assert len(files) > 5 and not [path for path in files if PLANTED.encode() in path.read_bytes()]


# The house around it


def test_no_request_leaves(refused_requests: Callable[[], list[str]]) -> None:
    with pytest.raises(OSError, match="no request may leave"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="no request may leave"), socket.socket() as made:
        made.connect(("198.51.100.7", 443))
    with pytest.raises(OSError, match="no request may leave"):
        socket.getaddrinfo("huggingface.co", 443)
    child = python("-c", "import urllib.request; urllib.request.urlopen('http://example.org')")
    assert child.code != 0 and "no request may leave" in child.err
    assert refused_requests() == ["192.0.2.1", "198.51.100.7", "huggingface.co", "example.org"]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    assert refused_requests() == []


def test_make_help_lists_targets_that_exist() -> None:
    make = shutil.which("make")
    if not make:
        pytest.skip("make is not installed")
    listed = subprocess.run(
        [make, "-C", str(ROOT), "--no-print-directory", "help"], capture_output=True, text=True, timeout=30
    )
    targets = [line.split()[1] for line in listed.stdout.splitlines()]
    assert {"install", "run", "test", "test-all", "check"} <= set(targets)
    for target in targets:
        dry = subprocess.run([make, "-C", str(ROOT), "-n", target], capture_output=True, text=True, timeout=30)
        assert dry.returncode == 0, dry.stderr


def test_the_time_that_the_benchmarks_take_is_said_alike_everywhere() -> None:
    said = {}
    for name in (
        "Makefile",
        "README.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        "benchmarks/page.py",
        "benchmarks/sizes.py",
    ):
        lines = " ".join((ROOT / name).read_text().split())
        said[name] = set(re.findall(r"(?:make bench|bench:|sized for).{0,160}?(\d+) minutes", lines))
    assert all(minutes == {"30"} for minutes in said.values()), said


def test_continuous_integration_runs_the_commands_that_people_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "make check" in text and "make test" in text and "set -euo pipefail" in text


def test_the_readme_of_the_results_names_what_a_run_leaves(cli: Cli, multirun: Path) -> None:
    assert cli(*QUICK, "launch.keep_adapter=true").code == 0
    written = (ROOT / "multirun" / "README.md").read_text()
    folder = _folder(multirun, *QUICK)
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert {
        "status.json",
        "mixture.json",
        "train.jsonl",
        "predictions.jsonl",
        "result.json",
        "adapter",
        "run.log",
    } == left
    assert all(name in written for name in left | {"table.csv", "table.md", "CELL/dataset/", "training.safetensors"})
    assert collect(multirun / "nothing") == []


@pytest.mark.parametrize("module", ["run", "plan"])
def test_a_reader_that_leaves_early_is_no_error(module: str, tmp_path: Path) -> None:
    arguments = {
        "run": ["--help"],
        "plan": [str(_scores(tmp_path)), "--budget=100", "--human-price=1", "--synthetic-price=0.1"],
    }[module]
    command = shlex.join([sys.executable, "-m", f"littlehuman.{module}", *arguments])
    done = subprocess.run(
        f"({command}; echo code $? >&2) | true", shell=True, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.stderr == "code 0\n"


def _scores(folder: Path) -> Path:
    rows = [
        f"{synthetic},{human},{0.5 + human / 1e4 + synthetic / 1e5}"
        for synthetic in (0, 500, 1000)
        for human in (100, 200)
    ]
    (folder / "scores.csv").write_text("\n".join(["n_synthetic,n_human,score", *rows]) + "\n")
    return folder / "scores.csv"
