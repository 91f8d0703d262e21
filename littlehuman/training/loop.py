"""Training loop of K LoRA adapters on one frozen base: one forward and backward pass, K independent AdamW steps.

A cell's loss is the sum over its global batch divided by its number of loss terms (classes, or answer tokens).
Micro-batches, processes and the other cells therefore change a result by rounding only. A cell that has made all
its steps leaves the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from tqdm import tqdm

from littlehuman.models import memory
from littlehuman.training.dropout import step_key
from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.optimizer import update
from littlehuman.training.packing import PackedBatch, Span, pack
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.span_head import span_losses
from littlehuman.training.state import TrainState
from littlehuman.training.step_log import StepLog
from littlehuman.training.transfer import to_device

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
    with (
        _progress_bar(states, disable=not options.progress or not group.is_main) as bar,
        StepLog(states, bar) as log,
        ThreadPoolExecutor(1) as saver,  # writing files does not stop the device
    ):
        saving: Future[None] | None = None
        while batches := {cell: state.next_batch() for cell, state in enumerate(states) if not state.is_done}:
            losses, norms = _step(lora, states, batches, options, group)
            log.add(list(batches), losses, norms, sum(len(row.input_ids) for rows in batches.values() for row in rows))
            if group.is_main and options.save_every_s and time.monotonic() - saved_at > options.save_every_s:
                log.flush()
                if saving is not None:
                    saving.result()
                saving = saver.submit(_save, [state.checkpoint() for state in states if state.step])
                saved_at = time.monotonic()
        if saving is not None:
            saving.result()
    lora.set_gradient_checkpointing(False)


def _save(checkpoints: Sequence[Callable[[], None]]) -> None:
    for save in checkpoints:
        save()


def _progress_bar(states: Sequence[TrainState], *, disable: bool) -> tqdm[None]:
    title = "training" if len(states) == 1 else f"training {len(states)} cells"
    total = sum(state.total_steps - state.step for state in states)
    return tqdm(total=total, desc=title, unit="step", leave=None, disable=disable or None)


def _step(
    lora: MultiLora, states: Sequence[TrainState], batches: Batches, options: StepOptions, group: ProcessGroup
) -> tuple[torch.Tensor, torch.Tensor]:
    """One optimiser step of each cell in `batches`; returns the losses and gradient norms of all cells, [K]."""
    losses = _compute_gradients(lora, states, batches, options, group)
    return losses, update(states, batches, lora.grads)


def _compute_gradients(
    lora: MultiLora, states: Sequence[TrainState], batches: Batches, options: StepOptions, group: ProcessGroup
) -> torch.Tensor:
    """Fill `lora.grads`; return the mean loss of each cell, [K]. Halves the micro-batch until it fits."""
    while True:
        lora.grads.zero_()
        losses = torch.zeros(len(states), device=lora.base.device)
        fits = memory.fits(partial(_accumulate, lora, states, batches, options, group, losses))
        if group.all_true(fits):
            break
        options.micro_batch = memory.halved(options.micro_batch)
    group.all_reduce(lora.grads, losses)
    if (scale := _loss_scale(lora)) != 1:
        lora.grads.div_(scale)
    return losses


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
        weights, ends, cells = _weights(spans, terms, lora.base.device)
        with lora.train_forward(batch) as logits:
            parts = _losses(logits.float(), batch) * weights
            (parts.sum() * _loss_scale(lora)).backward()
        losses.index_add_(0, cells, torch.segment_reduce(parts.detach(), "sum", offsets=ends, unsafe=True, initial=0))


def _weights(spans: Sequence[Span], terms: dict[int, int], device: torch.device) -> list[torch.Tensor]:
    """Per loss the weight 1 / terms of its cell, float32; where the cells' blocks begin and end; their cells."""
    lengths = torch.tensor([b - a for _, a, b in spans])
    each = torch.ones(len(spans)) / torch.tensor([terms[cell] for cell, _, _ in spans])
    ends = torch.tensor([0, *(b for _, _, b in spans)])
    return to_device([each.repeat_interleave(lengths), ends, torch.tensor([cell for cell, _, _ in spans])], device)


def _loss_scale(lora: MultiLora) -> float:
    """Factor of the loss in the backward pass: gradients of activations would be 0 in float16."""
    return 1024.0 if lora.base.dtype == torch.float16 else 1.0


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
