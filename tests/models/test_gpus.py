"""Which GPU a process takes: its own by rank, or the first that no other process has."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from littlehuman.errors import ConfigError
from littlehuman.models import devices, gpus


@pytest.fixture(autouse=True)
def _four_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_held", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name in (gpus.VARIABLE, "LOCAL_RANK", "TORCHELASTIC_RUN_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def _taken(tmp_path: Path, *names: str) -> list[FileLock]:
    """GPUs that other processes have."""
    locks = [FileLock(tmp_path / f"littlehuman-gpu-{name}.lock") for name in names]
    for lock in locks:
        lock.acquire()
    return locks


def test_jobs_that_know_nothing_of_each_other_take_different_gpus(tmp_path: Path) -> None:
    others = _taken(tmp_path, "0", "1")
    assert devices.device("auto").index == 2
    others.pop().release()
    assert devices.device("cuda").index == 2, "a process keeps its GPU"
    with pytest.raises(TimeoutError):
        FileLock(tmp_path / "littlehuman-gpu-2.lock", timeout=0).acquire()


def test_processes_that_see_different_gpus_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = _taken(tmp_path, "0", "1", "4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert devices.device("auto").index == 1 and len(others) == 3


def test_more_processes_than_gpus_share_them_and_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    others = _taken(tmp_path, "0", "1", "2", "3")
    assert devices.device("auto").index in range(4) and len(others) == 4
    assert "all 4 GPUs are taken by other processes of littlehuman" in caplog.text


def test_a_process_of_torchrun_takes_the_gpu_of_its_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert devices.device("auto").index == 3
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="this machine has 1 CUDA devices, one for each process"):
        devices.device("auto")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")  # SLURM shows each process its own GPU alone
    assert devices.device("auto").index == 0
