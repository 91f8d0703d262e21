"""`table.csv` and `table.md` of a study: one row per cell.

In: the run folders. Out: both files, rewritten from the folders at the end of every job.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from littlehuman.formatting import csv_cell, markdown_text
from littlehuman.runs.artifacts import GROUPS, NUMBERS, RESULT, STATUS, rows
from littlehuman.store import in_a_study, write_text


def update(folder: Path) -> None:
    """Rewrite the table of the study that a run folder lies in; with `hydra.run.dir=...` it may lie in none."""
    if in_a_study(folder):
        write(folder.parent)


def write(study: Path) -> Path:
    """Rewrite `table.csv` and `table.md` from the run folders; return the CSV's path."""
    with FileLock(study / ".table.lock"):  # else a slow writer could put an older table over a newer one
        table = rows(study)
        columns = list(dict.fromkeys(key for row in table for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writerow({column: csv_cell(column) for column in columns})
        writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in table)
        write_text(study / "table.csv", text.getvalue())
        write_text(study / "table.md", markdown(table))
    return study / "table.csv"


def is_current(folder: Path) -> bool:
    """Whether the study's table is newer than this run folder, so that a repeated sweep need not write it again."""
    table = folder.parent / "table.csv"
    try:
        return all(table.stat().st_mtime_ns > (folder / name).stat().st_mtime_ns for name in (STATUS, RESULT))
    except OSError:
        return False


def markdown(table: Sequence[Mapping[str, Any]]) -> str:
    """The table for reading: knobs that differ between cells, and each score with its interval."""
    metrics = list(dict.fromkeys(key.removesuffix("_low") for row in table for key in row if key.endswith("_low")))
    differing = [
        k for k in (*GROUPS, *NUMBERS) if k != "protocol" and len({str(row[k]) for row in table if k in row}) > 1
    ]
    header = ["cell", "state", "protocol", *differing, "n_human", "n_synthetic", *metrics]
    lines = ["| " + " | ".join(map(markdown_text, header)) + " |", "|" + "---|" * len(header)]
    for row in table:
        cells = [row.get(key, "") for key in ("cell", "state", "protocol", *differing, "n_human", "n_synthetic")]
        lines.append(
            "| "
            + " | ".join(
                [*(markdown_text(str(cell)) for cell in cells), *(_interval(row, metric) for metric in metrics)]
            )
            + " |"
        )
    problems = [
        f"\n{markdown_text(str(row['cell']))}: {markdown_text(str(row['error']))}\n"
        for row in table
        if row.get("error")
    ]
    return "\n".join(lines) + "\n" + "".join(problems)


def _interval(row: Mapping[str, Any], metric: str) -> str:
    if row.get(metric, "") == "":
        return ""
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"
