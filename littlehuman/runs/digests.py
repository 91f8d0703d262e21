"""Sizes and SHA-256 digests of a run's files, which `result.json` keeps under `files`.

In: a run folder. Out: per file its bytes and digest; later, the files that differ from them. A truncated or deleted
file beside a whole result is found by its size, an edited one by its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADAPTER = "adapter"  # a folder (`training/adapters.py`), which a user may remove as a whole to save space
KEY = "files"  # of `result.json`


@dataclass(frozen=True, slots=True)
class Fault:
    """A file of a run that is not as it was written: its name in the run folder, and what is wrong."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


def of_files(folder: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of those of the files that exist, and of each file of the adapter."""
    files = [folder / name for name in names] + sorted((folder / ADAPTER).rglob("*"))
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in files
        if path.is_file()
    }


def faults(folder: Path, result: Mapping[str, Any], *, deep: bool) -> list[Fault]:
    """Files that differ from what the result says; by size, or `deep`: by digest. Older results say nothing."""
    said = result.get(KEY)
    return list(_faults(folder, said, deep)) if isinstance(said, dict) else []


def _faults(folder: Path, said: Mapping[str, Any], deep: bool) -> Iterator[Fault]:
    kept = (folder / ADAPTER).exists()
    for name, about in said.items():
        path = folder / name
        if name.startswith(f"{ADAPTER}/") and not kept:
            continue
        try:
            size = path.stat().st_size if not path.is_dir() else None
        except OSError:
            yield Fault(name, "is gone")
            continue
        if size is None:
            yield Fault(name, "is a folder")
        elif size != about["bytes"]:
            yield Fault(name, f"has {size:,} bytes and had {about['bytes']:,}")
        elif deep and _sha256(path) != about["sha256"]:
            yield Fault(name, "has another content than was written (SHA-256)")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
