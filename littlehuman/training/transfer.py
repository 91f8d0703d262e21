"""Small tensors sent to a device together: one copy, from pinned memory on CUDA, that nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_ALIGNMENT = 8  # bytes; a view as int64 must start at a multiple of it


def to_device(tensors: Sequence[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """Tensors of the CPU on `device`, with their shapes and types; on the CPU these tensors themselves."""
    if device.type == "cpu":
        return list(tensors)
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // _ALIGNMENT) * _ALIGNMENT)
    flat = torch.empty(starts[-1], dtype=torch.uint8, pin_memory=device.type == "cuda")
    places = [slice(start, start + size) for start, size in zip(starts, sizes, strict=False)]
    for tensor, place in zip(tensors, places, strict=True):
        flat[place].view(tensor.dtype).copy_(tensor.flatten())
    sent = flat.to(device, non_blocking=True)
    return [sent[place].view(tensor.dtype).view(tensor.shape) for tensor, place in zip(tensors, places, strict=True)]
