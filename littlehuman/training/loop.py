"""Training loop of K LoRA adapters on one frozen base: one forward and backward pass, K independent AdamW steps.

A cell's loss is the sum over its global batch divided by its number of loss terms (classes, or answer tokens).
Micro-batches, processes and the other cells therefore change a result by rounding only. A cell that has made all
its steps leaves the batch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from tqdm import tqdm

from littlehuman.models import memory
from littlehuman.training.dropout import step_key
from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import PackedBatch, pack
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.span_head import span_losses
from littlehuman.training.state import TrainState

Batches = dict[int, list[EncodedRow]]  # cell -> the rows of its global batch


@dataclass
class StepOptions:
    """How a step is computed. None of this changes a result beyond rounding."""

    micro_batch: int  # rows of each cell in one pass
    packed: bool
    pad_token_id: int
    save_every_s: float = 0.0  # seconds between checkpoints; 0: none
    progress: bool = True
    gradient_checkpointing: bool = False


def train(lora: MultiLora, states: Sequence[TrainState], options: StepOptions, group: ProcessGroup) -> None:
    """Make all remaining steps of every state, in place; state k trains cell k of `lora`.

    Raises:
        DoesNotFit: when a pass with one row of each cell runs out of memory.
    """
    saved_at = time.monotonic()
    lora.set_gradient_checkpointing(options.gradient_checkpointing)
    with _progress_bar(states, disable=not options.progress or not group.is_main) as bar:
        while batches := {cell: state.next_batch() for cell, state in enumerate(states) if not state.is_done}:
            losses = _step(lora, states, batches, options, group)
            bar.set_postfix(loss=f"{sum(losses) / len(batches):.3f}", refresh=False)
            bar.update(len(batches))
            if group.is_main and options.save_every_s and time.monotonic() - saved_at > options.save_every_s:
                for state in states:
                    state.save_checkpoint()
                saved_at = time.monotonic()
    lora.set_gradient_checkpointing(False)


def _progress_bar(states: Sequence[TrainState], *, disable: bool) -> tqdm[None]:
    title = "training" if len(states) == 1 else f"training {len(states)} cells"
    total = sum(state.total_steps - state.step for state in states)
    return tqdm(total=total, desc=title, unit="step", leave=None, disable=disable or None)


def _step(
    lora: MultiLora, states: Sequence[TrainState], batches: Batches, options: StepOptions, group: ProcessGroup
) -> list[float]:
    """One optimiser step of each cell in `batches`, with its log row; returns their losses."""
    started = time.perf_counter()
    losses = _compute_gradients(lora, states, batches, options, group)
    norms = torch.stack([states[cell].optimizer_step() for cell in batches])
    loss_values, norm_values = torch.stack([losses, norms]).tolist()  # the step's one wait for the device
    tokens = sum(len(row.input_ids) for rows in batches.values() for row in rows)
    speed = tokens / (time.perf_counter() - started)
    for cell, loss, norm in zip(batches, loss_values, norm_values, strict=True):
        states[cell].log_step(loss, norm, speed)
    return list(loss_values)


def _compute_gradients(
    lora: MultiLora, states: Sequence[TrainState], batches: Batches, options: StepOptions, group: ProcessGroup
) -> torch.Tensor:
    """Fill `lora.grads`; return the mean loss of each cell in `batches`. Halves the micro-batch until it fits."""
    while True:
        lora.grads.zero_()
        losses = torch.zeros(len(states), device=lora.base.device)
        fits = memory.fits(partial(_accumulate, lora, states, batches, options, group, losses))
        if group.all_true(fits):
            break
        options.micro_batch = memory.halved(options.micro_batch)
    group.all_reduce(lora.grads, losses)
    return losses[list(batches)]


def _accumulate(
    lora: MultiLora,
    states: Sequence[TrainState],
    batches: Batches,
    options: StepOptions,
    group: ProcessGroup,
    losses: torch.Tensor,
) -> None:
    """Add this process's part of gradients and losses, micro-batch by micro-batch."""
    shards = {cell: group.shard(sorted(rows, key=lambda row: len(row.input_ids))) for cell, rows in batches.items()}
    terms = {cell: sum(num_targets(row) for row in rows) for cell, rows in batches.items()}
    for start in count(0, options.micro_batch):
        chunk = [(cell, part) for cell, rows in shards.items() if (part := rows[start : start + options.micro_batch])]
        if not chunk:
            return
        batch = pack(
            chunk,
            lora.base.device,
            pad_token_id=options.pad_token_id,
            packed=options.packed,
            first_position=lora.base.first_position,
            step_keys=[step_key(states[cell].dropout_seed, states[cell].step) for cell, _ in chunk],
        )
        spans = batch.row_spans if batch.marks_spans else batch.logit_blocks.blocks.spans
        with lora.train_forward(batch) as logits:
            loss = _losses(logits.float(), batch)
            parts = [loss[a:b].sum() / terms[cell] for cell, a, b in spans]
            torch.stack(parts).sum().backward()
        for (cell, _, _), part in zip(spans, parts, strict=True):
            losses[cell] += part.detach()


def _losses(logits: torch.Tensor, batch: PackedBatch) -> torch.Tensor:
    """The loss of each label; of spans that of each row."""
    if batch.marks_spans:
        return span_losses(logits, batch.labels, batch.logit_starts)
    return torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")


def num_targets(row: EncodedRow) -> int:
    """Loss terms of a row: 1 for a class or a span, else the number of tokens that are predicted."""
    if row.pooling_position is not None or row.window is not None:
        return 1
    return sum(label != IGNORE_INDEX for label in row.labels[1:])
