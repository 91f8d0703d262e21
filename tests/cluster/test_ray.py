"""`hydra/launcher=ray` on a Ray cluster of two nodes of this machine, one of which dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster.sweeps import CELLS, Sweep, scores, undisturbed
from conftest import ROOT

pytest.importorskip("ray", reason="ray")
pytestmark = pytest.mark.slow
# Without the guard against requests: Ray looks for this machine's address among its networks.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}


class RayNodes:
    """The process that has the cluster."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ray_nodes.py"))],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address, raylet = self._line().split()
        self._raylet = int(raylet)

    def on_second(self) -> list[int]:
        """The processes of the second node."""
        return [process.pid for process in psutil.Process(self._raylet).children(recursive=True)]

    def remove_second(self) -> None:
        """Kill the second node."""
        assert self.process.stdin
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        assert self._line() == "removed"

    def stop(self) -> None:
        """End the cluster."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@pytest.fixture
def nodes() -> Iterator[RayNodes]:
    made = RayNodes()
    yield made
    made.stop()


def test_cells_of_a_ray_node_that_dies_are_finished_by_the_other(nodes: RayNodes, multirun: Path) -> None:
    expected = undisturbed(multirun)
    words = ("hydra/launcher=ray", f"hydra.launcher.address={nodes.address}")
    sweep = Sweep(multirun, "lost", *words, environment=ENVIRONMENT)
    sweep.wait_for(lambda: sweep.claimed_by(nodes.on_second()), "cell on the second node")
    nodes.remove_second()
    ended = sweep.end()
    assert ended.code == 0 and sweep.complete == CELLS, ended.text
    assert scores(sweep.study) == expected
    assert "Ray: 2 nodes" in ended.text and ended.text.count("it is submitted once more") == 1


def test_ctrl_c_ends_the_tasks_and_the_same_command_goes_on(nodes: RayNodes, multirun: Path) -> None:
    words = ("hydra/launcher=ray", f"hydra.launcher.address={nodes.address}")
    first = Sweep(multirun, "stopped", *words, environment=ENVIRONMENT)
    first.wait_for(lambda: bool(list(first.study.glob("*/.lock"))), "cell")
    first.interrupt()
    assert first.end().code == 130
    again = Sweep(multirun, "stopped", *words, environment=ENVIRONMENT)
    ended = again.end()
    assert ended.code == 0 and again.complete == CELLS
