"""A step that does not fit into memory takes less at once and goes on, says so, and changes no result."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    CPU,
    FIXTURES,
    Shared,
    adapter,
    apart,
    cell,
    claims,
    done,
    job,
    lent,
    lessons_of,
    log_of,
    no_base_held,
    one_thread,
    prompts_of,
    questions,
    same,
    settings,
    texts,
    tiny_cache,
)

from littlehuman.errors import ConfigError
from littlehuman.models import memory
from littlehuman.models.memory import cells_that_fit
from littlehuman.training.fit import fit
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_here
from littlehuman.training.types import Outcome

pytestmark = FIXTURES

ROUNDING = 1e-4
DROPS: dict[str, Any] = {"batch_size": 8, "epochs": 2, "lora_dropout": 0.2}


@contextmanager
def _room_for(tokens: int, *, learning: bool) -> Iterator[list[int]]:
    """A machine on which more tokens than this at once are an out-of-memory error; gives the sizes that fitted."""
    fitted: list[int] = []

    def look(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if (
            isinstance(module, torch.nn.Embedding)
            and module.num_embeddings > 500
            and torch.is_grad_enabled() is learning
        ):
            if given[0].numel() > tokens:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            fitted.append(given[0].numel())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield fitted
    finally:
        hook.remove()


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("littlehuman") and record.levelno >= logging.WARNING
    ]


def _lengths(shared: Shared) -> list[int]:
    with lent(shared) as base:
        return sorted(len(row.ids) for row in lessons_of(base, shared, questions()))


def test_step_that_does_not_fit_halves_the_micro_batch_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = settings(**DROPS)
    whole = job(tmp_path / "whole", questions(), questions(3), shared)
    room = sum(_lengths(shared)[-2:])  # the two longest rows
    with _room_for(room, learning=True) as fitted:
        outcome = job(tmp_path / "tight", questions(), questions(3), shared)
    assert apart(adapter(tmp_path / "whole"), adapter(tmp_path / "tight")) < ROUNDING and texts(outcome) == texts(whole)
    assert [row["step"] for row in log_of(tmp_path / "tight")] == [1, 2] and max(fitted) <= room
    assert _said(caplog) == [
        f"out of memory with {rows} rows at once: goes on with {rows // 2}; results differ by rounding alone"
        for rows in (8, 4)
    ], "said once each, not at every step"


def test_cells_that_do_not_fit_at_once_go_on_in_halves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = settings(**DROPS)
    for seed in range(3):
        job(tmp_path / f"whole{seed}", questions(), questions(3), shared, seed)
    room = 2 * _lengths(shared)[-1]  # one row of each of two cells
    with _room_for(room, learning=True):
        outcomes = done(
            fit(
                [cell(tmp_path / f"tight{seed}", questions(), questions(3), shared, seed) for seed in range(3)],
                shared.launch,
            )
        )
    assert sorted(outcome.environment["cells_at_once"] for outcome in outcomes) == [1, 2, 2]
    for seed in range(3):
        assert apart(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}")) < ROUNDING
        assert [row["step"] for row in log_of(tmp_path / f"tight{seed}")] == [1, 2]
    assert "out of memory with 3 cells at once: goes on with 2" in _said(caplog)


def test_memory_that_runs_out_in_the_middle_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    """A long row comes after others: the cells part where they stand, with their moments and their log."""
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 12)
    shared, points = settings(batch_size=1, epochs=1, max_tokens=512), [*questions(5), long]
    for seed in (0, 1):
        job(tmp_path / f"whole{seed}", points, [], shared, seed)
    room = int(1.5 * _longest(shared, [long]))  # one such row, not one of each cell
    made: list[int] = []
    with _room_for(room, learning=True) as fitted:
        outcomes = done(
            fit([cell(tmp_path / f"tight{seed}", points, [], shared, seed) for seed in (0, 1)], shared.launch)
        )
    assert all(outcome.steps == 6 for outcome in outcomes) and max(fitted) <= room
    for seed in (0, 1):
        assert apart(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}")) < ROUNDING
        made += [int(row["step"]) for row in log_of(tmp_path / f"tight{seed}")]
    assert made == [*range(1, 7), *range(1, 7)]
    assert len(fitted) < 12, "steps that both cells made at once were not made again"


def _longest(shared: Shared, points: list[Any]) -> int:
    with lent(shared) as base:
        return max(len(row.ids) for row in lessons_of(base, shared, points))


def test_row_that_does_not_fit_at_all_is_the_error_of_its_cell(tmp_path: Path) -> None:
    shared = settings(max_tokens=512, **DROPS)
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 20)
    small = [
        cell(tmp_path / "small", questions(), questions(3), shared, 0),
        cell(tmp_path / "large", [long], [], shared, 1),
    ]
    alone = job(tmp_path / "alone", questions(), questions(3), shared, 0)
    with _room_for(120, learning=True):
        fine, failed = fit(small, shared.launch)
    assert isinstance(fine, Outcome) and apart(adapter(tmp_path / "alone"), adapter(tmp_path / "small")) < ROUNDING
    assert texts(fine) == texts(alone)
    assert isinstance(failed, ConfigError)
    assert f"one row of {_longest(shared, [long])} tokens at a time does not fit into memory" in str(failed)
    for mend in ("launch.gradient_checkpointing=true", "launch.dtype=bfloat16", "dataset.max_tokens"):
        assert mend in str(failed)


@pytest.mark.parametrize("task", ["qa", "fv"])
def test_evaluation_that_does_not_fit_reads_fewer_rows_at_once(
    task: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = questions(12) if task == "qa" else claims(12)
    shared = settings(task, epochs=6)
    whole = job(tmp_path / "whole", points, points, shared)
    with _room_for(150, learning=False) as fitted:
        outcome = job(tmp_path / "tight", points, points, shared)
    assert texts(outcome) == texts(whole) and outcome.predictions == whole.predictions
    assert max(fitted) <= 150 and any("goes on with" in said for said in _said(caplog))


def test_evaluation_of_a_row_that_does_not_fit_names_the_mend(tmp_path: Path) -> None:
    shared = settings()
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 20)
    with lent(shared) as base:
        room = max(len(row.ids) for row in prompts_of(base, shared, questions()))
    tight = replace(shared, settings=replace(shared.settings, test_max_tokens=512))
    with _room_for(room, learning=False):
        fine, failed = fit(
            [cell(tmp_path / "0", questions(), questions(3), tight, 0), cell(tmp_path / "1", [], [long], tight, 1)],
            tight.launch,
        )
    assert isinstance(fine, Outcome) and isinstance(failed, ConfigError) and "launch.dtype=bfloat16" in str(failed)


def test_other_errors_are_no_lack_of_memory() -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        memory.fits(broken)
    assert memory.fits(lambda: None)


def test_lack_of_main_memory_is_told_from_other_errors() -> None:
    def too_much() -> None:
        torch.empty(2**60, dtype=torch.int8)  # more than any machine has

    assert not memory.fits(too_much)


@pytest.mark.parametrize("what", ["gradients", "moments"])
def test_adapters_that_do_not_fit_at_once_go_on_in_halves(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the first step: only then can nothing be half done."""
    shared, zeros, moments = settings(**DROPS), torch.zeros_like, [0]
    for seed in range(2):
        job(tmp_path / f"whole{seed}", questions(), [], shared, seed)

    def tight(like: torch.Tensor, **how: Any) -> torch.Tensor:
        """There is room for the gradients of one cell, or for its two moments."""
        moments[0] = moments[0] + 1 if like.dim() == 1 else 0
        if moments[0] > 2 if what == "moments" else like.dim() == 2 and len(like) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return zeros(like, **how)

    monkeypatch.setattr(torch, "zeros_like", tight)
    outcomes = done(
        fit([cell(tmp_path / f"tight{seed}", questions(), [], shared, seed) for seed in range(2)], shared.launch)
    )
    assert [outcome.environment["cells_at_once"] for outcome in outcomes] == [1, 1]
    assert _said(caplog) == ["out of memory with 2 cells at once: goes on with 1"]
    for seed in range(2):
        assert same(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}"))


