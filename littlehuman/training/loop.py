"""The optimisation of K adapters at once: each cell's AdamW, schedule, clipping and order, one pass over the base.

In: a stack and one `Course` per cell. Out: the trained stack and a log row per step and cell. A
cell's loss is the sum over its global batch divided by its count of classes or answer tokens, so
that micro-batches, processes and neighbours change nothing but rounding. A cell that has made its
steps drops out.
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
from littlehuman.training.dropout import stream
from littlehuman.training.encoding import IGNORE, EncodedRow
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import pack
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState

Batches = dict[int, list[EncodedRow]]  # cell -> the rows of its global batch


@dataclass
class StepOptions:
    """How a step is computed; nothing here changes a result beyond rounding."""

    micro_batch: int  # rows of each cell at once
    packed: bool
    pad: int
    save_every_s: float = 0.0
    progress: bool = True
    checkpointing: bool = False  # compute activations again on the way back


def train(stack: MultiLora, courses: Sequence[TrainState], pace: StepOptions, crew: ProcessGroup) -> None:
    """Bring every course to its end, in place.

    Raises:
        DoesNotFit: when a step does not fit into memory although it takes one row of each cell at a time.
    """
    saved = time.monotonic()
    stack.checkpoint(pace.checkpointing)
    total = sum(course.steps - course.step for course in courses)
    with tqdm(
        total=total, desc=_title(courses), unit="step", leave=None, disable=not pace.progress or not crew.speaks
    ) as bar:
        while batches := {cell: course.batch() for cell, course in enumerate(courses) if not course.is_done}:
            started = time.perf_counter()
            losses = _gradient(stack, courses, batches, pace, crew)
            norms = torch.stack([courses[cell].update() for cell in batches])
            rows = torch.stack([losses, norms]).tolist()
            speed = sum(len(row.ids) for rows_ in batches.values() for row in rows_) / (time.perf_counter() - started)
            for cell, loss, norm in zip(batches, *rows, strict=True):
                courses[cell].note(loss, norm, speed)
            bar.set_postfix(loss=f"{sum(rows[0]) / len(batches):.3f}", refresh=False)
            bar.update(len(batches))
            if crew.speaks and pace.save_every_s and time.monotonic() - saved > pace.save_every_s:
                for course in courses:
                    course.save()
                saved = time.monotonic()
    stack.checkpoint(False)


def _title(courses: Sequence[TrainState]) -> str:
    return "training" if len(courses) == 1 else f"training {len(courses)} cells"


def _gradient(
    stack: MultiLora, courses: Sequence[TrainState], batches: Batches, pace: StepOptions, crew: ProcessGroup
) -> torch.Tensor:
    """Fill the stack's gradients; return the mean loss of each cell that has a batch. Halves micro-batches until they fit."""
    while True:
        stack.grads.zero_()
        losses = torch.zeros(len(courses), device=stack.base.device)
        fits = memory.fits(partial(_accumulate, stack, courses, batches, pace, crew, losses))
        if crew.all(fits):
            break
        pace.micro_batch = memory.halved(pace.micro_batch)
    crew.add_up(stack.grads, losses)
    return losses[list(batches)]


def _accumulate(
    stack: MultiLora,
    courses: Sequence[TrainState],
    batches: Batches,
    pace: StepOptions,
    crew: ProcessGroup,
    losses: torch.Tensor,
) -> None:
    mine = {cell: crew.share(sorted(rows, key=lambda row: len(row.ids))) for cell, rows in batches.items()}
    counts = {cell: sum(targets(row) for row in rows) for cell, rows in batches.items()}
    for start in count(0, pace.micro_batch):
        chunk = [(cell, part) for cell, rows in mine.items() if (part := rows[start : start + pace.micro_batch])]
        if not chunk:
            return
        names = [stream(courses[cell].dropout_seed, courses[cell].step) for cell, _ in chunk]
        batch = pack(
            chunk, stack.base.device, pad=pace.pad, packed=pace.packed, first=stack.base.first_position, names=names
        )
        with stack.learning(batch) as logits:
            terms = torch.nn.functional.cross_entropy(logits.float(), batch.labels, reduction="none")
            parts = [terms[a:b].sum() / counts[cell] for cell, a, b in batch.picked.blocks.spans]
            torch.stack(parts).sum().backward()
        for (cell, _, _), part in zip(batch.picked.blocks.spans, parts, strict=True):
            losses[cell] += part.detach()


def targets(row: EncodedRow) -> int:
    """How many loss terms a row has: one class, or the tokens that are predicted."""
    return 1 if row.reads_at is not None else sum(label != IGNORE for label in row.labels[1:])
