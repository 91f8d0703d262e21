"""Which level of clusters a study uses, and where older runs get theirs from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_factory import write_study

from littlehuman import results
from littlehuman.errors import DataError
from littlehuman.study.clusters import ClusterIndex, LoadClusters, choose
from littlehuman.study.comparisons import over_seeds
from littlehuman.study.replacement import ReplacementCurve, curves_of_study


def _curve(study: Path, load: LoadClusters | None = None, **planted: Any) -> ReplacementCurve:
    write_study(study, **{"fractions": (0.0, 1.0), "items": 400, "seeds": (0, 1, 2), **planted})
    frame = results.load(study)
    (curve,) = curves_of_study(frame, None, 0.02, index=ClusterIndex(frame, load))
    return curve


def test_the_coarsest_level_that_leaves_20_clusters_is_taken(tmp_path: Path) -> None:
    assert _curve(tmp_path / "coarse", passage=4, document=20).cluster_level == "document"
    fine = _curve(tmp_path / "fine", passage=4, document=40)
    assert fine.cluster_level == "passage" and set(fine.table["clusters"]) == {100}
    few = _curve(tmp_path / "few", passage=40, document=80)
    assert few.cluster_level == "passage" and few.clusters is not None and few.clusters.count == 10
    none = _curve(tmp_path / "none")
    assert none.cluster_level is None and none.cluster_notice == "" and set(none.table["clusters"]) == {400}


def test_an_item_without_a_cluster_stands_alone() -> None:
    level, labels = choose({"passage": ["a", None, "a", None]}, 4)
    assert level == "passage" and labels.tolist() == [0, 1, 0, 2]


def test_items_that_share_a_passage_widen_intervals_everywhere(tmp_path: Path) -> None:
    alike = {"passage": 20, "icc": 0.5, "seeds": range(5)}
    known = _curve(tmp_path / "known", **alike)
    ignored = _curve(tmp_path / "ignored", clusters=False, **alike)
    for low, high in (("low", "high"), ("change_low", "change_high")):
        widths = [one.table[high].iloc[1] - one.table[low].iloc[1] for one in (known, ignored)]
        assert widths[0] > 1.2 * widths[1]
    assert known.table["icc"].iloc[0] > 0.1 and known.table["effective_items"].iloc[0] < 200
    tables = [over_seeds(results.load(tmp_path / name)) for name in ("known", "ignored")]
    widths = [(table["accuracy_high"] - table["accuracy_low"]).mean() for table in tables]
    assert widths[0] > 1.2 * widths[1]


def test_the_table_over_seeds_has_the_interval_of_the_curve(tmp_path: Path) -> None:
    curve = _curve(tmp_path, passage=4, icc=0.3)
    table = over_seeds(results.load(tmp_path))
    assert table["accuracy_low"].to_list() == curve.table["low"].to_list()


def test_older_runs_take_clusters_from_any_run_on_the_same_test_items(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0, 1.0), items=400, clusters=False)
    write_study(tmp_path, fractions=(0.5,), sizes=(1000,), seeds=(7,), items=400, passage=4)
    frame = results.load(tmp_path)
    (curve,) = curves_of_study(frame, None, 0.02)
    assert curve.cluster_level == "passage" and curve.cluster_notice == ""


def test_older_runs_take_clusters_from_the_data_once(tmp_path: Path) -> None:
    asked = []

    def load(folder: Path) -> dict[str, dict[str, str]]:
        asked.append(folder)
        return {f"t{i}": {"passage": str(i // 8)} for i in range(400)}

    curve = _curve(tmp_path, load, clusters=False, prompt_models=("a",))
    assert curve.cluster_level == "passage" and curve.clusters is not None and curve.clusters.count == 50
    assert len(asked) == 1 and (asked[0] / "result.json").is_file()


def test_clusters_that_nobody_knows_are_said_with_the_mend(tmp_path: Path) -> None:
    def load(folder: Path) -> dict[str, dict[str, str]]:
        raise DataError("squad: no such folder\nTry: dataset.path=FOLDER")

    told = [_curve(tmp_path / name, hook, clusters=False).cluster_notice for name, hook in (("a", None), ("b", load))]
    assert all("each counts alone" in notice and "run one more cell" in notice for notice in told)
    assert "squad: no such folder" in told[1] and "data" not in told[0]


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2)])
def test_labels_number_clusters_in_order(sizes: tuple[int, int]) -> None:
    names = ["x"] * sizes[0] + ["y"] * sizes[1]
    assert np.array_equal(choose({"passage": names}, len(names))[1], [0] * sizes[0] + [1] * sizes[1])
