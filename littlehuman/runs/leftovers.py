"""What killed commands left in the folder of all results, and nobody will read again: removed by the next command.

Only names that littlehuman itself gives are touched, only where their process has ended or they are old, and of refused
studies only those without any work in them.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from littlehuman.runs import process
from littlehuman.store import slug

INVOCATION_PREFIX = ".invocation-"  # reports of one command: `.invocation-HOST-PID-RANDOM`
REFUSED = "refused-"  # a study, or part of a cell's name, that stands for a refused one
NOTES = frozenset({"multirun.yaml", ".hydra", "run.log", "status.json"})  # what Hydra and a refused job leave
_DRAFT = re.compile(r"\.(?:\w[\w.-]*\.(?:json|jsonl|csv|md)\.\w{8}|lock(?:-\d+)?\.[0-9a-f]{32}|tmp.*)")
_MINUTE, _DAY = 60.0, 86_400.0


def sweep(root: Path) -> None:
    """Remove the leftovers of ended commands from the folder of all results. Errors are none of this command's."""
    for path in _leftovers(root):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def sweep_drafts(folder: Path) -> None:
    """Remove half-written files from a run folder whose claim this process holds, or from a study."""
    with suppress(OSError):
        for path in [folder / name for name in os.listdir(folder) if is_draft(name)]:
            if _age(path) > _MINUTE and path.is_file():
                path.unlink(missing_ok=True)


def is_draft(name: str) -> bool:
    """Whether a file of this name was being written under its real name's draft."""
    return bool(_DRAFT.fullmatch(name))


def is_without_work(study: Path) -> bool:
    """Whether a study holds nothing but what Hydra and refused jobs leave."""
    return all(
        path.name in NOTES or (path.is_dir() and {p.name for p in path.iterdir()} <= NOTES) for path in study.iterdir()
    )


def remove_empty(study: Path) -> None:
    """Remove a study that holds nothing, or Hydra's note of a sweep alone."""
    with suppress(OSError):
        if os.listdir(study) == ["multirun.yaml"]:
            (study / "multirun.yaml").unlink()
        study.rmdir()


def _leftovers(root: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from [path for path in root.iterdir() if _is_leftover(path, _age(path))]


def _is_leftover(path: Path, age: float) -> bool:
    if path.name.startswith(INVOCATION_PREFIX):
        return age > 7 * _DAY or (age > _MINUTE and _has_ended(path.name))
    if path.name.startswith(".tmp"):
        return age > _DAY
    return path.name.startswith(REFUSED) and age > _MINUTE and path.is_dir() and is_without_work(path)


def _has_ended(name: str) -> bool:
    """Whether the name is that of a process of this machine that has ended."""
    host, _, rest = name.removeprefix(INVOCATION_PREFIX).rpartition(f"{slug(process.host())}-")
    pid = rest.partition("-")[0]
    return not host and pid.isdecimal() and process.started(int(pid)) is None


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
