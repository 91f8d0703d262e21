"""The floor of right_by_bleu: the best constant answer is right or wrong by the threshold of its cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from littlehuman.study import floors


@pytest.mark.parametrize(("metrics", "floor"), [({}, 0.5), ({"bleu_threshold": 0.4}, 0.75)])
def test_the_best_constant_answer_is_scored_by_the_threshold_of_its_cells(
    metrics: dict[str, float], floor: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    golds = ["the old mill house", "the old mill house by the sea", "the old mill house by a lake", "a boat"]
    monkeypatch.setattr(floors, "answers_of", lambda _: [((gold,), "") for gold in golds])
    monkeypatch.setattr(floors, "result_of", lambda _: json.loads(json.dumps({"knobs": {"metrics": metrics}})))
    (found,) = floors._constant(None, "right_by_bleu", str(tmp_path))  # type: ignore[arg-type]
    assert found.value == floor
