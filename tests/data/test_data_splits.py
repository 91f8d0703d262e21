"""Hold-out splits: grouped by evidence, stable, and noted. And a test split of another dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_configs import CLASSIFY, FV, QA, dataset_config

from littlehuman import data
from littlehuman.data.splits import hold_out
from littlehuman.errors import DataError
from littlehuman.records import Dataset, Example
from littlehuman.store import write_jsonl

POINTS = [
    Example(f"{group}-{i}", f"evidence {group}", f"question {i}", ("a",))
    for group in range(100)
    for i in range(1 + group % 3)
]


def _rows(n: int, prefix: str = "", target: str = "a") -> list[dict[str, Any]]:
    return [
        {"evidence": f"{prefix}evidence {i // 2}", "text": f"{prefix}question {i}", "target": target} for i in range(n)
    ]


def _load(path: Path, **overrides: Any) -> Dataset:
    return data.load(dataset_config("table", path=str(path), **overrides), QA)


def _evidence(points: tuple[Example, ...]) -> set[str]:
    return {point.evidence for point in points}


def test_no_evidence_is_in_two_splits() -> None:
    kept, held = hold_out(POINTS, 40, 0, "held-out test")
    assert 40 <= len(held) <= 42 and len(kept) + len(held) == len(POINTS)
    assert not _evidence(kept) & _evidence(held)


def test_held_out_points_depend_on_seed_and_purpose_not_on_the_order_of_rows() -> None:
    held = set(hold_out(POINTS, 40, 0, "held-out test")[1])
    assert set(hold_out(POINTS[::-1], 40, 0, "held-out test")[1]) == held
    assert set(hold_out(POINTS, 40, 1, "held-out test")[1]) != held
    assert set(hold_out(POINTS, 40, 0, "held-out valid")[1]) != held


def test_more_rows_of_the_same_evidence_do_not_reshuffle_the_rest() -> None:
    more = [*POINTS, *(Example(f"new-{i}", POINTS[0].evidence, f"new {i}", ("a",)) for i in range(3))]
    before, after = (_evidence(hold_out(points, 40, 0, "held-out test")[1]) for points in (POINTS, more))
    assert len(before ^ after) <= 3


def test_without_evidence_points_are_grouped_by_text() -> None:
    points = [Example(str(i), "", f"title {i % 5}", (str(i),)) for i in range(20)]
    kept, held = hold_out(points, 4, 0, "held-out test")
    assert (
        len(held) == 4
        and len({point.text for point in held}) == 1
        and held[0].text not in {point.text for point in kept}
    )


def test_a_single_file_is_split_into_train_valid_and_test(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", _rows(100))
    dataset = _load(tmp_path / "mine.jsonl", valid_share=0.2)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (60, 20, 20)
    sides = [_evidence(points) for points in (dataset.train, dataset.valid, dataset.test)]
    assert len(set.union(*sides)) == sum(map(len, sides)) == 50
    assert dataset.notes == (
        "test: 20 of 100 points, held out of train by evidence",
        "valid: 20 of 100 points, held out of train by evidence",
    )


def test_a_table_holds_out_no_validation_points_that_nothing_reads(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", _rows(100))
    dataset = _load(tmp_path / "mine.jsonl")
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (80, 0, 20)
    assert dataset.notes == ("test: 20 of 100 points, held out of train by evidence",)
    assert dataset.test == _load(tmp_path / "mine.jsonl", valid_share=0.2).test  # whatever else is held out


def test_a_folder_with_one_split_is_divided_with_a_note(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "validation.jsonl", [*_rows(50), *_rows(1)])
    dataset = _load(tmp_path)
    assert dataset.notes[0] == "only validation points are here: they are split into train and test"
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (40, 0, 10)
    assert dataset.dropped == {"all: exact duplicate": 1}


def test_public_splits_are_left_alone_even_where_they_share_evidence(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", [{**row, "text": f"{split} {row['text']}"} for row in _rows(10)])
    dataset = _load(tmp_path)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test), dataset.notes) == (10, 10, 10, ())


def test_only_what_is_missing_is_held_out(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", _rows(50))
    write_jsonl(tmp_path / "test.jsonl", _rows(7, "test "))
    dataset = _load(tmp_path, valid_share=0.4)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (30, 20, 7)


def test_a_valid_share_of_zero_leaves_valid_empty(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", _rows(50))
    assert _load(tmp_path, valid_share=0).valid == ()


def test_points_that_all_share_one_evidence_cannot_be_split(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", [{"evidence": "E", "text": str(i), "target": "a"} for i in range(9)])
    with pytest.raises(DataError, match="table: 9 points with too few distinct evidence texts"):
        _load(tmp_path / "mine.jsonl")


def test_two_splits_without_train_are_refused(tmp_path: Path) -> None:
    for split in ("validation", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", _rows(10))
    with pytest.raises(DataError, match="has valid and test points, but none to train on"):
        _load(tmp_path)


def _labelled(path: Path, labels: tuple[str, str]) -> Path:
    for split in ("train", "validation", "test"):
        rows = [
            {"id": i, "evidence": f"{path.name} {split} {i}", "text": "T", "target": labels[i % 2]} for i in range(10)
        ]
        write_jsonl(path / f"{split}.jsonl", rows)
    return path


def test_the_test_split_may_come_from_another_dataset(tmp_path: Path) -> None:
    overrides: dict[str, Any] = {"columns": {"id": "id"}}
    here = dataset_config(
        "table", name="here", path=str(_labelled(tmp_path / "here", ("supported", "unsupported"))), **overrides
    )
    there = dataset_config(
        "table",
        name="there",
        path=str(_labelled(tmp_path / "there", ("yes", "no"))),
        labels={"yes": "supported", "no": "unsupported"},
        **overrides,
    )
    alone, both = data.load(here, FV), data.load(here, FV, test_from=there)
    assert (both.name, both.train, both.valid, both.classes) == ("here", alone.train, alone.valid, alone.classes)
    assert [(e.evidence, e.target) for e in both.test] == [(e.evidence, e.target) for e in data.load(there, FV).test]
    assert both.notes == ("test: the 10 test points of there",)
    ids = [example.id for example in both.train + both.valid + both.test]
    assert len(set(ids)) == len(ids)


def test_a_test_split_with_other_classes_is_refused(tmp_path: Path) -> None:
    here = dataset_config("table", name="here", path=str(_labelled(tmp_path / "here", ("mail", "news"))))
    there = dataset_config("table", name="there", path=str(_labelled(tmp_path / "there", ("mail", "blog"))))
    with pytest.raises(DataError, match="test_dataset=there has the classes blog, mail, but here has mail, news"):
        data.load(here, CLASSIFY, test_from=there)
