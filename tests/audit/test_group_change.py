"""What going from 0 to 100 % synthetic points does to groups of test points, of written cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from littlehuman.audit.group_change import group_changes
from littlehuman.audit.text import lines_of_audit, lines_of_changes

GROUPS = {"genre": {"news": [f"t{i}" for i in range(40)], "plays": [f"t{i}" for i in range(40, 50)]}}


def write(folder: Path, right: int, **knobs: Any) -> Path:
    """A cell that is right on the first test points of 50."""
    folder.mkdir(parents=True)
    known = {"dataset": {"name": "wanli"}, "model": {"name": "tiny"}, "n_train": 30, "synthetic": True, **knobs}
    parts = {name: {} for name in ("contamination", "copies", "diversity", "fidelity", "groups")}
    audit = {**parts, "alarms": [], "test_groups": GROUPS, "scores": {"metric": "accuracy"}}
    (folder / "audit.json").write_text(json.dumps(audit))
    scores = {"accuracy": {"value": right / 50, "low": 0.0, "high": 1.0}}
    result = {"id": folder.name, "knobs": known, "headline": "accuracy", "scores": scores}
    (folder / "result.json").write_text(json.dumps(result))
    rows = [{"id": f"t{i}", "target": "yes", "scores": {"accuracy": float(i < right)}} for i in range(50)]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_each_prompt_model_is_compared_with_the_same_cells_without_twins(tmp_path: Path) -> None:
    cells = [write(tmp_path / f"human{seed}", 30, seed=seed, synth_frac=0) for seed in (0, 1)]
    for name, right in (("weak", 10), ("strong", 29)):
        for seed in (0, 1):
            twins: dict[str, Any] = {"prompt_model": {"name": name}, "strategy": {"name": "few_shot"}, "writer": {}}
            cells.append(write(tmp_path / f"{name}{seed}", right, seed=seed, synth_frac=1.0, **twins))
    found = group_changes(cells)
    means = {name.split("twins by ")[1].split()[0]: changes[0].change for name, changes in found.items()}
    assert means == {"weak": -0.5, "strong": -0.025}
    for changes in found.values():
        assert [(one.group, one.points, one.p is None) for one in changes] == [("news", 40, False), ("plays", 10, True)]
    shown = "\n".join(lines_of_changes(found))
    assert "'news': -50.0, n = 40" in shown and "'plays': 0.0, too few to be tested (10)" in shown


def test_seeds_with_one_end_alone_and_smaller_human_sets_are_no_pair(tmp_path: Path) -> None:
    twins = {"prompt_model": {"name": "weak"}, "seed": 0, "synth_frac": 1.0}
    cells = [write(tmp_path / "a", 30, seed=1, synth_frac=0), write(tmp_path / "b", 10, **twins)]
    cells.append(write(tmp_path / "c", 30, seed=0, synth_frac=1.0, synthetic=False))
    assert group_changes(cells) == {}


def test_every_group_that_is_too_small_for_a_test_is_named_or_counted() -> None:
    small = {f"g{i:02}": {"human": 5, "synthetic": 5, "too_few_synthetic": True} for i in range(12)}
    large = {"big": {"human": 9, "synthetic": 9, "too_few_synthetic": True}}
    errors = {"genre": {"big": {"test": 300, "error": 0.5, "p_error": 0.5}, "tail": {"test": 2, "too_few_test": True}}}
    lines = list(lines_of_audit({"groups": {"genre": large | small}, "errors": errors, "alarms": []}))
    assert "  genre: too few test points to be tested: tail" in lines
    (twins,) = [line for line in lines if "too few synthetic points" in line]
    assert twins.endswith("big, g00, g01, g02, g03, g04, g05, g06, g07, g08 and 3 more")
