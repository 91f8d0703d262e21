"""How long a report takes: `python benchmarks/bench_report.py [--items 500]`, no GPU, a minute or two.

Makes a study of 2,000 cells with a known truth (5 datasets, 5 prompt models, 8 fractions, 10 seeds) and
prints the seconds of its parts, on one core.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from study_factory import write_study  # noqa: E402

DATASETS = ("wanli", "fever", "scifact", "ropes", "coqa")
PROMPT_MODELS = ("model-a", "model-b", "model-c", "model-d", "model-e")
FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=500, help="test points of a run")
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        common: dict[str, Any] = {"datasets": DATASETS, "seeds": range(10), "items": items}
        study = write_study(Path(folder) / "study", prompt_models=PROMPT_MODELS, fractions=FRACTIONS, texts=200, **common)
        # Without twins a cell is shared by the prompt models: 4 x 5 x 10 fewer than the product; controls make up for them.
        write_study(study, prompt_models=PROMPT_MODELS[:1], fractions=FRACTIONS[1:5], control=True, **common)
        cells = sum(path.is_dir() for path in study.iterdir())
        print(f"{cells} cells of {items} test points made in {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        from littlehuman import report
        from littlehuman.reporting import gathering

        print(f"imports          {time.perf_counter() - started:6.1f} s")
        started = time.perf_counter()
        found = gathering.gather(study, delta=0.02)
        print(f"tables           {time.perf_counter() - started:6.1f} s  ({len(found.lines)} curves, {len(found.controls)} controls)")
        started = time.perf_counter()
        _, files = report.write(study)
        print(f"whole report     {time.perf_counter() - started:6.1f} s  (tables again, with warm files; {len(files)} files)")
        print(f"report.html      {files[0].stat().st_size / 1e6:6.1f} MB")


if __name__ == "__main__":
    main()
