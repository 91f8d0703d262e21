"""Property tests of the readers: what Python's csv, pandas and json write comes back, or is refused or remarked on."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from littlehuman.data.files import ReadOptions, read_rows
from littlehuman.data.label_checks import folded, spellings
from littlehuman.data.rows import as_text
from littlehuman.errors import DataError
from littlehuman.schema import CsvConfig

bounded = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
HARD = st.sampled_from(
    list("\"'\\,;|\t\n\r ab1#=é") + ["\u2028", "\x85", "\x0b", "\x00", "\ufeff", "\U0001f600", '""', '\\"']
)
CELLS = st.lists(HARD, max_size=6).map("".join)
PLAIN = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\t\n\r"), max_size=8)
WIDTHS = st.integers(2, 4)


def _rows(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    """Tables of two to four columns."""
    return WIDTHS.flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=5))


def _read(path: Path, text: str, **dialect: Any) -> tuple[list[list[str]], list[str]]:
    path.write_bytes(text.encode("utf-8"))
    options = ReadOptions(CsvConfig(**dialect))
    rows = [list(row.values()) for row in read_rows(path, options)]
    return rows, options.remarks.lines()


def _written(rows: list[list[str]], **dialect: Any) -> str:
    handle = io.StringIO(newline="")
    csv.writer(handle, **dialect).writerows([[f"c{i}" for i in range(len(rows[0]))], *rows])
    return handle.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def _lost_in_silence(read: list[list[str]], remarks: list[str], rows: list[list[str]]) -> bool:
    """Whether cells differ in more than white space around them, and nothing was said."""
    return not remarks and [[c.strip() for c in row] for row in read] != [[c.strip() for c in row] for row in rows]


@bounded
@given(rows=_rows(CELLS))
@example(rows=[["a;b;c", "d;e;f"]])
@example(rows=[["", ""]])
@example(rows=[["\n", "\r"]])
def test_a_csv_that_csv_writer_wrote_comes_back(folder: Path, rows: list[list[str]]) -> None:
    assert _read(folder / "a.csv", _written(rows))[0] == rows


@bounded
@given(rows=_rows(CELLS))
@example(rows=[["", "\r"]])  # where lines end with \n alone, csv.writer and pandas put no quotes around \r
@example(rows=[["a\rb", "c"]])
@example(rows=[["c", "a\rb"], ["d", "e"]])
def test_a_csv_with_short_line_ends_comes_back_or_is_remarked_on(folder: Path, rows: list[list[str]]) -> None:
    assert not _lost_in_silence(*_read(folder / "a.csv", _written(rows, lineterminator="\n")), rows)


@bounded
@given(rows=_rows(CELLS), delimiter=st.sampled_from([",", "\t", ";", "|"]))
def test_a_csv_with_its_delimiter_told_comes_back(folder: Path, rows: list[list[str]], delimiter: str) -> None:
    names = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
    text = _written(rows, delimiter=delimiter)
    assert _read(folder / "b.csv", text, delimiter=names[delimiter])[0] == rows
    assert _read(folder / "b.txt", text, delimiter=delimiter, quoting="minimal")[0] == rows


@bounded
@given(rows=_rows(CELLS))
def test_a_csv_with_backslashes_comes_back_when_told(folder: Path, rows: list[list[str]]) -> None:
    text = _written(rows, escapechar="\\", doublequote=False, quoting=csv.QUOTE_ALL)
    assert _read(folder / "c.csv", text, quoting="backslash")[0] == rows


@bounded
@given(rows=_rows(CELLS))
@example(rows=[["", "\r"]])
def test_a_csv_that_pandas_wrote_comes_back_or_is_remarked_on(folder: Path, rows: list[list[str]]) -> None:
    import pandas

    frame = pandas.DataFrame(rows, columns=[f"c{i}" for i in range(len(rows[0]))])
    assert not _lost_in_silence(*_read(folder / "d.csv", frame.to_csv(index=False)), rows)


@bounded
@given(rows=_rows(PLAIN))
@example(rows=[['"a', "b"], ["c", "d"], ['e"', "f"]])
@example(rows=[['"', '"'], ['""', '"a""b"']])
def test_a_tsv_without_tabs_in_its_cells_comes_back_with_every_row(folder: Path, rows: list[list[str]]) -> None:
    kept = [row for row in rows if any(row)]
    lines = ["\t".join(f"c{i}" for i in range(len(rows[0]))), *("\t".join(row) for row in kept)]
    assert _read(folder / "e.tsv", "\n".join(lines) + "\n")[0] == kept


@bounded
@given(rows=_rows(CELLS))
@example(rows=[["two\nlines", "x"]])
@example(rows=[["x", "two\nlines"]])
def test_a_tsv_that_a_csv_writer_wrote_comes_back_or_is_refused_or_remarked_on(
    folder: Path, rows: list[list[str]]
) -> None:
    text = _written(rows, delimiter="\t")
    assert _read(folder / "f.tsv", text, quoting="minimal")[0] == rows
    try:
        read, remarks = _read(folder / "f.tsv", text)
    except DataError:
        return
    assert read == rows or remarks, "another reading, without a word"


@bounded
@given(rows=_rows(CELLS), text=st.lists(HARD, max_size=30).map("".join), suffix=st.sampled_from([".csv", ".tsv"]))
@example(rows=[["a", "b"]], text='"a\n', suffix=".csv")
def test_no_damage_to_a_table_raises_anything_but_an_error_with_its_name(
    folder: Path, rows: list[list[str]], text: str, suffix: str
) -> None:
    path = folder / f"g{suffix}"
    try:
        _read(path, _written(rows) + text)
    except DataError as error:
        assert str(path) in str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@bounded
@given(rows=st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=3), min_size=1, max_size=4))
def test_json_and_json_lines_come_back(folder: Path, rows: list[dict[str, Any]]) -> None:
    for ascii_only in (True, False):
        lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
        for name, text in (("h.jsonl", lines), ("h.json", json.dumps(rows, ensure_ascii=ascii_only))):
            try:
                (folder / name).write_bytes(text.encode("utf-8"))
            except UnicodeEncodeError:  # a lone surrogate cannot be written as it is
                continue
            assert repr(list(read_rows(folder / name))) == repr(rows)


@bounded
@given(document=VALUES)
@example(document={"": {"": None}})
@example(document={"columns": [], "data": []})
@example(document={"a": [], "b": []})
def test_any_json_document_is_rows_or_an_error_with_its_name(folder: Path, document: Any) -> None:
    path = folder / "i.json"
    path.write_text(json.dumps(document))
    try:
        assert all(isinstance(row, dict) for row in read_rows(path))
    except DataError as error:
        assert str(path) in str(error)


@bounded
@given(value=VALUES)
def test_text_of_a_value_can_be_written_as_utf8_or_is_refused(value: Any) -> None:
    try:
        as_text(value).encode("utf-8")
    except ValueError as error:
        assert type(error).__name__ == "InvalidValue"


@bounded
@given(label=st.text(min_size=1, max_size=6))
@example(label="ǰ")
@example(label="ΐ")
@example(label="İ")
def test_forms_of_a_label_are_one_spelling(label: str) -> None:
    forms = {label: 2, unicodedata.normalize("NFD", label): 1}
    assert len({folded(form) for form in forms}) == 1
    assert len(forms) == 1 or spellings(forms) == [list(forms)]
