"""Kills: commands that die at random moments of their whole duration, and are issued again until they are complete.

In: the number of a round, which is also the seed of its kind of command, signals and moments. What must hold: the
result is that of an undisturbed command, no answer is paid for twice but those under way, no torn result is read,
no process outlives its command, and no report calls a dead cell running.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from threading import Lock
from typing import Any

from benchmarks.attack.endpoint import FaultServer, healthy, paid_again
from benchmarks.attack.ground import CONCURRENCY, LIMIT_S, TINY, Ground, at, differences, ground, outcome
from benchmarks.attack.processes import Process
from benchmarks.attack.trials import Problems, Trial, guarded, side_by_side

DELAY = 0.08  # seconds of each answer, so that the asking takes a while
COMMANDS = {
    "one cell": ("synth_frac=1",),
    "sweep": ("-m", "synth_frac=0,1"),
    "fused": ("-m", "hydra/launcher=fused", "synth_frac=0,1"),
    "two processes": ("synth_frac=1", "launch.processes=2"),
}
WEIGHTS = (4, 3, 2, 1)
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
AFTER_S = {"any": 0.0, "twins": 0.1, "training": 0.3, "scoring": 0.3, "files": 0.05}  # at most, after a phase begins
PHASES = ("any", "any", *AFTER_S, "twins")
KILLS_A_ROUND = 4
REPORT_EVERY = 4  # rounds: a report imports as much as a command that is killed
ROUNDS_IN_VAIN = 6
GRACE_S = 10.0  # for the end after SIGTERM or SIGINT
ORPHANS_S = 5.0  # for the end of workers whose parent is dead


@dataclass(frozen=True)
class Reference:
    """An undisturbed command: its cells, wall seconds, and how many distinct requests it sent."""

    cells: dict[str, dict[str, Any]]
    seconds: float
    requests: int


class References:
    """Computes the reference of each kind of command when it is first needed."""

    def __init__(self) -> None:
        self._found: dict[str, Reference] = {}
        self._lock = Lock()

    def of(self, kind: str) -> Reference:
        """The reference of a kind of command.

        Raises:
            RuntimeError: when the undisturbed command fails.
        """
        with self._lock:
            if kind not in self._found:
                self._found[kind] = _undisturbed(kind)
            return self._found[kind]


def words(kind: str, url: str) -> tuple[str, ...]:
    """The words of a kind of command."""
    return (*COMMANDS[kind], *TINY, at(url), "launch.save_every_s=0.05")


def _undisturbed(kind: str) -> Reference:
    with ground() as place, FaultServer(healthy(DELAY)) as server:
        ended = place.run("run", *words(kind, server.url), limit_s=LIMIT_S)
        if ended.code:
            raise RuntimeError(f"undisturbed, {kind} ended with {ended.code}: {ended.said}")
        cells = {name: outcome(cell) for name, cell in place.cells().items()}
        return Reference(cells, ended.seconds, len(server.paid))


def trials(kills: int, workers: int, only: Sequence[str] | None = None) -> Iterator[Trial]:
    """Rounds of up to four kills, until there are at least as many as asked for; `only` numbers the rounds instead."""
    references, ended = References(), list[Trial]()
    numbers: Iterable[int]
    if only is None:
        numbers = takewhile(lambda _: sum(trial.weight for trial in ended) < kills and not _in_vain(ended), count())
    else:
        numbers = (int(number) for number in only if number.isdigit())
    for trial in side_by_side((partial(_trial, references, number) for number in numbers), workers):
        ended.append(trial)
        yield trial


def _in_vain(ended: Sequence[Trial]) -> bool:
    """Whether the last rounds came to no kill at all: then something else is wrong."""
    return len(ended) >= ROUNDS_IN_VAIN and not any(trial.weight for trial in ended[-ROUNDS_IN_VAIN:])


def _trial(references: References, seed: int) -> Trial:
    def scenario(problems: Problems) -> int:
        choice = random.Random(f"kills {seed}")
        (kind,) = choice.choices(list(COMMANDS), WEIGHTS)
        with ground() as place, FaultServer(healthy(DELAY)) as server:
            asks = seed % REPORT_EVERY == 0
            return _Round(references.of(kind), kind, place, server, choice, problems, not asks).run()

    return guarded("kills", str(seed), scenario)


@dataclass
class _Round:
    reference: Reference
    kind: str
    place: Ground
    server: FaultServer
    choice: random.Random
    problems: Problems
    reported: bool = False

    def run(self) -> int:
        """Kill up to four times, then let the command end; return the number of kills."""
        done = lossy = 0
        while done < KILLS_A_ROUND:
            before = len(self.server.requests)
            if not self._kill():
                break
            done += 1
            lossy += len(self.server.requests) > before
            if not self.reported and self._left_running():
                self.reported = True
                self._report()
        ended = self.place.run("run", *words(self.kind, self.server.url), limit_s=LIMIT_S)
        self.problems.expect(ended.code == 0, f"{self.kind}: the last command ended with {ended.code}: {ended.said}")
        missing = sorted(set(self.reference.cells) - set(self.place.cells()))
        self.problems.expect(not missing, f"{self.kind}: not complete at the end: {missing}")
        again = paid_again(self.server.paid)
        told = f"{self.kind}: {again} answers paid for again after {lossy} kills with at most {CONCURRENCY} under way"
        self.problems.expect(again <= CONCURRENCY * lossy, told)
        asked = len(self.server.paid)
        self.problems.expect(
            asked == self.reference.requests, f"{asked} requests, undisturbed {self.reference.requests}"
        )
        self._compare("at the end")
        return done

    def _kill(self) -> bool:
        """One command that is killed; False when it ended before its moment came."""
        number, phase, fraction = self.choice.choice(SIGNALS), self.choice.choice(PHASES), self.choice.random()
        process = self.place.start("run", *words(self.kind, self.server.url))
        if process.until(self._moment(phase, fraction, process), LIMIT_S):
            process.until(lambda: False, fraction * AFTER_S[phase])
        if process.ended() is not None:
            self._end_well(process)
            return False
        process.send(number)
        where = f"{self.kind}, {number.name} in phase {phase}"
        grace = max(GRACE_S, self.reference.seconds)
        process.until(lambda: False, grace)
        self.problems.expect(process.ended() is not None, f"{where}: not ended {grace:.0f} s after the signal")
        process.send(signal.SIGKILL)
        process.wait(grace)
        left = max(ORPHANS_S, self.reference.seconds / 3)
        self.problems.expect(not process.outlived(left), f"{where}: workers live {left:.0f} s after their parent")
        self._compare(f"after {number.name} in phase {phase}")
        return True

    def _end_well(self, process: Process) -> None:
        ended = process.ended()
        assert ended is not None
        self.problems.expect(ended.code == 0, f"{self.kind}: issued again, it ended with {ended.code}: {ended.said}")

    def _moment(self, phase: str, fraction: float, process: Process) -> Callable[[], bool]:
        if phase == "twins" and len(self.server.paid) < self.reference.requests:
            left = self.reference.requests - len(self.server.paid)
            wanted = len(self.server.requests) + 1 + int(fraction * left)
            return lambda: len(self.server.requests) >= wanted
        started = time.time()
        if phase == "files":
            return lambda: any(path.stat().st_mtime >= started for path in self.place.study.glob("*/predictions.jsonl"))
        if phase in ("training", "scoring"):
            return partial(self._in_stage, phase, started)
        return lambda: process.seconds >= fraction * self.reference.seconds

    def _in_stage(self, stage: str, started: float) -> bool:
        """Whether a cell's status names the stage, written since this command began."""
        for path in self.place.study.glob("*/status.json"):
            text = path.read_text("utf-8", "replace")
            if path.stat().st_mtime >= started and f'"stage": "{stage}"' in text:
                return True
        return False

    def _compare(self, when: str) -> None:
        for problem in differences(self.reference.cells, self.place):
            self.problems.expect(False, f"{self.kind}, {when}: {problem}")

    def _left_running(self) -> bool:
        """Whether a kill left a cell whose status was not brought to an end."""
        return any('"state": "running"' in path.read_text() for path in self.place.study.glob("*/status.json"))

    def _report(self) -> None:
        """After a kill: no dead cell is called running."""
        ended = self.place.run("report", str(self.place.study))
        self.problems.expect("Traceback" not in ended.text, f"{self.kind}: report after a kill: {ended.said}")
        page = self.place.study / "report.html"
        text = ended.text + (page.read_text("utf-8") if page.is_file() else "")
        running = re.search(r"\b\d+ running\b|>running<", text)
        self.problems.expect(not running, f"{self.kind}: after a kill the report says {running and running.group()!r}")
