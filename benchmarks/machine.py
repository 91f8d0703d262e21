"""Description of the machine and of package versions, and the name of the machine's results file."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from littlehuman.store import slug

PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "bert-score", "sacrebleu", "hydra-core")
ROOT = Path(__file__).parents[1]

Description = dict[str, str | int | float]


def describe(device: str) -> Description:
    """Processor, usable cores, memory, the GPU if it is used, and versions."""
    import torch

    found: Description = {"cpu": _cpu(), "cores": cores(), "threads": torch.get_num_threads(), "memory_gb": _memory()}
    found |= {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        found |= {"gpu": gpu.name, "gpu_memory_gb": round(gpu.total_memory / 2**30), "cuda": str(torch.version.cuda)}
    return found | {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def file_name(machine: Description) -> str:
    """Name of the results file: one per kind of machine; a machine with and without its GPU are two kinds."""
    return slug(f"{machine.get('gpu', machine['cpu'])} {machine['cores']} cores".lower())


def cores() -> int:
    """Cores that this process may use (not all cores of the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The commit that was measured, with `+changes` when the tree differs from it."""
    head = _git("rev-parse", "--short", "HEAD")
    return (head + ("+changes" if _git("status", "--porcelain", "--", "littlehuman") else "")) if head else "unknown"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30) if hasattr(os, "sysconf") else 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
