"""Data-parallel process group: shards, all-reduce and all-gather over N processes.

A group of one process needs no set-up; its operations return their input. For more, Accelerate sets up
torch.distributed (NCCL on GPUs, Gloo on CPUs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """This process (`rank`) among `size` processes."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process logs, saves and shows progress."""
        return self.rank == 0

    def shard(self, rows: Sequence[T]) -> list[T]:
        """The part of `rows` that this process computes: every `size`-th, from `rank` on."""
        return list(rows[self.rank :: self.size])

    def all_reduce(self, *tensors: torch.Tensor) -> None:
        """Sum each tensor over all processes, in place."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def all_true(self, value: bool) -> bool:
        """Whether `value` is true in every process."""
        return value if self.size == 1 else all(self.all_gather([value]))

    def all_gather(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, in order of rank."""
        if self.size == 1:
            return list(items)
        from accelerate.utils import gather_object

        gathered: Any = gather_object(list(items))
        return list(gathered)
