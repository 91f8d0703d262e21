"""`littlehuman decide`: from a file to an answer; what it refuses, how it goes on, and what it says."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from conftest import PUBLIC_DATA, Cli, claims, write_csv
from study_factory import write_study

from littlehuman import cli, decide
from littlehuman.deciding.running import Ran
from littlehuman.store import write_jsonl

PRICE = ("--human-price", "0.8")
TWINS = ("--prompt-model", "provided", "prompt_model.path=twins.jsonl")
Said = Callable[..., str]


@pytest.fixture
def said(multirun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Types the command in a folder of its own; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, code: int = 0, runner: Any = None) -> str:
        assert decide.main([*words], runner) == code, capsys.readouterr()
        got = capsys.readouterr()
        return got.err if code else got.out

    return call


@pytest.fixture
def table(tmp_path: Path) -> str:
    """800 claims."""
    write_csv(tmp_path / "claims.csv", ("context", "claim", "verdict"), claims(800))
    return "claims.csv"


def choices(multirun: Path) -> dict[str, Any]:
    (file,) = multirun.glob("*/decide.yaml")
    return {choice["key"]: choice["value"] for choice in yaml.safe_load(file.read_text())["choices"]}


class Planted:
    """Runs the cells of a sweep as a study with a known truth has them: (human, synthetic points) -> score."""

    def __init__(self, study: Path, truth: Callable[[int, int], float]) -> None:
        self.study, self.truth, self.sweeps = study, truth, list[dict[str, str]]()

    def __call__(self, words: Sequence[str], limit_s: float) -> Ran:
        typed = dict(word.split("=", 1) for word in words)
        self.sweeps.append(typed)
        write_study(
            self.study / typed["study"],
            datasets=("claims",),
            fractions=[float(share) for share in typed["synth_frac"].split(",")],
            seeds=[int(seed) for seed in typed["seed"].split(",")],
            sizes=[int(typed["n_train"])],
            extra_human=[int(typed.get("extra_human", "0"))],
            items=int(typed.get("n_test", "400")),
            truth=self.truth,
            scatter=0.2,
            majority=0.5,
        )
        return Ran(0, 1.0)


def needs_humans(human: int, synthetic: int) -> float:
    """A person's label counts as much as 40 twins, and some 40 of them are enough: nine of ten may be twins."""
    return 0.62 + 0.25 * (1 - math.exp(-(human + synthetic / 40) / 12))


def test_a_dry_run_writes_each_choice_with_its_reason_and_runs_nothing(said: Said, table: str, multirun: Path) -> None:
    printed = said(table, *TWINS, *PRICE, "--dry-run")
    found = choices(multirun)
    assert (found["task"], found["dataset.columns.evidence"], found["dataset.columns.target"]) == (
        "fv",
        "context",
        "verdict",
    )
    assert found["dataset.labels"] == {"supported": "supported", "unsupported": "unsupported"}
    assert found["n_test"] + found["n_train"] <= 800 and found["dataset.valid_share"] == 0
    assert "Cells: 19 to 27" in printed and "US dollars" in printed
    assert not list(multirun.rglob("status.json"))
    (file,) = multirun.glob("*/decide.yaml")
    assert all(choice["why"] for choice in yaml.safe_load(file.read_text())["choices"])


def test_the_answer_says_first_what_it_holds_for_and_asks_for_fewer_cells_than_the_fixed_grid(
    said: Said, table: str, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.FORM, "python -m littlehuman")  # a command in that form has two -m
    runner = Planted(multirun, needs_humans)
    printed = said(table, *TWINS, *PRICE, "--budget", "500", runner=runner)
    lines = printed.split("\n\n", 1)[1].splitlines()
    assert len(lines) <= 10
    assert lines[0].startswith("With twins by provided, model smollm2, up to")
    assert "up to 90 % of the points may be twins at a loss below 5 percentage points" in lines[0]
    assert "100 % twins lower it: accuracy by -" in lines[0]
    print(printed)
    assert any(line.startswith("To buy: for 500.00: ") and "twins" in line for line in lines)
    assert any(line.startswith("One more label: accuracy ") for line in lines)
    cells = len(list(multirun.rglob("result.json")))
    assert 12 <= cells < 40 and f"{cells} cells" in printed
    points = {(sweep["n_train"], sweep.get("extra_human", "0")) for sweep in runner.sweeps}
    assert len(points) > 2  # beside the curve: mixtures that tell human from synthetic points


