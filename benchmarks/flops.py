"""Useful floating-point operations of LoRA training on a frozen base, and the peak rate of a matrix product here.

For T real (not padding) tokens: the frozen layers 4 N T (forward 2 N T, gradient of their inputs 2 N T; no gradient of
frozen weights), the adapters 6 N_lora T, the output layer of a language model 4 V H per predicted token, attention
12 L^2 H per layer and row of L tokens (scores and mix, forward and twice backward), half of it in a causal model.
Heads of classifiers and norms are left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow

_HEADS = ("lm_head", "score", "classifier", "pooler")


def training_flops(model: Any, rows: Sequence[EncodedRow], causal: bool) -> float:
    """Operations of one epoch over the rows."""
    tokens = sum(len(row.input_ids) for row in rows)
    config = model.config
    attention = (
        (6 if causal else 12)
        * config.hidden_size
        * config.num_hidden_layers
        * sum(len(row.input_ids) ** 2 for row in rows)
    )
    predicted = sum(sum(label != IGNORE_INDEX for label in row.labels) for row in rows if len(row.labels) > 1)
    head = 4 * config.vocab_size * config.hidden_size * predicted
    return float(4 * frozen_parameters(model) * tokens + 6 * adapter_parameters(model) * tokens + head + attention)


def frozen_parameters(model: Any) -> int:
    """Weights of the frozen linear layers between embedding and head."""
    linear = ((name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return sum(
        m.weight.numel()
        for name, m in linear
        if "lora_" not in name and not any(head in name.split(".") for head in _HEADS)
    )


def adapter_parameters(model: Any) -> int:
    """Weights of the LoRA matrices."""
    return sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)


def peak(device: torch.device, dtype: torch.dtype, repeats: int = 10) -> float:
    """Operations per second of the fastest of several square matrix products."""
    size = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2.0 * size**3 / min(_seconds(left, right) for _ in range(repeats))


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    _synchronize(left)
    started = time.perf_counter()
    left @ right
    _synchronize(left)
    return time.perf_counter() - started


def _synchronize(tensor: torch.Tensor) -> None:
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)
