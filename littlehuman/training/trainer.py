"""One group of cells on its way: as rows of tokens, trained at once, tested one after another.

In: cells and a leased base. Out: their outcomes, each as soon as it is there. A group that does not
fit into memory goes on in halves, from where it stands.

"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch

from littlehuman.errors import ConfigError, Problem
from littlehuman.models import devices, memory
from littlehuman.models.base_model import Base, lease
from littlehuman.records import Prediction
from littlehuman.schema import Head, LaunchConfig, LossOn
from littlehuman.training import adapters, predict
from littlehuman.training.encoding import EncodedRow, Encoder
from littlehuman.training.loop import StepOptions, targets, train
from littlehuman.training.multi_lora import Member, MultiLora
from littlehuman.training.packing_check import is_packed
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState
from littlehuman.training.types import Cell, Finished, Outcome, Settings

log = logging.getLogger(__name__)


@dataclass
class Work:
    """A cell as rows of tokens; `number` is its place among the cells of the call."""

    number: int
    cell: Cell
    lessons: list[EncodedRow]
    prompts: list[EncodedRow]
    course: TrainState
    adapter: adapters.Adapter


def prepared(number: int, cell: Cell, base: Base) -> Work:
    """The cell's rows, its course and its new adapter.

    Raises:
        DataError: for a row that the model cannot read even without its evidence.
        ConfigError: when the model has no modules for `lora_targets`.
    """
    settings = cell.settings
    encoder = encoder_of(settings, base)
    lessons = [encoder.lesson(point.example, index) for index, point in enumerate(cell.mixture.points)]
    reader = replace(encoder, max_tokens=settings.test_max_tokens)
    prompts = [reader.prompt(example, index) for index, example in enumerate(cell.test)]
    course = TrainState(lessons, settings.tuning, cell.seed, cell.folder, cell.mixture.fingerprint)
    adapter = adapters.initial(base, settings.task.head, settings.tuning, settings.model, cell.seed)
    return Work(number, cell, lessons, prompts, course, adapter)


def encoder_of(settings: Settings, base: Base) -> Encoder:
    """What turns this cell's points into rows for this base."""
    return Encoder(
        tokenizer=base.tokenizer,
        head=settings.task.head,
        architecture=settings.model.architecture,
        model_input=settings.task.model_input,
        max_tokens=settings.max_tokens,
        classes=settings.classes,
        loss_on=settings.tuning.loss_on or LossOn.answer,
        positions=base.positions,
        answer_tokens=settings.answer_tokens if settings.task.head is Head.generation else 0,
        typed_pairs=getattr(base.model.config, "type_vocab_size", 0) > 1,
    )


def train_together(
    work: list[Work], base: Base, launch: LaunchConfig, crew: ProcessGroup, loaded: float
) -> Iterator[tuple[int, Outcome | Exception]]:
    """Train these cells at once, then test each; `loaded`: seconds of loading that each has its part in."""
    stack = _stacked(work, base, crew)
    if stack is not None:
        with closing(stack):
            packed = is_packed(base, launch.layout)
            seconds = _train(work, stack, packed, launch, crew)
            if seconds is not None:
                yield from _each_tested(work, stack, packed, launch, crew, loaded, seconds)
                return
    for w in work:
        w.course.rest()
    del stack  # before fewer cells ask for its memory
    yield from _in_halves(work, base, launch, crew, loaded)


def _stacked(work: list[Work], base: Base, crew: ProcessGroup) -> MultiLora | None:
    """The cells' adapters on the base, ready to learn; None when they do not fit at once."""
    made: list[MultiLora] = []

    def make() -> None:
        made.append(MultiLora(base, [Member(w.adapter, w.cell.settings.tuning) for w in work]))
        for place, w in enumerate(work):
            w.course.enrol(made[0].values[place], made[0].grads[place], writes=crew.speaks)

    if crew.all(memory.fits(make)):
        return made[0]
    for stack in made:
        stack.close()
    return None


