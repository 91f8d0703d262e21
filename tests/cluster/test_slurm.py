"""`hydra/launcher=slurm` on a SLURM of two virtual nodes: the table of an undisturbed sweep, whatever is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import slurm_nodes
from cluster.slurm_nodes import SlurmNodes
from cluster.sweeps import CELLS, Sweep, scores, undisturbed

pytestmark = pytest.mark.slow
SLURM = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null", "hydra.launcher.cpus_per_task=1")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmNodes]:
    try:
        slurm_nodes.install()
    except slurm_nodes.Missing as missing:
        pytest.skip(str(missing))
    made = SlurmNodes(tmp_path_factory.mktemp("slurm"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    return undisturbed(tmp_path_factory.mktemp("alone"))


def _jobs_end(nodes: SlurmNodes) -> None:
    until = time.monotonic() + 60
    while nodes.queue():
        assert time.monotonic() < until, nodes.queue()
        time.sleep(0.5)


def test_cells_of_a_node_that_dies_are_finished_by_the_other(
    nodes: SlurmNodes, expected: dict[str, dict[str, str]], multirun: Path
) -> None:
    sweep = Sweep(multirun, "lost", *SLURM, environment=nodes.environment)
    sweep.wait_for(lambda: sweep.claimed_by([process.pid for process in nodes.job_processes("n2")]), "cell on n2")
    nodes.kill_node("n2")
    ended = sweep.end()
    nodes.start_node("n2")
    assert ended.code == 0 and sweep.complete == CELLS, ended.text
    assert scores(sweep.study) == expected
    assert "SLURM: 2 jobs" in ended.text and "lost: 8 complete runs" in ended.text
    assert "already complete" not in ended.text and not list(multirun.glob(".invocation-*"))
    _jobs_end(nodes)


def test_a_job_that_is_killed_is_submitted_once_more(
    nodes: SlurmNodes, expected: dict[str, dict[str, str]], multirun: Path
) -> None:
    sweep = Sweep(multirun, "killed", *SLURM, "launch.group=8", environment=nodes.environment)
    sweep.wait_for(lambda: bool(list(sweep.study.glob("*/.lock"))), "cell")
    for name in slurm_nodes.NODES:
        for process in nodes.job_processes(name):
            if "submitit.core._submit" in process.cmdline():
                process.kill()
    ended = sweep.end()
    assert ended.code == 0 and sweep.complete == CELLS, ended.text
    assert ended.text.count("it is submitted once more") == 1 and scores(sweep.study) == expected


def test_ctrl_c_cancels_the_jobs_and_the_same_command_goes_on(
    nodes: SlurmNodes, expected: dict[str, dict[str, str]], multirun: Path
) -> None:
    first = Sweep(multirun, "stopped", *SLURM, environment=nodes.environment)
    first.wait_for(lambda: bool(list(first.study.glob("*/.lock"))), "cell")
    first.interrupt()
    assert first.end().code == 130
    _jobs_end(nodes)
    again = Sweep(multirun, "stopped", *SLURM, environment=nodes.environment)
    ended = again.end()
    assert ended.code == 0 and scores(again.study) == expected, ended.text


def test_what_slurm_says_of_a_partition_that_does_not_exist_reaches_the_user(nodes: SlurmNodes, multirun: Path) -> None:
    sweep = Sweep(multirun, "nowhere", *SLURM, "hydra.launcher.partition=gpus", environment=nodes.environment)
    ended = sweep.end()
    assert ended.code == 1 and "Traceback" not in ended.text, ended.text
    assert "hydra.launcher.partition=gpus" in ended.text and "invalid partition specified: gpus" in ended.text
    assert "there is: main" in ended.text
