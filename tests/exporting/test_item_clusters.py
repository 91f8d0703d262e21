"""Clusters of test items of older runs come from the data that they were tested on, while it is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY, Cli, claims, write_csv

from littlehuman import results
from littlehuman.errors import DataError
from littlehuman.exporting.item_clusters import clusters_of_test_items
from littlehuman.store import read_jsonl, write_jsonl
from littlehuman.study.clusters import ClusterIndex

SOURCE = ("evidence", "text", "target")


@pytest.fixture
def cell(cli: Cli, multirun: Path, tmp_path: Path) -> Path:
    """A run on a table of the user's own, tested on all of its points."""
    table = write_csv(tmp_path / "claims.csv", SOURCE, claims(40))
    options = (f"dataset.path={table}", "dataset=table", "task=fv", "n_train=4", "synth_frac=0", "n_test=null")
    ended = cli(*TINY, *options, "study=clusters")
    assert ended.code == 0, ended.text
    (result,) = multirun.glob("clusters/*/result.json")
    return result.parent


def test_the_data_says_what_the_run_wrote(cell: Path) -> None:
    rows = list(read_jsonl(cell / "predictions.jsonl"))
    assert clusters_of_test_items(cell) == {row["id"]: row["clusters"] for row in rows}
    assert all(set(row["clusters"]) == {"passage"} for row in rows)


def test_a_run_without_clusters_takes_them_from_its_data(cell: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "clusters"} for row in read_jsonl(cell / "predictions.jsonl")]
    write_jsonl(cell / "predictions.jsonl", rows)
    frame = results.load(cell.parent)
    items = tuple(row["id"] for row in rows)
    assert ClusterIndex(frame, clusters_of_test_items).of([str(cell)], items).level == "passage"
    assert "each counts alone" in ClusterIndex(frame).of([str(cell)], items).notice


def test_data_that_changed_is_not_used(cell: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "claims.csv", SOURCE, claims(40, place="bridge"))
    with pytest.raises(DataError, match=r"changed since: its fingerprint was \w+ and is \w+\nTry: put back"):
        clusters_of_test_items(cell)
