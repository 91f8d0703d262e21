"""The run id: which configurations are the same run."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import claims, compose, write_csv

from littlehuman.config import identity
from littlehuman.config.identity import cell_name, identity_values, run_id
from littlehuman.errors import ConfigError

COLUMNS = ("evidence", "text", "target")


def _id(*overrides: str) -> str:
    return run_id(compose(*overrides))


def _table(path: Path, count: int = 6) -> Path:
    return write_csv(path, COLUMNS, claims(count))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["synth_frac=1"], ["synth_frac=1.0"]),
        (["synth_frac=0.9"], []),
        (["n_train=160"], []),
        (["study=other"], []),
        (["launch=cpu"], []),
        (["launch.micro_batch=2", "launch.eval_tokens=64", "launch.dtype=float32", "launch.progress=false"], []),
        (["launch.layout=padded", "launch.processes=2", "launch.cells=3", "launch.save_every_s=0"], []),
        (["launch.gradient_checkpointing=true"], []),
        (["prompt_model.batch_size=1", "prompt_model.retries=9", "prompt_model.price.prompt=3"], []),
        (["prompt_model.concurrency=1"], []),
        (["prompt_model.device=cpu", "launch.device=cuda:1"], []),
        (["model.revision=null", "prompt_model.revision=null"], []),
        (["training.learning_rate=1e-3"], []),  # conf/model/smollm2.yaml says so for answers
        (["training.batch_size=8", "training.lora_targets=all_linear"], []),
        (["human_budget=all", "extra_human=0", "synthetic=true"], []),
        (["task=qa", "dataset=fieldnotes_qa"], []),
        (["prompt_model=qwen-1.5b"], ["prompt_model=recorded"]),  # the same model, asked live or replayed
    ],
)
def test_configurations_of_the_same_meaning_have_the_same_id(left: list[str], right: list[str]) -> None:
    assert cell_name(compose(*left)) == cell_name(compose(*right))


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1"],
        ["synth_frac=0.95"],
        ["n_train=100"],
        ["n_test=10"],
        ["human_budget=150"],
        ["extra_human=10"],
        ["synthetic=false"],
        ["test_dataset=squad"],
        ["model=tiny"],
        ["model.quantization=nf4"],
        ["prompt_model=smollm2"],
        ["prompt_model.temperature=0.7"],
        ["strategy=zero_shot"],
        ["strategy.shots=2"],
        ["strategy.seed=1"],
        ["strategy.tasks.qa.system=Write a question."],
        ["training.epochs=9"],
        ["training.loss_on=text"],
        ["dataset.max_tokens=200"],
        ["dataset=fieldnotes_fv"],
        ["metrics.bootstrap=200"],
    ],
    ids=str,
)
def test_a_value_that_can_change_a_result_changes_the_id(overrides: list[str]) -> None:
    assert _id(*overrides) != _id()


@pytest.mark.parametrize("group", ["model", "prompt_model"])
def test_a_revision_changes_the_id_and_its_absence_keeps_the_old_one(group: str) -> None:
    plain = ["prompt_model=hf", "prompt_model.weights=me/one", "model.weights=me/two"]
    assert _id(*plain) != _id(*plain, f"{group}.revision=v1") != _id(*plain, f"{group}.revision=v2")
    assert (
        "revision" not in identity_values(compose(*plain))[group]
        and identity_values(compose(*plain, f"{group}.revision=v1"))[group]["revision"] == "v1"
    )


def test_the_protocols_are_different_cells() -> None:
    assert len({_id(f"protocol={name}") for name in ("paper", "code", "recommended")}) == 3


def test_a_path_is_identified_by_its_content(tmp_path: Path) -> None:
    first = _table(tmp_path / "a" / "train.csv").parent
    second = tmp_path / "deep" / "b"
    shutil.copytree(first, second)
    assert _id("dataset=table", f"dataset.path={first}") == _id("dataset=table", f"dataset.path={second}")
    (second / ".DS_Store").write_text("a file manager was here")
    (second / ".git").mkdir()
    (second / ".git" / "index").write_text("and so was git")
    assert _id("dataset=table", f"dataset.path={first}") == _id("dataset=table", f"dataset.path={second}")


def test_an_edited_file_changes_the_id_even_within_one_process(tmp_path: Path) -> None:
    table = _table(tmp_path / "claims.csv")
    before = _id("dataset=table", f"dataset.path={table}")
    _table(table, count=7)
    after = _id("dataset=table", f"dataset.path={table}")
    _table(table)
    os.utime(table, (1, 1))
    assert before != after and _id("dataset=table", f"dataset.path={table}") == before


def test_an_edited_file_of_a_folder_or_of_the_test_split_changes_the_id(tmp_path: Path) -> None:
    table = _table(tmp_path / "claims.csv")
    for key in (f"dataset.path={tmp_path}", f"test_path={table}"):
        command = ["dataset=table", "test_dataset=table", key]
        before = _id(*command)
        _table(table, count=8)
        assert _id(*command) != before
        _table(table)


def test_the_config_and_the_content_of_a_test_dataset_are_part_of_the_id(tmp_path: Path) -> None:
    here, moved = _table(tmp_path / "claims.csv"), tmp_path / "moved.csv"
    shutil.copy(here, moved)
    config = compose("dataset=fieldnotes_fv", "test_dataset=table")
    own = replace(compose("dataset=table").dataset, path=str(here))
    first = run_id(config, own)
    assert run_id(config, replace(own, path=str(moved), how_to_get="ask", sizes=[7])) == first
    for other in (
        replace(own, labels={"yes": "supported"}),
        replace(own, max_tokens=99),
        replace(own, name="mine"),
        replace(own, path=None),
    ):
        assert run_id(config, other) != first
    _table(here, count=7)
    assert run_id(config, own) != first != run_id(config)
    assert identity_values(config, own)["test_dataset"]["name"] == "table" and str(tmp_path) not in str(
        identity_values(config, own)
    )


def test_run_ids_of_earlier_versions_are_kept() -> None:
    assert cell_name(compose()) == "fieldnotes_qa-f0.9-s0-a7103297"  # the folder that the README shows
    assert cell_name(compose("synth_frac=0", "dataset=fieldnotes_fv")) == "fieldnotes_fv-f0-s0-94bf39af"


def test_a_missing_path_has_an_id_which_changes_when_the_file_exists(tmp_path: Path) -> None:
    before = _id("dataset=table", f"dataset.path={tmp_path / 'claims.csv'}")
    _table(tmp_path / "claims.csv")
    assert _id("dataset=table", f"dataset.path={tmp_path / 'claims.csv'}") != before


def test_a_run_folder_has_a_readable_name() -> None:
    config = compose("dataset=wanli", "synth_frac=0.975", "seed=2")
    assert cell_name(config) == f"wanli-f0.975-s2-{run_id(config)}"
    odd = compose("dataset=table", "dataset.name='../my data'")
    assert cell_name(odd).startswith("my-data-f0.9-s0-")


def test_the_identity_has_no_path_and_no_hardware_option(tmp_path: Path) -> None:
    tree = identity_values(
        compose("dataset=table", f"dataset.path={_table(tmp_path / 'claims.csv')}", "prompt_model=gpt-4-turbo")
    )
    text = str(tree)
    assert str(tmp_path) not in text and "OPENAI_API_KEY" not in text
    assert "launch" not in tree and "study" not in tree
    assert tree["training"]["learning_rate"] is not None and tree["n_train"] == 4


def test_a_path_without_read_permission_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(identity, "file_digest", forbidden)
    with pytest.raises(ConfigError, match="claims.csv +cannot be read: Permission denied"):
        _id("dataset=table", f"dataset.path={_table(tmp_path / 'claims.csv')}")


def test_labels_that_are_read_in_another_way_are_another_run_where_a_machine_labels() -> None:
    """Bare labels count since reading 2: a complete cell of before must not pass for one of now."""
    annotate, pair = ("strategy=annotate", "prompt_model=smollm2"), ("strategy=few_shot", "prompt_model=smollm2")
    of = {words: identity_values(compose("dataset=wanli", *words)) for words in (annotate, pair)}
    assert of[annotate]["strategy"]["label_reading"] == 2 and "label_reading" not in of[pair]["strategy"]
    without_twins = identity_values(compose("dataset=wanli", *annotate, "synth_frac=0"))
    assert "strategy" not in without_twins
    labels = identity_values(compose("dataset=wanli", *annotate, "method=annotator"))
    assert labels["strategy"] == of[annotate]["strategy"]


@pytest.mark.parametrize(
    "words",
    [
        ("dataset=conference_titles", "strategy=annotate_described", "prompt_model=embeddings"),
        ("dataset=wanli", "strategy=annotate", "strategy.shots=2"),
        ("dataset=fieldnotes_qa", "prompt_model=smollm2", "prompt_model.adapter=own", "synth_frac=0.5"),
        ("dataset=fieldnotes_qa", "prompt_model=smollm2", "generation.round=1", "synth_frac=0.5"),
        ("dataset=fieldnotes_qa", "filter=rules"),
    ],
    ids=lambda words: " ".join(words[1:]),
)
def test_a_cell_without_twins_is_the_baseline_of_cells_with_any_kind_of_twins(words: tuple[str, ...]) -> None:
    """What only prompts and twins have stands in their groups: else a report finds no curve between the two."""
    with_twins, without = identity_values(compose(*words)), identity_values(compose(*words, "synth_frac=0"))
    apart = {*identity.TWIN_GROUPS, "synth_frac"}
    assert {key for key in with_twins if with_twins[key] != without.get(key)} == apart & with_twins.keys()
    assert without.keys().isdisjoint(identity.TWIN_GROUPS)
