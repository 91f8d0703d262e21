"""Checkpoints: an interrupted training continues from its last save, with the same result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from training_parts import (  # noqa: F401
    FIXTURES,
    Interruption,
    adapter,
    cell,
    claims,
    interrupt,
    job,
    log_of,
    no_base_held,
    one_thread,
    points_of,
    questions,
    release_base,
    same_weights,
    settings,
    tiny_cache,
    without_errors,
)

from littlehuman.errors import ConfigError
from littlehuman.models import memory
from littlehuman.training import predict
from littlehuman.training.fit import fit
from littlehuman.training.state import CHECKPOINT, LOG

pytestmark = FIXTURES

EVERY_STEP = {"save_every_s": 1e-9}
VALUES: dict[str, Any] = {"lora_dropout": 0.2, "epochs": 4, "warmup_ratio": 0.2, "weight_decay": 0.1}  # 8 steps
JOBS = [("qa", "random:llama"), ("fv", "random:bert")]


def _curve(folder: Path) -> list[tuple[float, ...]]:
    return [(row["step"], row["loss"], row["lr"], row["grad_norm"]) for row in log_of(folder)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_cache: Path, one_thread: None) -> Path:  # noqa: F811
    """`run`: a training of questions that was interrupted in its sixth step; `whole`: the same one undisturbed."""
    folder, shared = tmp_path_factory.mktemp("resume"), settings(launch=EVERY_STEP, **VALUES)
    job(folder / "whole", questions(), [], shared, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(folder / "run", "qa", shared, Interruption(patch))
    return folder


@pytest.fixture
def interrupted(made: Path, tmp_path: Path, interruption: Interruption) -> Path:
    """A copy of the folder of the interrupted training."""
    interruption.never()
    return shutil.copytree(made / "run", tmp_path / "run")


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_interrupted_training_ends_as_an_uninterrupted_one(
    task: str, weights: str, tmp_path: Path, interruption: Interruption
) -> None:
    shared = settings(task, weights, launch=EVERY_STEP, **VALUES)
    whole = job(tmp_path / "whole", points_of(task), points_of(task), shared, seed=3)
    interrupt(tmp_path / "run", task, shared, interruption)
    assert (tmp_path / "run" / CHECKPOINT).is_file() and not (tmp_path / "run" / "adapter").exists()
    resumed = job(tmp_path / "run", points_of(task), points_of(task), shared, seed=3)
    assert interruption.steps == 3, "5 of 8 steps were saved when the sixth was cut off"
    assert (
        same_weights(adapter(tmp_path / "whole"), adapter(tmp_path / "run"))
        and resumed.predictions == whole.predictions
    )
    assert (
        _curve(tmp_path / "run") == _curve(tmp_path / "whole") and len(_curve(tmp_path / "run")) == resumed.steps == 8
    )
    assert [path.name for path in (tmp_path / "run").iterdir() if CHECKPOINT in path.name] == [], (
        "the checkpoint is deleted"
    )


def test_interrupted_cell_may_continue_among_others(
    made: Path, interrupted: Path, tmp_path: Path, interruption: Interruption
) -> None:
    shared = settings(launch=EVERY_STEP, **VALUES)
    fresh = settings(launch=EVERY_STEP, lora_dropout=0.4, epochs=1)
    cells = [
        cell(tmp_path / "new", questions(), [], fresh, 1),
        cell(interrupted, questions(), questions(), shared, 3),
    ]
    assert {outcome.environment["cells_at_once"] for outcome in without_errors(fit(cells, shared.launch))} == {2}
    assert interruption.steps == 3 + 2
    assert same_weights(adapter(made / "whole"), adapter(interrupted)) and _curve(interrupted) == _curve(made / "whole")


def test_cells_interrupted_together_continue_each_from_its_own_step(tmp_path: Path, interruption: Interruption) -> None:
    shared = [settings(launch=EVERY_STEP, **VALUES | {"epochs": epochs}) for epochs in (4, 1)]
    for seed, each in enumerate(shared):
        job(tmp_path / f"whole{seed}", questions(), [], each, seed)
    cells = [cell(tmp_path / f"run{seed}", questions(), [], each, seed) for seed, each in enumerate(shared)]
    interruption.after(7)  # in the fifth step of the first cell; the second cell has made its 2
    with pytest.raises(KeyboardInterrupt):
        fit(cells, shared[0].launch)
    interruption.never()
    release_base()
    without_errors(fit(cells, shared[0].launch))
    assert interruption.steps == 4
    for seed in (0, 1):
        assert same_weights(adapter(tmp_path / f"whole{seed}"), adapter(tmp_path / f"run{seed}"))


@pytest.mark.parametrize(
    "other",
    [
        {"values": {"learning_rate": 2e-2}},
        pytest.param({"values": {"epochs": 5}}, marks=pytest.mark.slow),
        pytest.param({"values": {"lora_r": 2}}, marks=pytest.mark.slow),
        {"seed": 4},
        {"points": 7},
    ],
    ids=str,
)
def test_checkpoint_of_another_training_is_ignored(
    other: dict[str, Any], interrupted: Path, tmp_path: Path, interruption: Interruption
) -> None:
    shared = settings(launch=EVERY_STEP, **VALUES | other.get("values", {}))
    points, seed = questions(other.get("points", 8)), other.get("seed", 3)
    expected = job(tmp_path / "clean", points, [], shared, seed)
    interruption.never()
    outcome = job(interrupted, points, [], shared, seed)
    assert interruption.steps == outcome.steps == expected.steps, "all steps were made again"
    assert same_weights(adapter(tmp_path / "clean"), adapter(interrupted))
    assert _curve(interrupted) == _curve(tmp_path / "clean")


@pytest.mark.parametrize("left", ["half", "nothing", pytest.param("text", marks=pytest.mark.slow)])
def test_torn_checkpoint_is_ignored(left: str, made: Path, interrupted: Path) -> None:
    content = (interrupted / CHECKPOINT).read_bytes()
    (interrupted / CHECKPOINT).write_bytes(
        {"half": content[: len(content) // 2], "nothing": b"", "text": b"no tensors here" * 9}[left]
    )
    job(interrupted, questions(), [], settings(launch=EVERY_STEP, **VALUES), seed=3)
    assert same_weights(adapter(made / "whole"), adapter(interrupted)) and len(_curve(interrupted)) == 8


def test_failed_save_leaves_the_checkpoint_before(
    tmp_path: Path, interruption: Interruption, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    shared, write, count = settings(launch=EVERY_STEP, **VALUES), safetensors.torch.save_file, [0]

    def cut(tensors: Any, path: Path, **more: Any) -> None:
        count[0] += 1
        if count[0] == 4:
            path.write_bytes(b"half")
            raise OSError("no space left on the disk")
        write(tensors, path, **more)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(safetensors.torch, "save_file", cut)
        job(tmp_path / "run", questions(), [], shared, seed=3)
    interruption.never()
    job(tmp_path / "run", questions(), [], shared, seed=3)
    assert interruption.steps == 5, "three of eight were saved"


def test_training_is_not_repeated_when_its_evaluation_failed(
    tmp_path: Path, interruption: Interruption, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation that runs out of memory needs another setting; the hours of training are not lost."""
    shared = settings("fv", launch=EVERY_STEP, **VALUES)

    def too_large(*_: Any, **__: Any) -> list[str]:
        raise memory.DoesNotFit("out of memory with one row at a time")

    with monkeypatch.context() as patch, pytest.raises(ConfigError, match="launch.eval_tokens"):
        patch.setattr(predict, "classify", too_large)
        job(tmp_path / "run", claims(), claims(), shared, seed=3)
    interruption.never()
    job(tmp_path / "run", claims(), claims(), shared, seed=3)
    assert (
        interruption.steps == 0 and len(_curve(tmp_path / "run")) == 8 and not (tmp_path / "run" / CHECKPOINT).exists()
    )


def test_log_is_cut_back_to_the_checkpoint(interrupted: Path) -> None:
    """Steps that were logged but not saved are made again, and are in the log once."""
    assert [row["step"] for row in log_of(interrupted)] == [1, 2, 3, 4, 5, 6]
    with (interrupted / LOG).open("a") as handle:
        handle.write(json.dumps({"step": 7})[:5])  # a line that the end of the process cut off
    job(interrupted, questions(), [], settings(launch=EVERY_STEP, **VALUES), seed=3)
    assert [row["step"] for row in log_of(interrupted)] == list(range(1, 9))


def test_nothing_is_saved_when_saving_is_off(tmp_path: Path, interruption: Interruption) -> None:
    interrupt(tmp_path, "qa", settings(launch={"save_every_s": 0.0}, **VALUES), interruption)
    assert not (tmp_path / CHECKPOINT).exists()
