"""Cells by `littlehuman run` in a process of their own: its memory is free afterwards, and it can be stopped in time.

In: the words of a sweep. Out: how it ended. What it prints goes to `STUDY/decide.log`; complete cells move the bar.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import littlehuman
from littlehuman.deciding.budget import complete

LOG = "decide.log"
POLL_S, GRACE_S = 0.5, 60.0  # between looks at the process; that it has to save and to end


@dataclass(frozen=True, slots=True)
class Ran:
    """How a sweep ended: its exit code, what it took, whether it was stopped by the limit."""

    code: int
    seconds: float
    stopped: bool = False


Runner = Callable[[Sequence[str], float], Ran]  # words of `run -m`, seconds that it may take


def in_a_process(study: Path, show: Callable[[int], object]) -> Runner:
    """A runner for the cells of a study; `show` is told the number of complete cells now and then."""

    def run(words: Sequence[str], limit_s: float) -> Ran:
        study.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with (study / LOG).open("a", encoding="utf-8") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "littlehuman.run", "-m", "launch.progress=false", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
            stopped = _wait(child, start + limit_s, lambda: show(complete(study)))
        return Ran(child.returncode, time.monotonic() - start, stopped)

    return run


def _wait(child: subprocess.Popen[bytes], deadline: float, tick: Callable[[], object]) -> bool:
    """Wait for a process; whether it had to be stopped. Ctrl-C reaches it too, as it is in the same group."""
    asked_to_end = 0.0
    try:
        while child.poll() is None:
            time.sleep(POLL_S)
            tick()
            if asked_to_end and time.monotonic() > asked_to_end + GRACE_S:
                child.kill()
            elif not asked_to_end and time.monotonic() > deadline:
                asked_to_end = time.monotonic()
                child.send_signal(signal.SIGINT)  # it saves what is in training
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
        child.kill()
        raise
    return bool(asked_to_end)


def _environment() -> dict[str, str]:
    """This process's, so that the child imports the same package wherever it is started."""
    source = str(Path(littlehuman.__file__).parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
