"""The table of writers: planted collapses are found, each mixture is compared with itself, others stay out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_pages import document_of, texts_of, titles_of
from study_factory import Planted, _write_cell, identity_tree, write_study

from littlehuman import report, results
from littlehuman.store import read_json, write_json
from littlehuman.study import writers
from littlehuman.study.clusters import ClusterIndex

SEEDS = (0, 1, 2)


def _tree(share: float, seed: int, **more: Any) -> dict[str, Any]:
    return identity_tree("wanli", "smollm2", "smollm2", 100, 0, share, seed, True, "recommended") | more


def _write(study: Path, tree: Mapping[str, Any], score: float, unique: int = 50) -> None:
    before = set(study.glob("*/result.json"))
    _write_cell(study, dict(tree), None, Planted(items=400, truth=lambda *_: score))
    for file in set(study.glob("*/result.json")) - before:
        write_json(
            file, read_json(file) | {"diversity": {"texts": 90, "unique_texts": unique, "distinct_2": unique / 90}}
        )


def _rounds() -> Iterator[tuple[dict[str, Any], float, int]]:
    """Replace: the score falls by 20 points a round, and so do the texts; accumulate: neither."""
    for seed in SEEDS:
        for number in range(3):
            yield _tree(1.0, seed, generation={"round": number}), 0.8 - 0.2 * number, 80 - 30 * number
            if number:
                yield _tree(1.0, seed, generation={"round": number, "accumulate": True}), 0.8, 78


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("rounds")
    for tree, score, unique in _rounds():
        _write(study, tree, score, unique)
    return study


def _table(study: Path) -> pd.DataFrame:
    frame = results.load(study)
    return writers.compare(frame, ClusterIndex(frame))


def test_a_collapse_over_rounds_is_told_from_none(rounds: Path) -> None:
    found = _table(rounds).set_index(["design", "arm"])
    assert list(found.index) == [(design, arm) for design in ("accumulate", "replace") for arm in range(3)]
    base, last = found.loc[("replace", 0)], found.loc[("replace", 2)]
    assert pd.isna(base["change"]) and last["verdict"] == "worse"
    assert last["change_low"] < last["score"] - base["score"] < last["change_high"] < -0.2
    assert found.loc[("accumulate", 2), "verdict"] != "worse"
    assert list(found.loc["replace", "unique_texts"]) == [80, 50, 20] and set(found["seeds"]) == {3}
    assert found.loc[("accumulate", 0), "score"] == base["score"], "round 0 is the base of both"


def test_a_writer_is_compared_with_the_same_mixture_without_one(tmp_path: Path) -> None:
    model = {"name": "smollm2", "temperature": 0.0, "adapter": "own"}
    for seed in SEEDS:
        for share in (0.5, 0.9):
            _write(tmp_path, _tree(share, seed), 0.5)
            _write(tmp_path, _tree(share, seed, prompt_model=model, writer={"epochs": 3}), 0.5 if share == 0.5 else 0.8)
    found = _table(tmp_path).set_index(["synth_frac", "arm"])
    assert list(found["label"].unique()) == ["as it is", "writer own"]
    assert found.loc[(0.9, 1), "verdict"] == "better" and found.loc[(0.5, 1), "verdict"] != "better"


def test_a_round_whose_base_was_not_computed_has_a_score_and_no_change(tmp_path: Path) -> None:
    for seed in SEEDS:
        _write(tmp_path, _tree(1.0, seed, generation={"round": 1}), 0.5)
    (row,) = _table(tmp_path).to_dict("records")
    assert row["score"] == pytest.approx(0.5, abs=0.1) and row["change"] is None and row["verdict"] is None


def test_the_report_shows_the_table_where_there_are_writers_and_only_there(rounds: Path, tmp_path: Path) -> None:
    report.write(rounds, dpi=30)
    page = document_of(rounds)
    told = list(texts_of(page))
    assert "Writers" in titles_of(page) and told.count("the base") >= 2 and any("round 2" in text for text in told)
    plain = write_study(tmp_path / "plain", fractions=(0.0, 1.0))
    assert _table(plain).empty
    report.write(plain, dpi=30)
    assert "Writers" not in titles_of(document_of(plain))
