"""The parts of `make bench`, by letter."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness import Comparison
from benchmarks.sizes import Sizes

MODULES = {"a": "training", "b": "sweep", "c": "evaluation", "d": "metrics", "e": "startup", "f": "report"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Result of one letter: its comparisons. `absent`: what could not run on this machine, and why."""

    question: str
    comparisons: list[Comparison]
    notes: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def measure(letter: str, sizes: Sizes, device: str) -> dict[str, Any]:
    """Run a part; returns its result as JSON values."""
    started = time.perf_counter()
    part: Part = importlib.import_module(f"benchmarks.{MODULES[letter]}").measure(sizes, device)
    return {
        "question": part.question,
        "comparisons": [comparison.as_json() for comparison in part.comparisons],
        "notes": part.notes,
        "absent": part.absent,
        "size": sizes.name,
        "seconds": round(time.perf_counter() - started, 1),
    }
