"""Measurement harness: interleaved rounds of several ways to do one thing, and statistics of the results.

Each way is a function that does the thing once and returns seconds or a rate. Ways take turns (A, B, C, A, B, C, ...),
so that a machine that slows down slows all of them; ratios are taken within a round.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Way = Callable[[int], float]  # takes the number of the round; WARM_UP: a brief one whose value is dropped
WARM_UP = -1
SECONDS = "s"


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of the rounds."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A measurement: per way one value for each round, in `unit` (seconds, or a rate).

    Attributes:
        ours: littlehuman's way; empty where nothing is compared.
        bounds: per other way, the largest speed-up that removing all of its padding allows.
        work: floating-point operations of one unit of a rate, or of the whole where the unit is seconds.
        peak: operations per second of a matrix product, measured in the same run.
        failed: ways that could not run here, and why.
        facts: what was run.
    """

    title: str
    unit: str
    values: dict[str, list[float]]
    ours: str = ""
    goal: str = ""
    bounds: dict[str, float] = field(default_factory=dict)
    work: float | None = None
    peak: float | None = None
    failed: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def spread(values: list[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def times_as_fast(comparison: Comparison, other: str) -> Spread:
    """Speed-up of ours over `other`, from the ratios within each round."""
    ours, theirs = comparison.values[comparison.ours], comparison.values[other]
    pairs = zip(ours, theirs, strict=True)
    return spread([b / a if comparison.unit == SECONDS else a / b for a, b in pairs])


def reached(comparison: Comparison, other: str) -> float:
    """Speed-up as a share of its bound: 0.9 for 1.26 times out of 1.4 times."""
    return times_as_fast(comparison, other).median / comparison.bounds[other]


def utilisation(comparison: Comparison, way: str) -> float:
    """Useful operations per second as a share of the peak (model FLOPs utilisation, Chowdhery et al. 2022)."""
    assert comparison.work is not None and comparison.peak is not None
    median = spread(comparison.values[way]).median
    return comparison.work * (1 / median if comparison.unit == SECONDS else median) / comparison.peak


def interleave(
    ways: Mapping[str, Way], rounds: int, *, may_fail: Collection[str] = (), warm_up: bool = True
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Values per way, and the errors of ways that could not run.

    A way in `may_fail` (a baseline whose package is missing, or that runs out of memory) is left out when it fails; the
    error of any other way is raised.
    """
    values: dict[str, list[float]] = {name: [] for name in ways}
    failed: dict[str, str] = {}
    for turn in range(WARM_UP if warm_up else 0, rounds):
        for name, run in ways.items():
            if name in failed:
                continue
            try:
                value = run(turn)
            except (ImportError, MemoryError, RuntimeError) as error:  # RuntimeError: torch out of memory
                if name not in may_fail:
                    raise
                failed[name] = f"{type(error).__name__}: {str(error).strip()}".split("\n", 1)[0]
            if name in failed:
                _free()  # now that the error no longer holds its tensors
            elif turn != WARM_UP:
                values[name].append(value)
            title = "warm-up" if turn == WARM_UP else f"round {turn + 1}"
            print(f"  {title}  {name}: {failed.get(name) or f'{value:.4g}'}", flush=True)
    return {name: value for name, value in values.items() if name not in failed}, failed


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