@pytest.mark.slow
def test_the_same_command_goes_on_and_another_one_or_another_file_is_refused(
    said: Said, table: str, multirun: Path
) -> None:
    words = (table, *TWINS, *PRICE)
    said(*words, runner=Planted(multirun, needs_humans))
    again = Planted(multirun, needs_humans)
    assert "cells are complete" in said(*words, "--budget", "90", runner=again) and not again.sweeps
    other = said(table, *TWINS, *PRICE, "model=tiny", code=1)
    assert "was begun with other choices: model=tiny is not in both" in other
    tried = shlex.split(other.split("Try: ")[1])
    assert "--study" in tried and said(*tried[tried.index("decide") + 1 :], "--dry-run")
    write_csv(Path(table), ("context", "claim", "verdict"), claims(700, "mill"))
    assert "the data is claims.csv (content" in said(*words, code=1)


def test_where_nothing_is_learnt_the_answer_is_not_known_and_a_rehearsal_says_so_in_every_line(
    said: Said, table: str, multirun: Path
) -> None:
    words = (table, "--prompt-model", "smollm2", *PRICE, "--rehearsal")
    printed = said(*words, runner=Planted(multirun, lambda human, synthetic: 0.4))
    assert "not known: nothing was learnt" in printed and "always saying" in printed
    assert len(list(multirun.rglob("result.json"))) == 9  # the pilot: more seeds would change nothing
    lines = printed.split("\n\n", 1)[1].splitlines()
    assert len(lines) <= 10 and all(line.startswith("REHEARSAL: ") for line in lines)


@pytest.mark.slow
def test_a_limit_of_time_leaves_an_answer_and_the_command_that_goes_on(said: Said, table: str, multirun: Path) -> None:
    class Slow(Planted):
        def __call__(self, words: Sequence[str], limit_s: float) -> Ran:
            return (
                Ran(0, 1.0)
                if not super().__call__(words, limit_s).code and len(self.sweeps) < 2
                else Ran(130, 1.0, True)
            )

    printed = said(table, *TWINS, *PRICE, "--hours", "1", runner=Slow(multirun, needs_humans))
    assert "stopped as the time is used up" in printed and "--hours" in printed.split("To tell more: ")[1]


