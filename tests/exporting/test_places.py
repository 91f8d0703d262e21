"""A cell whose data was named relative to the folder in which its command was typed, read from another folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import TINY, Cli, claims, write_csv

from littlehuman import export, report, verify
from littlehuman.audit import __main__ as audit

LABELS = "dataset.labels={supported: supported, unsupported: unsupported}"
TWINS = ("evidence", "text", "target")


@pytest.fixture
def study(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study computed in the folder `a` from data and provided twins beside it; the current folder is `b`."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_csv(tmp_path / "a" / "claims.csv", TWINS, claims(20))
    write_csv(tmp_path / "a" / "twins.csv", TWINS, [[row[0], f"{row[1]} Indeed.", row[2]] for row in claims(20)])
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", "results")
    given = ("prompt_model=provided", "prompt_model.path=twins.csv", "audit.judge_sample=20")
    ended = cli(*TINY, "dataset=table", "dataset.path=claims.csv", LABELS, *given, "n_train=4", "synth_frac=0.5")
    assert ended.code == 0, ended.text
    monkeypatch.chdir(tmp_path / "b")
    return tmp_path / "a" / "results" / "default"


def _reads_all(study: Path, out: Path) -> None:
    (cell,) = (path.parent for path in study.glob("*/result.json"))
    assert verify.main([str(study)]) == 0
    assert export.main([str(cell), str(out)]) == 0
    assert audit.main([str(cell)]) == 0
    assert report.main([str(study)]) == 0


def test_verify_export_audit_and_report_find_the_data_from_any_folder(study: Path, tmp_path: Path) -> None:
    _reads_all(study, tmp_path / "out")
    texts = "".join(file.read_text("utf-8") for file in (tmp_path / "out").glob("*.md"))
    assert texts and str(tmp_path) not in texts  # a data card names no folder of this machine


@pytest.mark.slow
def test_data_and_results_can_be_moved_together(study: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "a", tmp_path / "moved")
    _reads_all(tmp_path / "moved" / "results" / "default", tmp_path / "out")


def test_data_that_is_nowhere_is_named_as_it_was_typed(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a" / "claims.csv").unlink()
    assert verify.main([str(study)]) == 1
    assert "dataset.path=claims.csv does not exist" in capsys.readouterr().out
