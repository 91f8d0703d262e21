"""Where a run computes, and in which precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_parts import CPU, FIXTURES, job, no_base_held, one_thread, questions, settings, tiny_cache  # noqa: F401

from littlehuman.errors import ConfigError
from littlehuman.groups import LaunchConfig
from littlehuman.training import devices

pytestmark = FIXTURES


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cuda:x"])
def test_unknown_device_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=f"launch.device={name} +must be auto, cpu, cuda or cuda:N"):
        devices.device(name)


def test_absent_gpu_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="launch.device=cuda +this machine has 0 CUDA devices"):
        devices.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="launch.device=cuda:2 +this machine has 2 CUDA devices"):
        devices.device("cuda:2")


def test_unknown_precision_is_answered_with_a_known_one() -> None:
    with pytest.raises(ConfigError, match="launch.dtype=bfloat +did you mean 'bfloat16'"):
        devices.dtype("bfloat", CPU)


def test_named_precisions() -> None:
    assert {name: devices.dtype(name, CPU) for name in devices.DTYPES} == devices.DTYPES


def test_auto_is_decided_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    devices.bfloat16_pays.cache_clear()
    first = devices.dtype("auto", CPU)
    assert first in (torch.float32, torch.bfloat16)
    monkeypatch.setattr(devices, "_seconds", lambda kind: pytest.fail("measured again: two jobs of a sweep could differ"))
    assert all(devices.dtype("auto", CPU) is first for _ in range(3))


@pytest.mark.parametrize(("speedup", "expected"), [(1.1, torch.float32), (1.3, torch.bfloat16)])
def test_auto_takes_bfloat16_where_it_is_clearly_faster(speedup: float, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    devices.bfloat16_pays.cache_clear()
    monkeypatch.setattr(devices, "_seconds", lambda kind: speedup if kind is torch.float32 else 1.0)
    assert devices.dtype("auto", CPU) is expected
    devices.bfloat16_pays.cache_clear()


def test_gpu_gets_bfloat16_without_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "bfloat16_pays", lambda: pytest.fail("measured"))
    assert devices.dtype("auto", torch.device("cuda")) is torch.bfloat16


def test_default_launch_fits_any_machine() -> None:
    launch = LaunchConfig()
    assert devices.dtype(launch.dtype, devices.device(launch.device)) in devices.DTYPES.values()


def test_float16_job_runs_on_a_cpu(tmp_path: Path) -> None:
    outcome = job(tmp_path, questions(), questions(2), settings(dtype="float16"))
    assert outcome.environment["dtype"] == "float16" and outcome.final_loss is not None and outcome.final_loss == outcome.final_loss
