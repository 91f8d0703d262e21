"""Sources of rows: folders in the release's or the hub's layout, files, the package, the hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dataset_configs import FV, QA, dataset_config

from littlehuman import data
from littlehuman.data.source import open_source
from littlehuman.errors import DataError
from littlehuman.store import write_jsonl

ROWS = [{"evidence": f"E{i}", "text": f"T{i}", "target": "supported" if i % 2 else "unsupported"} for i in range(20)]


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
        ["plain_text/train-00000-of-00002.parquet", "plain_text/train-00001-of-00002.parquet"],
        ["plain_text/train/0000.parquet", "plain_text/train/0001.parquet"],
        ["train.parquet"],
    ],
)
def test_a_folder_copied_from_the_hub_is_read(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        _parquet(tmp_path / name, ROWS)
    source = open_source(
        dataset_config("table", path=str(tmp_path), hub_config="plain_text", files={"train": "absent.csv"})
    )
    assert source.splits == ("train",)
    assert list(source.rows("train")) == ROWS * len(names)


def test_the_layout_of_the_release_comes_first(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", ROWS)
    write_jsonl(tmp_path / "mine.jsonl", ROWS[:3])
    source = open_source(dataset_config("table", path=str(tmp_path), files={"train": "mine.jsonl"}))
    assert len(list(source.rows("train"))) == 3


def test_a_path_has_precedence_over_the_hub(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", ROWS)
    assert open_source(dataset_config("table", path=str(tmp_path), hub="no/such")).tables == {}


def test_a_folder_of_the_package_is_found_wherever_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "data" / "fieldnotes" / "passages.jsonl", [{"id": "a"}])
    monkeypatch.setattr("littlehuman.store.__file__", str(tmp_path / "store.py"))
    assert list(open_source(dataset_config("fieldnotes_qa")).rows("train")) == [{"id": "a"}]


def test_a_path_that_does_not_exist_is_named_with_how_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        data.load(dataset_config("wanli", path=str(tmp_path / "nowhere")), FV)
    assert f"dataset.path={tmp_path / 'nowhere'} does not exist" in str(error.value)
    assert "huggingface.co/datasets/alisawuffles/WANLI" in str(error.value)


def test_a_folder_with_other_files_lists_what_it_holds_and_what_was_looked_for(tmp_path: Path) -> None:
    for name in ["notes.txt", *(f"part{i:02}.bin" for i in range(14))]:
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError) as error:
        data.load(dataset_config("squad", path=str(tmp_path)), QA)
    said = str(error.value)
    assert f"{tmp_path}: no file of dataset=squad here." in said
    assert "holds: notes.txt, part00.bin" in said and "and 3 more" in said
    assert "train: train-v1.1.json, train.csv" in said and "test: dev-v1.1.json, validation.csv" in said
    assert "Try: ++dataset.files.train=NAME" in said


def test_an_empty_folder_and_an_empty_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds: nothing"):
        data.load(dataset_config("wanli", path=str(tmp_path)), FV)
    (tmp_path / "train.jsonl").write_text("\n")
    with pytest.raises(DataError, match="train.jsonl: holds no rows"):
        data.load(dataset_config("wanli", path=str(tmp_path)), FV)


def test_a_file_pattern_outside_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dataset.files.train=/etc/x.csv must be a file or pattern inside"):
        open_source(dataset_config("table", path=str(tmp_path), files={"train": "/etc/x.csv"}))


def test_a_table_without_a_source_says_what_to_give() -> None:
    with pytest.raises(DataError, match="Give dataset.path=FILE_OR_FOLDER or dataset.hub=NAME"):
        data.load(dataset_config("table"), FV)


def test_reading_a_csv_file_imports_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nx\n")
    code = (
        "import sys; from pathlib import Path; import littlehuman.data; from littlehuman.data.files import read_rows\n"
        f"assert len(list(read_rows(Path({str(tmp_path / 'a.csv')!r})))) == 1\n"
        "assert not {'datasets', 'pandas', 'pyarrow', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the hub, without network: `load_dataset` takes a local folder for a repository


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    return tmp_path / "repository"


def test_hub_and_folder_give_the_same_points(offline: Path) -> None:
    for split in ("train", "validation", "test"):
        write_jsonl(offline / f"{split}.jsonl", [{**row, "text": f"{split} {row['text']}"} for row in ROWS])
    columns = {"evidence": "evidence", "text": "text", "target": "target"}
    hub, folder = (
        data.load(dataset_config("table", columns=columns, **{key: str(offline)}), FV) for key in ("hub", "path")
    )
    assert (len(hub.train), len(hub.valid), len(hub.test)) == (20, 20, 20)
    assert hub.fingerprint == folder.fingerprint


def test_hub_rows_with_nested_columns_give_the_same_points(offline: Path) -> None:
    answers = {"text": ["a", "b"], "answer_start": [0, 1]}
    rows = [{"id": str(i), "title": "T", "context": f"C{i}", "question": f"Q{i}", "answers": answers} for i in range(9)]
    for split in ("train", "validation"):
        _parquet(offline / "plain_text" / f"{split}-00000-of-00001.parquet", rows)
    hub = data.load(dataset_config("squad", hub=str(offline), hub_config=None), QA)
    folder = data.load(dataset_config("squad", path=str(offline)), QA)
    assert hub.fingerprint == folder.fingerprint
    assert hub.train[0].targets == ("a", "b") and len(hub.test) == 9


def test_a_split_that_the_hub_lacks_is_held_out_with_a_note(offline: Path) -> None:
    write_jsonl(offline / "train.jsonl", ROWS)
    dataset = data.load(dataset_config("table", hub=str(offline)), FV)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (16, 0, 4)
    assert len(dataset.notes) == 1


def test_a_hub_without_any_of_the_splits_names_those_that_it_has(offline: Path) -> None:
    write_jsonl(offline / "train.jsonl", ROWS)
    with pytest.raises(DataError, match="has the splits train; wanted: trian\nTry: \\+\\+dataset.splits.train=NAME"):
        data.load(
            dataset_config("table", hub=str(offline), splits={"train": "trian", "valid": "trian", "test": "trian"}), FV
        )


@pytest.mark.parametrize("name", ["scifact", "fever"])
def test_a_hub_that_cannot_be_reached_says_how_to_do_without(offline: Path, name: str) -> None:
    config = dataset_config(name)
    with pytest.raises(DataError) as error:
        data.load(config, FV)
    said = str(error.value)
    assert said.startswith(f"hub {config.hub}") and "could not be read" in said
    assert "dataset.path=DIR" in said and config.how_to_get in said
