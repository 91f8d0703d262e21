"""Out of memory: the step is repeated with fewer rows or cells, with a warning and the same result."""

from __future__ import annotations

import itertools
import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    CPU,
    FIXTURES,
    Shared,
    adapter,
    adapter_distance,
    cell,
    claims,
    job,
    leased_base,
    log_of,
    no_base_held,
    one_thread,
    prompt_rows_of,
    questions,
    same_weights,
    settings,
    texts,
    tiny_cache,
    train_rows_of,
    without_errors,
)

from littlehuman.errors import ConfigError
from littlehuman.models import memory
from littlehuman.models.memory import cells_that_fit
from littlehuman.training.fit import fit
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.trainer import fit_cells
from littlehuman.training.types import Outcome

pytestmark = FIXTURES

ROUNDING = 1e-4
DROPS: dict[str, Any] = {"batch_size": 8, "epochs": 2, "lora_dropout": 0.2}


@contextmanager
def _memory_for(tokens: int, *, training: bool) -> Iterator[list[int]]:
    """Simulate memory for this many tokens in a pass; yields the sizes that fitted. `training`: in which passes."""
    fitted: list[int] = []

    def check(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        if (
            isinstance(module, torch.nn.Embedding)
            and module.num_embeddings > 500
            and torch.is_grad_enabled() is training
        ):
            if args[0].numel() > tokens:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            fitted.append(args[0].numel())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(check)
    try:
        yield fitted
    finally:
        hook.remove()


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("littlehuman") and record.levelno >= logging.WARNING
    ]


def _lengths(shared: Shared) -> list[int]:
    with leased_base(shared) as base:
        return sorted(len(row.input_ids) for row in train_rows_of(base, shared, questions()))


def test_step_that_does_not_fit_halves_the_micro_batch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = settings(**DROPS)
    whole = job(tmp_path / "whole", questions(), questions(3), shared)
    room = sum(_lengths(shared)[-2:])  # the two longest rows
    with _memory_for(room, training=True) as fitted:
        outcome = job(tmp_path / "tight", questions(), questions(3), shared)
    assert adapter_distance(adapter(tmp_path / "whole"), adapter(tmp_path / "tight")) < ROUNDING and texts(
        outcome
    ) == texts(whole)
    assert [row["step"] for row in log_of(tmp_path / "tight")] == [1, 2] and max(fitted) <= room
    assert _warnings(caplog) == [
        f"out of memory with {rows} rows at once: goes on with {rows // 2}; results differ by rounding alone"
        for rows in (8, 4)
    ], "one warning each, not one at every step"


def test_cells_that_do_not_fit_at_once_train_in_halves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = settings(**DROPS)
    for seed in range(3):
        job(tmp_path / f"whole{seed}", questions(), questions(3), shared, seed)
    room = 2 * _lengths(shared)[-1]  # one row of each of two cells
    with _memory_for(room, training=True):
        outcomes = without_errors(
            fit(
                [cell(tmp_path / f"tight{seed}", questions(), questions(3), shared, seed) for seed in range(3)],
                shared.launch,
            )
        )
    assert sorted(outcome.environment["cells_at_once"] for outcome in outcomes) == [1, 2, 2]
    for seed in range(3):
        assert adapter_distance(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}")) < ROUNDING
        assert [row["step"] for row in log_of(tmp_path / f"tight{seed}")] == [1, 2]
    assert "out of memory with 3 cells at once: goes on with 2" in _warnings(caplog)


def test_steps_made_before_memory_ran_out_are_kept(tmp_path: Path) -> None:
    """A long row comes after others: the halves continue from there, with their moments and logs."""
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 12)
    shared, points = settings(batch_size=1, epochs=1, max_tokens=512), [*questions(5), long]
    for seed in (0, 1):
        job(tmp_path / f"whole{seed}", points, [], shared, seed)
    room = int(1.5 * _longest(shared, [long]))  # one such row, not one of each cell
    made: list[int] = []
    with _memory_for(room, training=True) as fitted:
        outcomes = without_errors(
            fit([cell(tmp_path / f"tight{seed}", points, [], shared, seed) for seed in (0, 1)], shared.launch)
        )
    assert all(outcome.steps == 6 for outcome in outcomes) and max(fitted) <= room
    for seed in (0, 1):
        assert adapter_distance(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}")) < ROUNDING
        made += [int(row["step"]) for row in log_of(tmp_path / f"tight{seed}")]
    assert made == [*range(1, 7), *range(1, 7)]
    assert len(fitted) < 12, "steps that both cells made at once were not made again"


def _longest(shared: Shared, points: list[Any]) -> int:
    with leased_base(shared) as base:
        return max(len(row.input_ids) for row in train_rows_of(base, shared, points))