def _train(work: list[Work], stack: MultiLora, packed: bool, launch: LaunchConfig, crew: ProcessGroup) -> float | None:
    """Seconds of training, or None when these cells do not fit at once."""
    started = time.perf_counter()
    pace = StepOptions(
        launch.micro_batch, packed, stack.base.pad, launch.save_every_s, launch.progress, launch.gradient_checkpointing
    )
    try:
        train(stack, [w.course for w in work], pace, crew)
    except memory.DoesNotFit:
        return None
    return time.perf_counter() - started


def _each_tested(
    work: list[Work],
    stack: MultiLora,
    packed: bool,
    launch: LaunchConfig,
    crew: ProcessGroup,
    loaded: float,
    seconds: float,
) -> Iterator[tuple[int, Outcome | Exception]]:
    """The outcomes of trained cells; `seconds` of training are shared out by tokens."""
    tokens = [sum(len(row.ids) for row in w.lessons) for w in work]
    for place, w in enumerate(work):
        share = {"load": loaded, "train": seconds * tokens[place] / (sum(tokens) or 1)}
        outcome = _tested_or_error(w, stack, place, packed, launch, crew, share)
        yield w.number, outcome
        if isinstance(outcome, Outcome):  # else its training is taken up again once the test can be made
            w.course.forget()
        w.course.leave()


def _in_halves(
    work: list[Work], base: Base, launch: LaunchConfig, crew: ProcessGroup, loaded: float
) -> Iterator[tuple[int, Outcome | Exception]]:
    """The same cells, fewer at once, each from where it stands."""
    if len(work) == 1:
        what = f"one row of {work[0].course.longest} tokens at a time does not fit into memory"
        yield work[0].number, ConfigError([Problem(f"launch.micro_batch={launch.micro_batch}", what)], memory.MEND)
        return
    middle = (len(work) + 1) // 2
    log.warning("out of memory with %d cells at once: goes on with %d", len(work), middle)
    for half in (work[:middle], work[middle:]):
        yield from train_together(half, base, launch, crew, loaded)


def _tested_or_error(
    w: Work,
    stack: MultiLora,
    place: int,
    packed: bool,
    launch: LaunchConfig,
    crew: ProcessGroup,
    seconds: dict[str, float],
) -> Outcome | Exception:
    try:
        return _tested(w, stack, place, packed, launch, crew, seconds)
    except memory.DoesNotFit as error:
        return ConfigError([Problem("launch.eval_tokens", f"{error} in evaluation")], memory.MEND)
    except Exception as error:  # of this cell alone; in a crew the others would wait for this process
        if crew.size > 1:
            raise
        return error


