"""Bias amplification over a study: what going from 0 to 100 % synthetic points does to each group of test points.

In: complete cells with audits. Out: per series and group the mean change of the score, over test points on which the
cells of both ends of a seed were tested, with p of a paired t test over test points (mean over seeds), adjusted by Holm
within a grouping. Groups with fewer than 20 points are named and not tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from littlehuman.audit.groups import LABEL, LEAST
from littlehuman.audit.reading import read
from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.runs.artifacts import PREDICTIONS, read_result
from littlehuman.stats.holm import holm
from littlehuman.store import digest, read_jsonl

_OF_TWINS = (*TWIN_GROUPS, "human_budget")


@dataclass(frozen=True)
class GroupChange:
    """A group's mean change of the score from 0 to 100 % synthetic; p is None where the group is too small."""

    grouping: str
    group: str
    points: int
    change: float
    p: float | None


def group_changes(cells: Sequence[Path]) -> dict[str, list[GroupChange]]:
    """Name of a series (data, model, who wrote the twins) -> the changes of its groups, where a seed has both ends."""
    found: dict[str, list[GroupChange]] = {}
    for name, pairs in _pairs(cells).items():
        audit = read(pairs[0][1])
        change = _change_of_points(pairs, str(audit.get("scores", {}).get("metric")))
        found[name] = list(_of_groupings(_members(pairs[0][1], audit), change))
    return found


def _pairs(cells: Sequence[Path]) -> dict[str, list[tuple[Path, Path]]]:
    """Name -> the cells without and with nothing but twins, of each seed; those without are for every prompt model."""
    knobs = {cell: result["knobs"] for cell in cells if read(cell) and (result := read_result(cell))}
    human = {_rest(of, *_OF_TWINS): cell for cell, of in knobs.items() if of.get("synth_frac") == 0}
    found: dict[str, list[tuple[Path, Path]]] = {}
    for cell, of in knobs.items():
        without = human.get(_rest(of, *_OF_TWINS))
        if of.get("synth_frac") == 1 and "prompt_model" in of and without:
            dataset, model, by = (of.get(group, {}).get("name", "?") for group in ("dataset", "model", "prompt_model"))
            name = f"{dataset}, n_train={of.get('n_train')}, {model}, twins by {by} ({_rest(of, 'seed')[:4]})"
            found.setdefault(name, []).append((without, cell))
    return found


def _rest(knobs: Mapping[str, Any], *without: str) -> str:
    return digest({key: value for key, value in knobs.items() if key not in ("synth_frac", "synthetic", *without)})


def _change_of_points(pairs: Sequence[tuple[Path, Path]], metric: str) -> dict[str, float]:
    """Test point -> change of its score, mean over the seeds that tested it."""
    changes: dict[str, list[float]] = {}
    for ends in pairs:
        human, synthetic = (_scores(cell, metric) for cell in ends)
        for name in human.keys() & synthetic.keys():
            changes.setdefault(name, []).append(synthetic[name] - human[name])
    return {name: float(np.mean(values)) for name, values in changes.items()}


def _scores(cell: Path, metric: str) -> dict[str, float]:
    rows = read_jsonl(cell / PREDICTIONS)
    return {str(row["id"]): float(row["scores"][metric]) for row in rows if metric in row.get("scores", {})}


def _members(cell: Path, audit: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Grouping -> group -> test points: those of `audit.groups`, and the label."""
    found = dict(audit.get("test_groups", {}))
    if LABEL in audit.get("groups", {}) and LABEL not in found:
        labels: dict[str, list[str]] = {}
        for row in read_jsonl(cell / PREDICTIONS):
            labels.setdefault(str(row.get("target")), []).append(str(row.get("id")))
        found[LABEL] = labels
    return found


def _of_groupings(
    members: Mapping[str, Mapping[str, Sequence[str]]], change: Mapping[str, float]
) -> Iterator[GroupChange]:
    for grouping, groups in members.items():
        values = {name: np.array([change[i] for i in ids if i in change]) for name, ids in sorted(groups.items())}
        tested = [name for name, found in values.items() if len(found) >= LEAST]
        p = dict(zip(tested, holm([_p(values[name]) for name in tested]), strict=True))
        for name, found in values.items():
            if len(found):
                yield GroupChange(grouping, name, len(found), float(found.mean()), p.get(name))


def _p(values: np.ndarray[Any, Any]) -> float:
    from scipy import stats

    if values.std() < 1e-9:
        return 1.0 if abs(values.mean()) < 1e-9 else 0.0
    return float(stats.ttest_1samp(values, 0).pvalue)
