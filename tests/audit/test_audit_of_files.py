from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_points import points
from conftest import write_csv

from littlehuman.audit.__main__ import main
from littlehuman.records import Example


def rows(examples: list[Example], added: str = "") -> list[list[str]]:
    return [[e.evidence, e.text + added, e.target] for e in examples]


def test_training_and_test_files_are_compared_and_the_numbers_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = points(120, "train"), points(50, "test")
    one = write_csv(tmp_path / "train.csv", ("context", "Claim", "label"), rows(train))
    leaked = [*rows(train[:7], " besides"), *rows(test)]
    two = write_csv(tmp_path / "test.csv", ("context", "Claim", "label"), leaked)
    output = tmp_path / "audit.json"
    assert main(["--train", str(one), "--test", str(two), "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "ALARM contamination: 7 of 57" in shown and "besides" in shown
    assert json.loads(output.read_text("utf-8"))["contamination"]["count"] == 7


def test_rows_that_share_an_id_are_points_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = rows(points(30, "row"))
    header = ("id", "context", "claim", "label")
    files = [write_csv(tmp_path / f"{n}.csv", header, [["7", *row] for row in some]) for n in ("train", "test")]
    assert main(["--train", str(files[0]), "--test", str(files[1])]) == 0
    assert "30 of 30 test points" in capsys.readouterr().out
    (tmp_path / "again").mkdir()
    halves = [write_csv(tmp_path / f"{n}all.csv", header, [["7", *row] for row in some]) for n in ("", "again/")]
    assert main(["--train", *map(str, halves)]) == 0, "ids and names of files repeat"
    assert "60 of 60 rows repeat another row" in capsys.readouterr().out


def test_one_file_is_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = points(60, "row")
    file = tmp_path / "all.jsonl"
    lines = [{"question": e.text, "answer": f"{i} ships"} for i, e in enumerate([*some, *some[:4]])]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert main([str(tmp_path / "absent.csv"), str(file)]) == 1, "one of them is not there"
    shown = capsys.readouterr().out
    assert "absent.csv: is no file" in shown and "8 have the same text" in shown


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("a,b\n1,2\n", [], "Fix: --text NAME"),
        ("text,label\n", [], "holds no rows"),
        ("text,label\nx,y\n", ["--target", "lable"], "did you mean 'label'?"),
        (None, [], "is no file"),
    ],
)
def test_a_file_that_cannot_be_audited_is_one_error(
    tmp_path: Path, content: str | None, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.csv"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert main(["--train", str(file), *options]) == 1
    assert said in capsys.readouterr().err
