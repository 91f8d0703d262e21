"""Layouts that are no table: each is read right, or refused with what was found and the reader that fits."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import PUBLIC_DATA, compose
from dataset_configs import CLASSIFY, FV, QA, dataset_config

from littlehuman import data
from littlehuman.errors import ConfigError, DataError
from littlehuman.records import Dataset

ROWS = [{"text": f"t {i}", "target": "ab"[i % 2]} for i in range(12)]
TABLE = ("dataset=table", "task=classify", "strategy=annotate", "dataset.columns.evidence=null")
QUESTIONS = ("dataset=table", "task=qa")


def _load(path: Path, *words: str, base: tuple[str, ...] = TABLE) -> Dataset:
    config = compose(*base, f"dataset.path={path}", *words)
    return data.load(config.dataset, config.task)


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def _refusal(path: Path, *words: str, base: tuple[str, ...] = TABLE) -> str:
    with pytest.raises(DataError) as error:
        _load(path, *words, base=base)
    return str(error.value)


def _tries(said: str) -> list[str]:
    """The overrides that an error says to try, of the first alternative."""
    return [word for word in shlex.split(said.rpartition("Try: ")[2].split(" or ")[0]) if "=" in word]


def _texts(dataset: Dataset) -> set[str]:
    return {point.text for point in dataset.train + dataset.valid + dataset.test}


BY_COLUMN = {name: [row[name] for row in ROWS] for name in ROWS[0]}
DOCUMENTS: dict[str, tuple[Any, str, str]] = {  # what is found, and what is to be tried
    "objects by id": (
        {f"q{i}": row for i, row in enumerate(ROWS)},
        "12 objects by key (q0, q1",
        "dataset.reader=by_id",
    ),
    "pandas orient=index": (
        {str(i): row for i, row in enumerate(ROWS)},
        "12 objects by key (0, 1",
        "dataset.reader=by_id",
    ),
    "pandas orient=columns": (
        {name: {str(i): value for i, value in enumerate(column)} for name, column in BY_COLUMN.items()},
        "an object of columns (text, target), as pandas writes",
        "dataset.reader=by_column",
    ),
    "lists by column": (BY_COLUMN, "an object of columns (text, target)", "dataset.reader=by_column"),
    "pandas orient=split": (
        {"columns": ["text", "target"], "index": [*range(12)], "data": [[*row.values()] for row in ROWS]},
        "an object of columns (text, target)",
        "dataset.reader=by_column",
    ),
    "splits in one file": (
        {"train": ROWS, "dev": ROWS[:3]},
        "'train' (a list of 12 objects), 'dev' (a list of 3 objects)",
        "dataset.rows=train",
    ),
    "splits further in": (
        {"meta": {"by": "us"}, "data": {"train": ROWS, "dev": ROWS[:3]}},
        "'data' (an object of 2)",
        "dataset.rows=data.train",
    ),
    "objects by id inside": (
        {"version": 1, "questions": {f"q{i}": row for i, row in enumerate(ROWS)}},
        "'questions' (an object of 12)",
        "dataset.rows=questions dataset.reader=by_id",
    ),
}


@pytest.mark.parametrize("layout", DOCUMENTS)
def test_a_document_that_is_no_list_of_rows_is_named_with_the_reader_that_fits(tmp_path: Path, layout: str) -> None:
    document, found, mend = DOCUMENTS[layout]
    path = _write(tmp_path / "all.json", document)
    said = _refusal(path)
    assert str(path) in said and found in said and f"Try: {mend}" in said
    assert _texts(_load(path, *_tries(said))) == {row["text"] for row in ROWS}


@pytest.mark.parametrize("key", ["Data", "questions", "rows"])
def test_the_one_list_of_rows_of_a_document_is_read_and_named(tmp_path: Path, key: str) -> None:
    dataset = _load(_write(tmp_path / "all.json", {"version": "1", key: ROWS, "domain": {"a": 1}}))
    assert _texts(dataset) == {row["text"] for row in ROWS}
    assert f"have their rows under '{key}'" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([["t", "a"]], "a list of 1 lists"),
        ([*ROWS, None], "a list of 13 objects and nulls"),
        ("text", "a single str"),
        ({"a": 1}, "an object with 'a' (a single int)"),
        ({}, "an object with nothing"),
    ],
)
def test_a_document_that_no_reader_fits_is_described(tmp_path: Path, document: Any, found: str) -> None:
    assert f"it is {found}" in _refusal(_write(tmp_path / "all.json", document))


def test_rows_that_are_not_there_are_named(tmp_path: Path) -> None:
    said = _refusal(_write(tmp_path / "all.json", {"train": ROWS}), "dataset.rows=test")
    assert "no 'test' for dataset.rows=test; it is an object with 'train'" in said


@pytest.mark.parametrize("reader", ["by_id", "by_column"])
def test_a_reader_that_does_not_fit_says_what_it_reads(tmp_path: Path, reader: str) -> None:
    said = _refusal(_write(tmp_path / "all.json", ROWS), f"dataset.reader={reader}")
    assert f"dataset.reader={reader} reads" in said and "it is a list of 12 objects" in said


def test_columns_are_joined_by_key_and_rows_of_another_width_are_named(tmp_path: Path) -> None:
    numbers = range(len(ROWS))
    columns = {name: {str(i): ROWS[i][name] for i in numbers} for name in ("text", "target")}
    turned = {**columns, "target": dict(reversed(columns["target"].items()))}
    pairs = [
        {(e.text, e.target) for e in _load(_write(tmp_path / name, document), "dataset.reader=by_column").train}
        for name, document in (("same.json", columns), ("turned.json", turned))
    ]
    assert pairs[0] and pairs[0] == pairs[1]
    ragged = {"columns": ["text", "target"], "data": [["a", "b"], ["c"]]}
    said = _refusal(_write(tmp_path / "ragged.json", ragged), "dataset.reader=by_column")
    assert "row 2 of data has 1 values for 2 columns" in said


# --- nested rows


def _squad(articles: int = 2, paragraphs: int = 3, questions: int = 4, **more: Any) -> list[dict[str, Any]]:
    def qas(where: str) -> list[dict[str, Any]]:
        numbers = range(questions)
        return [{"id": f"{where}{i}", "question": f"Q {where}{i}?", "answers": [{"text": f"A{i}"}]} for i in numbers]

    return [
        {
            "title": f"T{a}",
            "paragraphs": [{"context": f"C{a}{p}", "qas": qas(f"{a}{p}"), **more} for p in range(paragraphs)],
        }
        for a in range(articles)
    ]


MELTED = (
    "dataset.columns.evidence=paragraphs.context",
    "dataset.columns.text=paragraphs.qas.question",
    "dataset.columns.target=paragraphs.qas.answers.text",
)


@pytest.mark.parametrize("words", [MELTED, ()])
def test_questions_behind_two_lists_are_not_melted_into_one_point(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = _write(tmp_path / "all.json", {"version": "1.1", "data": _squad()})
    said = _refusal(path, *words, base=QUESTIONS)
    assert "dataset.reader=squad" in said and ("row 1: " in said and "12 texts" in said) == bool(words)
    mend = re.findall(r"dataset\.\S+", said[said.index("dataset.reader=squad") :])
    dataset = _load(path, *mend, base=QUESTIONS)
    assert len(_texts(dataset)) == 24 and all(len(point.targets) == 1 for point in dataset.train)


def test_the_layout_of_ropes_gets_its_own_reader(tmp_path: Path) -> None:
    articles = _squad()
    for paragraph in [paragraph for article in articles for paragraph in article["paragraphs"]]:
        paragraph |= {"background": paragraph.pop("context"), "situation": "S"}
    path = _write(tmp_path / "all.json", {"data": articles})
    said = _refusal(path, base=QUESTIONS)
    tries = shlex.split(said[said.index("dataset.reader=ropes") :])
    assert len(_texts(_load(path, *tries, base=QUESTIONS))) == 24


def test_conversations_are_not_melted_into_one_question(tmp_path: Path) -> None:
    turns = {"questions": ["Who?", "When?"], "answers": {"input_text": ["Pim", "six"]}}
    path = _write(tmp_path / "all.json", [{"story": f"S{i}", **turns} for i in range(6)])
    words = ("dataset.columns.evidence=story", "dataset.columns.text=questions")
    said = _refusal(path, *words, "dataset.columns.target=answers.input_text", base=QUESTIONS)
    assert "as many answers" in said and "Try: dataset.reader=coqa" in said
    assert len(_load(path, *_tries(said), base=QUESTIONS).train) > 0


def test_lists_of_questions_inside_a_part_are_not_melted_either(tmp_path: Path) -> None:
    asked = {"text": ["Who?", "When?", "Why?"], "answer": ["Pim", "six", "salt"]}
    path = _write(tmp_path / "all.json", [{"evidence": f"S{i}", "asked": asked} for i in range(6)])
    said = _refusal(path, "dataset.columns.text=asked.text", "dataset.columns.target=asked.answer", base=QUESTIONS)
    assert "dataset.columns.text=asked.text holds lists of texts, each with as many answers" in said


def test_lists_that_belong_to_one_point_are_read_as_before(tmp_path: Path) -> None:
    rows = [
        {
            "evidence": [{"sentence": f"E{i}"}, {"sentence": "more"}],
            "text": ["A question", f"of parts {i}?"],
            "target": "x",
        }
        for i in range(12)
    ]
    path = _write(tmp_path / "all.json", rows)
    dataset = _load(path, "dataset.columns.evidence=evidence.sentence", base=QUESTIONS)
    assert dataset.train[0].text.startswith("A question\nof parts") and dataset.train[0].evidence.endswith("\nmore")


@pytest.mark.data
@pytest.mark.skipif(not (PUBLIC_DATA / "xquad").is_dir(), reason="no public datasets; set $LITTLEHUMAN_TEST_DATA")
@pytest.mark.parametrize("language", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("de", "zh")), "ar"])
def test_the_questions_of_xquad_are_all_read(language: str) -> None:
    path = PUBLIC_DATA / "xquad" / f"xquad.{language}.json"
    said = _refusal(path, *MELTED, base=QUESTIONS)
    dataset = _load(path, *_tries(said), base=QUESTIONS)
    points = len(dataset.train + dataset.valid + dataset.test)
    assert points + sum(dataset.dropped.values()) == 1190 and points > 1170


# --- folders


def test_a_text_file_in_a_folder_is_named_with_what_reads_it(tmp_path: Path) -> None:
    lines = [f"{row['text']}\t{row['target']}" for row in ROWS]
    (tmp_path / "train.txt").write_text("\n".join(["text\ttarget", *lines]))
    said = _refusal(tmp_path)
    assert "holds: train.txt" in said and "train.txt is no table yet: give dataset.csv.delimiter=tab" in said
    assert _texts(_load(tmp_path, "dataset.csv.delimiter=tab")) == {row["text"] for row in ROWS}


@pytest.mark.parametrize(
    ("name", "mend"),
    [("train.csv.gz", "the file unpacked"), ("train.xlsx", "saved as csv"), ("train.ndjson", "named .jsonl")],
)
def test_other_files_are_named_with_what_to_do(tmp_path: Path, name: str, mend: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert mend in _refusal(tmp_path) and mend in _refusal(tmp_path / name)


def test_a_split_in_two_kinds_of_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "train.csv").write_text("text,target\nother,a\n")
    assert "train is read from several kinds of files: train.csv, train.jsonl" in _load(tmp_path).warnings[0]


# --- questions without an answer


def _squad2(path: Path) -> Path:
    articles = _squad()
    for article in articles:
        article["paragraphs"][0]["qas"][0] |= {"answers": [], "is_impossible": True}
    return _write(path / "all.json", {"version": "v2.0", "data": articles})


def test_questions_without_an_answer_are_dropped_and_counted(tmp_path: Path) -> None:
    config = dataset_config("squad", path=str(_squad2(tmp_path)))
    assert data.load(config, QA).dropped == {"all: no answer": 2}
    assert data.load(dataset_config("squad", path=config.path, unanswerable="drop"), QA) == data.load(config, QA)


def test_questions_without_an_answer_are_kept_when_told(tmp_path: Path) -> None:
    config = dataset_config("squad", path=str(_squad2(tmp_path)), unanswerable="keep")
    dataset = data.load(config, QA)
    targets = [point.targets for point in dataset.train + dataset.valid + dataset.test]
    assert not dataset.dropped and len(targets) == 24 and targets.count(("unanswerable",)) == 2
    assert "all: 2 of 24 questions have no answer" in "\n".join(dataset.notes)


@pytest.mark.parametrize(
    ("value", "task", "said"),
    [
        ("kep", QA, "must be drop or keep; did you mean 'keep'"),
        ("keep", FV, "task=fv has classes"),
        ("keep", CLASSIFY, ""),
    ],
)
def test_an_unanswerable_setting_that_means_nothing_is_refused(value: str, task: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"dataset.unanswerable={value} .*{said}"):
        data.load(dataset_config("table", path="nowhere", unanswerable=value), task)
