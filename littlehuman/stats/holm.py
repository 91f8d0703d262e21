"""Holm's step-down adjustment of p values (Holm 1979, Scandinavian Journal of Statistics 6)."""

from __future__ import annotations

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """p values adjusted so that the family-wise error rate is kept, in the order of `values`."""
    count = len(values)
    adjusted, largest = [0.0] * count, 0.0
    for place, at in enumerate(sorted(range(count), key=lambda i: values[i])):
        largest = max(largest, min(1.0, (count - place) * values[at]))
        adjusted[at] = largest
    return adjusted
