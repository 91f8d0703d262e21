"""`make attack`: kills, server faults, damaged files and concurrent sweeps; exit status 1 where anything did not hold.

python -m benchmarks.attack [--only kills faults files sweeps] [--quick] [--kills 100] [--scenario NAME] [--workers 2]

The project is used from outside alone: its command line, a chat endpoint of this machine, temporary folders.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.attack import faults, files, kills, sweeps
from benchmarks.attack.trials import Trial

KINDS = ("kills", "faults", "files", "sweeps")
QUICK = 8  # every eighth scenario


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    options.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    options.add_argument("--quick", action="store_true", help="every eighth scenario, 8 kills, one group of sweeps")
    options.add_argument("--kills", type=_count, default=100)
    options.add_argument("--scenario", nargs="+", help="names of scenarios (kills: numbers of rounds)")
    options.add_argument("--workers", type=_count, default=max(2, os.cpu_count() or 2), help="scenarios side by side")
    return options


def runs(asked: argparse.Namespace) -> dict[str, Callable[[], Iterator[Trial]]]:
    """How the scenarios of each kind are run."""
    every, only, workers = (QUICK if asked.quick else 1), asked.scenario, asked.workers
    count = min(asked.kills, 8) if asked.quick else asked.kills
    return {
        "kills": lambda: kills.trials(count, workers, only),
        "faults": lambda: faults.trials(workers, only, every),
        "files": lambda: files.trials(workers, only, every),
        "sweeps": lambda: sweeps.trials(only, every),
    }


def unknown(asked: argparse.Namespace) -> list[str]:
    """The scenarios that were asked for and do not exist in the kinds that were asked for."""
    names = {"faults": faults.names, "files": files.names, "sweeps": sweeps.names}
    known = {name for kind in asked.only if kind in names for name in names[kind]()}
    rounds = "kills" in asked.only
    return [name for name in asked.scenario or () if name not in known and not (rounds and name.isdigit())]


def summary(kind: str, trials: list[Trial], seconds: float) -> str:
    """One line: how many attacks of a kind, and how many scenarios held."""
    held = sum(not trial.problems for trial in trials)
    kills = f"{sum(trial.weight for trial in trials)} kills in " if kind == "kills" else ""
    broken = len(trials) - held
    return f"{kind:<7} {kills}{len(trials)} scenarios: {held} held, {broken} did not, {seconds:.0f} s"


def main() -> int:
    """Run what is asked for; print failures as they come, then a line per kind."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: its children would ignore it too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    options = parser()
    asked, lines, failed, start = options.parse_args(), [], 0, time.monotonic()
    if wrong := unknown(asked):
        options.error(f"no scenario of {', '.join(asked.only)} is named {', '.join(wrong)}")
    for kind in asked.only:
        begun, found = time.monotonic(), []
        for trial in runs(asked)[kind]():
            found.append(trial)
            print("\n".join(trial.lines() or [f"held    {kind} {trial.name} ({trial.seconds:.0f} s)"]), flush=True)
        failed += sum(bool(trial.problems) for trial in found)
        if found:
            lines.append(summary(kind, found, time.monotonic() - begun))
    print("\n".join(["", *lines, f"all: {time.monotonic() - start:.0f} s; scenarios that did not hold: {failed}"]))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
