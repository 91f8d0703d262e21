"""K adapters that train at once on one frozen base: where they live, and how a batch goes through.

In: a base and one initial adapter per cell (PEFT's own). Out: a `Stack`: the base with every
adapted layer replaced by its stacked form, and per cell one row of all its trainable numbers. The
base is given back as it was by `close`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from littlehuman.models.base_model import Base
from littlehuman.schema import TrainingConfig
from littlehuman.training.adapters import PREFIX, Adapter
from littlehuman.training.forward import attention_of, head_of, states_of
from littlehuman.training.multi_lora_layers import AdapterRouting, NamedDropout, StackedLinear, StackedModule
from littlehuman.training.packing import PackedBatch


@dataclass(frozen=True)
class Member:
    """One cell's part in a stack."""

    adapter: Adapter
    tuning: TrainingConfig

    @property
    def scale(self) -> float:
        """What LoRA's branch is multiplied with."""
        return float(self.tuning.lora_alpha or 0) / float(self.tuning.lora_r or 1)


class MultiLora:
    """`values` and `grads`: float32 [K, numbers of one adapter], in the order of PEFT's names."""

    def __init__(self, base: Base, members: Sequence[Member]) -> None:
        self.base, self.members = base, list(members)
        self.model = base.model
        self.route = AdapterRouting(
            tuple(m.scale for m in members), tuple(float(m.tuning.lora_dropout or 0) for m in members)
        )
        rows = [torch.cat([tensor.flatten() for tensor in m.adapter.weights.values()]) for m in members]
        self.values = torch.stack(rows).float().to(base.device)
        self.grads = torch.zeros_like(self.values)
        self._replaced: dict[str, torch.nn.Module] = {}
        self._install()

    def adapter(self, cell: int) -> Adapter:
        """The cell's adapter as it is now, under PEFT's names, on the CPU."""
        row = self.values[cell].detach().cpu()
        parts = row.split([tensor.numel() for tensor in self._shapes.values()])
        weights = {
            name: part.view(tensor.shape).clone()
            for (name, tensor), part in zip(self._shapes.items(), parts, strict=True)
        }
        return Adapter(self.members[cell].adapter.config, weights)

    @contextmanager
    def learning(self, pack: PackedBatch) -> Iterator[torch.Tensor]:
        """Logits [picks, classes or vocabulary] of a training batch; the way back is to be taken inside."""
        with attention_of(self.model, pack):
            self.route.dropping = True
            self.model.train()  # for the base's own dropout and gradient checkpointing, which ask for it
            tokens, picked = self.route.lay(pack.tokens), self.route.lay(pack.picked)
            try:
                self.route.laid = tokens
                states = states_of(self.model, pack)
                self.route.laid = picked
                logits = head_of(self.model, states)
                self.route.laid = tokens  # with gradient checkpointing the layers are computed again on the way back
                yield logits
            finally:
                self.route.laid, self.route.dropping = None, False
                self.model.eval()

    def logits(self, pack: PackedBatch, cell: int) -> torch.Tensor:
        """Logits [picks, classes] of rows that cell `cell` reads; nothing is dropped or learnt."""
        self.route.only = cell
        with torch.inference_mode(), attention_of(self.model, pack):
            return head_of(self.model, states_of(self.model, pack))

    def checkpoint(self, wanted: bool) -> None:
        """Keep activations for the way back, or (wanted) compute them again."""
        if wanted:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        elif self.model.is_gradient_checkpointing:
            self.model.gradient_checkpointing_disable()
            self.model.disable_input_require_grads()  # the hook that enabling it left on the embeddings

    @contextmanager
    def serving(self, cell: int) -> Iterator[None]:
        """Everything that the model computes here is read by cell `cell`."""
        self.route.only = cell
        self.model.config.use_cache = True
        try:
            yield
        finally:
            self.model.config.use_cache = self.base.use_cache

    def close(self) -> None:
        """Put the base's own layers back."""
        self.checkpoint(False)
        for name, module in self._replaced.items():
            self.model.set_submodule(name, module)
        self._replaced.clear()

    @property
    def _shapes(self) -> dict[str, torch.Tensor]:
        return self.members[0].adapter.weights

    def _install(self) -> None:
        offset, modules = 0, dict[str, dict[str, torch.nn.Parameter]]()
        for key, tensor in self._shapes.items():
            values = self._view(self.values, offset, tensor.shape)
            parameter = torch.nn.Parameter(values)
            parameter.grad = self._view(self.grads, offset, tensor.shape)
            offset += tensor.numel()
            name, part = _place(key)
            modules.setdefault(name, {})[part] = parameter
        for place, (name, parts) in enumerate(modules.items()):
            self._replace(name, parts, place)
        for place, (name, module) in enumerate(list(self.model.named_modules())):
            if isinstance(module, torch.nn.Dropout) and module.p:
                self._put(name, NamedDropout(module.p, self.route, len(modules) + place))

    def _replace(self, name: str, parts: dict[str, torch.nn.Parameter], place: int) -> None:
        module = self.model.get_submodule(name)
        if "lora_A" in parts:
            self._put(name, StackedLinear(module, parts["lora_A"], parts["lora_B"], self.route, place))
        else:
            self._put(name, StackedModule(module, parts, self.route))

    def _put(self, name: str, module: torch.nn.Module) -> None:
        self._replaced[name] = self.model.get_submodule(name)
        self.model.set_submodule(name, module)

    def _view(self, rows: torch.Tensor, offset: int, shape: torch.Size) -> torch.Tensor:
        return rows[:, offset : offset + shape.numel()].view(len(rows), *shape)


def _place(key: str) -> tuple[str, str]:
    """Which module of the base a PEFT name belongs to, and what it is there: lora_A, lora_B, or a head's own parameter."""
    name = key.removeprefix(PREFIX)
    for part in ("lora_A", "lora_B"):
        if name.endswith(f".{part}.weight"):
            return name.removesuffix(f".{part}.weight"), part
    module, _, parameter = name.rpartition(".")
    return module, parameter
