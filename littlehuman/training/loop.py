"""The optimisation of one adapter: AdamW, linear schedule with warm-up, global batches.

In: a PEFT model and its lessons. Out: the trained model and a log row per step. The loss is the
sum over the global batch divided by its count of classes or answer tokens, so that micro-batches
and accumulation change nothing but rounding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from tqdm import tqdm

from littlehuman import seeding
from littlehuman.groups import TrainingConfig
from littlehuman.training.batching import IGNORE, Row, padded

LogRow = dict[str, float]


def train(
    model: Any,
    lessons: Sequence[Row],
    tuning: TrainingConfig,
    *,
    seed: int,
    pad: int,
    micro_batch: int,
    log: Callable[[LogRow], None],
    progress: bool = True,
) -> None:
    """Train the model's trainable parameters in place; no lessons or no epochs: nothing happens."""
    steps = math.ceil(len(lessons) / int(tuning.batch_size or 1)) * int(tuning.epochs or 0)
    if not steps:
        return
    AcceleratorState._reset_state(reset_partial_state=True)  # it outlives a job, and would put this one on the last one's device
    accelerator = Accelerator(cpu=model.device.type == "cpu", mixed_precision="no", device_placement=False)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=float(tuning.learning_rate or 0), weight_decay=float(tuning.weight_decay or 0), eps=1e-8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _linear(steps, float(tuning.warmup_ratio or 0)))
    model, optimizer = accelerator.prepare(model, optimizer)
    model.train()
    with torch.random.fork_rng(), tqdm(total=steps, desc="training", unit="step", disable=not progress) as bar:
        torch.manual_seed(seeding.number(seed, "dropout"))
        for step, batch in enumerate(_batches(lessons, tuning, seed), start=1):
            started = time.perf_counter()
            rate = schedule.get_last_lr()[0]
            loss = _backward(accelerator, model, batch, pad, micro_batch)
            norm = accelerator.clip_grad_norm_(trainable, float(tuning.max_grad_norm or math.inf))
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            seconds = time.perf_counter() - started
            tokens = sum(len(row.ids) for row in batch)
            log({"step": step, "loss": loss, "lr": rate, "grad_norm": float(norm), "tokens_per_s": tokens / seconds})
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
    accelerator.free_memory()


def _batches(lessons: Sequence[Row], tuning: TrainingConfig, seed: int) -> Iterator[list[Row]]:
    """Global batches in the seed's order, another one each epoch; the last of an epoch may be smaller."""
    size = int(tuning.batch_size or 1)
    for epoch in range(int(tuning.epochs or 0)):
        order = list(lessons)
        seeding.rng(seed, "training order", epoch).shuffle(order)
        for start in range(0, len(order), size):
            yield order[start : start + size]


def _backward(accelerator: Accelerator, model: Any, batch: list[Row], pad: int, micro_batch: int) -> float:
    """Accumulate the gradient of a global batch; return its mean loss."""
    count = sum(_targets(row) for row in batch)
    total = 0.0
    ordered = sorted(batch, key=lambda row: len(row.ids))  # rows of like length share a micro-batch
    for start in range(0, len(ordered), micro_batch):
        rows = ordered[start : start + micro_batch]
        tensors = padded(rows, pad, model.device, left=len(rows[0].labels) > 1)
        loss = _summed_loss(model, tensors) / count
        accelerator.backward(loss)
        total += float(loss.detach())
    return total


def _targets(row: Row) -> int:
    """How many loss terms a row has: one class, or the tokens that are predicted."""
    return 1 if len(row.labels) == 1 else sum(label != IGNORE for label in row.labels[1:])


def _summed_loss(model: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    labels = tensors.pop("labels")
    if labels.dim() == 1:
        return torch.nn.functional.cross_entropy(model(**tensors).logits.float(), labels, reduction="sum")
    # Rows are padded on the left, so answers end together: logits are needed there alone, not over the evidence.
    first = int((labels != IGNORE).any(dim=0).nonzero()[0])
    kept = labels.shape[1] - max(first, 1) + 1  # token t is predicted from the one before it
    positions = (tensors["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    logits = model(**tensors, position_ids=positions, logits_to_keep=kept).logits.float()
    flat = logits[:, :-1].reshape(-1, logits.shape[-1])
    return torch.nn.functional.cross_entropy(flat, labels[:, 1 - kept :].reshape(-1), ignore_index=IGNORE, reduction="sum")


def _linear(steps: int, warmup_ratio: float) -> Callable[[int], float]:
    warmup = math.ceil(steps * warmup_ratio)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return factor
