"""(f) The report of a large synthetic study: 2,000 cells of 500 test points.

Measures seconds of its tables and of the whole report, with files in the page cache.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import SECONDS, Comparison, interleave
from benchmarks.machine import ROOT
from benchmarks.parts import Part
from benchmarks.sizes import Sizes

TABLES, WHOLE = "tables", "whole report (tables, figures, page)"
DATASETS = ("wanli", "fever", "scifact", "ropes", "coqa")
PROMPT_MODELS = ("model-a", "model-b", "model-c", "model-d", "model-e")
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)
ITEMS = 500


def measure(sizes: Sizes, device: str) -> Part:
    from littlehuman import report
    from littlehuman.reporting import gathering

    with tempfile.TemporaryDirectory() as folder:
        study = write_synthetic_study(Path(folder) / "study", sizes)
        cells = sum(path.is_dir() for path in study.iterdir())

        def tables(_: int) -> float:
            started = time.perf_counter()
            gathering.gather(study, delta=0.02)
            return time.perf_counter() - started

        pages: list[Path] = []

        def whole(_: int) -> float:
            started = time.perf_counter()
            pages[:] = report.write(study)[1]
            return time.perf_counter() - started

        values, _ = interleave({TABLES: tables, WHOLE: whole}, sizes.report_rounds, warm_up=False)
        size = f"{pages[0].stat().st_size / 1e6:.1f} MB"
    facts = {"cells": cells, "test points a cell": ITEMS, "report.html": size}
    comparison = Comparison(title=f"A study of {cells} cells", unit=SECONDS, values=values, facts=facts)
    return Part(question="The report of a large study", comparisons=[comparison])


def write_synthetic_study(study: Path, sizes: Sizes) -> Path:
    """A study like those of the tests: 5 datasets, 5 prompt models, 8 fractions, 10 seeds."""
    sys.path.insert(0, str(ROOT / "tests"))
    write_study = importlib.import_module("study_factory").write_study

    few = slice(None, 1 if sizes.tiny else None)
    common: dict[str, Any] = {"datasets": DATASETS[few], "seeds": range(max(2, sizes.report_seeds)), "items": ITEMS}
    write_study(study, prompt_models=PROMPT_MODELS[few], fractions=FRACTIONS, texts=200, **common)
    # Cells without twins are shared by the prompt models, 4 x 5 x 10 fewer than the product; controls replace them.
    write_study(study, prompt_models=PROMPT_MODELS[:1], fractions=FRACTIONS[1:5], control=True, **common)
    return study
