"""`make replication-check`: all published numbers are made again from the committed files, and compared.

In: the folder `docs/replication`, and the public data where it is there. Out: a line for each thing that differs.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.replication import data, page, results
from benchmarks.replication.design import WRITER, Set, one_cell
from littlehuman.errors import LittlehumanError
from littlehuman.store import read_json
from littlehuman.study.run_files import predictions_of, result_of

OTHER_ITEMS = 0.01  # of the test items may be scored otherwise on another processor


def problems(docs: Path, sets: Sequence[Set]) -> Iterator[str]:
    """What differs between the committed files and what is computed from them."""
    try:
        computed = page.numbers(docs, sets)
        text = (docs / page.README).read_text("utf-8")
        if page.with_part(text, page.generated(computed)) != text:
            yield f"{page.README}: its generated part is not what the results files give"
    except (LittlehumanError, OSError, EOFError) as error:
        yield str(error)
        return
    if computed["files"]:
        yield from differing(read_json(docs / page.NUMBERS), computed, page.NUMBERS)


def differing(committed: Any, computed: Any, place: str) -> Iterator[str]:
    """Places at which two values differ."""
    if isinstance(committed, dict) and isinstance(computed, dict):
        for key in sorted(committed.keys() | computed.keys()):
            yield from differing(committed.get(key), computed.get(key), f"{place}: {key}")
    elif committed != computed:
        yield f"{place} is {committed}, and {computed} is computed"


def smallest_cell(docs: Path, one: Set) -> dict[str, Any] | None:
    """The cell with twins that trains on the fewest points, of a set whose completions are kept."""
    file = docs / "results" / f"{one.name}.json.gz"
    if not file.is_file() or not (docs / "recordings" / f"{one.name}.jsonl.gz").is_file():
        return None
    cells = [cell for cell in results.read(file)["cells"].values() if _is_twins(cell["knobs"])]
    return min(cells, key=lambda cell: (cell["counts"]["total"], cell["id"]), default=None)


def _is_twins(knobs: dict[str, Any]) -> bool:
    names = [knobs.get(group, {}).get("name") for group in ("prompt_model", "strategy", "filter")]
    return names == [WRITER, "few_shot", "none"]


def repeated(docs: Path, one: Set, cell: dict[str, Any], public: Path) -> Iterator[str]:
    """What differs when a cell is run again, from the recording to its scores."""
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        data.prepare(one, public, work)
        recording = work / "recording.jsonl"
        recording.write_bytes(gzip.decompress((docs / "recordings" / f"{one.name}.jsonl.gz").read_bytes()))
        words = one_cell(one, work, cell["knobs"], recording)
        environment = os.environ | {"LITTLEHUMAN_MULTIRUN": temporary}
        done = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True)
        folders = [file.parent for file in (work / one.study).glob("*/result.json")]
        if not folders:
            yield f"{one.name}: the cell {cell['id']} cannot be run again: {done.stderr.strip().splitlines()[-1:]}"
            return
        again, read = result_of(folders[0]), predictions_of(folders[0])
        assert read is not None
        for key in ("dataset", "mixture"):
            yield from differing(
                cell["fingerprints"][key], again["fingerprints"][key], f"{one.name}: {cell['id']}: {key}"
            )
        before = results.decoded(cell["item_scores"])
        other = float(np.mean(np.abs(before - read.scores[cell["headline"]]) > 1 / results.UNIT))
        if other > OTHER_ITEMS:
            yield f"{one.name}: {cell['id']}: {other:.1%} of the test items have another score"
