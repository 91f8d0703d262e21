"""Rows to examples: columns, answers, labels, dropped rows and ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import compose
from dataset_configs import CLASSIFY, FV, QA, dataset_config

from littlehuman import data
from littlehuman.data.labels import LabelMapper, label_map
from littlehuman.data.table import ParsedSplit, parse_rows, unique_ids
from littlehuman.errors import ConfigError, DataError
from littlehuman.records import Example
from littlehuman.schema import DatasetConfig, TaskConfig
from littlehuman.store import digest, write_json, write_jsonl

YES_NO = {"yes": "supported", "no": "unsupported"}


def _config(**overrides: Any) -> DatasetConfig:
    return dataset_config("table", **overrides)


def _read(rows: list[dict[str, Any]], **overrides: Any) -> ParsedSplit:
    return parse_rows(rows, _config(**overrides), "rows.jsonl", labels=None)


def _labelled(rows: list[dict[str, Any]], **overrides: Any) -> ParsedSplit:
    config = _config(**{"labels": YES_NO, **overrides})
    return parse_rows(rows, config, "rows.jsonl", LabelMapper(config, label_map(config, FV), FV))


def _row(**cells: Any) -> dict[str, Any]:
    return {"evidence": "The ferry leaves at six.", "text": "When?", "target": "at six", **cells}


def test_a_dotted_path_goes_through_mappings_and_lists() -> None:
    row = {
        "doc": {"summary": {"text": "S"}},
        "question": {"text": "Q"},
        "answers": [{"text": "a"}, {"text": "b"}, {"text": None}],
    }
    columns = {"evidence": "doc.summary.text", "text": "question.text", "target": "answers.text"}
    (example,) = _read([row], columns=columns).examples
    assert (example.evidence, example.text, example.targets) == ("S", "Q", ("a", "b"))


def test_a_column_whose_name_has_a_dot_is_found() -> None:
    (example,) = _read([_row(**{"answer.text": "six"})], columns={"target": "answer.text"}).examples
    assert example.targets == ("six",)


def test_lists_of_columns_are_joined_by_newlines_and_ids_by_dashes() -> None:
    row = _row(title="Ferries", evidence=["One.", "Two."], a=4, b="x")
    (example,) = _read([row], columns={"evidence": ["title", "evidence"], "id": ["a", "b"]}).examples
    assert (example.evidence, example.id) == ("Ferries\nOne.\nTwo.", "4-x")


def test_several_gold_answers_become_targets_once_each_in_their_order() -> None:
    (example,) = _read([_row(target=["six", "", "at six", "six", None])]).examples
    assert example.targets == ("six", "at six") and example.target == "six"


def test_none_and_na_are_answers() -> None:
    table = _read([_row(target="None"), _row(target="NA"), _row(target=0)])
    assert [example.target for example in table.examples] == ["None", "NA", "0"]


def test_rows_that_cannot_be_used_are_counted_by_reason() -> None:
    rows = [_row(), _row(), _row(text=" "), _row(evidence=""), _row(target=[]), _row(target=None)]
    assert _read(rows).dropped == {"exact duplicate": 1, "empty text": 1, "empty evidence": 1, "no answer": 2}
    labels = [_row(target="yes"), _row(target="maybe"), _row(target="")]
    assert _labelled(labels, ignored_labels=["maybe"]).dropped == {"ignored label": 1, "no label": 1}


def test_the_same_question_with_another_answer_is_no_duplicate() -> None:
    assert len(_read([_row(target="six"), _row(target="seven")]).examples) == 2


def test_evidence_may_be_absent_when_no_column_is_named() -> None:
    (example,) = _read([_row()], columns={"evidence": None}).examples
    assert example.evidence == ""


@pytest.mark.parametrize("raw", ["yes", "Yes", "YES"])
def test_labels_are_mapped_to_classes(raw: str) -> None:
    assert _labelled([_row(target=raw)]).examples[0].targets == ("supported",)


@pytest.mark.parametrize("raw", [1, 1.0, "1", True])
def test_labels_that_are_numbers_are_compared_as_words(raw: Any) -> None:
    labels = {"1": "supported", "true": "supported", "0": "unsupported"}
    assert _labelled([_row(target=raw)], labels=labels).examples[0].targets == ("supported",)


def _refused(targets: list[str], **overrides: Any) -> str:
    with pytest.raises(DataError) as error:
        _labelled([_row(text=f"T{i}", target=target) for i, target in enumerate(targets)], **overrides)
    return str(error.value)


def test_a_label_outside_the_map_is_named_with_its_count_and_the_overrides_to_type() -> None:
    assert _refused(["yes", "maybe", "maybe", "who knows"], ignored_labels=["skip"]) == (
        "rows.jsonl: dataset.labels does not say what these labels mean: 'maybe' (2 rows), 'who knows' (1 rows); "
        "it knows: yes, no\n"
        "Try: 'dataset.labels={maybe: CLASS, who knows: CLASS}'  (CLASS: unsupported or supported), "
        "or 'dataset.ignored_labels=[skip, maybe, who knows]' to leave their rows out"
    )


def test_no_class_is_guessed_for_a_label_and_one_command_names_them_all() -> None:
    tries = _refused(["correct", "wrong", "correct"], labels={}).partition("Try: ")[2]
    assert tries == "'dataset.labels={correct: CLASS, wrong: CLASS}'  (CLASS: unsupported or supported)"
    typed = tries.split("'")[1]
    taken = compose(
        "dataset=table", typed.replace("CLASS", "supported", 1).replace("CLASS", "unsupported")
    ).dataset.labels
    assert taken == {"correct": "supported", "wrong": "unsupported"}
    with pytest.raises(ConfigError, match="dataset.labels: CLASS  is no class of task=fv"):
        label_map(_config(labels=compose("dataset=table", typed).dataset.labels), FV)


def test_a_map_for_some_labels_keeps_those_that_are_classes_themselves() -> None:
    tries = _refused(["supported", "maybe"], labels={}).partition("Try: ")[2]
    labels = compose("dataset=table", tries.split("'")[1].replace("CLASS", "unsupported")).dataset.labels
    assert [e.target for e in _labelled([_row(target="supported"), _row(target="maybe")], labels=labels).examples] == [
        "supported",
        "unsupported",
    ]


@pytest.mark.parametrize(
    ("raw", "tries"),
    [
        ("not sure", "'dataset.labels={not sure: CLASS}'  ("),
        ("1", "+dataset.labels.1=CLASS  ("),
        ("True", "+dataset.labels.True=CLASS  ("),
        ("a, b?", "labels: of a dataset's YAML (--config-dir) for 'a, b?'  ("),
        ("-1", "labels: of a dataset's YAML (--config-dir) for '-1'  ("),
    ],
)
def test_the_override_for_an_odd_label_is_one_that_hydra_takes(raw: str, tries: str) -> None:
    assert f"Try: {tries}" in (said := _refused([raw]))
    typed = tries.removesuffix("  (").strip("'").replace("CLASS", "supported")
    if "YAML" not in said:
        assert compose("dataset=table", typed).dataset.labels == {raw: "supported"}


def test_answers_read_as_labels_lead_to_another_task_not_to_a_long_map() -> None:
    said = _refused([f"at {hour} o'clock" for hour in range(12)])
    assert "and 2 more" in said and "CLASS" not in said
    assert said.endswith(
        "Try: task=qa (short answers), or task=classify strategy=annotate (the labels found are the classes)"
    )


def test_a_missing_column_is_named_with_those_that_exist() -> None:
    with pytest.raises(DataError) as error:
        _read([{"evidence": "E", "claim": "C", "target": "t"}], columns={"text": "clam"})
    assert str(error.value) == (
        "rows.jsonl: no column 'clam'; did you mean 'claim'? (there is: claim, evidence, target)\n"
        "Try: dataset.columns.text=NAME"
    )


def test_a_missing_evidence_column_says_how_to_do_without() -> None:
    with pytest.raises(DataError, match="no column 'evidence'.*\n.*dataset.columns.evidence=null where there is none"):
        _read([{"text": "T", "target": "t"}])


def test_a_column_that_holds_parts_asks_for_one_of_them() -> None:
    with pytest.raises(DataError, match="name one of them with a dot: text, answer_start"):
        _read([_row(target={"text": ["six"], "answer_start": [3]})])


def test_two_labels_in_one_row_are_refused() -> None:
    with pytest.raises(DataError, match="a row has 2 labels"):
        _labelled([_row(target=["yes", "no"])])


def test_no_rows_and_no_usable_rows_are_errors() -> None:
    with pytest.raises(DataError, match="rows.jsonl: holds no rows"):
        _read([])
    with pytest.raises(DataError, match=r"rows.jsonl: no row can be used \(no answer: 2\)"):
        _read([_row(target=""), _row(target=None)])


def test_ids_are_the_column_or_a_digest_and_clashes_get_the_digest_appended() -> None:
    a, b, c = (Example(name, "E", text, ("t",)) for name, text in (("1", "A"), ("1", "B"), ("", "C")))
    content = {text: digest(("E", text, "t"))[:12] for text in "ABC"}
    assert [e.id for e in unique_ids([a, b, c])] == [f"1-{content['A']}", f"1-{content['B']}", content["C"]]
    assert [e.id for e in unique_ids([b, c], taken={"1"})] == [f"1-{content['B']}", content["C"]]


def _write(path: Path, train: list[str], test: list[str]) -> Path:
    for split, labels in (("train", train), ("validation", train), ("test", test)):
        write_jsonl(
            path / f"{split}.jsonl", [_row(text=f"{split} {i}", target=label) for i, label in enumerate(labels)]
        )
    return path


def test_classes_without_labels_are_those_of_train_sorted(tmp_path: Path) -> None:
    config = _config(path=str(_write(tmp_path, ["WWW", "ISCAS", "VLDB"], ["VLDB"])))
    assert data.load(config, CLASSIFY).classes == ("ISCAS", "VLDB", "WWW")


def test_a_class_that_only_the_test_rows_have_is_an_error(tmp_path: Path) -> None:
    config = _config(path=str(_write(tmp_path, ["WWW", "ISCAS"], ["VLDB"])))
    with pytest.raises(
        DataError, match=r"test.jsonl: dataset.labels .* 'VLDB' \(1 rows\); it knows: ISCAS, WWW"
    ) as error:
        data.load(config, CLASSIFY)
    assert str(error.value).endswith("Try: 'dataset.ignored_labels=[VLDB]'")


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    config = _config(path=str(_write(tmp_path, ["WWW", "WWW"], ["WWW"])))
    with pytest.raises(DataError, match="needs two classes; here is: WWW"):
        data.load(config, CLASSIFY)


def test_free_answers_have_no_classes(tmp_path: Path) -> None:
    assert data.load(_config(path=str(_write(tmp_path, ["a", "b"], ["c"]))), QA).classes == ()


def test_labels_that_are_the_classes_need_no_map(tmp_path: Path) -> None:
    dataset = data.load(_config(path=str(_write(tmp_path, ["supported", "unsupported"], ["supported"]))), FV)
    assert dataset.classes == ("unsupported", "supported") and dataset.train[0].target == "supported"


def test_a_map_to_a_class_that_the_task_lacks_is_refused(tmp_path: Path) -> None:
    config = _config(path=str(_write(tmp_path, ["yes"], ["no"])), labels={"yes": "suported", "no": "unsupported"})
    with pytest.raises(ConfigError, match="dataset.labels: suported .*did you mean 'supported'"):
        data.load(config, FV)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"reader": "fevre"}, "dataset.reader=fevre .* did you mean 'fever'"),
        ({"splits": {"tset": "test"}}, "dataset.splits.tset .* did you mean 'test'"),
        ({"valid_share": 1.5}, "dataset.valid_share=1.5 .* below 1"),
        ({"valid_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"columns": {"target": None}}, "dataset.columns.target=null .* must name a column"),
        ({"columns": {"text": [1]}}, "must be a column, or a list of columns"),
    ],
)
def test_an_invalid_config_is_refused_before_any_row_is_read(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        data.load(_config(path="nowhere", **overrides), FV)


def _answers(task: TaskConfig, path: Path) -> tuple[str, ...]:
    return data.load(_config(path=str(path)), task).train[0].targets


def test_one_file_may_be_read_for_any_task(tmp_path: Path) -> None:
    write_json(
        tmp_path / "all.json", [_row(evidence=f"E{i}", target=["unsupported", "supported"][i % 2]) for i in range(10)]
    )
    targets = {_answers(task, tmp_path / "all.json") for task in (FV, QA, CLASSIFY)}
    assert targets == {("unsupported",)} or targets == {("supported",)}
