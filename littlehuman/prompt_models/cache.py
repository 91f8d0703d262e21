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
from typing import BinaryIO

from littlehuman.errors import GenerationError
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig
from littlehuman.store import cache_root, packaged, slug

_HEAD = b'{"key": "'


def cache_path(model: PromptModelConfig) -> Path:
    """The folder that holds the answers of one prompt model."""
    return cache_root() / "completions" / slug(model.weights or model.name)


def recording_path(path: str | None) -> Path:
    """The recording that `prompt_model.path` names.

    Raises:
        GenerationError: when it is absent.
    """
    if not path:
        raise GenerationError(
            "prompt_model.path=null: a recording is a .jsonl file or a folder of them; give prompt_model.path=FILE"
        )
    found = packaged(path)
    if not found.exists():
        raise GenerationError(f"prompt_model.path={path}: there is no such file or folder ({found})")
    return found


def lookup(path: Path, keys: Collection[str]) -> dict[str, Completion]:
    """Completions of `keys` in a file or folder; memory grows with `keys`, not with the shelf."""
    wanted = set(keys)
    found: dict[str, Completion] = {}
    for completion in CompletionCache(path).read(wanted):
        wanted.discard(completion.key)
        found[completion.key] = completion
    return found


class CompletionCache:
    """Reads a file or folder, and later what was added to it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[Path, int] = {}  # bytes of whole lines that were read

    def read(self, wanted: Collection[str]) -> Iterator[Completion]:
        """Yield completions of `wanted` that were written since the last call, or ever, line by line.

        The caller may take keys out of `wanted` as they come; when none is left, no more is read.
        """
        for file in sorted(self.path.glob("*.jsonl")) if self.path.is_dir() else [self.path]:
            if not wanted:
                return
            if file.is_file() and file.stat().st_size > self._read.get(file, 0):
                yield from self._added(file, wanted)

    def _added(self, file: Path, wanted: Collection[str]) -> Iterator[Completion]:
        place = self._read.get(file, 0)
        with file.open("rb") as handle:
            handle.seek(place)
            for line in handle:
                place += len(line) if line.endswith(b"\n") else 0  # a line that is still being written is read again
                completion = _completion(line, wanted)
                if completion:
                    yield completion
        self._read[file] = place


def _completion(line: bytes, wanted: Collection[str]) -> Completion | None:
    # The key stands first in each line: most lines need no JSON parser.
    if (
        line.startswith(_HEAD)
        and line[len(_HEAD) : line.find(b'"', len(_HEAD))].decode("utf-8", "replace") not in wanted
    ):
        return None
    try:
        completion = Completion(**json.loads(line))
    except (ValueError, TypeError):
        return None  # a killed writer tore this line; its request is asked again
    return completion if completion.key in wanted else None


class CompletionWriter:
    """Appends completions to a file of its own, each handed to the system whole before the next is asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{slug(socket.gethostname())}-{os.getpid()}.jsonl"
        self._handle: BinaryIO | None = None

    def __enter__(self) -> CompletionWriter:
        return self

    def add(self, completion: Completion) -> None:
        """Put one completion on the shelf."""
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = _is_torn(self.path)
            self._handle = self.path.open("ab")
            if torn:
                self._handle.write(b"\n")
        # A lone surrogate (half an emoji) becomes its JSON escape, and is read back as it was.
        self._handle.write(
            json.dumps(asdict(completion), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        )
        self._handle.flush()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()


def _is_torn(file: Path) -> bool:
    """Whether an earlier process of the same number died in the middle of its last line."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) != b"\n"
