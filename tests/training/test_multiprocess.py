"""Data-parallel training: several processes give what one gives, and their errors are raised unchanged."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_parts import (  # noqa: F401
    CLASSES,
    FIXTURES,
    adapter,
    adapter_distance,
    cell,
    claims,
    job,
    log_of,
    no_base_held,
    one_thread,
    questions,
    settings,
    small_encoder,
    texts,
    tiny_cache,
)

from littlehuman.errors import ConfigError, DataError, LittlehumanError, Problem, WeightsError
from littlehuman.models import devices
from littlehuman.records import Example
from littlehuman.store import cache_root
from littlehuman.training import multiprocess
from littlehuman.training.fit import fit
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.types import Outcome

pytestmark = FIXTURES

TWO = {"processes": 2}
TOO_LONG = Example("too-long", "Fog.", "Is the gate of the northern yard open? " * 40, (CLASSES[0],))


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Cells trained together, with dropout; one of them fails, and the last rows do not divide evenly."""
    shared = settings("fv", small_encoder(cache_root() / "short-bert", positions=96), lora_dropout=0.2, batch_size=3)
    sets = [(claims(), claims(5)), ([TOO_LONG], []), (claims(7), claims(4))]
    cells = [cell(tmp_path / f"two{seed}", train, test, shared, seed) for seed, (train, test) in enumerate(sets)]
    reported: list[int] = []
    outcomes = fit(cells, replace(shared.launch, processes=2), lambda number, outcome: reported.append(number))
    assert [type(outcome) for outcome in outcomes] == [Outcome, DataError, Outcome] and sorted(reported) == [0, 1, 2]
    assert "too-long: " in str(outcomes[1]) and "at most 96" in str(outcomes[1])
    for seed in (0, 2):
        one, two = job(tmp_path / f"one{seed}", *sets[seed], shared, seed), outcomes[seed]
        assert isinstance(two, Outcome) and two.environment["processes"] == 2 and two.environment["cells_at_once"] == 2
        assert two.predictions == one.predictions and two.steps == one.steps
        assert adapter_distance(adapter(tmp_path / f"one{seed}"), adapter(tmp_path / f"two{seed}")) < 1e-4
        for row, expected in zip(log_of(tmp_path / f"two{seed}"), log_of(tmp_path / f"one{seed}"), strict=True):
            assert [row[name] for name in ("step", "loss", "lr", "grad_norm")] == pytest.approx(
                [expected[name] for name in ("step", "loss", "lr", "grad_norm")], rel=1e-4
            )


@pytest.mark.slow
def test_two_processes_generate_the_same_answers(tmp_path: Path) -> None:
    answers: list[list[str]] = []
    for launch in ({}, TWO, TWO | {"layout": "padded", "gradient_checkpointing": True, "micro_batch": 1}):
        shared = settings(launch=launch, lora_dropout=0.2, batch_size=8)
        answers.append(texts(job(tmp_path / str(len(launch)), questions(), questions(5), shared)))
        assert adapter_distance(adapter(tmp_path / "0"), adapter(tmp_path / str(len(launch)))) < 1e-4
    assert answers[0] == answers[1] == answers[2] and len(set(answers[0])) > 1


def test_error_of_a_process_is_raised_unchanged(tmp_path: Path) -> None:
    """An error that is not ours becomes a RuntimeError with its traceback."""
    ours = ConfigError(
        [Problem("training.lora_targets=kv", "not found in the base model")], "training.lora_targets=all_linear"
    )
    for error in (ours, DataError("row 7 is too long"), ValueError("a bug of ours")):
        try:
            raise error
        except Exception as raised:
            multiprocess._write_pickle(tmp_path / "error", multiprocess.picklable(raised))
        received = pickle.loads((tmp_path / "error").read_bytes())
        assert str(error) in str(received)
        if isinstance(error, LittlehumanError):
            assert type(received) is type(error) and str(received) == str(error)
        else:
            assert type(received) is RuntimeError and "Traceback" in str(received) and "raise error" in str(received)


@pytest.mark.slow
def test_error_of_the_model_in_two_processes_is_raised_unchanged(tmp_path: Path) -> None:
    shared = settings(lora_targets="kv", targets={"kv": "key_of_another_model"}, launch=TWO)
    with pytest.raises(ConfigError, match="training.lora_targets=kv.*not found"):
        job(tmp_path, questions(), [], shared)


def test_missing_weights_are_reported_before_any_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.multiprocessing, "start_processes", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(WeightsError, match="model.weights=/no/such/folder: this folder holds no config.json"):
        job(tmp_path, questions(), [], settings(weights="/no/such/folder", launch=TWO))


def test_precision_is_chosen_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that measure separately could train one adapter in two precisions."""
    measured: list[bool] = []

    def start(*_: object, **__: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(torch.multiprocessing, "start_processes", start)
    monkeypatch.setattr(devices, "bfloat16_is_faster", lambda: [measured.append(True), False][1])
    with pytest.raises(InterruptedError):
        job(tmp_path, questions(), [], settings(launch=TWO, dtype="auto"))
    assert measured == [True]


@pytest.mark.slow
def test_unexpected_error_of_a_process_is_raised_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main process cannot write its log; the second one then loses its peer, which is not the error to show.

    The cache is empty: the model must be made before the processes start, since only the first could save it.
    """
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "train.jsonl").mkdir()
    with pytest.raises(RuntimeError, match=r"(?s)in a training process:\nTraceback .*IsADirectoryError: .*train.jsonl"):
        job(tmp_path, claims(), [], settings("fv", "random:bert", launch=TWO))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shards_contain_each_row_once(size: int) -> None:
    rows = list(range(7))
    shares = [ProcessGroup(rank, size).shard(rows) for rank in range(size)]
    assert sorted(row for share in shares for row in share) == rows
    assert max(map(len, shares)) - min(map(len, shares)) <= 1, "shards are balanced"


def test_group_of_one_process_needs_no_set_up() -> None:
    group, items = ProcessGroup(), [1, 2]
    assert group.all_gather(items) == items and group.all_true(True) and not group.all_true(False) and group.is_main


def test_more_processes_than_gpus_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [devices.device("auto", rank).index for rank in (0, 1)] == [0, 1]
    with pytest.raises(ConfigError, match="launch.processes=3 +this machine has 2 CUDA devices, one for each process"):
        devices.device("cuda", 2)
