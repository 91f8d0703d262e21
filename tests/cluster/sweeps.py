"""Sweeps for the tests of clusters: 8 cells of a tiny model, computed by a command of its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cli_runs import table_rows
from conftest import ROOT, TINY, Ended

from littlehuman.store import read_json

CELLS = 8
GRID = (*TINY, "dataset=fieldnotes_fv", "n_train=4", "launch.group=4", "synth_frac=0,0.5", "seed=0,1,2,3")
ENOUGH_S = 1800  # against hanging alone


class Sweep:
    """A command that computes the grid, with its output in a file."""

    def __init__(self, multirun: Path, study: str, *words: str, environment: Mapping[str, str]) -> None:
        self.study, self.log = multirun / study, multirun / f"{study}.log"
        multirun.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "littlehuman.run", "-m", *GRID, f"study={study}", *words],
            cwd=ROOT,
            env={**os.environ, "LITTLEHUMAN_MULTIRUN": str(multirun), **environment},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in a job of the background
        )

    @property
    def complete(self) -> int:
        """How many cells are complete."""
        return len(list(self.study.glob("*/result.json")))

    def wait_for(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is reached, while the command runs."""
        until = time.monotonic() + ENOUGH_S
        while not reached():
            assert self.process.poll() is None and time.monotonic() < until, (
                f"no {what}: {self.log.read_text()[-3000:]}"
            )
            time.sleep(0.1)

    def claimed_by(self, pids: Collection[int]) -> bool:
        """Whether one of these processes computes a cell now."""
        held = [read_json(file) for file in self.study.glob("*/.lock*")]
        return any(claim.get("pid") in pids and not claim.get("released") for claim in held)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> Ended:
        """Wait for the end; print how long it took."""
        code = self.process.wait(ENOUGH_S)
        print(f"{self.study.name}: {time.monotonic() - self.started:.0f} s, exit code {code}")
        return Ended(code, self.log.read_text(), "")


def scores(study: Path) -> dict[str, dict[str, str]]:
    """The table of a study without its times: each score of each cell."""
    return {
        cell: {key: value for key, value in row.items() if key != "seconds"} for cell, row in table_rows(study).items()
    }


def undisturbed(multirun: Path) -> dict[str, dict[str, str]]:
    """The table of the grid, computed by one process of this machine."""
    sweep = Sweep(multirun, "undisturbed", "hydra/launcher=fused", environment={})
    ended = sweep.end()
    assert ended.code == 0 and sweep.complete == CELLS, ended.text
    return scores(sweep.study)
