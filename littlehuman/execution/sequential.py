"""A sweep whose cells are computed one after another, shared with other processes that compute the same sweep.

A cell that another process computes is left for later; at the end such cells are waited for, and computed here where
that process has ended. Hydra's side is `hydra_plugins/littlehuman_fused`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from littlehuman.execution import workers
from littlehuman.execution.hosts import Host
from littlehuman.execution.job import Job, State
from littlehuman.execution.sharing import Elsewhere, Wait


def sweep(hosts: Sequence[Host], *, wait: bool = True) -> list[Host]:
    """Compute the cells of a sweep in their order, of several workers each from its own place; return those left.

    Those of other processes are computed or waited for at the end; without `wait` they are left.
    """
    hosts = workers.current().from_own_start(hosts)
    elsewhere = {index: cell for index, host in enumerate(hosts) if (cell := _attempt(host))}
    waiting = Wait()
    while elsewhere and wait:
        for index in waiting.for_settled(elsewhere):
            cell = elsewhere.pop(index)
            if again := _attempt(hosts[index], cell.failure):
                elsewhere[index] = again
    return [hosts[index] for index in elsewhere]


def _attempt(host: Host, failure: str = "") -> Elsewhere | None:
    """Compute a cell, or note that it failed elsewhere; where another process computes it: which."""
    if not failure and host.is_shown():
        return None

    def part(config: DictConfig, folder: Path) -> Job:
        job = Job(folder)
        if failure:
            job.fail_elsewhere(failure)
        else:
            job.attempt(config)
        return job

    job = host.run_part(part)
    return Elsewhere.of(job.folder) if job and job.state is State.elsewhere else None
