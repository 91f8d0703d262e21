"""Models on machine labels beside models on human labels and the annotator itself (arXiv 2312.14423)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from study_factory import write_study

from littlehuman.reporting import findings, gathering, methods
from littlehuman.study.method_comparison import MethodComparison

USD, ITEMS, SIZE = 0.5, 400, 1000


def _study(path: Path, *, sizes: tuple[int, ...] = (SIZE,), annotator: bool = True) -> Path:
    """Human labels are right for 80 % of the items, machine labels for 60 %; the annotator is the machine's seed 0."""
    write_study(
        path,
        fractions=(0.0, 1.0),
        sizes=sizes,
        items=ITEMS,
        truth=lambda human, synthetic: 0.8 if human else 0.6,
        scatter=0.1,
    )
    for file in sorted(path.glob("*/result.json")):
        result = json.loads(file.read_text())
        result["cost"] |= {"usd_without_cache": USD}
        if "strategy" in result["knobs"]:
            result["knobs"]["strategy"] |= {"name": "annotate", "writes": "target"}
        _write(file, result)
    if annotator:
        source = next(path.glob("wanli-f1-s0-*"))
        shutil.copytree(source, path / "wanli-annotator-0")
        result = json.loads((source / "result.json").read_text())
        kept = ("dataset", "task", "prompt_model", "strategy", "metrics", "n_test", "test_dataset", "test_path")
        result["knobs"] = {"method": "annotator", **{key: result["knobs"][key] for key in kept}}
        result |= {"counts": {"human": 0, "synthetic": 0, "total": 0, "shortfall": 0}, "agreement": {}, "audit": {}}
        _write(path / "wanli-annotator-0" / "result.json", result)
    return path


def _write(file: Path, result: dict[str, Any]) -> None:
    file.write_text(json.dumps(result))
    status = json.loads((file.parent / "status.json").read_text())
    (file.parent / "status.json").write_text(json.dumps({**status, "knobs": result["knobs"]}))


def _only(study: Path) -> MethodComparison:
    (found,) = gathering.gather(study).methods
    return found


def test_the_share_of_the_score_on_human_labels_has_an_interval_that_holds_the_truth(tmp_path: Path) -> None:
    found = _only(_study(tmp_path / "study"))
    assert found.share is not None and found.share.low < 0.6 / 0.8 < found.share.high < 1
    assert found.share.value == pytest.approx(found.machine.value / found.human.value)
    assert (found.n_human, found.n_machine, found.verdict) == (SIZE, SIZE, "worse")


def test_the_annotator_is_found_by_its_prompts_and_its_labels_are_compared_with_the_models(tmp_path: Path) -> None:
    found = _only(_study(tmp_path / "study"))
    assert found.annotator is not None and found.imitated is not None
    assert found.imitated.value > found.machine.value  # it is one of the models: nearer to them than the truth is
    assert found.imitated.items == ITEMS
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "study", other)
    file = other / "wanli-annotator-0" / "result.json"
    result = json.loads(file.read_text())
    result["knobs"]["strategy"]["shots"] = 3
    _write(file, result)
    assert _only(other).annotator is None and _only(other).imitated is None


def test_the_break_even_price_gives_equal_score_per_dollar(tmp_path: Path) -> None:
    found = _only(_study(tmp_path / "study"))
    assert found.break_even is not None
    per_dollar = found.human.value / (found.break_even * found.n_human)
    assert per_dollar == pytest.approx(found.machine.value / USD)


def test_the_answer_of_the_report_is_the_comparison_and_each_further_axis_has_its_rows(tmp_path: Path) -> None:
    data = gathering.gather(_study(tmp_path / "study"))
    answer = findings.findings_of_study(data)[0]
    assert "trained on machine labels" in answer and "% of it" in answer and "the annotator itself scores" in answer
    several = gathering.gather(_study(tmp_path / "sizes", sizes=(250, 500, SIZE)))
    assert [row[7] for row in methods.table(several.methods).rows] == [
        "0",
        "250",
        "250",
        "0",
        "500",
        "500",
        *["0"],
        *["1,000"] * 2,
    ]
    assert findings.findings_of_study(several)[0].startswith("Of 3 comparisons")


def test_curves_of_twins_with_texts_of_their_own_are_no_comparison_of_labels(tmp_path: Path) -> None:
    write_study(tmp_path / "study", fractions=(0.0, 1.0))
    assert gathering.gather(tmp_path / "study").methods == ()
