"""The public datasets, where they are available: counts, ids, held-out splits, stability, speed."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import PUBLIC_DATA
from dataset_configs import CLASSIFY, FV, QA, dataset_config

from littlehuman import data
from littlehuman.records import Dataset
from littlehuman.schema import DatasetConfig, TaskConfig

SLOW = pytest.mark.slow
SECONDS = 10.0  # loading takes well under a second; this only catches something quadratic

# name: folder, task, rows of the source by split, duplicates in them, sizes of train, valid and test
PUBLIC: dict[str, tuple[str, TaskConfig, int, int, tuple[int, int, int]]] = {
    "fever": ("fever", FV, 9435 + 1936 + 1961, 108 + 19 + 29, (9327, 1917, 1932)),
    "scifact": ("scifact", FV, 938 + 277, 0, (750, 188, 277)),
    "wanli": ("wanli", FV, 12060 + 2941, 0, (9648, 2412, 2941)),
    "ropes": ("ropes", QA, 10924 + 1688, 0, (8733, 2191, 1688)),
    "coqa": ("coqa", QA, 500, 0, (300, 100, 100)),
    "squad": ("squad", QA, 10565, 22, (6319, 2113, 2111)),
    "fairytaleqa": ("fairytaleqa", QA, 8548 + 1025 + 1007, 0, (8548, 1025, 1007)),
    "conference_titles": ("title_conference", CLASSIFY, 2507, 0, (1503, 502, 502)),
}
MADE = {  # the splits that are held out, against which others
    "scifact": ["valid"],
    "wanli": ["valid"],
    "ropes": ["valid"],
    "coqa": ["valid", "test"],
    "squad": ["valid", "test"],
    "conference_titles": ["valid", "test"],
}

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not PUBLIC_DATA.is_dir(), reason=f"no public datasets at {PUBLIC_DATA}; set $LITTLEHUMAN_TEST_DATA"
    ),
]


def _config(name: str, **overrides: Any) -> DatasetConfig:
    folder = PUBLIC_DATA / PUBLIC[name][0]
    if not folder.is_dir():
        pytest.skip(f"{name} is not at {folder}")
    return dataset_config(name, path=str(folder), **overrides)


def _load(name: str, **overrides: Any) -> Dataset:
    return data.load(_config(name, **overrides), PUBLIC[name][1])


@cache
def _loaded(name: str) -> Dataset:
    """A dataset as its YAML says; its points cannot be changed, so the tests share it."""
    return _load(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_row_is_a_point_or_is_counted_as_dropped(name: str) -> None:
    _, _, rows, duplicates, sizes = PUBLIC[name]
    dataset = _loaded(name)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == sizes
    assert sum(dataset.dropped.values()) == duplicates
    assert sum(sizes) == rows - duplicates


@pytest.mark.parametrize("name", PUBLIC)
def test_ids_are_unique_and_no_part_of_a_point_is_empty(name: str) -> None:
    dataset = _loaded(name)
    points = dataset.train + dataset.valid + dataset.test
    assert len({point.id for point in points}) == len(points)
    assert all(point.text and point.target and (point.evidence or name == "conference_titles") for point in points)
    assert not dataset.classes or {point.target for point in points} == set(dataset.classes)


@pytest.mark.parametrize("name", MADE)
def test_no_evidence_is_on_both_sides_of_a_hold_out_split(name: str) -> None:
    dataset = _loaded(name)
    sides = {
        split: {point.evidence or point.text for point in getattr(dataset, split)} for split in ["train", *MADE[name]]
    }
    assert len(set.union(*sides.values())) == sum(map(len, sides.values()))


@pytest.mark.parametrize("name", [name if name == "scifact" else pytest.param(name, marks=SLOW) for name in PUBLIC])
def test_two_loads_give_the_same_points_quickly(name: str) -> None:
    start = time.monotonic()
    first, second = _load(name), _load(name)
    assert time.monotonic() - start < 2 * SECONDS
    assert first == second and first.fingerprint == second.fingerprint


def test_another_split_seed_holds_out_other_points() -> None:
    assert _load("scifact", split_seed=1).fingerprint != _loaded("scifact").fingerprint


def test_a_note_says_that_a_single_public_split_was_divided() -> None:
    assert (
        _loaded("coqa").notes[0]
        == _loaded("squad").notes[0]
        == "only validation points are here: they are split into train, valid and test"
    )


def test_brackets_of_fever_are_restored() -> None:
    dataset = _loaded("fever")
    assert not [e for e in dataset.train if "-LSB-" in e.evidence or "-RRB-" in e.evidence]
    assert [e for e in dataset.train if "[" in e.evidence]


def test_the_second_annotator_of_fairytaleqa_adds_answers_to_the_test_split() -> None:
    dataset = _loaded("fairytaleqa")
    train, test = ([len(e.targets) for e in points] for points in (dataset.train, dataset.test))
    assert sum(test) / len(test) > 1.3 * sum(train) / len(train)


def test_the_released_wanli_has_numbers_as_labels_where_the_hub_has_words() -> None:
    dataset = data.load(_config("wanli", files={"train": "original_sample.jsonl", "test": "test.jsonl"}), FV)
    assert len(dataset.train) + len(dataset.valid) == 100


def test_a_model_may_be_trained_on_scifact_and_tested_on_wanli() -> None:
    dataset = data.load(_config("scifact"), FV, test_from=_config("wanli"))
    assert (dataset.name, len(dataset.train), len(dataset.test)) == ("scifact", 750, 2941)


@pytest.mark.slow  # test_data_source.py shows the same on a small table
@pytest.mark.parametrize("name", ["fever", "wanli"])
def test_the_hub_path_reads_the_same_points_as_the_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    datasets.disable_progress_bars()
    folder = _loaded(name)
    copy = tmp_path / "repository"
    copy.mkdir()
    for file in {"fever": ("train", "valid", "test"), "wanli": ("train", "test")}[name]:
        (copy / f"{file}.jsonl").symlink_to(PUBLIC_DATA / name / f"{file}.jsonl")
    hub = data.load(dataset_config(name, hub=str(copy), hub_config=None), FV)
    assert hub.fingerprint == folder.fingerprint
