"""The shelf of answers: each request is paid once, by whichever job asks first.

In: completions as they arrive. Out: completions by key. One folder per prompt model under
`$LITTLEHUMAN_CACHE/completions`; every writer owns one file and readers merge, so processes never
wait for each other and a killed writer loses at most the line it was writing. A recording is a
file of the same format.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TextIO

from littlehuman.errors import GenerationError
from littlehuman.groups import PromptModelConfig
from littlehuman.records import Completion
from littlehuman.store import cache_root, packaged, slug

_HEAD = '{"key": "'


def shelf_path(model: PromptModelConfig) -> Path:
    """The folder that holds the answers of one prompt model."""
    return cache_root() / "completions" / slug(model.weights or model.name)


def recording_path(path: str | None) -> Path:
    """The recording that `prompt_model.path` names.

    Raises:
        GenerationError: when it is absent.
    """
    if not path:
        raise GenerationError("prompt_model.path=null: a recording is a .jsonl file or a folder of them; give prompt_model.path=FILE")
    found = packaged(path)
    if not found.exists():
        raise GenerationError(f"prompt_model.path={path}: there is no such file or folder ({found})")
    return found


def lookup(path: Path, keys: Collection[str]) -> dict[str, Completion]:
    """Completions of `keys` in a file or folder; memory grows with `keys`, not with the shelf."""
    wanted = set(keys)
    found: dict[str, Completion] = {}
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for completion in _scan(file, wanted):
            found[completion.key] = completion
    return found


def _scan(file: Path, wanted: set[str]) -> Iterator[Completion]:
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            # The key stands first in each line: most lines need no JSON parser.
            if line.startswith(_HEAD) and line[len(_HEAD) : line.find('"', len(_HEAD))] not in wanted:
                continue
            try:
                completion = Completion(**json.loads(line))
            except (ValueError, TypeError):
                continue  # a killed writer tore this line; its request is asked again
            if completion.key in wanted:
                yield completion


class Writer:
    """Appends completions to a file of its own, each flushed before the next is asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{slug(socket.gethostname())}-{os.getpid()}.jsonl"
        self._handle: TextIO | None = None

    def __enter__(self) -> Writer:
        return self

    def add(self, completion: Completion) -> None:
        """Put one completion on the shelf."""
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = _is_torn(self.path)
            # A lone surrogate (half an emoji) becomes its JSON escape, and is read back as it was.
            self._handle = self.path.open("a", encoding="utf-8", errors="backslashreplace")
            if torn:
                self._handle.write("\n")
        self._handle.write(json.dumps(asdict(completion), ensure_ascii=False) + "\n")
        self._handle.flush()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            self._handle.close()


def _is_torn(file: Path) -> bool:
    """Whether an earlier process of the same number died in the middle of its last line."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) != b"\n"
