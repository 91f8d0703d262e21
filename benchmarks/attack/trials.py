"""A trial (one scenario) with what did not hold, and the pool that runs trials side by side."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice


@dataclass(frozen=True)
class Trial:
    """One scenario: `weight` is how many attacks it counts for (the kills of a round), `problems` what did not hold."""

    kind: str
    name: str
    problems: Sequence[str] = ()
    weight: int = 1
    seconds: float = 0.0

    @property
    def repeat(self) -> str:
        """The command that runs this scenario alone."""
        return f"python -m benchmarks.attack --only {self.kind} --scenario {self.name}"

    def lines(self) -> list[str]:
        """What did not hold, and how to see it again."""
        return [f"FAILED  {self.kind} {self.name}: {problem}" for problem in self.problems] + (
            [f"        alone: {self.repeat}"] if self.problems else []
        )


@dataclass
class Problems:
    """Collects what does not hold in one scenario."""

    found: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> bool:
        """Note `otherwise` unless it holds."""
        if not holds and otherwise not in self.found:
            self.found.append(otherwise)
        return holds


def guarded(kind: str, name: str, scenario: Callable[[Problems], int | None]) -> Trial:
    """Run a scenario; an error of the scenario itself is a failure too."""
    problems, weight, started = Problems(), 0, time.monotonic()
    try:
        counted = scenario(problems)
        weight = 1 if counted is None else counted
    except Exception:
        problems.found.append("the scenario itself failed: " + traceback.format_exc(limit=-2).replace("\n", " | "))
    return Trial(kind, name, tuple(problems.found), weight, time.monotonic() - started)


def side_by_side(trials: Iterable[Callable[[], Trial]], workers: int) -> Iterator[Trial]:
    """Run trials in threads (each waits for processes), and yield them as they end; each is drawn when it can start."""
    waiting = iter(trials)
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(trial) for trial in islice(waiting, workers)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
            running |= {pool.submit(trial) for trial in islice(waiting, workers - len(running))}
