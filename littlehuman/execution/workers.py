"""Who this process is among the workers of one command (rank, world size), read from the environment.

Workers are processes that were started with the same command line: by torchrun or `accelerate launch` (RANK,
WORLD_SIZE and LOCAL_RANK are theirs), or by a launcher of ours on a cluster (`LITTLEHUMAN_WORKER=RANK/SIZE`, which
counts first). They share the cells of a sweep by the claims of the run folders; the rank only decides where each begins
and how many cells it takes at a time, and that one of them prints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from littlehuman.cli import QUIET
from littlehuman.errors import ConfigError, Problem

T = TypeVar("T")

VARIABLE = "LITTLEHUMAN_WORKER"  # environment variable: RANK/SIZE, ranks from 0
ROUNDS = 2  # of all open cells, one in ROUNDS is taken at first by all workers together (factoring, Hummel et al. 1992)
_OURS = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `size` workers.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
        can_join: whether they can form a torch.distributed group (torchrun, `accelerate launch`).
        here: how many of them are known to be on this machine.
    """

    rank: int = 0
    size: int = 1
    can_join: bool = False
    here: int = 1

    @property
    def on_one_machine(self) -> bool:
        """Whether all of them are on this machine."""
        return self.here >= self.size

    @property
    def is_main(self) -> bool:
        """Whether this worker prints results, tables and what is not complete."""
        return self.rank == 0

    def share(self, count: int) -> int:
        """Cells that it takes at a time where `count` are open: all of them where it is alone.

        Among several a share that shrinks, so that the last cells are left for whoever is free.
        """
        return count if self.size == 1 else max(1, -(-count // (ROUNDS * self.size)))

    def from_own_start(self, items: Sequence[T]) -> list[T]:
        """The items in the order in which this worker takes them: each begins at another place of the list."""
        start = self.rank * len(items) // self.size
        return [*items[start:], *items[:start]]


def current() -> Worker:
    """This process among the workers of its command; rank 0 of 1 where it is alone.

    Raises:
        ConfigError: for variables that are no numbers, or a rank that is not below the size.
    """
    if ours := os.environ.get(VARIABLE):
        found = _OURS.fullmatch(ours.strip())
        if not found:
            raise ConfigError([Problem(f"{VARIABLE}={ours}", "must be RANK/SIZE, as 0/4")], f"unset {VARIABLE}")
        return _checked(Worker(int(found[1]), int(found[2])), VARIABLE)
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:  # some clusters set one of them for every job
        return Worker()
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    can_join = {"MASTER_ADDR", "MASTER_PORT"} <= set(os.environ) and size > 1
    here = _number("LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in os.environ else 1
    return _checked(Worker(rank, size, can_join, here), "RANK")


def is_quiet() -> bool:
    """Whether another process of this command prints."""
    return bool(os.environ.get(QUIET))


def first_tells() -> bool:
    """Whether the first process of this command tells the errors that all of them meet."""
    return is_quiet() and current().can_join


def _number(name: str) -> int:
    text = os.environ[name].strip()
    if not re.fullmatch(r"\d{1,9}", text):
        what = "must be a number; torchrun and accelerate launch set it for each process"
        raise ConfigError([Problem(f"{name}={text}", what)], "unset RANK WORLD_SIZE LOCAL_RANK")
    return int(text)


def _checked(worker: Worker, name: str) -> Worker:
    if worker.rank >= worker.size:
        what = f"rank {worker.rank} is none of {worker.size} workers, who are counted from 0"
        raise ConfigError([Problem(f"{name}={os.environ[name]}", what)], f"unset {name}")
    return worker
