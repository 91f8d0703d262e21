"""`littlehuman` and `python -m littlehuman`: which subcommand runs, and the form of the commands that are printed."""

from __future__ import annotations

import importlib
import shlex
import time
from pathlib import Path

import pytest
from cli_runs import HUMAN, QUICK, console_script, typed
from conftest import Cli, Ended, python

import littlehuman
from littlehuman import __main__ as entry
from littlehuman import cli as command_line

FORMS = ("littlehuman", "./here/littlehuman run", "python -m littlehuman", "python -m littlehuman.run")
HEAVY = {"hydra", "omegaconf", "torch", "pandas", "numpy", "scipy", "transformers", "matplotlib"}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    return console_script(tmp_path / "bin").parent


@pytest.fixture(autouse=True)
def _form_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(command_line.FORM, "")


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> Ended:
    monkeypatch.setattr("sys.argv", ["littlehuman", *words])
    try:
        code = entry.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ended(code, *capsys.readouterr())


def test_help_lists_each_subcommand_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = call(monkeypatch, capsys, "--help")
    assert ended.code == 0 and {"run", "report", "price", "plan", "export"} <= set(entry.BY_NAME)
    for command in entry.COMMANDS:
        (line,) = [line for line in ended.out.splitlines() if line.startswith(f"  {command.name} ")]
        assert line.endswith(command.help) and len(line) <= 80


@pytest.mark.parametrize("word", ["--help", "--version", "repot"])
def test_nothing_heavy_is_imported_to_show_help(word: str) -> None:
    started = time.perf_counter()
    ended = python("-X", "importtime", "-m", "littlehuman", word)
    seconds = time.perf_counter() - started
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.err.splitlines()}
    assert "littlehuman" in imported and not imported & HEAVY
    assert seconds < 5  # what was imported is the real check: this machine may be busy


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, capsys, "--version").out == f"littlehuman {littlehuman.__version__}\n"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("repot", "did you mean 'report'?\nTry: littlehuman report multirun/study\n"),
        ("exprot", "did you mean 'export'?\nTry: littlehuman export multirun/study\n"),
        ("dataset", "there is: decide, run, tune-writer, report, view, next, price, plan, verify, audit, export"),
        ("xyz", "Try: littlehuman --help\n"),
    ],
)
def test_an_unknown_subcommand_is_refused_with_the_one_that_was_meant(
    word: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = call(monkeypatch, capsys, word, "multirun/study")
    assert ended.code == 2 and ended.err.startswith(f"littlehuman: '{word}' is no command; ") and said in ended.err


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], []),
        (["run", "--help"], ["--help"]),
        (["synth_frac=0.9", "--help"], ["synth_frac=0.9", "--help"]),
        (["-m", "experiment=zoom"], ["-m", "experiment=zoom"]),
        (["--cfg", "job"], ["--cfg", "job"]),
        (["-cn", "config"], ["-cn", "config"]),
        (["~tracker"], ["~tracker"]),
        (["+a.b=1"], ["+a.b=1"]),
    ],
    ids=" ".join,
)
def test_settings_and_flags_of_hydra_go_to_run(
    words: list[str],
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("littlehuman.run.cli", lambda: seen.append(entry.sys.argv[1:]))
    assert call(monkeypatch, capsys, *words).code == 0 and seen == [arguments]


@pytest.mark.parametrize("name", [command.name for command in entry.COMMANDS if command.name != "run"])
def test_a_subcommand_shows_the_help_of_its_module(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = call(monkeypatch, capsys, name, "--help")
    assert ended.code == 0 and ended.out.startswith(f"usage: littlehuman {name} [-h]")
    module = importlib.import_module(entry.BY_NAME[name].function.partition(":")[0])
    with pytest.raises(SystemExit):
        module.main(["--help"])
    assert capsys.readouterr().out == ended.out


@pytest.mark.parametrize("form", ["littlehuman export", "python -m littlehuman export", "python -m littlehuman.export"])
def test_the_usage_line_has_the_form_that_was_typed(form: str, scripts: Path) -> None:
    ended = typed(f"{form} --help", scripts, COLUMNS="200")
    assert ended.code == 0 and ended.out.startswith(f"usage: {form} [-h]"), ended.text


@pytest.mark.parametrize(("words", "code"), [(("report", "nowhere"), 1), (("plan",), 2)], ids=["report", "plan"])
def test_the_exit_code_is_that_of_the_subcommand(
    words: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, capsys, *words).code == code


@pytest.mark.parametrize(
    "form", [form if form in FORMS[::3] else pytest.param(form, marks=pytest.mark.slow) for form in FORMS]
)
def test_a_command_that_is_printed_has_the_form_that_was_typed(form: str, tmp_path: Path, scripts: Path) -> None:
    (tmp_path / "here").mkdir()
    console_script(tmp_path / "here")
    shown = form.removeprefix("./")
    ended = typed(f"{form} synth_frac=1.2", scripts, cwd=tmp_path, LITTLEHUMAN_MULTIRUN="results")
    assert ended.code == 1 and f"Try: {shown} synth_frac=0.95\n" in ended.err, ended.text


def test_what_to_type_next_can_be_typed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = cli(*QUICK)
    sweep, info = (line.strip() for line in ended.out.splitlines()[-2:])
    assert ended.code == 0 and sweep.startswith("littlehuman -m synth_frac=0,0.9,1 model=tiny"), ended.text
    again = cli(*shlex.split(sweep)[1:], "synth_frac=0")
    assert again.code == 0 and "already complete" in again.out, again.text
    helped = call(monkeypatch, capsys, *shlex.split(info.partition(": ")[2])[1:])
    assert helped.code == 0 and "Choices (group=option)" in helped.out


def test_worker_processes_print_the_form_that_was_typed(tmp_path: Path, scripts: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    axes = ("n_train=4", "human_budget=1", "seed=0,1")
    words = shlex.join(["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *HUMAN, *axes])
    typed(f"python -m littlehuman {words}", scripts, cwd=tmp_path, LITTLEHUMAN_MULTIRUN="results")
    errors = [file.read_text() for file in tmp_path.glob("results/default/*/status.json")]
    assert len(errors) == 2 and all("Try: python -m littlehuman -m hydra/launcher=joblib " in error for error in errors)


def test_an_executable_outside_of_path_is_shown_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = console_script(tmp_path / "else where")
    monkeypatch.setattr("sys.argv", [str(elsewhere), "plan"])
    command_line.note_form(subcommand=True)
    assert shlex.split(command_line.command("run", ["seed=1"])) == [str(elsewhere), "run", "seed=1"]
    assert command_line.command("run", ["seed=1"], portable=True) == "littlehuman run seed=1"
    monkeypatch.chdir(tmp_path)
    command_line.note_form()
    assert shlex.split(command_line.command("plan")) == ["else where/littlehuman", "plan"]


def test_a_printed_command_is_quoted_and_shows_no_password() -> None:
    words = ["dataset.labels={yes: supported}", "prompt_model.base_url=http://me:secret@host/v1"]
    line = command_line.sweep_command(words, "my groups")
    assert "secret" not in line
    assert shlex.split(line)[:5] == ["littlehuman", "-m", "--config-dir", "my groups", words[0]]
