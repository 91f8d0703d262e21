"""Identical sweeps that are started at once on one study: they share its cells, and all end complete.

What must hold: each exits with 0, each cell is computed once, each answer is paid for once, and the results are those
of one sweep alone.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.attack.endpoint import FaultServer, healthy
from benchmarks.attack.ground import LIMIT_S, TINY, Ground, at, differences, ground, outcome
from benchmarks.attack.trials import Problems, Trial, guarded

SWEEPS = 4
COMPUTED = "training set:"  # what a cell logs once, before its training
KINDS = {  # scenario -> overrides, and the longest pause between two starts in seconds
    "at-once": (("-m", "synth_frac=0,0.5,1"), 0.0),
    "staggered": (("-m", "synth_frac=0,0.5,1"), 2.0),
    "fused": (("-m", "hydra/launcher=fused", "synth_frac=0,0.5,1"), 0.5),
    "at-once-again": (("-m", "synth_frac=0.5,1", "seed=0,1"), 0.0),
}


def names() -> list[str]:
    """The names of all scenarios."""
    return list(KINDS)


def trials(only: Sequence[str] | None = None, every: int = 1) -> Iterator[Trial]:
    """Each kind (or every n-th) after the other: four processes are enough for one machine."""
    for name in [name for name in KINDS if only is None or name in only][::every]:
        yield guarded("sweeps", name, partial(_scenario, name))


def _scenario(name: str, problems: Problems) -> None:
    words, pause = KINDS[name]
    cells, times, paid = _alone(words)
    choice = random.Random(f"sweeps {name}")
    with ground() as place, FaultServer(healthy(0.03)) as server:
        running = []
        for _ in range(SWEEPS):
            running.append(place.start("run", *words, *TINY, at(server.url)))
            time.sleep(choice.random() * pause)
        ended = [process.wait(LIMIT_S) for process in running]
        bad = [f"{end.code} ({end.said})" for end in ended if end.code]
        problems.expect(not bad, f"{len(bad)} of {SWEEPS} sweeps did not exit with 0: {'; '.join(bad)}")
        computed = sum(end.text.count(COMPUTED) for end in ended)
        problems.expect(computed == times, f"cells were computed {computed} times, alone {times} times")
        again = sum((server.paid - paid).values())
        problems.expect(not again, f"{again} answers were paid for more often than by one sweep alone")
        problems.expect(set(place.cells()) == set(cells), f"complete: {sorted(place.cells())}, alone: {sorted(cells)}")
        for problem in differences(cells, place):
            problems.expect(False, problem)


def _alone(words: tuple[str, ...]) -> tuple[dict[str, dict[str, Any]], int, Counter[str]]:
    """The cells of one undisturbed sweep, how often it says that it computes one, and its answers by prompt.

    A prompt may have several answers: points on one passage each have their own sample of the same request.
    """
    with ground() as place, FaultServer(healthy()) as server:
        ended = place.run("run", *words, *TINY, at(server.url))
        if ended.code or not ended.text.count(COMPUTED):
            raise RuntimeError(f"undisturbed, the sweep ended with {ended.code}: {ended.said}")
        return _outcomes(place), ended.text.count(COMPUTED), Counter(server.paid)


def _outcomes(place: Ground) -> dict[str, dict[str, Any]]:
    return {name: outcome(cell) for name, cell in place.cells().items()}
