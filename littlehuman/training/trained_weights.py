"""What a training changes of one cell: an adapter's weights by name, as they are initialised, trained and saved.

New modules (a head) are drawn alike in every kind of training: from the generator that the caller has seeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

PREFIX = "base_model.model."  # of PEFT's parameter names


@dataclass(frozen=True)
class Adapter:
    """PEFT's `LoraConfig`, and float32 weights under PEFT's names."""

    config: Any
    weights: dict[str, torch.Tensor]

    @property
    def num_parameters(self) -> int:
        """Trainable parameters."""
        return sum(tensor.numel() for tensor in self.weights.values())

    def save(self, folder: Path) -> None:
        """Write the folder that `PeftModel.from_pretrained` reads."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        # Not `save_file`: its files are readable by their owner only, whatever the umask.
        (folder / "adapter_model.safetensors").write_bytes(save(self.weights, metadata={"format": "pt"}))
        self.config.save_pretrained(folder)


def draw_module(module: torch.nn.Module, config: Any) -> None:
    """Draw the parameters of a new module, without those inside its children: normal weights, zero biases.

    They are drawn on the CPU, in float32: the same head on every device.
    """
    std = float(getattr(config, "initializer_range", 0.02))
    for kind, parameter in module.named_parameters(recurse=False):
        parameter.data.copy_(drawn(kind, parameter.shape, std))


def drawn(kind: str, shape: torch.Size, std: float) -> torch.Tensor:
    """Initial values of a parameter of this kind (its name within its module), float32 on the CPU."""
    if kind == "bias":
        return torch.zeros(shape)
    if len(shape) == 1:  # the scale of a norm
        return torch.ones(shape)
    return torch.empty(shape).normal_(0.0, std)
