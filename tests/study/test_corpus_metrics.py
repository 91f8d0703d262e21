"""Metrics that are no mean over items: macro F1 and corpus BLEU, from the files of runs to verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_factory import write_study

from littlehuman import results
from littlehuman.metrics.corpus import CORPUS_METRICS
from littlehuman.store import read_json, read_jsonl, write_json, write_jsonl
from littlehuman.study.comparisons import over_seeds
from littlehuman.study.replacement import curves_of_study

SHARES = (0.0, 0.5, 1.0)
WORDS = ("the", "old", "stone", "bridge", "over", "river", "was", "built", "by", "monks")


def _falling(human: int, synthetic: int) -> float:
    return 0.8 if human else 0.6


@pytest.fixture
def labels(tmp_path: Path) -> pd.DataFrame:
    """A study of classification whose runs state their macro F1; at 100 % it is 20 points lower."""
    common = {"items": 300, "truth": _falling, "scatter": 0.3, "passage": 3}
    return results.load(write_study(tmp_path, fractions=SHARES, macro_f1=True, **common))  # type: ignore[arg-type]


def _with_bleu(study: Path) -> Path:
    """Runs of question answering with long answers, right ones verbatim, others cut; each states its corpus BLEU."""
    write_study(study, fractions=SHARES, qa=True, items=120, truth=_falling, scatter=0.3)
    for file in study.glob("*/predictions.jsonl"):
        rows = list(read_jsonl(file))
        for at, row in enumerate(rows):
            gold = " ".join(np.random.default_rng(at).permutation(WORDS))
            said = gold if row["prediction"] == row["target"] else gold[: len(gold) // 2] + " sheep graze near there"
            row |= {"target": gold, "targets": [gold], "prediction": said}
        write_jsonl(file, rows)
        found = CORPUS_METRICS["corpus_bleu"]([((row["targets"][0],), row["prediction"]) for row in rows], ())
        result = read_json(file.parent / "result.json")
        value = float(found.value(found.rows.sum(0, keepdims=True))[0])
        result["scores"]["corpus_bleu"] = {**result["scores"]["squad_f1"], "value": round(value, 6)}
        write_json(file.parent / "result.json", result)
    return study


def test_macro_f1_over_seeds_has_the_interval_of_its_curve(labels: pd.DataFrame) -> None:
    (curve,) = curves_of_study(labels, "macro_f1", 0.02)
    table = over_seeds(labels, ["macro_f1"])
    for row, other in zip(curve.table.itertuples(), table.itertuples(), strict=True):
        assert (row.mean, row.low, row.high) == pytest.approx((other.macro_f1, other.macro_f1_low, other.macro_f1_high))
    assert curve.table["verdict"].to_list()[1:] == ["unknown", "worse"] and curve.table["clusters"].eq(100).all()


def test_one_seed_has_an_interval_over_test_items(labels: pd.DataFrame) -> None:
    one = over_seeds(labels[labels["seed"] == 0], ["macro_f1"])
    assert (one["macro_f1_low"] < one["macro_f1"]).all() and (one["macro_f1"] < one["macro_f1_high"]).all()
    assert one["items"].eq(300).all()


def test_corpus_bleu_has_simultaneous_intervals_and_verdicts(tmp_path: Path) -> None:
    (curve,) = curves_of_study(results.load(_with_bleu(tmp_path)), "corpus_bleu", 0.02)
    assert curve.metric == "corpus_bleu" and curve.table["verdict"].to_list()[2] == "worse"
    last = curve.table.iloc[-1]
    assert last["change_high"] < 0 and last["p_holm"] < 0.05 and last["seeds"] == 3
    stated = curve.curve.cells.groupby("synth_frac")["corpus_bleu"].mean()
    assert curve.table["mean"].to_list() == pytest.approx(stated.to_list(), abs=1e-5)


def test_runs_whose_answers_do_not_come_to_their_stated_score_are_not_compared(tmp_path: Path) -> None:
    frame = results.load(write_study(tmp_path, fractions=SHARES))  # a stated macro F1 that is another number
    (curve,) = curves_of_study(frame, "macro_f1", 0.02)
    assert curve.analysis is None and curve.table["verdict"].isna().all()
