"""The text that a sweep prints at its end: a table with a row per condition, and the next command.

In: the study's folder. Out: lines. A condition is what differs between the runs (cells) but for the seed; its score is
the mean over seeds with the lowest and the highest. Intervals are the report's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.formatting import one_line, percent
from littlehuman.runs.artifacts import GROUPS, NUMBERS, rows
from littlehuman.study.table import differs

ROWS = 12  # conditions that are shown
_SAID = ("seed", "n_train")  # by the numbers of points and of seeds
_COUNTS = {"n_human": "human points", "n_synthetic": "synthetic points"}


def lines(study: Path) -> list[str]:
    """The table of a study and the command that goes on from it; empty for a study without a complete run."""
    done = [row for row in rows(study) if row.get("state") == "done"]
    if not done:
        return []
    knobs = [key for key in (*GROUPS, *NUMBERS) if key not in _SAID and differs(key, done)]
    conditions: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in sorted(done, key=lambda row: [_rank(row.get(key)) for key in (*knobs, *_COUNTS)]):
        conditions.setdefault(tuple(_cell(row.get(key)) for key in (*knobs, *_COUNTS)), []).append(row)
    metric = str(done[0].get("metric"))
    header = [*knobs, *_COUNTS.values(), "seeds", f"{metric} (%)", "lowest to highest"]
    table = [[*key, *_score(runs)] for key, runs in list(conditions.items())[:ROWS]]
    left = len(conditions) - len(table)
    return [
        "",
        f"{study.name}: {len(done)} complete run{'s' * (len(done) != 1)} (cells of the study)",
        *_aligned([header, *table]),
        *([f"  ... and {left} more rows, in {study / 'table.md'}"] if left else []),
        f"next:    {cli.command('report', [_typed(study)])}   (intervals, figures, what it means)",
    ]


def _typed(study: Path) -> str:
    """The folder as it is typed from here."""
    inside = study.absolute().is_relative_to(Path.cwd())
    return str(study.absolute().relative_to(Path.cwd()) if inside else study)


def _rank(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    try:
        return False, float(value), ""
    except (TypeError, ValueError):
        return True, 0.0, str(value)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else one_line(str(value))


def _score(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Seeds, mean and range of the headline metric."""
    values = [float(run[run["metric"]]) for run in runs]
    spread = f"{percent(min(values))} to {percent(max(values))}" if len(values) > 1 else ""
    return [str(len(values)), percent(sum(values) / len(values)), spread]


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]
