"""Reading one file: every format gives the same rows, strings stay strings, and damage is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from littlehuman.data.files import ReadOptions, read_rows
from littlehuman.data.json_files import read_document
from littlehuman.errors import DataError
from littlehuman.schema import CsvConfig

ROWS = [
    {"text": "Who came?", "target": "None"},
    {"text": "How many,\nthen?", "target": "NA"},
    {"text": "Ünïcode “quotes”", "target": "10:30"},
]


def _csv(path: Path) -> None:
    quoted = ['"' + row[key].replace('"', '""') + '"' for row in ROWS for key in ("text", "target")]
    body = "\r\n".join(",".join(quoted[i : i + 2]) for i in range(0, len(quoted), 2))
    path.write_text(f"\ufefftext,target\r\n{body}\r\n", "utf-8", newline="")


def _tsv(path: Path) -> None:
    path.write_text("text\ttarget\n" + "".join(f'"{row["text"]}"\t{row["target"]}\n' for row in ROWS), "utf-8")


def _jsonl(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", "utf-8")


def _json(path: Path) -> None:
    path.write_text(json.dumps(ROWS), "utf-8")


def _wrapped(path: Path) -> None:
    path.write_text(json.dumps({"version": "1", "data": ROWS}), "utf-8")


def _parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", _csv),
        ("a.tsv", _tsv),
        ("tabs.csv", _tsv),
        ("a.jsonl", _jsonl),
        ("a.json", _json),
        ("wrapped.json", _wrapped),
        ("lines.json", _jsonl),
        ("a.parquet", _parquet),
    ],
)
def test_every_format_gives_the_same_rows_and_keeps_none_and_na_as_words(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    told = ReadOptions(CsvConfig(quoting="minimal" if name.endswith(".tsv") else None))
    assert [dict(row) for row in read_rows(tmp_path / name, told)] == ROWS


def test_a_csv_field_longer_than_pythons_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text,target\n{'x' * 200_000},y\n")
    (row,) = read_rows(tmp_path / "a.csv")
    assert len(row["text"]) == 200_000


def test_a_short_csv_row_has_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,target,note\na,b\n")
    assert [dict(row) for row in read_rows(tmp_path / "a.csv")] == [{"text": "a", "target": "b", "note": ""}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"text,target\na,b,c\n", "line 2 has more cells than the header"),
        ("a.csv", b'text,target\n"never closed,b\nc,d\n', "unexpected end of data"),
        ("a.csv", b"text,text\na,b\n", "names 'text' twice"),
        ("a.csv", "text\ncafé\n".encode("latin-1"), "not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is no json"),
        ("a.jsonl", b'{"a": 1}\n[1, 2]\n', "line 2 is no json object but a list"),
        ("a.json", b'{"rows": []}', "such a list under 'data'"),
        ("a.json", b"{oops", "cannot be read"),
        ("a.parquet", b"PAR0", "cannot be read"),
        ("a.xlsx", b"", "known are .csv, .tsv, .jsonl, .json, .parquet"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(read_rows(path))
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_an_absent_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="article_segment.json: cannot be read"):
        read_document(tmp_path / "article_segment.json")
