"""Missing values and values that are no text: missing is missing and counted, the rest is refused with its row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dataset_configs import CLASSIFY, QA, dataset_config

from littlehuman import data
from littlehuman.data.rows import as_text
from littlehuman.errors import DataError
from littlehuman.records import Dataset
from littlehuman.schema import TaskConfig

COLUMNS = {"evidence": None, "text": "text", "target": "target", "id": None}


def _load(path: Path, task: TaskConfig = CLASSIFY) -> Dataset:
    return data.load(dataset_config("table", path=str(path), columns=COLUMNS), task)


def _parquet(path: Path, columns: dict[str, Any]) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def _points(dataset: Dataset) -> int:
    return len(dataset.train + dataset.valid + dataset.test)


@pytest.mark.parametrize("missing", ["NaN", "null", '""', "[]", '[null, NaN, ""]'])
def test_a_missing_answer_in_json_is_counted_and_becomes_no_answer(tmp_path: Path, missing: str) -> None:
    lines = [f'{{"text": "q {i}", "target": {missing if i < 3 else json.dumps(f"a {i}")}}}' for i in range(12)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    dataset = _load(tmp_path / "a.jsonl", QA)
    assert dataset.dropped == {"all: no answer": 3} and _points(dataset) == 9


def test_a_float_column_with_holes_makes_no_class_of_them(tmp_path: Path) -> None:
    texts = [f"t {i}" for i in range(12)]
    path = _parquet(tmp_path / "a.parquet", {"text": texts, "target": [1.0, 0.0, float("nan"), None] * 3})
    dataset = _load(path)
    assert dataset.classes == ("0", "1") and dataset.dropped == {"all: no label": 6}


def test_bytes_of_a_binary_column_are_their_text(tmp_path: Path) -> None:
    answers = [b"3 mm", "größer".encode()] * 6
    path = _parquet(tmp_path / "a.parquet", {"text": [f"t {i}" for i in range(12)], "target": answers})
    assert _load(path).classes == ("3 mm", "größer")


def test_bytes_that_are_not_utf8_are_refused_with_their_row(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", {"text": ["a", "b"], "target": [b"ok", b"caf\xe9"]})
    with pytest.raises(DataError, match="a.parquet: row 2: column 'target' holds bytes that are not UTF-8"):
        _load(path)


@pytest.mark.parametrize("column", ["text", "target", "evidence", "id"])
def test_half_a_surrogate_pair_is_refused_with_its_row_whatever_the_column(tmp_path: Path, column: str) -> None:
    row = {"evidence": "E", "text": "t", "target": "x", "id": "1"}
    lines = [json.dumps({**row, "text": f"t {i}"}) for i in range(4)] + [json.dumps({**row, column: "cut \ud83d"})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    config = dataset_config(
        "table", path=str(tmp_path / "a.jsonl"), columns={**row.fromkeys(row), **{c: c for c in row}}
    )
    with pytest.raises(DataError, match=rf"row 5: column '{column}' holds half of a surrogate pair.*\\ud83d"):
        data.load(config, QA)


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(f'{{"text": "{i} \\ud83d\\ude00", "target": "a"}}' for i in range(6)))
    assert _load(tmp_path / "a.jsonl", QA).train[0].text.endswith("\U0001f600")


def test_json_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000 + "]" * 100_000)
    (tmp_path / "a.jsonl").write_text("[" * 100_000 + "]" * 100_000)
    for name in ("a.json", "a.jsonl"):
        with pytest.raises(DataError, match=name):
            _load(tmp_path / name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (2.0, "2"),
        (2.5, "2.5"),
        (b" x ", "x"),
        (True, "True"),
        (" a ", "a"),
        ("nan", "nan"),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text