def _tested(
    w: Work,
    stack: MultiLora,
    place: int,
    packed: bool,
    launch: LaunchConfig,
    crew: ProcessGroup,
    seconds: dict[str, float],
) -> Outcome:
    started = time.perf_counter()
    texts = _predictions(w, stack, place, packed, launch, crew)
    if launch.keep_adapter and crew.speaks:
        adapters.save_adapter(stack.adapter(place), w.cell.settings, stack.base, w.cell.folder / adapters.FOLDER)
    base = stack.base
    return Outcome(
        predictions=tuple(
            Prediction(e.id, e.targets, text, e.evidence, e.text) for e, text in zip(w.cell.test, texts, strict=True)
        ),
        steps=w.course.steps,
        final_loss=w.course.rows[-1]["loss"] if w.course.rows else None,
        shortened={"train": sum(r.shortened for r in w.lessons), "test": sum(r.shortened for r in w.prompts)},
        seconds={**seconds, "predict": time.perf_counter() - started},
        environment={
            "device": str(base.device),
            "dtype": str(base.dtype).removeprefix("torch."),
            "processes": crew.size,
            "cells_at_once": len(stack.members),
            "layout": "packed" if packed else "padded",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        | ({"model_commit": base.commit} if base.commit else {}),
    )


def _predictions(
    w: Work, stack: MultiLora, place: int, packed: bool, launch: LaunchConfig, crew: ProcessGroup
) -> list[str]:
    rows = crew.share(w.prompts)
    mine = _if_they_fit(w, rows, stack, place, packed, launch, progress=launch.progress and crew.speaks)
    all_fit = crew.all(
        mine is not None
    )  # a process that left alone would give the next cell's texts to those that wait here
    if mine is None or not all_fit:
        raise memory.DoesNotFit("out of memory with one row at a time")
    said = dict(crew.gather([(row.index, text) for row, text in zip(rows, mine, strict=True)]))
    return [said[row.index] for row in w.prompts]


def _if_they_fit(
    w: Work, rows: list[EncodedRow], stack: MultiLora, place: int, packed: bool, launch: LaunchConfig, *, progress: bool
) -> list[str] | None:
    settings, tokens = w.cell.settings, predict.budget(launch.eval_tokens, stack.base.device)
    try:
        if settings.task.head is Head.classification:
            return predict.classify(
                stack, place, rows, settings.classes, tokens=tokens, packed=packed, progress=progress
            )
        return predict.answer(stack, place, rows, max_tokens=settings.answer_tokens, tokens=tokens, progress=progress)
    except memory.DoesNotFit:
        return None


def fit_here(
    cells: Sequence[Cell], launch: LaunchConfig, finished: Finished | None, crew: ProcessGroup
) -> list[Outcome | Exception]:
    """`fit` in this process, as one of `crew`."""
    where = devices.device(launch.device, crew.rank)
    precision = devices.dtype(launch.dtype, where)
    outcomes: dict[int, Outcome | Exception] = {}

    def tell(number: int, outcome: Outcome | Exception) -> None:
        outcomes[number] = outcome
        if finished is not None:
            finished(number, outcome)

    started = time.perf_counter()
    shared = cells[0].settings
    with lease(shared.model, shared.task.head, len(shared.classes), where, precision) as base:
        loaded = (time.perf_counter() - started) / len(cells)
        for numbers in _at_once(cells, base, launch, crew):
            if work := list(_ready(numbers, cells, base, tell)):
                for number, outcome in train_together(work, base, launch, crew, loaded):
                    tell(number, outcome)
    return [outcomes[number] for number in range(len(cells))]


def _at_once(cells: Sequence[Cell], base: Base, launch: LaunchConfig, crew: ProcessGroup) -> Iterator[list[int]]:
    """Groups of cells that train together: those of like length, so that few wait for the longest."""
    order = sorted(
        range(len(cells)), key=lambda n: -len(cells[n].mixture.points) * int(cells[n].settings.tuning.epochs or 0)
    )
    many = launch.cells or (min(crew.gather([_fitting(cells[order[0]], base, launch)])) if len(cells) > 1 else 1)
    for start in range(0, len(order), many):
        yield order[start : start + many]


def _fitting(cell: Cell, base: Base, launch: LaunchConfig) -> int:
    """How many cells like the largest one fit into memory at once."""
    try:
        largest = prepared(0, cell, base)
    except Exception:  # it will be told as this cell's error
        return 1
    rows = min(launch.micro_batch, largest.course.size)
    lessons = largest.lessons or largest.prompts
    tokens, said = (rows * max(map(count, lessons), default=1) for count in (lambda row: len(row.ids), targets))
    return memory.cells_that_fit(base, largest.adapter.size, tokens, said)


def _ready(numbers: Sequence[int], cells: Sequence[Cell], base: Base, tell: Finished) -> Iterator[Work]:
    for number in numbers:
        try:
            yield prepared(number, cells[number], base)
        except ConfigError:  # of the model's layers: no cell of this base can be better
            raise
        except Exception as error:  # a row that the model cannot read, a class that it has not: this cell's own trouble
            tell(number, error)