def test_row_that_never_fits_is_an_error_of_its_cell_only(tmp_path: Path) -> None:
    shared = settings(max_tokens=512, **DROPS)
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 20)
    small = [
        cell(tmp_path / "small", questions(), questions(3), shared, 0),
        cell(tmp_path / "large", [long], [], shared, 1),
    ]
    alone = job(tmp_path / "alone", questions(), questions(3), shared, 0)
    with _memory_for(120, training=True):
        fine, failed = fit(small, shared.launch)
    assert (
        isinstance(fine, Outcome)
        and adapter_distance(adapter(tmp_path / "alone"), adapter(tmp_path / "small")) < ROUNDING
    )
    assert texts(fine) == texts(alone)
    assert isinstance(failed, ConfigError)
    assert f"one row of {_longest(shared, [long])} tokens at a time does not fit into memory" in str(failed)
    for mend in ("launch.gradient_checkpointing=true", "launch.dtype=bfloat16", "dataset.max_tokens"):
        assert mend in str(failed)


@pytest.mark.parametrize("task", ["qa", pytest.param("fv", marks=pytest.mark.slow)])
def test_evaluation_that_does_not_fit_uses_smaller_batches(
    task: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = questions(12) if task == "qa" else claims(12)
    shared = settings(task, epochs=6)
    whole = job(tmp_path / "whole", points, points, shared)
    with _memory_for(150, training=False) as fitted:
        outcome = job(tmp_path / "tight", points, points, shared)
    assert texts(outcome) == texts(whole) and outcome.predictions == whole.predictions
    assert max(fitted) <= 150 and any("goes on with" in message for message in _warnings(caplog))


def test_evaluation_of_a_row_that_never_fits_names_a_mend(tmp_path: Path) -> None:
    shared = settings()
    long = replace(questions(1)[0], id="long", evidence="The lamp room smells of oil. " * 20)
    with leased_base(shared) as base:
        room = max(len(row.input_ids) for row in prompt_rows_of(base, shared, questions()))
    tight = replace(shared, settings=replace(shared.settings, test_max_tokens=512))
    with _memory_for(room, training=False):
        fine, failed = fit(
            [cell(tmp_path / "0", questions(), questions(3), tight, 0), cell(tmp_path / "1", [], [long], tight, 1)],
            tight.launch,
        )
    assert isinstance(fine, Outcome) and isinstance(failed, ConfigError) and "launch.dtype=bfloat16" in str(failed)


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        memory.fits(broken)
    assert memory.fits(lambda: None)


def test_lack_of_main_memory_is_recognised() -> None:
    def too_much() -> None:
        torch.empty(2**60, dtype=torch.int8)  # more than any machine has

    assert not memory.fits(too_much)


@pytest.mark.parametrize("what", ["gradients", "moments"])
def test_adapters_that_do_not_fit_at_once_train_in_halves(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails before the first step, so no update is half done."""
    shared, zeros, moments = settings(**DROPS), torch.zeros_like, [0]
    for seed in range(2):
        job(tmp_path / f"whole{seed}", questions(), [], shared, seed)

    def limited(like: torch.Tensor, **options: Any) -> torch.Tensor:
        """Memory for the gradients of one cell, or for its two moments."""
        moments[0] = moments[0] + 1 if like.dim() == 1 else 0
        if moments[0] > 2 if what == "moments" else like.dim() == 2 and len(like) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return zeros(like, **options)

    monkeypatch.setattr(torch, "zeros_like", limited)
    outcomes = without_errors(
        fit([cell(tmp_path / f"tight{seed}", questions(), [], shared, seed) for seed in range(2)], shared.launch)
    )
    assert [outcome.environment["cells_at_once"] for outcome in outcomes] == [1, 1]
    assert _warnings(caplog) == ["out of memory with 2 cells at once: goes on with 1"]
    for seed in range(2):
        assert same_weights(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"tight{seed}"))


def test_memory_of_a_group_is_freed_before_its_halves_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters, gradients and moments of the group would take the memory that its halves need."""
    shared, original = settings(**DROPS), MultiLora.__init__
    held: list[int] = []
    loras: list[weakref.ref[torch.Tensor]] = []

    def counted(lora: MultiLora, *args: Any) -> None:
        held.append(sum(len(values) for known in loras if (values := known()) is not None))
        original(lora, *args)
        loras.append(weakref.ref(lora.params))

    monkeypatch.setattr(MultiLora, "__init__", counted)
    with _memory_for(_lengths(shared)[-1], training=True):
        without_errors(
            fit([cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in range(3)], shared.launch)
        )
    assert held == [0] * 5, "groups of 3, 2, 1, 1 and 1 cells, never two at a time"


def test_evaluation_that_does_not_fit_in_one_process_fails_in_all(tmp_path: Path) -> None:
    """A process that went on alone would gather the next cell while the others still wait for this one."""
    others_fit = [True, False]  # the adapters, but not the test rows

    class WithAnotherThatLacksMemory(ProcessGroup):
        def all_true(self, value: bool) -> bool:
            return value and others_fit.pop(0)

        def all_gather(self, items: Sequence[Any]) -> list[Any]:
            pytest.fail("waits for a process that went on")

    shared = settings("fv")
    (failed,) = fit_cells([cell(tmp_path, [], claims(3), shared)], shared.launch, None, WithAnotherThatLacksMemory())
    assert isinstance(failed, ConfigError) and "launch.eval_tokens" in str(failed)


def test_estimate_grows_with_memory_and_shrinks_with_the_size_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    with leased_base(settings()) as base:

        def estimate(free: float, parameters: int = 10_000, tokens: int = 1000, targets: int = 100) -> int:
            monkeypatch.setattr(memory, "free_bytes", lambda device: int(free))
            return cells_that_fit(base, parameters, tokens, targets)

        counts = [estimate(free) for free in (0, 1e6, 1e7, 3e7, 1e8, 1e9, 1e12)]
        assert (
            counts == sorted(counts)
            and counts[0] == 1
            and counts[-1] == memory.MAX_CELLS["cpu"]
            and len(set(counts)) > 2
        )
        for axis in ("parameters", "tokens", "targets"):
            ordered = [estimate(1e8, **{axis: size}) for size in (1, 1000, 10_000, 100_000, 10**8)]
            assert ordered == sorted(ordered, reverse=True) and ordered[-1] == 1 < ordered[0]


GB = 1e9
LLAMA_8B = SimpleNamespace(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, vocab_size=128256)
MINILM = SimpleNamespace(hidden_size=384, intermediate_size=1536, num_hidden_layers=6, vocab_size=30522)


def _gpu_plan(monkeypatch: pytest.MonkeyPatch, shapes: SimpleNamespace, free: float, *plan: Any) -> int:
    """Cells that fit beside this model in bfloat16 on a GPU with so many free bytes."""
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(free))
    config = SimpleNamespace(get_text_config=lambda: shapes)
    base = SimpleNamespace(
        model=SimpleNamespace(config=config), dtype=torch.bfloat16, device=SimpleNamespace(type="cuda")
    )
    return cells_that_fit(base, *plan)  # type: ignore[arg-type]


def test_an_average_batch_is_planned_for_not_one_of_the_longest_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama-3.1-8B beside its weights on a GPU of 141 GB; a tenth of the rows is four times as long as the others."""
    lengths = [100] * 90 + [400] * 10
    typical = memory.typical_sum(lengths, 8)
    assert 8 * 130 < typical < 8 * 200
    parameters, free = 42_000_000, (141 - 16) * GB
    planned = _gpu_plan(monkeypatch, LLAMA_8B, free, parameters, typical, 8)
    assert planned == _gpu_plan(monkeypatch, LLAMA_8B, 2 * free, parameters, typical, 8, 2), "two processes share"
    assert planned >= 2 * _gpu_plan(monkeypatch, LLAMA_8B, free, parameters, 8 * max(lengths), 8)
    assert _gpu_plan(monkeypatch, LLAMA_8B, free, parameters, typical, 8, 1, True) > 2 * planned


def test_hundreds_of_cells_of_a_small_model_are_planned_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _gpu_plan(monkeypatch, MINILM, 40 * GB, 600_000, 8 * 100, 8) > 200


def test_a_typical_sum_is_exact_for_equal_values_and_never_above_the_largest() -> None:
    assert memory.typical_sum([7] * 5, 3) == 21 and memory.typical_sum([], 3) == 0
    assert memory.typical_sum([1, 100], 2) <= 200


def test_free_memory_is_a_plausible_number() -> None:
    assert 2**20 < memory.free_bytes(CPU) < 2**50


def test_as_many_cells_as_fit_train_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = settings(epochs=1)
    cells = [cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in range(3)]
    for fitting, expected in ((1, [1, 1, 1]), (2, [1, 2, 2]), (8, [3, 3, 3])):
        monkeypatch.setattr(memory, "cells_that_fit", lambda *_, fitting=fitting: fitting)
        assert (
            sorted(outcome.environment["cells_at_once"] for outcome in without_errors(fit(cells, shared.launch)))
            == expected
        )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batch_of_a_generation_is_a_number_of_tokens_that_fits_into_memory(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SimpleNamespace(num_attention_heads=32, num_key_value_heads=8, hidden_size=4096, num_hidden_layers=32)
    config.intermediate_size, config.get_text_config = 14336, lambda: config
    model = SimpleNamespace(config=config, device=torch.device(device), dtype=torch.bfloat16)
    counts = []
    for gigabytes in (1, 10, 1000):
        monkeypatch.setattr(memory, "free_bytes", lambda where, size=gigabytes * 1e9: int(size))
        budget = memory.batch_budget(model)
        counts.append([budget.count(tokens) for tokens in (200, 1000, 8000, 10**7)])
    assert all(longer <= shorter for row in counts for shorter, longer in itertools.pairwise(row))
    assert all(less <= more for few, many in itertools.pairwise(counts) for less, more in zip(few, many, strict=True))
    assert counts[0][-1] == 1 and counts[-1][0] > counts[0][0]
    keys_and_values = 2 * 32 * 8 * 128 * 2  # bytes of a token in Llama-3.1-8B
    assert counts[0][1] * 1000 * keys_and_values < 1e9
