"""Device and precision of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from training_parts import CPU, FIXTURES, job, no_base_held, one_thread, questions, settings, tiny_cache  # noqa: F401

from littlehuman.errors import ConfigError
from littlehuman.models import devices
from littlehuman.models.chat import load_chat, release
from littlehuman.models.sentence_encoder import SentenceEncoder
from littlehuman.schema import LaunchConfig, Quantization

pytestmark = FIXTURES


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cuda:x"])
def test_unknown_device_is_refused_with_the_known_ones(name: str) -> None:
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


def test_unknown_precision_is_refused_with_a_known_one() -> None:
    with pytest.raises(ConfigError, match="launch.dtype=bfloat +did you mean 'bfloat16'"):
        devices.dtype("bfloat", CPU)


def test_named_precisions() -> None:
    assert {name: devices.dtype(name, CPU) for name in devices.DTYPES} == devices.DTYPES


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.dtype]]:
    """A machine without a cached measurement; records what is measured."""
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    seen: list[torch.dtype] = []
    monkeypatch.setattr(devices, "_matmul_seconds", lambda kind: [seen.append(kind), SECONDS[kind]][1])
    devices.bfloat16_is_faster.cache_clear()
    yield seen
    devices.bfloat16_is_faster.cache_clear()


SECONDS = {torch.float32: 1.3, torch.bfloat16: 1.0}


def test_auto_is_decided_once_per_machine(measured: list[torch.dtype], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs on one machine never differ because the machine was busy during one of them."""
    first = devices.dtype("auto", CPU)
    assert first is torch.bfloat16 and sorted(measured, key=str) == [torch.bfloat16, torch.float32]
    devices.bfloat16_is_faster.cache_clear()  # another process
    monkeypatch.setitem(SECONDS, torch.bfloat16, 9.0)
    assert devices.dtype("auto", CPU) is first and len(measured) == 2
    monkeypatch.setattr(torch, "__version__", "another version of torch")
    devices.bfloat16_is_faster.cache_clear()
    assert devices.dtype("auto", CPU) is torch.float32, "another version of torch is measured again"


@pytest.mark.parametrize(("speedup", "expected"), [(1.1, torch.float32), (1.3, torch.bfloat16)])
def test_auto_takes_bfloat16_where_it_is_clearly_faster(
    speedup: float, expected: torch.dtype, measured: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECONDS, torch.float32, speedup)
    assert devices.dtype("auto", CPU) is expected and len(measured) == 2


@pytest.mark.parametrize(("speedup", "expected"), [(0.3, torch.float32), (1.3, torch.bfloat16)])
def test_a_prompt_model_takes_the_same_choice_of_this_machine(
    speedup: float, expected: torch.dtype, measured: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECONDS, torch.float32, speedup)
    release()
    assert load_chat("random:llama", "auto")[1].dtype is expected
    assert SentenceEncoder.load("random:bert", "auto").model.dtype is expected and len(measured) == 2


@pytest.mark.parametrize("kind", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)], ids=str)
def test_measurement_returns_a_plausible_time(kind: torch.dtype) -> None:
    assert 0 < devices._matmul_seconds(kind, repeats=1) < 60


def test_gpu_gets_bfloat16_without_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "bfloat16_is_faster", lambda: pytest.fail("measured"))
    assert devices.dtype("auto", torch.device("cuda")) is torch.bfloat16


@pytest.mark.slow
def test_default_launch_works_on_any_machine() -> None:
    launch = LaunchConfig()
    assert devices.dtype(launch.dtype, devices.device(launch.device)) in devices.DTYPES.values()


def test_float16_job_runs_on_a_cpu(tmp_path: Path) -> None:
    outcome = job(tmp_path, questions(), questions(2), settings(dtype="float16"))
    assert (
        outcome.environment["dtype"] == "float16"
        and outcome.final_loss is not None
        and outcome.final_loss == outcome.final_loss
    )


def test_four_bits_without_a_gpu_are_a_clear_error(tmp_path: Path) -> None:
    """The kernels of QLoRA exist for CUDA only; there is no silent fallback to other weights."""
    shared = settings(quantization=Quantization.nf4)
    with pytest.raises(
        ConfigError,
        match="model.quantization=nf4 +needs a CUDA device; without: model.quantization=null.*\nTry: pip install",
    ):
        job(tmp_path, questions(), [], shared)


def test_four_bits_without_their_library_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="model.quantization=nf4 +needs the package bitsandbytes"):
        devices.nf4_config(torch.device("cuda"))


def test_four_bit_quantisation_is_that_of_qlora(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda name: object())
    config = devices.nf4_config(torch.device("cuda"))
    assert config.load_in_4bit and config.bnb_4bit_quant_type == "nf4" and config.bnb_4bit_use_double_quant
    assert config.bnb_4bit_compute_dtype is torch.bfloat16
