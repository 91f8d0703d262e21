"""Ray as the scheduler of a sweep's jobs: one task each. A running cluster, or one that is started on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.errors import ConfigError, Problem
from littlehuman.execution.cluster import Ended
from littlehuman.execution.worker_job import WorkerJob

log = logging.getLogger(__name__)

WHERE = "hydra/launcher=ray"
_NO_STATISTICS = {"RAY_USAGE_STATS_ENABLED": "0"}  # Ray would send them to its makers


class RayJobs:
    """Submits jobs as tasks, whose output is `folder/RANK.log`. They end with the command, however it ends."""

    name = "Ray"

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._ray = ray = _ray()
        self._folder, self._count = folder, 0
        self._tasks: dict[str, Any] = {}
        wanted = dict(options)
        _connect(ray, wanted.pop("address"))
        if wanted["num_gpus"] is None:
            wanted["num_gpus"] = int(ray.cluster_resources().get("GPU", 0) > 0)
        # No repetition by Ray: `cluster` decides. One task per process, whose end gives memory and GPU free.
        self._task = ray.remote(**wanted, max_retries=0, max_calls=1)(_run)

    def submit(self, jobs: Sequence[WorkerJob]) -> list[str]:
        """Start a task for each job, or have it wait for a free place."""
        self._folder.mkdir(parents=True, exist_ok=True)
        names = [str(self._count + index + 1) for index in range(len(jobs))]
        self._count += len(jobs)
        logs = [str(self._folder / f"{job.rank}.log") for job in jobs]
        self._tasks |= {name: self._task.remote(*of) for name, *of in zip(names, jobs, logs, strict=True)}
        return names

    def ended(self, ids: Collection[str]) -> dict[str, Ended]:
        """Tasks that returned or raised."""
        tasks = {self._tasks[name]: name for name in ids}
        ready, _ = self._ray.wait(list(tasks), num_returns=len(tasks), timeout=0)
        return {tasks[task]: self._end(task) for task in ready}

    def waiting(self) -> str:
        """Empty: Ray does not say."""
        return ""

    def cancel(self, ids: Collection[str]) -> None:
        """Interrupt tasks as Ctrl-C does, so that their cells are free at once."""
        tasks = [self._tasks[name] for name in ids]
        for task in tasks:
            self._ray.cancel(task)
        self._ray.wait(tasks, num_returns=len(tasks), timeout=10)

    def _end(self, task: Any) -> Ended:
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            return Ended(f"{_last_line(error)}; its output: {self._folder}/*.log")
        except self._ray.exceptions.RayError as error:
            return Ended(_last_line(error, first=True).partition(". ")[0], lost=True)
        return Ended()


def _run(job: WorkerJob, log_file: str) -> None:
    """Runs in a process of Ray's, which stays for one task."""
    with (
        open(log_file, "a", encoding="utf-8", buffering=1) as output,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        job()


def _last_line(error: Exception, *, first: bool = False) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0 if first else -1]


def _connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster: the given one, that of RAY_ADDRESS, one that runs here, or a new one here.

    Raises:
        ConfigError: when it does not answer.
    """
    os.environ |= {name: os.environ.get(name, value) for name, value in _NO_STATISTICS.items()}
    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = f"hydra.launcher.address={address}" if address else WHERE
        raise ConfigError([Problem(where, f"Ray: {_last_line(error, first=True)}")]) from None
    nodes = [node for node in ray.nodes() if node["Alive"]]
    log.info("Ray: %d node%s, %g CPUs", len(nodes), "s" * (len(nodes) != 1), ray.cluster_resources().get("CPU", 0))


def _ray() -> Any:
    """The module.

    Raises:
        ConfigError: when it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError([Problem(WHERE, "needs ray, which is not installed")], "pip install ray") from None
    return ray