def test_where_a_pilot_does_not_fit_the_time_its_cells_are_run_one_after_another(
    said: Said, table: str, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended after 4 of 42 minutes, since both seeds on all shares would have taken 43."""
    slow = {"train_s": 0.1, "test_s": 1.0, "measured": True}
    monkeypatch.setattr("littlehuman.deciding.budget.measured", lambda study, before: replace(before, **slow))
    runner = Planted(multirun, needs_humans)
    said(table, *TWINS, *PRICE, "--hours", "0.3", runner=runner)
    assert [sweep["seed"] for sweep in runner.sweeps[:3]] == ["0", "0", "1"]
    assert all(sweep["hydra.launcher.ahead"] == "1" for sweep in runner.sweeps[1:3])


def test_a_first_cell_that_fails_is_an_error_with_its_cause(said: Said, table: str, multirun: Path) -> None:
    def fails(words: Sequence[str], limit_s: float) -> Ran:
        typed = dict(word.split("=", 1) for word in words)
        study = multirun / typed["study"]
        write_study(study, fractions=(1.0,), seeds=(0,), failing={(1.0, 0): "no server at this address"})
        return Ran(1, 1.0)

    assert "the first cell failed: no server at this address" in said(table, *TWINS, *PRICE, code=1, runner=fails)


BAD = {
    "no prompt model": ((*PRICE,), "--prompt-model  is missing"),
    "unknown prompt model": (("--prompt-model", "qwen", *PRICE), "did you mean 'qwen-1.5b'?"),
    "a key that no run has": ((*TWINS, *PRICE, "n_trian=40"), "n_train=40"),
    "a column that is not there": ((*TWINS, *PRICE, "dataset.columns.target=verdit"), "target=verdict"),
    "a model for rehearsals alone": (("--prompt-model", "smollm2", *PRICE), "is too weak for a decision"),
    "a paid one without a limit": (("--prompt-model", "gpt-3.5-turbo", *PRICE), "--max-usd  is missing"),
    "no price": (TWINS, "--human-price  is missing"),
    "a price of nothing": ((*TWINS, "--human-price", "0"), "must be a number above 0"),
    "a price in words": ((*TWINS, "--human-price", "cheap"), "must be a number above 0"),
    "no hours": ((*TWINS, *PRICE, "--hours", "0"), "must be a number above 0"),
    "an axis of its own": ((*TWINS, *PRICE, "synth_frac=0.5"), "is chosen by this command"),
}


@pytest.mark.parametrize(("words", "what"), BAD.values(), ids=BAD.keys())
def test_bad_words_are_one_error_with_a_mend(words: Sequence[str], what: str, said: Said, table: str) -> None:
    error = said(table, *words, code=1)
    assert what in error and error.count("Error: ") == 1 and "Try: " in error


def test_the_mend_of_a_wrong_price_works_as_it_is(said: Said, table: str) -> None:
    error = said(table, *TWINS, "--human-price", "0", "--hours", "0", code=1)
    tried = shlex.split(error.split("Try: ")[1])
    assert "Written: " in said(*tried[tried.index("decide") + 1 :], "--dry-run")


def test_files_that_no_decision_can_be_made_from_are_refused(said: Said, tmp_path: Path) -> None:
    assert "there is no such file" in said("clams.csv", *TWINS, *PRICE, code=1)
    write_csv(tmp_path / "one.csv", ("text", "label"), [[f"Text number {i} here", "spam"] for i in range(300)])
    assert "has one label in all 300 rows: 'spam'" in said("one.csv", *TWINS, *PRICE, code=1)
    write_csv(tmp_path / "few.csv", ("text", "label"), [[f"Text number {i} here", "ab"[i % 2]] for i in range(50)])
    assert "It takes 60 to train on, and 60 to test on: 120 in all" in said("few.csv", *TWINS, *PRICE, code=1)


@pytest.mark.slow
@pytest.mark.skipif(not PUBLIC_DATA.is_dir(), reason=f"no public data in {PUBLIC_DATA}")
def test_public_files_are_read_without_another_word(said: Said, multirun: Path) -> None:
    words = ("--prompt-model", "qwen-1.5b", *PRICE, "--dry-run", "--study")
    said(str(PUBLIC_DATA / "banking77"), *words, "banks")
    said(str(PUBLIC_DATA / "xquad" / "xquad.de.json"), *words, "questions")
    banks, questions = (
        {c["key"]: c["value"] for c in yaml.safe_load((multirun / name / "decide.yaml").read_text())["choices"]}
        for name in ("banks", "questions")
    )
    assert (banks["task"], banks["strategy"], banks["dataset.columns.target"]) == ("classify", "annotate", "category")
    assert (questions["dataset.reader"], questions["dataset.language"]) == ("squad", "de")
    assert questions["dataset.columns.group"] == "title"


@pytest.mark.slow
def test_the_whole_command_runs_ordinary_cells(said: Said, cli: Cli, tmp_path: Path, multirun: Path) -> None:
    rows = claims(160)
    write_csv(tmp_path / "claims.csv", ("context", "claim", "verdict"), rows)
    twins = [{"evidence": row[0], "text": f"{row[1]} ({label})", "target": label} for row in rows for label in LABELS]
    write_jsonl(tmp_path / "twins.jsonl", twins)

    def run(words: Sequence[str], limit_s: float) -> Ran:
        return Ran(cli("-m", "launch.progress=false", *words).code, 1.0)

    printed = said("claims.csv", *TWINS, *PRICE, "model=tiny", "launch=cpu", runner=run)
    assert re.search(r"REHEARSAL: With twins by provided, model tiny, up to \d+ points of claims: ", printed)
    assert (next(multirun.glob("*")) / "report.html").is_file()
    assert len(list(multirun.rglob("result.json"))) >= 9


LABELS = ("supported", "unsupported")
