"""The language of a dataset in the identity of a run: absent where nothing changed, present where scores did."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import compose

from littlehuman.config.identity import identity_values
from littlehuman.config.languages import scoring_version
from littlehuman.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ('{"text": "Which mill?", "target": "Orwen, Žižkov and 北京"}\n', None),
        ('{"text": "首都是哪里", "target": "北京市"}\n', 2),
        ('{"text": "\\u9996\\u90fd", "target": "\\u5317\\u4eac\\u5e02 is it"}\n', 2),  # as JSON may write it
        ("", None),
    ],
)
def test_only_data_in_other_scripts_have_a_new_version_of_their_scores(
    content: str, version: int | None, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text(content, "utf-8")
    assert scoring_version(tmp_path) == scoring_version(tmp_path / "train.jsonl") == version


def test_no_files_have_no_version(tmp_path: Path) -> None:
    assert scoring_version(tmp_path / "nowhere") is None
    (tmp_path / "train.parquet").write_bytes("北京市".encode())
    assert scoring_version(tmp_path) is None


def test_the_language_is_part_of_an_id_where_it_is_set_or_scores_changed(tmp_path: Path) -> None:
    table = (
        *("dataset=table", "task=qa", f"dataset.path={tmp_path / 'a.jsonl'}", "synth_frac=0"),
        "dataset.columns.evidence=null",
    )
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "Which mill turned until 1957?", "target": "Orwen"}\n')
    english = identity_values(compose(*table))["dataset"]
    assert "language" not in english and "scoring_version" not in english
    assert identity_values(compose(*table, "dataset.language=de"))["dataset"] == english | {"language": "de"}
    file.write_text('{"text": "首都是哪里", "target": "北京市"}\n', "utf-8")
    chinese = identity_values(compose(*table))["dataset"]
    assert chinese["scoring_version"] == 2
    assert "scoring_version" not in identity_values(compose(*table, "dataset.language=zh"))["dataset"]
    assert "scoring_version" not in identity_values(compose(*table, "task=classify"))["dataset"]  # classes are no words


def test_a_language_that_is_no_code_is_refused_with_the_code_that_is_meant() -> None:
    with pytest.raises(ConfigError, match="dataset.language=German .*try dataset.language=de"):
        compose("dataset.language=German")
