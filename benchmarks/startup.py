"""(e) Start-up time: `--help`, `--cfg job`, and the overhead around a cell's training and evaluation."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from benchmarks import commands
from benchmarks.harness import SECONDS, Comparison, Way, interleave
from benchmarks.jobs import CLAIMS, MODELS, overrides, rows_of
from benchmarks.parts import Part
from benchmarks.sizes import Sizes

NOTHING, HELP, SHOWN = "python -c pass", "littlehuman.run --help", "littlehuman.run --cfg job"
FIRST, FURTHER = "a cell in a process of its own", "each further cell of a sweep"
NOTES = [
    "The overhead of a cell is wall time less its seconds of training and evaluation: start of Python, "
    "imports, configuration, data, mixing, loading the model, scoring, writing. A further cell of a sweep "
    "finds imports and model in memory; it counts from the result before it to its own, and the number is the "
    "median of them.",
]


def measure(sizes: Sizes, device: str) -> Part:
    ways: dict[str, Way] = {
        NOTHING: lambda _: commands.python("-c", "pass"),
        HELP: lambda _: commands.littlehuman("--help").seconds,
        SHOWN: lambda _: commands.littlehuman("--cfg", "job").seconds,
    }
    values, _ = interleave(ways, sizes.start_rounds)
    start = Comparison(title="The command line", unit=SECONDS, values=values)
    return Part(
        question="Starting, and what surrounds the computing", comparisons=[start, overhead(sizes, device)], notes=NOTES
    )


def overhead(sizes: Sizes, device: str) -> Comparison:
    """Overhead of a first and of a further cell."""
    model = "tiny-decoder" if sizes.tiny else "smollm2"
    shared = [*overrides(CLAIMS, model, device), "n_train=8", "n_test=8", "launch.progress=false", "study=benchmark"]

    def first(_: int) -> float:
        done = commands.littlehuman(*shared)
        return done.seconds - done.cells[0].computing

    def further(_: int) -> float:
        cells = commands.littlehuman("-m", *shared, f"seed={','.join(map(str, range(sizes.further_cells + 1)))}").cells
        return median(after.written - before.written - after.computing for before, after in pairwise(cells))

    rounds = max(1, sizes.start_rounds // 2)
    values, _ = interleave({FIRST: first, FURTHER: further}, rounds, warm_up=False)
    facts = {
        "model": MODELS[model][0],
        "rows": rows_of(CLAIMS),
        "training points": 8,
        "test points": 8,
        "further cells": sizes.further_cells,
    }
    return Comparison(title="Around a cell's training and evaluation", unit=SECONDS, values=values, facts=facts)
