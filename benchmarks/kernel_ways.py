"""Steps whose operators are counted: K cells by littlehuman, one after another by PEFT, and by a plain prototype.

All are LoRA on every linear layer of a frozen bfloat16 model with random shapes only (no weights), one step of 8 rows
a cell: forward, loss, backward, clipping, AdamW.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.optim.adamw import adamw

from benchmarks.kernels import LENGTHS, RANK
from benchmarks.operators import DEVICE, Counting, Counts
from benchmarks.shapes import LLAMA_8B
from littlehuman.models.base_model import Base
from littlehuman.schema import TrainingConfig
from littlehuman.training import loop
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.multi_lora import CellAdapter, MultiLora
from littlehuman.training.packing_check import reads_row_by_row
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState
from littlehuman.training.trained_weights import PREFIX, Adapter

LLAMA_1B = LLAMA_8B | {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64}
MINILM: dict[str, Any] = {
    "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 12,
    "vocab_size": 30522, "max_position_embeddings": 512,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A model's shapes; `dropout` is that of LoRA."""

    title: str
    kind: str
    values: dict[str, Any]
    dropout: float = 0.1

    @property
    def layers(self) -> int:
        """Layers of the whole model."""
        return int(self.values["num_hidden_layers"])

    def model(self, layers: int) -> Any:
        """The model with so many layers, on the meta device."""
        from transformers import AutoConfig, AutoModelForSequenceClassification

        values = self.values | {"num_hidden_layers": layers}
        config = AutoConfig.for_model(self.kind, num_labels=2, pad_token_id=0, **values)
        with DEVICE:
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.bfloat16)
        return model.requires_grad_(False).eval()


SHAPES = (
    Shape("Llama-3.1-8B", "llama", LLAMA_8B),
    Shape("Llama-3.2-1B", "llama", LLAMA_1B),
    Shape("MiniLM-L6", "bert", MINILM),
)
Way = Callable[[Shape, int, int], Counts]  # a shape with so many layers, and cells


def ours(shape: Shape, layers: int, cells: int) -> Counts:
    """littlehuman's own step of K cells at once, in the layout that it has on a GPU."""
    tuning = TrainingConfig(
        learning_rate=1e-4, epochs=1, batch_size=len(LENGTHS), warmup_ratio=0.0, weight_decay=0.0, max_grad_norm=1.0,
        lora_r=RANK, lora_alpha=RANK, lora_dropout=shape.dropout, lora_targets="all_linear",
    )  # fmt: skip
    model = shape.model(layers)
    base = Base(model, SimpleNamespace(pad_token_id=0), shape.title, DEVICE, ())
    adapter = Adapter(None, adapter_shapes(model, "score" if shape.kind == "llama" else "classifier"))
    options = loop.StepOptions(len(LENGTHS), packed=not reads_row_by_row(base), pad_token_id=0, progress=False)
    with tempfile.TemporaryDirectory() as folder, closing(MultiLora(base, [CellAdapter(adapter, tuning)] * cells)) as m:
        states = [TrainState(_rows(), tuning, seed, Path(folder), "") for seed in range(cells)]
        for state, params, grads in zip(states, m.params, m.grads, strict=True):
            state.attach(params, grads, write_log=False)
        batches = {cell: state.next_batch() for cell, state in enumerate(states)}
        with _gpu_attention():
            with Counting():  # the first step makes what later ones have at hand
                loop._step(m, states, batches, options, ProcessGroup())
            with Counting(LENGTHS * cells) as counting:
                loop._step(m, states, batches, options, ProcessGroup())
    return counting.counts


