"""Multi-LoRA: K adapters that train at once on one frozen base model.

`MultiLora` replaces each adapted layer of the base by a wrapper that routes every token to its cell's adapter
(`multi_lora_layers`), and keeps all trainable numbers of a cell in one row of a matrix. `close` restores the base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from littlehuman.models.base_model import Base
from littlehuman.schema import TrainingConfig
from littlehuman.training.forward import batch_attention, head_logits, hidden_states
from littlehuman.training.multi_lora_layers import AdapterRouting, KeyedDropout, MultiLoraLinear, PerCellModule
from littlehuman.training.packing import PackedBatch
from littlehuman.training.trained_weights import PREFIX, Adapter


@dataclass(frozen=True)
class CellAdapter:
    """One cell's initial adapter and training values."""

    adapter: Adapter
    tuning: TrainingConfig

    @property
    def scale(self) -> float:
        """LoRA's scaling, lora_alpha / r."""
        return float(self.tuning.lora_alpha or 0) / float(self.tuning.lora_r or 1)


class MultiLora:
    """K adapters of equal shapes on one base.

    Attributes:
        params, grads: float32 [K, parameters of one adapter], in the order of PEFT's names. The layers' parameters
            are views of them, so one fused optimiser step updates a whole cell.
    """

    def __init__(self, base: Base, cells: Sequence[CellAdapter]) -> None:
        self.base, self.cells = base, list(cells)
        self.model = base.model
        self.routing = AdapterRouting(
            scales=tuple(cell.scale for cell in cells),
            dropout_rates=tuple(float(cell.tuning.lora_dropout or 0) for cell in cells),
        )
        rows = [torch.cat([tensor.flatten() for tensor in cell.adapter.weights.values()]) for cell in cells]
        self.params = torch.stack(rows).float().to(base.device)
        self.grads = torch.zeros_like(self.params)
        # The same numbers in the base's precision: cast once per pass, not in every layer or at every decoded token.
        self._halves = self.params if base.dtype == torch.float32 else self.params.to(base.dtype)
        self._replaced: dict[str, torch.nn.Module] = {}
        self._wrap_model()

    @contextmanager
    def train_forward(self, batch: PackedBatch) -> Iterator[torch.Tensor]:
        """Forward pass in training mode: logits [P, classes or vocabulary]. Call `backward` inside the context."""
        self._cast()
        with batch_attention(self.model, batch):
            self.routing.dropout_on = True
            self.model.train()  # the base's own dropout and gradient checkpointing require training mode
            tokens, logit_positions = (self.routing.layout_of(b) for b in (batch.token_blocks, batch.logit_blocks))
            try:
                self.routing.layout = tokens
                states = hidden_states(self.model, batch)
                self.routing.layout = logit_positions
                logits = head_logits(self.model, states)
                self.routing.layout = tokens  # gradient checkpointing recomputes the layers in the backward pass
                yield logits
            finally:
                self.routing.layout, self.routing.dropout_on = None, False
                self.model.eval()

    def logits(self, batch: PackedBatch, cell: int) -> torch.Tensor:
        """Logits [P, classes] with the adapter of one cell, in inference mode."""
        self._cast(cell)
        self.routing.active_cell = cell
        with torch.inference_mode(), batch_attention(self.model, batch):
            return head_logits(self.model, hidden_states(self.model, batch))

    @contextmanager
    def generating(self, cell: int) -> Iterator[None]:
        """Context in which `self.model.generate` uses the adapter of one cell."""
        self._cast(cell)
        self.routing.active_cell = cell
        self.model.config.use_cache = True
        try:
            yield
        finally:
            self.model.config.use_cache = self.base.use_cache

    def adapter(self, cell: int) -> Adapter:
        """The cell's adapter with its current weights, under PEFT's names, on the CPU."""
        row = self.params[cell].detach().cpu()
        parts = row.split([tensor.numel() for tensor in self._template.values()])
        named = zip(self._template.items(), parts, strict=True)
        weights = {name: part.view(tensor.shape).clone() for (name, tensor), part in named}
        return replace(self.cells[cell].adapter, weights=weights)

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Recompute activations in the backward pass, or keep them in memory."""
        if enabled:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        elif self.model.is_gradient_checkpointing:
            self.model.gradient_checkpointing_disable()
            self.model.disable_input_require_grads()  # enabling left a hook on the embeddings

    def close(self) -> None:
        """Restore the base's own layers."""
        self.set_gradient_checkpointing(False)
        for name, module in self._replaced.items():
            self.model.set_submodule(name, module)
        self._replaced.clear()

    def _cast(self, cell: int | None = None) -> None:
        """Bring one cell's numbers in the base's precision up to date, or those of all."""
        if self._halves is not self.params:
            which = slice(None) if cell is None else cell
            self._halves[which].copy_(self.params[which])

    @property
    def _template(self) -> dict[str, torch.Tensor]:
        """PEFT's names and the shapes of one adapter."""
        return self.cells[0].adapter.weights

    def _wrap_model(self) -> None:
        """Replace adapted layers, modules that are trained whole, and the base's dropout."""
        offset, modules = 0, dict[str, dict[str, torch.nn.Parameter]]()
        own: dict[str, torch.Tensor] = {}
        for key, tensor in self._template.items():
            parameter = torch.nn.Parameter(self._view(self.params, offset, tensor.shape))
            parameter.grad = self._view(self.grads, offset, tensor.shape)
            own[key] = self._view(self._halves, offset, tensor.shape)
            offset += tensor.numel()
            name, part = _module_and_part(key)
            modules.setdefault(name, {})[part] = parameter
        for layer_id, (name, parts) in enumerate(modules.items()):
            self._wrap_module(name, parts, own, layer_id)
        self._wrap_dropout(first_id=len(modules))

    def _wrap_dropout(self, first_id: int) -> None:
        for number, (name, module) in enumerate(list(self.model.named_modules())):
            if isinstance(module, torch.nn.Dropout) and module.p:
                self._replace(name, KeyedDropout(module.p, self.routing, first_id + number))

    def _wrap_module(
        self, name: str, parts: dict[str, torch.nn.Parameter], own: dict[str, torch.Tensor], layer_id: int
    ) -> None:
        module = self.model.get_submodule(name)
        if "lora_A" in parts:
            a, b = (own[f"{PREFIX}{name}.{part}.weight"] for part in ("lora_A", "lora_B"))
            layer = MultiLoraLinear(module, parts["lora_A"], parts["lora_B"], (a, b), self.routing, layer_id)
            self._replace(name, layer)
        else:
            self._replace(name, PerCellModule(module, parts, self.routing))

    def _replace(self, name: str, module: torch.nn.Module) -> None:
        self._replaced[name] = self.model.get_submodule(name)
        self.model.set_submodule(name, module)

    def _view(self, rows: torch.Tensor, offset: int, shape: torch.Size) -> torch.Tensor:
        """Part of each row as [K, *shape]."""
        return rows[:, offset : offset + shape.numel()].view(len(rows), *shape)


def _module_and_part(key: str) -> tuple[str, str]:
    """The module that a PEFT name belongs to, and its part there: lora_A, lora_B, or a parameter of a head."""
    name = key.removeprefix(PREFIX)
    for part in ("lora_A", "lora_B"):
        if name.endswith(f".{part}.weight"):
            return name.removesuffix(f".{part}.weight"), part
    module, _, parameter = name.rpartition(".")
    return module, parameter
