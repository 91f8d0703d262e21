"""(kernels) Operators, bytes and host syncs of one training step on a GPU: counted on this CPU, no time is measured.

Of models with one and two layers; the difference is what one more layer costs, and with it the step of all layers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from littlehuman.store import read_json, write_json

if TYPE_CHECKING:
    from benchmarks.kernel_ways import Shape, Way

NAME = "kernels"
FILE = Path(__file__).parent / "results" / "counted" / "kernels.json"
CELLS = (1, 5, 16, 64)
LENGTHS = (48, 64, 80, 96, 112, 128, 160, 192)  # tokens of a cell's 8 rows
RANK = 16
PEAK_FLOPS, BYTES_A_SECOND = 989e12, 4.8e12  # NVIDIA's data sheet of the H200: dense bfloat16, HBM3e
HEAD = f"""
## Counted, not measured: one training step on a GPU

`python -m benchmarks --only {NAME}` counts on any machine what one step would ask of a GPU, with torch's meta tensors
in place of a GPU's: {len(LENGTHS)} rows a cell of {min(LENGTHS)} to {max(LENGTHS)} tokens, LoRA (r={RANK}) on
every linear layer, bfloat16, AdamW. An operator is what starts at least one kernel. Host syncs are values that the
program waits for, and copies to the device that it waits for. The least time is the sum over operators of the longer of
bytes / {BYTES_A_SECOND / 1e12:.1f} TB/s and operations / {PEAK_FLOPS / 1e12:.0f} TFLOP/s (the data sheet of an H200),
without the time to start a kernel: what cannot be undercut, no speed. PEFT and the prototype read padded rows; the
prototype has no dropout.
"""
COLUMNS = (
    "cells",
    "way",
    "operators a layer",
    "of a step",
    "GB of a step",
    "host syncs of a step",
    "least time of a step",
)


def count(cells: Sequence[int] = CELLS) -> list[dict[str, Any]]:
    """Counts of every shape, number of cells and way."""
    from benchmarks.kernel_ways import SHAPES, WAYS

    rows = []
    for shape in SHAPES:
        for number in cells:
            for name, way in WAYS.items():
                rows.append({"shape": shape.title, "cells": number, "way": name, **of_way(way, shape, number)})
                print("  ".join(str(value) for value in rows[-1].values()), flush=True)
    return rows


def of_way(way: Way, shape: Shape, cells: int) -> dict[str, float]:
    """One layer's operators, and the step of the whole model."""
    one = way(shape, 1, cells)
    layer = way(shape, 2, cells).minus(one)
    more = shape.layers - 1
    return {
        "operators_of_a_layer": layer.operators,
        "operators": one.operators + more * layer.operators,
        "gb": round((one.bytes + more * layer.bytes) / 1e9, 2),
        "host_syncs": one.host_syncs + one.blocking_copies + more * (layer.host_syncs + layer.blocking_copies),
        "least_ms": round(1e3 * (one.seconds + more * layer.seconds), 2),
    }


def run() -> None:
    """Count, and keep the result beside the counts that were kept as `before`."""
    rows = count()
    found = {"date": time.strftime("%Y-%m-%d"), "commit": machine.commit(), "rows": rows}
    write_json(FILE, read_json(FILE) | {"now": found})


def section(file: Path = FILE) -> str:
    """The section of the page; empty where nothing was counted."""
    found = read_json(file)
    if not found:
        return ""
    tables = [
        f"\n{title}: commit {each['commit']}, {each['date']}.\n\n{_table(each['rows'])}"
        for title, each in _parts(found)
    ]
    return HEAD + "\n".join(tables) + "\n"


def _parts(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    titles = {"before": "Before", "now": "Now"}
    return [(title, found[key]) for key, title in titles.items() if key in found]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        cells = (
            row["shape"], row["cells"], row["way"], f"{row['operators_of_a_layer']:,}", f"{row['operators']:,}",
            f"{row['gb']:,.1f}", f"{row['host_syncs']:,}", f"{row['least_ms']:,.1f} ms",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
