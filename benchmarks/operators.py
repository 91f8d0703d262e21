"""Operators of a computation, counted without running them: tensors on torch's meta device stand for those of a GPU.

An operator counts when it would start a kernel: views and allocations do not. Its bytes are those of its tensor
arguments and results, each read or written once (no cache); a look-up reads the rows that it returns. A host sync is
a value or a shape that the program waits for; a blocking copy moves data to the device without `non_blocking`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.kernels import BYTES_A_SECOND, PEAK_FLOPS

DEVICE = torch.device("meta")
aten = torch.ops.aten
_FREE = {aten._unsafe_view, aten.empty, aten.new_empty, aten.empty_like, aten.empty_strided, aten.lift_fresh}
_FREE |= {aten.alias, aten.detach, aten.new_empty_strided, aten.is_same_size, aten._assert_tensor_metadata}
_VALUES = {aten._local_scalar_dense: 0, aten.is_nonzero: False, aten.equal: True}  # what a sync is taken to find
_LOOK_UPS = {aten.embedding, aten.index, aten.index_select, aten.gather}


@dataclass
class Counts:
    """What was counted; `seconds` is the roofline: each operator takes the longer of its memory and arithmetic time."""

    operators: int = 0
    bytes: int = 0
    flops: int = 0
    seconds: float = 0.0
    host_syncs: int = 0
    blocking_copies: int = 0
    names: Counter[str] = field(default_factory=Counter)

    def minus(self, other: Counts) -> Counts:
        """The difference of two counts, such as of one layer more."""
        return Counts(
            self.operators - other.operators,
            self.bytes - other.bytes,
            self.flops - other.flops,
            self.seconds - other.seconds,
            self.host_syncs - other.host_syncs,
            self.blocking_copies - other.blocking_copies,
            self.names - other.names,
        )


class Counting(TorchDispatchMode):  # type: ignore[misc]
    """Context in which operators are counted; `row_lengths` are those of the rows that attention reads."""

    def __init__(self, row_lengths: Sequence[int] = ()) -> None:
        super().__init__()
        self.counts, self._functions = Counts(), _Constructions(self)
        self._pairs = sum(length**2 for length in row_lengths)

    def __enter__(self) -> Counting:
        self._functions.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._functions.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, packet = kwargs or {}, func.overloadpacket
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if not any(_on_device(tensor) for tensor in tensors):
            found = func(*args, **kwargs)
            if packet is aten._to_copy and _on_device(found):
                self.counts.blocking_copies += not kwargs.get("non_blocking")
            return found
        if packet in _VALUES:
            self.counts.host_syncs += 1
            return _VALUES[packet]
        if packet is aten._to_copy and (kwargs.get("device") or DEVICE).type == "cpu":
            self.counts.host_syncs += 1
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        found = func(*args, **kwargs)
        if not (func.is_view or packet in _FREE):
            self._add(func, args, kwargs, tensors, found)
        return found

    def _add(self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], found: Any) -> None:
        results = [leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        moved = sum(map(_bytes, {id(tensor): tensor for tensor in tensors + results}.values()))
        if func.overloadpacket in _LOOK_UPS:
            moved = 2 * sum(map(_bytes, results))
        work = self._work(func, args, kwargs, found)
        counts = self.counts
        counts.operators += 1
        counts.bytes += moved
        counts.flops += work
        counts.seconds += max(moved / BYTES_A_SECOND, work / PEAK_FLOPS)
        counts.names[str(func)] += 1

    def _work(self, func: Any, args: Any, kwargs: Any, found: Any) -> int:
        if func.namespace == "torch_attn":  # flash attention of packed rows: 2 products forward, 5 backward
            query = args[1] if "backward" in str(func) else args[0]
            return int((10 if "backward" in str(func) else 4) * self._pairs * query.shape[-2] * query.shape[-1])
        formula = flop_registry.get(func.overloadpacket)
        return int(formula(*args, **kwargs, out_val=found)) if formula else 0


class _Constructions(TorchFunctionMode):  # type: ignore[misc]
    """Tensors that are made of Python values on the device: each such call copies them and waits."""

    def __init__(self, counting: Counting) -> None:
        super().__init__()
        self._counting = counting

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and _on_device(found) and found.numel():
            self._counting.counts.blocking_copies += 1
        return found


def _on_device(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.device == DEVICE


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's own elements: what is only repeated by `expand` is held once."""
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= size if stride else 1
    return int(elements * tensor.element_size())
