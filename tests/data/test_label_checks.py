"""Labels of the world: class names, numbers and booleans in the map, spellings, contradictions, counts."""

from __future__ import annotations

import shlex
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from conftest import compose
from dataset_configs import CLASSIFY, FV, QA, dataset_config
from omegaconf import OmegaConf

from littlehuman import data
from littlehuman.config.run_config import schema
from littlehuman.data.description import description
from littlehuman.errors import DataError
from littlehuman.records import Dataset
from littlehuman.schema import DatasetConfig, TaskConfig
from littlehuman.store import write_jsonl

COLUMNS = {"evidence": None, "text": "text", "target": "label", "id": None}


def _load(path: Path, task: TaskConfig = CLASSIFY, **overrides: Any) -> Dataset:
    return data.load(dataset_config("table", path=str(path), columns=COLUMNS, **overrides), task)


def _rows(path: Path, labels: list[Any]) -> Path:
    write_jsonl(path / "a.jsonl", [{"text": f"t {i}", "label": label} for i, label in enumerate(labels)])
    return path / "a.jsonl"


def _points(dataset: Dataset) -> list[str]:
    return [point.target for point in dataset.train + dataset.valid + dataset.test]


# --- names of classes


def _hub_table() -> Any:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    labels = [i % 2 for i in range(12)] + [-1, -1, -1]
    return datasets.Dataset.from_dict({"text": [f"t {i}" for i in range(15)], "label": labels}, features=features)


@pytest.fixture
def quiet() -> None:
    pytest.importorskip("datasets").disable_progress_bars()


@pytest.mark.parametrize("form", ["parquet", "dataset", "dict", "hub"])
def test_classes_that_are_stored_as_numbers_have_their_names(
    tmp_path: Path, form: str, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    path, table = tmp_path / "data", _hub_table()
    place = {"path": str(path)}
    if form == "parquet":
        path = tmp_path / "data.parquet"
        table.to_parquet(path)
        place = {"path": str(path)}
    elif form == "dataset":
        table.save_to_disk(path)
    elif form == "dict":
        datasets.DatasetDict({"train": table}).save_to_disk(path)
    else:
        monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: {"train": table})
        place = {"hub": "me/data"}
    dataset = data.load(dataset_config("table", columns=COLUMNS, **place), CLASSIFY)
    assert dataset.classes == ("neg", "pos")
    assert sorted(_points(dataset)) == ["neg"] * 6 + ["pos"] * 6
    assert dataset.dropped == {"all: no label": 3}, "-1 is no label"
    assert not dataset.warnings
    assert all(type(point.target) is str for point in dataset.train)


@pytest.mark.parametrize("labels", [{"0": "unsupported", "1": "supported"}, {"neg": "unsupported", "POS": "supported"}])
def test_classes_with_names_are_mapped_by_name_or_by_number(tmp_path: Path, labels: Any, quiet: None) -> None:
    _hub_table().to_parquet(tmp_path / "a.parquet")
    dataset = _load(tmp_path / "a.parquet", FV, labels=labels)
    assert sorted(_points(dataset)) == ["supported"] * 6 + ["unsupported"] * 6


@pytest.mark.parametrize(
    ("names", "labels", "first"),
    [
        (["1", "2"], {"0": "unsupported", "1": "supported"}, "unsupported"),
        (["1", "2"], {"1": "unsupported", "2": "supported"}, "unsupported"),
        (["1", "0"], {"0": "unsupported", "1": "supported"}, None),
    ],
)
def test_names_that_are_numbers_of_other_classes_are_told_apart_or_refused(
    tmp_path: Path, quiet: None, names: list[str], labels: dict[str, str], first: str | None
) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    rows = {"text": [f"t {i}" for i in range(12)], "label": [0] * 6 + [1] * 6}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    if first is None:
        with pytest.raises(DataError, match="dataset.labels: 0 may be a name or a number of a class"):
            _load(tmp_path / "a.parquet", FV, labels=labels)
        return
    dataset = _load(tmp_path / "a.parquet", FV, labels=labels)
    found = {point.text: point.target for point in dataset.train + dataset.valid + dataset.test}
    assert found["t 0"] == first and sorted(found.values()) == ["supported"] * 6 + ["unsupported"] * 6


