"""Delimited text of the world: quotes, delimiters, short rows, headers, encodings. No row is lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import compose
from dataset_configs import CLASSIFY, FV, dataset_config

from littlehuman import data
from littlehuman.data.files import ReadOptions, read_rows
from littlehuman.errors import ConfigError, DataError
from littlehuman.schema import CsvConfig, DatasetConfig


def _read(path: Path, content: str | bytes, **csv: Any) -> tuple[list[list[str]], list[str]]:
    """The cells of all rows, and the remarks."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options = ReadOptions(CsvConfig(**csv))
    rows = [list(row.values()) for row in read_rows(path, options)]
    return rows, options.remarks.lines()


def _refusal(path: Path, content: str | bytes, **csv: Any) -> str:
    with pytest.raises(DataError) as error:
        _read(path, content, **csv)
    assert str(path) in str(error.value)
    return str(error.value)


QUOTES_IN_TEXT = ['"It was', 'said 5" wide', '"quoted" at first', 'ends with"', '""', "plain"]


@pytest.mark.parametrize("count", [5, 20])
def test_a_quote_at_the_start_of_a_tsv_field_swallows_no_row(tmp_path: Path, count: int) -> None:
    texts = [f"{QUOTES_IN_TEXT[i % len(QUOTES_IN_TEXT)]} {i}" for i in range(count)]
    rows, _ = _read(tmp_path / "a.tsv", "id\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(texts)))
    assert rows == [[str(i), text] for i, text in enumerate(texts)]


def test_a_text_in_glue_style_is_read_with_its_quotes(tmp_path: Path) -> None:
    rows, _ = _read(tmp_path / "a.tsv", 'sentence\tlabel\n"Yes" , he said , "no" .\t1\n')
    assert rows == [['"Yes" , he said , "no" .', "1"]]


def test_a_tsv_that_a_csv_writer_wrote_is_read_when_told(tmp_path: Path) -> None:
    for content, row in {
        'a\tb\n"x ""y"" z"\t"two\nlines"\n': ['x "y" z', "two\nlines"],
        'a\tb\n"two\nlines"\ty\n': ["two\nlines", "y"],
        'a\tb\n"a\ttab"\ty\n': ["a\ttab", "y"],
    }.items():
        assert _read(tmp_path / "a.tsv", content, quoting="minimal")[0] == [row]
        assert "Try: dataset.csv.quoting=minimal" in _refusal(tmp_path / "a.tsv", content)


def test_enclosing_quotes_in_a_tsv_are_said_with_the_setting_that_takes_them_off(tmp_path: Path) -> None:
    rows, said = _read(tmp_path / "a.tsv", 'a\tb\n"x ""y"" z"\tq\n')
    assert rows == [['"x ""y"" z"', "q"]]
    assert said[0].startswith("1 cells are enclosed in quotes") and "dataset.csv.quoting=minimal" in said[0]


def test_names_in_quotes_are_refused_where_there_is_no_quoting(tmp_path: Path) -> None:
    assert "Try: dataset.csv.quoting=minimal" in _refusal(tmp_path / "a.tsv", '"a"\t"b"\n"x"\t"y"\n')


def test_a_quote_that_is_escaped_by_a_backslash_is_read_when_told_and_named_when_not(tmp_path: Path) -> None:
    content = 'text,target\n"He said \\"hi\\", ok",a\n"back\\\\slash",b\n'
    assert _read(tmp_path / "a.csv", content, quoting="backslash")[0] == [
        ['He said "hi", ok', "a"],
        ["back\\slash", "b"],
    ]
    said = _refusal(tmp_path / "a.csv", content)
    assert "row at line 2" in said and "Try: dataset.csv.quoting=backslash" in said


@pytest.mark.parametrize("content", ['a,b\n"open,1\nx,2\n', 'a,b\n"x" y,1\n'])
def test_a_stray_quote_in_a_csv_is_refused_with_its_line_and_a_setting(tmp_path: Path, content: str) -> None:
    said = _refusal(tmp_path / "a.csv", content)
    assert "row at line 2" in said and "Try: dataset.csv.quoting=none" in said


def test_the_setting_for_stray_quotes_reads_them(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.csv", 'a,b\n"open,1\n"x" y,2\n', quoting="none")[0] == [['"open', "1"], ['"x" y', "2"]]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_rows_with_too_few_cells_are_counted_with_the_first_line(tmp_path: Path, name: str) -> None:
    sep = "," if name == "a.csv" else "\t"
    rows, said = _read(tmp_path / name, f"a{sep}b{sep}c\n1{sep}2{sep}3\n4{sep}5\n6\n".replace("6\n", f"6{sep}7\n"))
    assert rows == [["1", "2", "3"], ["4", "5", ""], ["6", "7", ""]]
    assert said == [
        f"2 rows have fewer cells than the header; the missing ones are read as empty (first: {name} line 3)"
    ]


def test_a_cell_that_holds_the_delimiter_and_a_line_break_is_warned_of(tmp_path: Path) -> None:
    rows, said = _read(tmp_path / "a.csv", 'id,text,label\n1,"one,a\n2,two"",b\n3,""three",c\n4,four,d\n')
    assert len(rows) == 2, "a stray quote has swallowed rows"
    assert said[0].startswith("1 cells hold a line break and the delimiter") and said[0].endswith("a.csv line 2)")


DELIMITERS = {  # content -> the rows that it has
    "commas in quotes": ('"a, or b, or c";d\n"1,2,3";4\n', [["1,2,3", "4"]]),
    "a sentence as header": (
        "id;What, if any, was said, and when;label\n1;x;y\n2;z;w\n",
        [["1", "x", "y"], ["2", "z", "w"]],
    ),
    "commas in all texts": ("id;text\n1;a, b\n2;c, d\n", [["1", "a, b"], ["2", "c, d"]]),
    "tabs in a csv": ("id\ttext, as read\n1\ta, b, c\n", [["1", "a, b, c"]]),
    "a line for Excel": ("sep=;\na, b;c\n1;2\n", [["1", "2"]]),
    "pipes": ("id|text\n1|a, b\n", [["1", "a, b"]]),
    "one column": ("text\na b\nc; d\n", [["a b"], ["c; d"]]),
    "a line break in the header": ('"a\nb;c;d",e\n1,2\n', [["1", "2"]]),
}


@pytest.mark.parametrize("what", DELIMITERS)
def test_the_delimiter_is_the_one_that_all_rows_agree_with(tmp_path: Path, what: str) -> None:
    content, rows = DELIMITERS[what]
    assert _read(tmp_path / "a.csv", content)[0] == rows


def test_two_delimiters_that_fit_equally_are_not_guessed(tmp_path: Path) -> None:
    said = _refusal(tmp_path / "a.csv", "a,b;c\n1,2;3\n")
    assert "Try: dataset.csv.delimiter=comma or dataset.csv.delimiter=semicolon" in said
    assert _read(tmp_path / "a.csv", "a,b;c\n1,2;3\n", delimiter="semicolon")[0] == [["1,2", "3"]]


@pytest.mark.parametrize("delimiter", ["tab", "\\t", "\t"])
def test_text_files_are_tables_where_a_delimiter_is_given(tmp_path: Path, delimiter: str) -> None:
    assert _read(tmp_path / "a.txt", 'a\tb\n"x\ty\n', delimiter=delimiter)[0] == [['"x', "y"]]
    assert "Try: dataset.csv.delimiter=tab" in _refusal(tmp_path / "a.txt", "a\tb\n")


def test_a_line_that_is_not_utf8_is_named_and_another_encoding_can_be_given(tmp_path: Path) -> None:
    content = b"text,b\n" + b"plain,1\n" * 5000 + "café,2\n".encode("cp1252")
    said = _refusal(tmp_path / "a.csv", content)
    assert "line 5002 is not UTF-8" in said and "dataset.csv.encoding=cp1252" in said
    assert _read(tmp_path / "a.csv", content, encoding="cp1252")[0][-1] == ["café", "2"]


def test_utf16_is_named_and_read_when_told(tmp_path: Path) -> None:
    content = "text,b\ncafé,1\n".encode("utf-16")
    assert "Try: dataset.csv.encoding=utf-16" in _refusal(tmp_path / "a.csv", content)
    assert _read(tmp_path / "a.csv", content, encoding="utf-16")[0] == [["café", "1"]]


# --- files without a header

AG_NEWS = "".join(f'{i % 3 + 1},"Fears for T N pension, {i}","Unions ""say"" {i}"\n' for i in range(12))


def _agnews(path: Path, *words: str) -> DatasetConfig:
    (path / "train.csv").write_text(AG_NEWS)
    words = ("dataset=table", "task=classify", "strategy=annotate", "dataset.columns.evidence=null", *words)
    return compose(*words, f"dataset.path={path / 'train.csv'}").dataset


def test_a_file_without_a_header_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="(?s)seem to be the cells of a first row.*dataset.csv.header=false"):
        data.load(_agnews(tmp_path), CLASSIFY)


def test_a_file_of_short_words_without_a_header_is_told_of_the_setting_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ham,Hi there\nspam,Buy now\n")
    with pytest.raises(DataError, match="Try: .*dataset.csv.header=false with columns by number, from 1"):
        data.load(dataset_config("table", path=str(tmp_path / "a.csv")), CLASSIFY)


def test_a_file_without_a_header_is_read_with_its_columns_by_number(tmp_path: Path) -> None:
    config = _agnews(tmp_path, "dataset.csv.header=false", "dataset.columns.text=[2,3]", "dataset.columns.target=1")
    dataset = data.load(config, CLASSIFY)
    points = dataset.train + dataset.valid + dataset.test
    assert len(points) == 12 and dataset.classes == ("1", "2", "3")
    assert 'Fears for T N pension, 0\nUnions "say" 0' in {point.text for point in points}


def test_a_number_is_no_column_of_a_file_with_a_header() -> None:
    with pytest.raises(ConfigError, match="dataset.columns.text=2.*from 1.* where dataset.csv.header=false"):
        data.load(dataset_config("table", path="nowhere", columns={"text": 2}), FV)


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ({"delimiter": "tabs"}, "dataset.csv.delimiter='tabs' .* comma, tab, semicolon, pipe, space"),
        ({"quoting": "nnone"}, "dataset.csv.quoting=nnone .* did you mean 'none'"),
        ({"encoding": "utf-9"}, "dataset.csv.encoding=utf-9 .* is no encoding"),
    ],
)
def test_a_dialect_that_does_not_exist_is_refused_before_any_row_is_read(csv: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        data.load(dataset_config("table", path="nowhere", csv=csv), FV)


def test_remarks_on_the_files_are_warnings_of_the_dataset(tmp_path: Path) -> None:
    rows = "".join(f"E{i},T{i},{('supported', 'unsupported')[i % 2]}\n" for i in range(10))
    (tmp_path / "train.csv").write_text("evidence,text,target,note\n" + rows)
    (tmp_path / "dev.csv").write_text("evidence,text,target\n")
    warnings = "\n".join(data.load(dataset_config("table", path=str(tmp_path)), FV).warnings)
    assert "10 rows have fewer cells than the header" in warnings
    assert "not read: dev.csv\nTo read one: ++dataset.files.valid=dev.csv" in warnings
