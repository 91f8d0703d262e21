"""`make simulate`: the table of simulated coverage, false alarms and power; exit status 1 where a limit is not held.

python -m benchmarks.simulate [--studies 10000] [--only coverage families looks counts power] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.simulate import coverage, families, powers, sequences, sums
from benchmarks.simulate.verdicts import Row

Job = tuple[Callable[..., Iterator[Row]], tuple[object, ...]]


def jobs(only: list[str]) -> list[Job]:
    """What to simulate: a function and its arguments before the number of studies."""
    found: list[Job] = []
    if "families" in only:
        found += [(families.rows, pair) for pair in families.designs()]
    if "coverage" in only:
        found += [(coverage.rows, (setting,)) for setting in coverage.settings()]
    if "looks" in only:
        found += [(sequences.rows, design) for design in sequences.designs()]
    if "counts" in only:
        found += [(sums.rows, (setting,)) for setting in sums.settings()]
    if "power" in only:
        found += [(powers.rows, setting) for setting in powers.settings()]
    return found


def run(job: Job, studies: int, seed: int) -> list[Row]:
    """The rows of one job; its random numbers depend on its place in the list alone."""
    function, arguments = job
    return list(function(*arguments, studies, np.random.Generator(np.random.SFC64(seed))))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--only", nargs="+", default=["coverage", "families", "looks", "counts", "power"])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    start, failed, todo = time.perf_counter(), 0, jobs(asked.only)
    with ProcessPoolExecutor(asked.processes) as pool:
        for found in pool.map(run, todo, [asked.studies] * len(todo), range(len(todo))):
            for row in found:
                print(row, flush=True)
                failed += row.held is False
    took = time.perf_counter() - start
    print(f"{len(todo)} settings x {asked.studies} studies in {took:.0f} s; limits not held: {failed}")
    return int(failed > 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
