"""The processes that share each global batch: one alone, or N that add up their gradients.

In: what each process computed. Out: sums and lists over all of them; alone, the same things as they
are. Accelerate sets up the group (nccl on GPUs, gloo on CPUs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """This process among `size`."""

    rank: int = 0
    size: int = 1

    @property
    def speaks(self) -> bool:
        """Whether this process logs, saves and shows progress."""
        return self.rank == 0

    def share(self, rows: Sequence[T]) -> list[T]:
        """What this process computes of `rows`."""
        return list(rows[self.rank :: self.size])

    def add_up(self, *tensors: torch.Tensor) -> None:
        """Sum each tensor over all processes, in place."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def all(self, fine: bool) -> bool:
        """Whether it is so in every process."""
        return fine if self.size == 1 else all(self.gather([fine]))

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, by rank."""
        if self.size == 1:
            return list(items)
        from accelerate.utils import gather_object

        gathered: Any = gather_object(list(items))
        return list(gathered)