def peft(shape: Shape, layers: int, cells: int) -> Counts:
    """PEFT and a plain loop: padded rows, one cell after another, counted once and taken K times."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=RANK, lora_alpha=RANK, lora_dropout=shape.dropout, target_modules="all-linear", task_type="SEQ_CLS"
    )
    model = get_peft_model(shape.model(layers), config).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    one = _plain_step(model, trained, rows=len(LENGTHS))
    values = {name: getattr(one, name) * cells for name in Counts.__dataclass_fields__ if name != "names"}
    return Counts(**values)


def prototype(shape: Shape, layers: int, cells: int) -> Counts:
    """K cells by batched products on padded rows, without dropout: what a page of code would do."""
    model = shape.model(layers).train()
    trained = []
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and "layer" in name:
            model.set_submodule(name, _BmmLinear(module, cells))
            trained += [model.get_submodule(name).a, model.get_submodule(name).b]
    return _plain_step(model, trained, rows=len(LENGTHS) * cells)


WAYS: dict[str, Way] = {"littlehuman": ours, "PEFT, one cell after another": peft, "plain prototype": prototype}


class _BmmLinear(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, base: torch.nn.Linear, cells: int) -> None:
        super().__init__()
        self.base = base
        self.a = torch.nn.Parameter(base.weight.new_empty(cells, base.in_features, RANK))
        self.b = torch.nn.Parameter(base.weight.new_empty(cells, RANK, base.out_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = x.reshape(len(self.a), -1, x.shape[-1])
        return self.base(x) + (own @ self.a @ self.b).view(*x.shape[:-1], -1)


def _plain_step(model: Any, trained: Sequence[torch.nn.Parameter], rows: int) -> Counts:
    length = max(LENGTHS)
    cache = {"use_cache": False} if hasattr(model.config, "use_cache") else {}  # as Trainer sets it
    ids = torch.empty(rows, length, dtype=torch.long, device=DEVICE)
    labels = torch.empty(rows, dtype=torch.long, device=DEVICE)
    moments = [[torch.empty_like(p) for p in trained] for _ in range(2)]
    steps = [torch.empty((), device=DEVICE) for _ in trained]
    with Counting([length] * rows) as counting, _gpu_attention():
        mask = torch.ones(rows, length, dtype=torch.long, device=DEVICE)
        states = model(input_ids=ids, attention_mask=mask, **cache).logits
        torch.nn.functional.cross_entropy(states.float(), labels).backward()
        trained = [p for p in trained if p.grad is not None]
        grads = [p.grad for p in trained]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))  # as clip_grad_norm_ does on a GPU
        torch._foreach_mul_(grads, torch.clamp(1.0 / (norm + 1e-6), max=1.0))
        adamw(
            list(trained), grads, moments[0][: len(grads)], moments[1][: len(grads)], [], steps[: len(grads)],
            fused=True, amsgrad=False, beta1=0.9, beta2=0.999, lr=1e-4, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip
    return counting.counts


def adapter_shapes(model: Any, head: str = "") -> dict[str, torch.Tensor]:
    """One cell's adapter for every linear layer, and the head of that name, as empty tensors under PEFT's names."""
    weights = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "layer" in name:
            weights[f"{PREFIX}{name}.lora_A.weight"] = torch.empty(RANK, module.in_features, device=DEVICE)
            weights[f"{PREFIX}{name}.lora_B.weight"] = torch.empty(module.out_features, RANK, device=DEVICE)
    for name, parameter in model.get_submodule(head).named_parameters() if head else ():
        weights[f"{PREFIX}{head}.{name}"] = torch.empty(parameter.shape, device=DEVICE)
    return weights


def _rows() -> list[EncodedRow]:
    return [
        EncodedRow(tuple(range(length)), (1,), index, pooling_position=length - 1)
        for index, length in enumerate(LENGTHS)
    ]


@contextmanager
def _gpu_attention() -> Iterator[None]:
    """Padded attention by the kernel that a GPU would choose; for meta tensors torch writes it out."""
    functional, before = torch.nn.functional, torch.nn.functional.scaled_dot_product_attention

    def fused(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        if query.device != DEVICE:
            return before(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        bias = None
        if attn_mask is not None:
            bias = attn_mask.to(query.dtype).expand(*query.shape[:3], key.shape[2])
        return torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, bias, True, dropout_p, is_causal, scale=scale
        )[0]

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = before
