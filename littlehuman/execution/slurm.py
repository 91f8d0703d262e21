"""SLURM as the scheduler of a sweep's jobs, through submitit (its executor and its parameters by their own names).

Which jobs have ended is read from `squeue`: `sacct`, which submitit asks, is not set up on every cluster. A job that
SLURM itself puts into its queue again (its node failed, or was needed by others) stays the same job. One that ran out
of time goes back into the queue by submitit (`max_num_timeout`).
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from littlehuman.errors import ConfigError, Problem
from littlehuman.execution.cluster import Ended
from littlehuman.execution.worker_job import WorkerJob

SETTLE_S = 15.0  # for the file of a job's end to become visible here; submitit waits as long
WHERE = "hydra/launcher=slurm"
_SHARED = ("name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node")  # submitit's names for any cluster


@dataclass(frozen=True)
class _Payload:
    """What submitit pickles and calls: a job that ends as by Ctrl-C when it is cancelled, so that its cells are free.

    submitit calls `checkpoint` shortly before the time is over, and puts what it returns into the queue.
    """

    job: WorkerJob

    def __call__(self) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        self.job()

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class Slurm:
    """Submits jobs by submitit, whose files and the jobs' output are in `folder/JOB`."""

    name = "SLURM"

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        submitit = _submitit()
        given = {key: value for key, value in options.items() if value not in (None, {}, [])}
        self._folder, self._given = folder, given
        self._executor = submitit.AutoExecutor(
            folder / "%j", cluster="slurm", slurm_max_num_timeout=given.get("max_num_timeout", 3)
        )
        own = {key: value for key, value in given.items() if key != "max_num_timeout"}
        self._executor.update_parameters(**{key if key in _SHARED else f"slurm_{key}": own[key] for key in own})
        self._jobs: dict[str, Any] = {}
        self._missed: dict[str, float] = {}  # job -> when it had left the queue without a result
        self._waiting = ""

    def submit(self, jobs: Sequence[WorkerJob]) -> list[str]:
        """Submit jobs, several as one array.

        Raises:
            ConfigError: with the message of sbatch.
        """
        from submitit.core.utils import FailedJobError

        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints the message too
                made = self._executor.submit_array([_Payload(job) for job in jobs])
        except FailedJobError as error:
            raise self._refused(str(error)) from None
        self._jobs |= {job.job_id: job for job in made}
        return [job.job_id for job in made]

    def ended(self, ids: Collection[str]) -> dict[str, Ended]:
        """Jobs that have left a result, or the queue."""
        found = {name: self._end(name) for name in ids if self._result(name).is_file()}
        queue = self._queue()
        if queue is None:
            return found
        waiting = {queue[name][1] for name in ids if queue.get(name, ("",))[0] == "PENDING"}
        self._waiting = ", ".join(sorted(waiting - {"None"}))
        for name in set(ids) - set(found) - set(queue):
            if time.monotonic() - self._missed.setdefault(name, time.monotonic()) > SETTLE_S:
                found[name] = Ended(f"left the queue without a result; its output: {self._output(name)}", lost=True)
        return found

    def waiting(self) -> str:
        """SLURM's reasons for jobs that wait, as of the last look."""
        return self._waiting

    def cancel(self, ids: Collection[str]) -> None:
        """scancel."""
        subprocess.run(["scancel", *ids], capture_output=True)

    def _queue(self) -> dict[str, tuple[str, str]] | None:
        """State and reason of the user's jobs; None while SLURM does not answer."""
        done = subprocess.run(["squeue", "--me", "-h", "-r", "-o", "%i|%T|%r"], capture_output=True, text=True)
        if done.returncode:
            return None
        rows = [line.split("|", 2) for line in done.stdout.splitlines()]
        return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}

    def _end(self, name: str) -> Ended:
        from submitit.core.utils import pickle_load

        outcome, value = pickle_load(self._result(name))
        if outcome == "success":
            return Ended()
        last = next((line for line in reversed(str(value).splitlines()) if line.strip()), "an error")
        return Ended(f"{last.strip()}; its output: {self._output(name)}", lost="UncompletedJobError" in last)

    def _result(self, name: str) -> Path:
        folder: Path = self._jobs[name].paths.folder
        with contextlib.suppress(OSError):
            os.listdir(folder)  # has a network file system ask its server
        return Path(self._jobs[name].paths.result_pickle)

    def _output(self, name: str) -> Path:
        return Path(self._jobs[name].paths.stdout).with_suffix(".*")

    def _refused(self, message: str) -> ConfigError:
        words = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in message.splitlines() if line.strip()]
        what = f"sbatch: {'; '.join(words) or 'it did not say why'}"
        for key in ("partition", "account", "qos", "gres", "constraint"):
            if key in message.lower() and self._given.get(key):
                listed = _listed(key)
                return ConfigError([Problem(f"hydra.launcher.{key}={self._given[key]}", f"{what}{listed}")])
        if "generic resource" in message.lower():
            return ConfigError([Problem(WHERE, what)], "hydra.launcher.gpus_per_node=null")
        return ConfigError([Problem(WHERE, what)])


def _listed(key: str) -> str:
    """The partitions there are, for the message that one is not."""
    if key != "partition":
        return ""
    done = subprocess.run(["sinfo", "-h", "-o", "%R"], capture_output=True, text=True)
    return f"; there is: {', '.join(sorted(set(done.stdout.split())))}" if done.stdout.strip() else ""


def _submitit() -> Any:
    """The module.

    Raises:
        ConfigError: when it is not installed, or this is no machine that SLURM's jobs are submitted from.
    """
    if not shutil.which("sbatch"):
        what = "needs SLURM, and this machine has no sbatch; type it where jobs are submitted from"
        raise ConfigError([Problem(WHERE, what)], "hydra/launcher=fused")
    try:
        import submitit
    except ImportError:
        raise ConfigError([Problem(WHERE, "needs submitit, which is not installed")], "pip install submitit") from None
    return submitit