def test_names_of_classes_inside_lists_and_parts_are_used_too(tmp_path: Path, quiet: None) -> None:
    import datasets

    names = datasets.ClassLabel(names=["who", "when"])
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": {"kinds": datasets.Sequence(names), "first": names}}
    )
    rows = {"text": [f"t {i}" for i in range(6)], "label": [{"kinds": [1, 0], "first": i % 2} for i in range(6)]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    for column, targets in (("label.kinds", {("when", "who")}), ("label.first", {("who",), ("when",)})):
        config = dataset_config("table", path=str(tmp_path / "a.parquet"), columns={**COLUMNS, "target": column})
        dataset = data.load(config, QA)
        assert {point.targets for point in dataset.train + dataset.valid + dataset.test} == targets


# --- the map as it is typed


def _yaml_labels(text: str) -> DatasetConfig:
    made = OmegaConf.to_object(OmegaConf.merge(schema().dataset, OmegaConf.create(text)))
    assert isinstance(made, DatasetConfig)
    return made


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        ("{0: unsupported, 1: supported}", {"0": "unsupported", "1": "supported"}),
        ("{true: supported, false: unsupported}", {"true": "supported", "false": "unsupported"}),
        ("{-1: unsupported, 1.0: supported}", {"-1": "unsupported", "1": "supported"}),
        ("{1.5: supported, x: unsupported}", {"1.5": "supported", "x": "unsupported"}),
    ],
)
def test_numbers_and_booleans_are_labels_as_typed_and_in_yaml(typed: str, labels: dict[str, str]) -> None:
    assert compose("dataset=table", f"dataset.labels={typed}").dataset.labels == labels
    assert _yaml_labels(f"labels: {typed}").labels == labels


@pytest.mark.parametrize("raw", [(1, 0), ("1", "0"), (1.0, 0.0), (True, False), ("TRUE", "false"), ("yes", "No")])
def test_a_map_of_truth_values_maps_the_rows_that_hold_them(tmp_path: Path, raw: tuple[Any, Any]) -> None:
    typed = "{1: supported, 0: unsupported}" if str(raw[0])[0] == "1" else "{true: supported, false: unsupported}"
    labels = compose("dataset=table", f"dataset.labels={typed}").dataset.labels
    dataset = _load(_rows(tmp_path, [*raw] * 6), FV, labels=labels)
    assert sorted(_points(dataset)) == ["supported"] * 6 + ["unsupported"] * 6


def test_values_that_yaml_reads_as_booleans_or_numbers_are_classes() -> None:
    assert _yaml_labels("labels: {a: true, b: 1}").labels == {"a": "true", "b": "1"}


# --- what is odd

CAFE = "café"
SPELLINGS = {  # labels -> what is named, and what the mend says
    "case": (
        ["Spam"] * 5 + ["SPAM"] * 3 + ["ham"] * 4,
        ["'Spam' (5)", "'SPAM' (3)"],
        "dataset.labels={Spam: Spam, ham: ham}",
    ),
    "unicode forms": (
        [CAFE] * 4 + [unicodedata.normalize("NFD", CAFE)] * 3 + ["tea"] * 5,
        ["'caf\\xe9' (4)", "'cafe\\u0301' (3)"],
        "labels: of a dataset's YAML",
    ),
    "truth values": (["1"] * 4 + ["true"] * 3 + ["0"] * 5, ["'1' (4)", "'true' (3)"], "+dataset.labels.true=1"),
    "numbers": (["1"] * 4 + ["1.0"] * 3 + ["2"] * 5, ["'1' (4)", "'1.0' (3)"], "+dataset.labels.1=1"),
    "separators": (
        ["not sure"] * 4 + ["not_sure"] * 3 + ["sure"] * 5,
        ["'not sure' (4)", "'not_sure' (3)"],
        "not_sure: not sure",
    ),
}


