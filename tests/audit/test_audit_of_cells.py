"""The audit of cells on the command line: written by a run, read, computed anew, and what stops a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_points import points
from conftest import TINY, Cli, write_csv

from littlehuman.audit.__main__ import main
from littlehuman.records import Example

COLUMNS = ("evidence", "text", "target", "genre")


def table(folder: Path, leaked: int = 12) -> tuple[str, ...]:
    """A dataset whose test split has `leaked` claims of training with a word added; the settings of a run on it."""
    train, test = points(40, "train"), points(20, "test")
    test[:leaked] = train[:leaked]

    def row(example: Example, added: str = "") -> list[str]:
        return [example.evidence, example.text + added, example.target, "news" if example.text < "M" else "plays"]

    write_csv(folder / "train.csv", COLUMNS, [row(e) for e in train])
    write_csv(folder / "test.csv", COLUMNS, [row(e, " besides" if i < leaked else "") for i, e in enumerate(test)])
    labels = "dataset.labels={supported: supported, unsupported: unsupported}"
    settings = ("dataset=table", f"dataset.path={folder}", labels, "n_train=30", "dataset.valid_share=0.1")
    return (*(word for word in TINY if not word.startswith("n_test")), *settings, "synth_frac=0", "study=audited")


@pytest.fixture
def cell(cli: Cli, tmp_path: Path, multirun: Path) -> Iterator[Path]:
    ended = cli(*table(tmp_path / "data"), "audit.groups={genre: genre, m: /m/}")
    assert ended.code == 0, ended.text
    assert "test points stand in the training set" in ended.text
    (found,) = (multirun / "audited").glob("table-*")
    yield found


def test_a_run_writes_its_audit_and_the_command_shows_the_pairs(cell: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((cell / "audit.json").read_text("utf-8"))
    touched = found["contamination"]["ids"]
    parts = found["scores"]["contamination"]
    assert len(touched) == found["contamination"]["count"] == parts["touched"]["n"] > 0
    assert parts["all"]["n"] == 20 == parts["touched"]["n"] + parts["others"]["n"]
    assert set(found["errors"]) == {"genre", "m", "length", "label"}
    assert "besides" not in json.dumps(found), "a file of a run folder holds no text of the data"
    before = (cell / "audit.json").read_bytes()
    assert main([str(cell)]) == 0
    shown = capsys.readouterr().out
    assert f"{len(touched)} of 20 test points" in shown and "besides" in shown and "with and without" in shown
    assert (cell / "audit.json").read_bytes() == before

    (cell / "audit.json").write_text('{"torn')
    broken = cell.with_name("broken")
    broken.mkdir()
    (broken / "status.json").write_text("{}")
    assert main([str(cell.parent)]) == 1, "an unfinished cell"
    shown = capsys.readouterr().out
    assert "broken: not audited" in shown and f"contamination {len(touched)} of 20" in shown
    again = json.loads((cell / "audit.json").read_text("utf-8"))
    assert {key: again[key] for key in found if key not in ("seconds", "factuality")} == {
        key: found[key] for key in found if key not in ("seconds", "factuality")
    }


def test_more_contamination_than_fail_if_allows_stops_before_the_training(
    cli: Cli, tmp_path: Path, multirun: Path
) -> None:
    ended = cli(*table(tmp_path / "data"), "audit.fail_if={contamination: 0.01}")
    assert ended.code == 1
    assert "audit.fail_if.contamination=0.01" in ended.text and "nothing was trained" in ended.text
    (found,) = (multirun / "audited").glob("table-*")
    assert not (found / "train.jsonl").exists() and not (found / "result.json").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("audit.fail_if={contaminaton: 0.01}", "did you mean 'contamination'?"),
        ("audit.fail_if={copies: 3}", "must be a share from 0 to 1"),
        ("audit.groups={odd: '/(/'}", "audit.groups.odd=/(/"),
        ("audit.groups={odd: gender}", "no column 'gender'"),
        ("audit.groups={odd: /zzzz/}", "no text matches it"),
        ("stand_ins_by='/[/'", "stand_ins_by=/[/"),
        ("audit.ngram=1", "audit.ngram=1"),
        ("filter@audit.judge=rules", "try filter@audit.judge=judge"),
    ],
)
def test_a_wrong_setting_is_one_error_with_its_place(cli: Cli, tmp_path: Path, setting: str, said: str) -> None:
    ended = cli(*table(tmp_path / "data"), setting)
    assert ended.code == 1
    assert said in ended.text and "Traceback" not in ended.text


def test_a_folder_without_cells_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "holds no cell" in capsys.readouterr().err
