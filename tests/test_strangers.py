"""Texts of strangers (labels, columns, file names, answers): none steers a terminal, a spreadsheet or a page."""

from __future__ import annotations

import ast
import csv
import json
import logging
import re
from pathlib import Path

import pytest
from conftest import Cli, write_csv

import littlehuman
from littlehuman.cli import PlainFormatter
from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.formatting import csv_cell, csv_value, markdown_text, one_line, plain_text
from littlehuman.report import main as report
from littlehuman.reporting.tables import ReportTable
from littlehuman.store import read_json, write_json, write_jsonl
from littlehuman.study.scores import csv_cells
from littlehuman.study.table import markdown

ESCAPES = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07red",
    "link": "\x1b]8;;http://evil\x1b\\red\x1b]8;;\x1b\\",
    "clipboard": "\x9d52;c;aGk=\x9cred",
    "one byte": "\x9b31mred",
    "bell": "red\x07\x08\x7f",
    "null": "r\x00ed",
    "override": "\u202ered",
}
OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.mark.parametrize("kind", ESCAPES)
def test_an_escape_sequence_leaves_its_text_alone(kind: str) -> None:
    assert plain_text(ESCAPES[kind]) == one_line(ESCAPES[kind]) == "red"


@pytest.mark.parametrize("text", ["naïve 北京 العربية שָׁלוֹם", "a\tb\nc", "👩‍🚀 ❤️", "می‌خواهم"])
def test_other_texts_are_left_as_they_are(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize("kind", ESCAPES)
def test_no_error_and_no_log_line_holds_an_escape_sequence(kind: str) -> None:
    error = ConfigError([Problem(f"label {ESCAPES[kind]}", "is no class")])
    texts = [str(error), error.one_line, str(DataError(ESCAPES[kind])), DataError(ESCAPES[kind]).one_line]
    record = logging.LogRecord("x", logging.INFO, "x", 1, "first: %s", (ESCAPES[kind],), None)
    texts.append(PlainFormatter("%(message)s").format(record))
    assert not [text for text in texts if OBEYED.search(text) or "red" not in text]


@pytest.mark.parametrize("kind", ESCAPES)
def test_a_json_file_holds_them_escaped_and_reads_back_the_same(kind: str, tmp_path: Path) -> None:
    value = {ESCAPES[kind]: [ESCAPES[kind]]}
    write_json(tmp_path / "a.json", value)
    write_jsonl(tmp_path / "a.jsonl", [value])
    assert read_json(tmp_path / "a.json") == json.loads((tmp_path / "a.jsonl").read_text("utf-8")) == value
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", (tmp_path / "a.json").read_text("utf-8"))


@pytest.mark.slow
def test_a_cell_and_its_report_obey_no_label_column_or_file_name(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    labels = ("=1+1|x\x1b[31m", "@b\x9b31m<script>")
    rows = [(f"text number {i}\x1b]0;owned\x07", labels[i % 2]) for i in range(30)]
    file = write_csv(tmp_path / "a\x1b[31mb.csv", ("text\x1b[5m", "label"), rows)
    table = [
        *("dataset=table", f"dataset.path={tmp_path}", f"dataset.files={{train: '{file.name}'}}", "task=classify"),
        *("dataset.columns.evidence=null", "dataset.columns.target=label", "strategy=annotate", "model=tiny"),
        *("launch=cpu", "synth_frac=0", "n_train=8", "study=strangers", "launch.progress=false"),
    ]
    refused = cli(*table)
    assert refused.code == 1 and "text" in refused.text and not OBEYED.search(refused.text)
    ended = cli(*table, "dataset.columns.text='text\x1b[5m'", "dataset.name='=2+2|[x](http://evil)'")
    assert ended.code == 0, ended.text
    assert not OBEYED.search(ended.text)
    study = multirun / "strangers"
    assert report_of(study) == 0
    shown = [path for path in study.rglob("*") if path.suffix in (".csv", ".md", ".html", ".log", ".svg")]
    assert {"table.csv", "table.md", "report.html", "run.log", "over_seeds.csv"} <= {path.name for path in shown}
    assert not [path.name for path in shown if OBEYED.search(path.read_text("utf-8"))]
    cells = [cell for path in study.glob("*.csv") for row in csv.reader(path.open(encoding="utf-8")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=@\t\r") or cell.startswith(("+2", "-2"))]
    page = (study / "report.html").read_text("utf-8")
    assert "@b<script>" not in page and "@b\\u003cscript\\u003e" in page


def report_of(study: Path) -> int:
    import sys

    before, sys.argv = sys.argv, ["littlehuman report", str(study)]
    try:
        return report()
    finally:
        sys.argv = before


# --- spreadsheets and Markdown -------------------------------------------------------------------

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "-", "'=1", "''=1", "=\n1"]
HARMLESS = ["-0.5", "+1e-3", "-.5", "a=1", "", "it's", "'tis", "1-2", "–", "-0"]


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_a_formula_is_a_text_in_the_csv_and_reads_back_the_same(text: str) -> None:
    cell = str(csv_cell(text))
    assert (cell != text) == (text in FORMULAS)
    assert not cell.startswith(tuple("=@\t\r\uff1d")) and csv_value(cell) == text


@pytest.mark.parametrize("value", [-0.5, 3, None, True])
def test_numbers_stay_numbers(value: object) -> None:
    assert csv_cell(value) is value


def test_a_table_of_scores_reads_back_what_was_neutralised(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ("n_human", "n_synthetic", "score", "seed"), [("1", "2", "0.5", str(csv_cell("=7")))])
    ((*_, (_, _, seed)),) = csv_cells(tmp_path / "a.csv")
    assert seed == "=7"


@pytest.mark.parametrize(
    "text", ["a|b", "<b>", "[x](http://evil)", "![x](y)", "`x`", "*x*", "_x_", "a\nb", "\\|", "~~x~~", "\x1b[31mx"]
)
def test_no_name_is_markup_in_a_table_of_markdown(text: str) -> None:
    written = markdown_text(text)
    bare = re.sub(r"\\[\\`*|<>\[\]~_]", "", written)
    assert not re.search(r"[|<>\[\]`*~\n\x1b]|\b_|_\b", bare)
    for table in (
        markdown([{"cell": text, "state": "done", "protocol": "p"}]),
        ReportTable(("a",), ((text,),)).markdown(),
    ):
        assert (
            written in table and len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}) == 1
        )


def test_names_of_metrics_are_written_as_they_are() -> None:
    assert markdown_text("macro_f1, dataset-f0.9-s0: 81.2 (3 seeds)") == "macro_f1, dataset-f0.9-s0: 81.2 (3 seeds)"


# --- code ------------------------------------------------------------------------------------------


def test_no_model_is_loaded_with_code_of_its_own() -> None:
    found = {}
    for file in Path(littlehuman.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                whose = ast.unparse(node.func.value)
                if node.func.attr in ("from_pretrained", "from_config", "LLM") and whose not in (
                    "GenerationConfig",
                    "PeftModel",
                ):
                    given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    found[f"{file.name}:{node.lineno}"] = given.get("trust_remote_code")
    assert len(found) >= 6 and set(found.values()) == {"False"}, found