@pytest.mark.parametrize("what", SPELLINGS)
def test_spellings_of_one_class_are_named_with_counts_and_a_mend(tmp_path: Path, what: str) -> None:
    labels, named, mend = SPELLINGS[what]
    dataset = _load(_rows(tmp_path, labels), test_share=0.0, valid_share=0.0)
    (warning,) = dataset.warnings
    assert all(name in warning for name in named) and mend in warning
    assert len(dataset.classes) == 3, "nothing is merged unasked"


@pytest.mark.parametrize("what", ["case", "truth values", "separators"])
def test_the_mend_for_spellings_makes_one_class_of_them(tmp_path: Path, what: str) -> None:
    path = _rows(tmp_path, SPELLINGS[what][0])
    (warning,) = _load(path).warnings
    words = warning.rpartition("If they are: ")[2]
    labels = compose("dataset=table", *shlex.split(words)).dataset.labels
    dataset = _load(path, labels=labels)
    assert len(dataset.classes) == 2 and not dataset.warnings and len(_points(dataset)) == 12


def test_one_spelling_in_the_map_covers_case_and_unicode_forms(tmp_path: Path) -> None:
    forms = [CAFE, CAFE.upper(), unicodedata.normalize("NFD", CAFE), "tea"] * 3
    dataset = _load(_rows(tmp_path, forms), labels={CAFE: "coffee", "tea": "tea"})
    assert sorted(_points(dataset)) == ["coffee"] * 9 + ["tea"] * 3


def test_minus_one_beside_numbers_is_named_as_what_the_hub_means_by_it(tmp_path: Path) -> None:
    path = _rows(tmp_path, [0, 1, -1] * 4)
    (warning,) = _load(path).warnings
    assert "class '-1' (4 rows)" in warning
    ignored = compose("dataset=table", warning.rpartition(": ")[2].strip("'")).dataset.ignored_labels
    assert _load(path, ignored_labels=ignored).classes == ("0", "1")


def test_a_class_that_reads_like_a_missing_value_is_named(tmp_path: Path) -> None:
    (warning,) = _load(_rows(tmp_path, ["a", "b", "nan"] * 4)).warnings
    assert "'nan' (4)" in warning and "'dataset.ignored_labels=[nan]'" in warning


def test_classes_that_look_like_free_answers_are_said_to(tmp_path: Path) -> None:
    (warning,) = _load(_rows(tmp_path, [f"answer {i}" for i in range(30)]), test_share=0.0, valid_share=0.0).warnings
    assert warning == "30 classes in 30 rows: these look like free answers\nIf they are: task=qa"


def test_classes_that_the_config_names_are_not_doubted(tmp_path: Path) -> None:
    labels = {"Spam": "Spam", "1": "1", "true": "true"}
    assert not _load(_rows(tmp_path, ["Spam", "1", "true"] * 4), labels=labels).warnings


def test_inputs_with_several_labels_are_counted_and_one_is_shown(tmp_path: Path) -> None:
    rows = [{"text": f"t {i}", "label": "ab"[i % 2]} for i in range(8)]
    rows += [{"text": "T  0", "label": "b"}, {"text": "t 1", "label": "a"}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    dataset = _load(tmp_path / "a.jsonl")
    assert dataset.warnings == (
        "2 input(s) stand with several labels, in 4 rows (first: 't 0' as a and b); all are kept",
    )
    assert len(_points(dataset)) == 10
    assert not data.load(dataset_config("table", path=str(tmp_path / "a.jsonl"), columns=COLUMNS), QA).warnings


def test_the_classes_are_listed_with_their_counts_and_the_rows_left_out(tmp_path: Path) -> None:
    path = _rows(tmp_path, ["a", "b", None] * 20)
    lines = list(description(_load(path)))
    counts = {name: [point.target for point in _load(path).train].count(name) for name in "ab"}
    assert lines[0] == "table: 32 training points, 8 test points"
    assert lines[1] == f"2 classes, with their training points: a {counts['a']}, b {counts['b']}"
    assert lines[2] == "20 rows are left out (all: no label)"