def test_what_did_not_fit_is_let_go_before_fewer_cells_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters, gradients and moments of the larger stack would take the place that the smaller one needs."""
    shared, begin = settings(**DROPS), MultiLora.__init__
    held: list[int] = []
    stacks: list[weakref.ref[torch.Tensor]] = []

    def counted(stack: MultiLora, *given: Any) -> None:
        held.append(sum(len(values) for known in stacks if (values := known()) is not None))
        begin(stack, *given)
        stacks.append(weakref.ref(stack.values))

    monkeypatch.setattr(MultiLora, "__init__", counted)
    with _room_for(_lengths(shared)[-1], learning=True):
        done(fit([cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in range(3)], shared.launch))
    assert held == [0] * 5, "stacks of 3, 2, 1, 1 and 1 cells, never two at a time"


def test_evaluation_that_fits_in_some_processes_alone_fails_in_all(tmp_path: Path) -> None:
    """One that left alone would answer for the next cell while the others still wait at this one."""
    others_fit = [True, False]  # the adapters, but not the rows of the test

    class BesideOneThatLacksMemory(ProcessGroup):
        def all(self, fine: bool) -> bool:
            return fine and others_fit.pop(0)

        def gather(self, items: Sequence[Any]) -> list[Any]:
            pytest.fail("waits for a process that has gone on")

    shared = settings("fv")
    (failed,) = fit_here([cell(tmp_path, [], claims(3), shared)], shared.launch, None, BesideOneThatLacksMemory())
    assert isinstance(failed, ConfigError) and "launch.eval_tokens" in str(failed)


def test_more_memory_holds_more_cells_and_larger_ones_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    with lent(settings()) as base:

        def many(free: float, numbers: int = 10_000, tokens: int = 1000, said: int = 100) -> int:
            monkeypatch.setattr(memory, "free_bytes", lambda device: int(free))
            return cells_that_fit(base, numbers, tokens, said)

        counts = [many(free) for free in (0, 1e6, 1e7, 3e7, 1e8, 1e9, 1e12)]
        assert counts == sorted(counts) and counts[0] == 1 and counts[-1] == memory.MOST["cpu"] and len(set(counts)) > 2
        for axis in ("numbers", "tokens", "said"):
            ordered = [many(1e8, **{axis: size}) for size in (1, 1000, 10_000, 100_000, 10**8)]
            assert ordered == sorted(ordered, reverse=True) and ordered[-1] == 1 < ordered[0]


def test_free_memory_is_a_plausible_number() -> None:
    assert 2**20 < memory.free_bytes(CPU) < 2**50


def test_as_many_cells_as_fit_are_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = settings(epochs=1)
    cells = [cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in range(3)]
    for fitting, expected in ((1, [1, 1, 1]), (2, [1, 2, 2]), (8, [3, 3, 3])):
        monkeypatch.setattr(memory, "cells_that_fit", lambda *_, fitting=fitting: fitting)
        assert sorted(outcome.environment["cells_at_once"] for outcome in done(fit(cells, shared.launch))) == expected
