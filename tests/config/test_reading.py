"""Ids of runs on local files: new where earlier versions read the files wrongly, as they were everywhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import compose

from littlehuman.config.identity import cell_name, identity_values
from littlehuman.config.reading import VERSION


def _identity(path: Path, *words: str) -> dict[str, Any]:
    dataset: dict[str, Any] = identity_values(compose("dataset=table", f"dataset.path={path}", *words))["dataset"]
    return dataset


def _parquet(path: Path, metadata: dict[str, Any]) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"text": ["a"], "target": [0]})
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(metadata)}), path)


NAMED = {"info": {"features": {"target": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}


@pytest.mark.parametrize(
    ("name", "content", "words", "anew"),
    [
        ("a.tsv", "text\ttarget\nplain\tx\n", (), False),
        ("a.tsv", 'text\ttarget\n"quoted\tx\n', (), True),
        ("a.csv", 'text,target\n"quoted",x\n', (), False),
        ("a.jsonl", '{"text": "a", "target": NaN}', (), True),
        ("a.jsonl", '{"text": "NaN", "target": "a NaN"}', (), False),
        ("a.parquet", NAMED, (), True),
        ("a.parquet", {}, (), False),
        ("a.parquet", NAMED, ("dataset.labels={0: unsupported, 1: supported}",), False),
    ],
)
def test_files_that_were_read_wrongly_are_another_run(
    tmp_path: Path, name: str, content: Any, words: tuple[str, ...], anew: bool
) -> None:
    for place in (tmp_path, tmp_path / name):
        if name.endswith(".parquet"):
            _parquet(tmp_path / name, content)
        else:
            (tmp_path / name).write_text(content)
        assert _identity(place, *words).get("reading") == (VERSION if anew else None)


@pytest.mark.parametrize(
    "words",
    [
        ["dataset.csv.delimiter=null", "dataset.csv.header=null"],
        ["dataset.rows=null", "dataset.unanswerable=null"],
        ["dataset.unanswerable=drop"],
    ],
)
def test_settings_that_say_what_is_so_anyway_are_the_same_run(words: list[str]) -> None:
    assert cell_name(compose(*words)) == cell_name(compose())
    assert not {"csv", "rows", "unanswerable"} & identity_values(compose(*words))["dataset"].keys()


@pytest.mark.parametrize(
    "word", ["dataset.csv.quoting=none", "dataset.csv.header=false", "dataset.rows=x", "dataset.unanswerable=keep"]
)
def test_settings_that_can_change_the_points_are_another_run(word: str) -> None:
    assert cell_name(compose(word)) != cell_name(compose())


def test_labels_typed_as_numbers_are_the_run_of_those_typed_as_text() -> None:
    typed = compose("dataset=table", "dataset.labels={0: unsupported, true: supported}")
    dotted = compose("dataset=table", "+dataset.labels.0=unsupported", "+dataset.labels.true=supported")
    assert cell_name(typed) == cell_name(dotted)
