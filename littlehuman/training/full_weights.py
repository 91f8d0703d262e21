"""Full fine-tuning: all weights of the base are trained, for one cell at a time.

`FullWeights` is a `MultiLora` of one cell without adapters: the model's parameters become views of one row of numbers,
so that the loop, the optimiser and the checkpoint are LoRA's. `close` puts the base's own parameters back, untouched.
The weights are float32. Memory: five times them (the base, the row, its gradient and two moments), activations beside.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from littlehuman import seeding
from littlehuman.models.base_model import Base
from littlehuman.models.devices import forked_rng
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.trained_weights import Adapter, drawn

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class FullModel(Adapter):
    """All weights under the model's own names; `config` is the model's. Weights that are tied are held once."""

    def save(self, folder: Path) -> None:
        """Write the folder that `from_pretrained` of the model's class reads."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(save(self.weights, metadata={"format": "pt"}))  # modes: as in Adapter.save
        self.config.save_pretrained(folder)


def initial(base: Base, seed: int) -> FullModel:
    """The base's weights in float32, with new modules drawn from the run's seed; the base is left unchanged."""
    weights = {name: value.detach().float().cpu().clone() for name, value in base.model.named_parameters()}
    std = float(getattr(base.model.config, "initializer_range", 0.02))
    with forked_rng(base.device):
        torch.manual_seed(seeding.number(seed, "adapter initialisation"))
        for name, value in weights.items():
            if any(name.startswith(f"{module}.") for module in base.new_modules):
                weights[name] = drawn(name.rpartition(".")[2], value.shape, std)
    return FullModel(_saved_config(base.model), weights)


def _saved_config(model: Any) -> Any:
    """The model's configuration as its folder has it, without the path that the base was loaded from."""
    config = copy.deepcopy(model.config)
    config.architectures, config.dtype, config._name_or_path = [type(model).__name__], "float32", ""
    return config


class FullWeights(MultiLora):
    """One cell whose parameters are the model's own; arguments and attributes as in `MultiLora`."""

    def _wrap_model(self) -> None:
        self._own: list[tuple[torch.nn.Module, str, torch.nn.Parameter]] = []
        places: dict[int, list[tuple[torch.nn.Module, str]]] = {}  # of each parameter; several where it is tied
        for module in self.model.modules():
            for kind, parameter in module._parameters.items():
                if parameter is not None:
                    places.setdefault(id(parameter), []).append((module, kind))
                    self._own.append((module, kind, parameter))
        offset = 0
        for name, value in list(self.model.named_parameters()):
            shape = self._template[name].shape
            trained = torch.nn.Parameter(self._view(self.params, offset, shape)[0])
            trained.grad = self._view(self.grads, offset, shape)[0]
            offset += shape.numel()
            for module, kind in places[id(value)]:
                module._parameters[kind] = trained
        self._wrap_dropout(first_id=0)

    def close(self) -> None:
        """Put the base's own parameters back."""
        for module, kind, parameter in self._own:
            module._parameters[kind] = parameter
        super().close()
