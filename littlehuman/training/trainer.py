"""Trainer: groups of cells on one leased base, trained together and evaluated one after another.

Each outcome is yielded as soon as it is known. A group that runs out of memory is split in halves, which continue
from the steps that were made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch

from littlehuman.errors import ConfigError, Problem
from littlehuman.models import devices, memory
from littlehuman.models.base_model import Base, lease
from littlehuman.records import Prediction
from littlehuman.schema import Head, LaunchConfig, LossOn
from littlehuman.training import adapters, predict
from littlehuman.training.chat_encoding import ChatEncoder
from littlehuman.training.encoding import EncodedRow, Encoder, count_shortened
from littlehuman.training.full_weights import FullWeights
from littlehuman.training.loop import StepOptions, num_targets, train
from littlehuman.training.multi_lora import CellAdapter, MultiLora
from littlehuman.training.packing_check import should_pack
from littlehuman.training.prepared import PreparedCell
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.span_encoding import SpanEncoder
from littlehuman.training.state import TrainState
from littlehuman.training.types import Cell, OnFinished, Outcome, Settings

log = logging.getLogger(__name__)

_TOGETHER = 4  # cells that any larger group has at least, when memory for it is planned
Results = Iterator[tuple[int, Outcome | Exception]]  # index of the cell, and its result


def fit_cells(
    cells: Sequence[Cell], launch: LaunchConfig, on_finished: OnFinished | None, group: ProcessGroup
) -> list[Outcome | Exception]:
    """`fit` in this process, as a member of `group`."""
    device = devices.device(launch.device)
    first = cells[0].settings
    dtype = torch.float32 if first.model.is_full else devices.dtype(launch.dtype, device)
    outcomes: dict[int, Outcome | Exception] = {}

    def report(index: int, outcome: Outcome | Exception) -> None:
        outcomes[index] = outcome
        if on_finished is not None:
            on_finished(index, outcome)

    started = time.perf_counter()
    with lease(first.model, first.task.head, len(first.classes), device, dtype) as base:
        trainer = Trainer(base, launch, group, (time.perf_counter() - started) / len(cells))
        should_pack(base, launch.layout)  # tested on the base as it is, before it has adapters
        for indices in trainer.split_into_groups(cells):
            if prepared := list(_prepare_group(indices, cells, base, report)):
                for index, outcome in trainer.train_together(prepared):
                    report(index, outcome)
    return [outcomes[index] for index in range(len(cells))]


def _prepare_group(
    indices: Sequence[int], cells: Sequence[Cell], base: Base, report: OnFinished
) -> Iterator[PreparedCell]:
    for index in indices:
        try:
            yield prepare_cell(index, cells[index], base)
        except ConfigError:  # about the model's layers: it concerns every cell of this base
            raise
        except Exception as error:  # such as a row that is too long, or an unknown class: it concerns this cell only
            report(index, error)


def prepare_cell(index: int, cell: Cell, base: Base) -> PreparedCell:
    """Encode the cell's examples, and make its training state and its initial adapter.

    Raises:
        DataError: for a row that is too long for the model even without its evidence.
        ConfigError: when the model has no modules for `lora_targets`.
    """
    settings = cell.settings
    encoder = build_encoder(settings, base)
    train_rows = encoder.train_rows([point.example for point in cell.mixture.points])
    test_rows = replace(encoder, max_tokens=settings.test_max_tokens).test_rows(cell.test)
    state = TrainState(train_rows, settings.tuning, cell.seed, cell.folder, cell.mixture.fingerprint)
    adapter = adapters.initial_adapter(base, settings.task.head, settings.tuning, settings.model, cell.seed)
    return PreparedCell(index, cell, train_rows, test_rows, state, adapter)


def build_encoder(settings: Settings, base: Base) -> Encoder:
    """The encoder of a cell with these settings on this base."""
    kind = ChatEncoder if settings.chat else SpanEncoder if settings.task.head is Head.span else Encoder
    return kind(
        tokenizer=base.tokenizer,
        head=settings.task.head,
        architecture=settings.model.architecture,
        model_input=settings.task.model_input,
        max_tokens=settings.max_tokens,
        classes=settings.classes,
        loss_on=settings.tuning.loss_on or LossOn.answer,
        max_positions=base.max_positions,
        answer_tokens=settings.answer_tokens if settings.task.head is Head.generation else 0,
        use_token_types=getattr(base.model.config, "type_vocab_size", 0) > 1,
    )


@dataclass(frozen=True)
class Trainer:
    """Trains and evaluates cells on `base`; `load_seconds` is each cell's share of the loading time."""

    base: Base
    launch: LaunchConfig
    group: ProcessGroup
    load_seconds: float

    def split_into_groups(self, cells: Sequence[Cell]) -> Iterator[list[int]]:
        """Indices of the cells to train together, longest trainings first, so that cells of a group end together."""

        def rows_to_train(index: int) -> int:
            return len(cells[index].mixture.points) * int(cells[index].settings.tuning.epochs or 0)

        order = sorted(range(len(cells)), key=rows_to_train, reverse=True)
        full = cells[0].settings.model.is_full
        size = 1 if full else self.launch.cells or 1
        if full and len(cells) > 1:
            log.info("%d cells train all weights of the model: one cell after another", len(cells))
        if not full and not self.launch.cells and len(cells) > 1:
            size = min(self.group.all_gather([self._cells_that_fit(cells[order[0]])]))
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def train_together(self, cells: list[PreparedCell]) -> Results:
        """Train the cells at once, then evaluate each."""
        lora = self._attach(cells)
        if lora is not None:
            with closing(lora):
                seconds = self._train(cells, lora)
                if seconds is not None:
                    yield from self._evaluate_each(cells, lora, seconds)
                    return
        for c in cells:
            c.state.detach()
        del lora  # its memory is needed by the halves
        yield from self._train_in_halves(cells)

    def _cells_that_fit(self, largest: Cell) -> int:
        """Estimate of how many cells like `largest` fit into memory at once."""
        try:
            prepared = prepare_cell(0, largest, self.base)
        except Exception:  # reported when the cell's own turn comes
            return 1
        micro_batch = min(self.launch.micro_batch, prepared.state.batch_size)
        rows = prepared.train_rows or prepared.test_rows
        lengths, targets = [len(row.input_ids) for row in rows], list(map(num_targets, rows))
        # Of padded rows the longest counts; of packed ones the sum, where long rows of a cell meet short ones.
        packed = memory.typical_sum(lengths, _TOGETHER * micro_batch) / _TOGETHER
        tokens = packed if self._packed else micro_batch * max(lengths, default=1)
        sharing = 1 if devices.one_each(self.launch.device, self.base.device) else self.group.size
        return memory.cells_that_fit(
            self.base,
            prepared.adapter.num_parameters,
            tokens,
            memory.typical_sum(targets, micro_batch),
            sharing,
            self.launch.gradient_checkpointing,
        )

    def _attach(self, cells: list[PreparedCell]) -> MultiLora | None:
        """The cells' adapters on the base, with their optimisers; None when they do not fit into memory."""
        made: list[MultiLora] = []

        def attach() -> None:
            kind = FullWeights if cells[0].cell.settings.model.is_full else MultiLora
            made.append(kind(self.base, [CellAdapter(c.adapter, c.cell.settings.tuning) for c in cells]))
            for slot, c in enumerate(cells):
                c.state.attach(made[0].params[slot], made[0].grads[slot], write_log=self.group.is_main)

        if self.group.all_true(memory.fits(attach)):
            return made[0]
        for lora in made:
            lora.close()
        return None

    def _train(self, cells: list[PreparedCell], lora: MultiLora) -> float | None:
        """Seconds of training, or None when the cells do not fit into memory at once."""
        options = StepOptions(
            micro_batch=self.launch.micro_batch,
            packed=self._packed,
            pad_token_id=self.base.pad_token_id,
            save_every_s=self.launch.save_every_s,
            progress=self.launch.progress,
            gradient_checkpointing=self.launch.gradient_checkpointing,
        )
        started = time.perf_counter()
        try:
            train(lora, [c.state for c in cells], options, self.group)
        except memory.DoesNotFit:
            return None
        return time.perf_counter() - started

    def _train_in_halves(self, cells: list[PreparedCell]) -> Results:
        """Train half of the cells, then the other half, each from the step it has reached."""
        if len(cells) == 1:
            what = f"one row of {cells[0].state.max_length} tokens at a time does not fit into memory"
            problem = Problem(f"launch.micro_batch={self.launch.micro_batch}", what)
            yield cells[0].index, ConfigError([problem], memory.MEND)
            return
        middle = (len(cells) + 1) // 2
        log.warning("out of memory with %d cells at once: goes on with %d", len(cells), middle)
        for half in (cells[:middle], cells[middle:]):
            yield from self.train_together(half)

    def _evaluate_each(self, cells: list[PreparedCell], lora: MultiLora, train_seconds: float) -> Results:
        """Outcomes of trained cells; `train_seconds` are shared in proportion to training tokens."""
        tokens = [sum(len(row.input_ids) for row in c.train_rows) for c in cells]
        for slot, c in enumerate(cells):
            seconds = {"load": self.load_seconds, "train": train_seconds * tokens[slot] / (sum(tokens) or 1)}
            outcome = self._evaluate_or_error(c, lora, slot, seconds)
            yield c.index, outcome
            if isinstance(outcome, Outcome):  # else the checkpoint stays: the training need not be repeated
                c.state.delete_checkpoint()
            c.state.release()

    def _evaluate_or_error(
        self, c: PreparedCell, lora: MultiLora, slot: int, seconds: dict[str, float]
    ) -> Outcome | Exception:
        try:
            return self._evaluate(c, lora, slot, seconds)
        except memory.DoesNotFit as error:
            return ConfigError([Problem("launch.eval_tokens", f"{error} in evaluation")], memory.MEND)
        except Exception as error:  # of this cell only; with several processes the others would wait for this one
            if self.group.size > 1:
                raise
            return error

    def _evaluate(self, c: PreparedCell, lora: MultiLora, slot: int, seconds: dict[str, float]) -> Outcome:
        started = time.perf_counter()
        texts = self._predict(c, lora, slot)
        if self.launch.keep_adapter and self.group.is_main:
            folder = c.cell.folder / adapters.FOLDER
            adapters.save_adapter(lora.adapter(slot), c.cell.settings, self.base, folder)
        return Outcome(
            predictions=tuple(
                Prediction(e.id, e.targets, text, e.evidence, e.text)
                for e, text in zip(c.cell.test, texts, strict=True)
            ),
            steps=c.state.total_steps,
            final_loss=c.state.log_rows[-1]["loss"] if c.state.log_rows else None,
            shortened=count_shortened(c.train_rows, c.test_rows),
            seconds={**seconds, "predict": time.perf_counter() - started},
            environment=self._environment(cells_at_once=len(lora.cells)),
        )

    def _predict(self, c: PreparedCell, lora: MultiLora, slot: int) -> list[str]:
        """Predicted texts of all test rows, gathered from all processes.

        Raises:
            DoesNotFit: in every process, when one row at a time does not fit in one of them.
        """
        shard = self.group.shard(c.test_rows)
        texts = self._predict_shard(c, lora, slot, shard)
        # Every process must fail together: one that went on alone would send the next cell's texts to those that wait.
        all_fit = self.group.all_true(texts is not None)
        if texts is None or not all_fit:
            raise memory.DoesNotFit("out of memory with one row at a time")
        pairs = [(row.index, text) for row, text in zip(shard, texts, strict=True)]
        by_index = dict(self.group.all_gather(pairs))
        return predict.answers(c.test_rows, [by_index[row.index] for row in c.test_rows])

    def _predict_shard(
        self, c: PreparedCell, lora: MultiLora, slot: int, rows: list[EncodedRow]
    ) -> Sequence[Any] | None:
        tokens = predict.eval_tokens(self.launch.eval_tokens, self.base.device)
        progress = self.launch.progress and self.group.is_main
        try:
            return predict.outputs(
                lora, slot, rows, c.cell.settings, tokens=tokens, packed=self._packed, progress=progress
            )
        except memory.DoesNotFit:
            return None

    @property
    def _packed(self) -> bool:
        return should_pack(self.base, self.launch.layout)

    def _environment(self, cells_at_once: int) -> dict[str, Any]:
        return {
            "device": str(self.base.device),
            "dtype": str(self.base.dtype).removeprefix("torch."),
            "processes": self.group.size,
            "cells_at_once": cells_at_once,
            "layout": "packed" if self._packed else "padded",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        } | ({"model_commit": self.base.commit} if self.base.commit else {})
