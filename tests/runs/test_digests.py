"""Digests of a run's files in its result: what was truncated, edited or deleted beside a whole result is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import QUICK, run_folder
from conftest import Cli

from littlehuman import verify
from littlehuman.errors import DataError
from littlehuman.runs import digests
from littlehuman.runs.artifacts import result_of_cell
from littlehuman.runs.checks import check_files
from littlehuman.store import read_json, write_json


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """A folder with the files of a cell, and a result that has their digests."""
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    (tmp_path / "mixture.json").write_text('{"points": []}')
    (tmp_path / "predictions.jsonl").write_text('{"id": "a", "scores": {"accuracy": 1.0}}\n')
    score = {"value": 1.0, "low": 0.2, "high": 1.0, "n": 1}
    result = {"id": "44136fa3", "knobs": {}, "headline": "accuracy", "scores": {"accuracy": score}}
    files = digests.of_files(tmp_path, ("mixture.json", "texts.json", "predictions.jsonl"))
    write_json(tmp_path / "result.json", {**result, "files": files})
    return tmp_path


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def _edit(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"1", b"2").replace(b"w", b"v"))


def _becomes_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


FILES = ("predictions.jsonl", "mixture.json", "adapter/adapter_model.safetensors")


def test_a_cell_as_it_was_written_has_no_faults(cell: Path) -> None:
    assert set(read_json(cell / "result.json")["files"]) == set(FILES)
    assert check_files(cell) == [] and result_of_cell(cell, "44136fa3")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("damage", "said"),
    [(_truncate, "bytes and had"), (Path.unlink, "is gone"), (_becomes_a_folder, "is a folder")],
    ids=["truncated", "deleted", "folder"],
)
def test_a_damaged_file_beside_a_whole_result_is_noticed_with_the_mend(
    name: str, damage: Callable[[Path], None], said: str, cell: Path
) -> None:
    damage(cell / name)
    assert [fault.file for fault in check_files(cell) if said in fault.what] == [name]
    with pytest.raises(DataError, match=rf"{name} .*{said}.*\nTry: rm {cell}/result.json"):
        result_of_cell(cell, "44136fa3")


@pytest.mark.parametrize("name", ["predictions.jsonl", "adapter/adapter_model.safetensors"])
def test_an_edited_file_of_the_same_size_is_found_by_its_digest(name: str, cell: Path) -> None:
    _edit(cell / name)
    assert result_of_cell(cell, "44136fa3")  # a cheap look compares sizes
    assert [fault.file for fault in check_files(cell) if "another content" in fault.what] == [name]


def test_an_adapter_that_was_removed_to_save_space_is_no_fault(cell: Path) -> None:
    shutil.rmtree(cell / "adapter")
    assert check_files(cell) == [] and result_of_cell(cell, "44136fa3")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scores": {}}, "has no score 'accuracy'"),
        ({"scores": {"accuracy": {"value": None}}}, "has no numbers for the score 'accuracy'"),
        ({"knobs": {"seed": 1}}, "and its configuration is that of cell"),
        ({"fingerprints": {"mixture": "f"}}, "has the fingerprint None, and the result f"),
        ({"counts": {"total": 4}}, "lists 0 points, and the result counts 4"),
        ({"scores": {"accuracy": {"value": 0.5, "low": 0, "high": 1, "n": 1}}}, "comes to 1.000000"),
        (
            {"scores": {"accuracy": {"value": 1, "low": 0, "high": 1, "n": 9}}},
            "holds 1 scores, and the result counts 9",
        ),
    ],
)
def test_files_that_do_not_fit_together_are_found(changes: dict[str, object], said: str, cell: Path) -> None:
    write_json(cell / "result.json", {**read_json(cell / "result.json"), **changes})
    assert [fault for fault in check_files(cell) if said in fault.what]


@pytest.mark.slow
def test_verify_names_cell_step_and_mend_and_a_re_issue_refuses_the_cell_alone(
    cli: Cli, multirun: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli("-m", *QUICK, "seed=0,1").code == 0
    study = multirun / "default"
    assert verify.main([str(study)]) == 0
    assert "2 complete cell(s) checked: all as they were" in capsys.readouterr().out
    hurt = run_folder(multirun, *QUICK, "seed=1")
    (hurt / "mixture.json").unlink()
    _truncate(hurt / "predictions.jsonl")
    assert verify.main([str(study)]) == 1
    said = capsys.readouterr().out
    assert f"{hurt}: mixture: mixture.json is gone" in said and f"{hurt}: predictions: predictions.jsonl has" in said
    assert said.count(f"Try: rm {hurt}/result.json") == 1 and "2 complete cell(s) checked; 1 are not" in said
    again = cli("-m", *QUICK, "seed=0,1,2")
    assert again.code == 1 and f"NOT COMPLETE  {hurt}  {hurt}/mixture.json is gone" in again.err, again.text
    assert again.err.count("NOT COMPLETE") == 1 and (run_folder(multirun, *QUICK, "seed=2") / "result.json").exists()
    (hurt / "result.json").unlink()
    assert cli("-m", *QUICK, "seed=0,1,2").code == 0 and verify.main([str(study)]) == 0


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_a_folder_without_complete_cells_is_said_to_be_none(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.main([str(tmp_path / folder)]) == 1
    assert "Fix: a folder multirun/STUDY" in capsys.readouterr().err
