"""Cache of completions: each request is paid for once, by whichever job asks first.

In: completions as they arrive. Out: completions by request key. One folder per prompt model under
`$LITTLEHUMAN_CACHE/completions`, in JSON lines. Every writer has a file of its own and readers merge them: processes
never wait for each other, and a killed writer loses at most the line that it was writing. A recording
(`prompt_model=recorded`) has the same format.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig
from littlehuman.store import cache_root, process_name, slug

_HEAD = b'{"key": "'


def cache_path(model: PromptModelConfig) -> Path:
    """The folder with the answers of one prompt model."""
    return cache_root() / "completions" / slug(model.weights or model.name)


def lookup(path: Path, keys: Collection[str]) -> dict[str, Completion]:
    """The completions of `keys` in a file or folder; memory grows with `keys`, not with the cache."""
    wanted = set(keys)
    found: dict[str, Completion] = {}
    for completion in CompletionCache(path).read(wanted):
        wanted.discard(completion.key)
        found[completion.key] = completion
    return found


class CompletionCache:
    """Reads a file or folder, and on later calls only what was added since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets: dict[Path, int] = {}  # bytes of complete lines that were read

    def read(self, wanted: Collection[str]) -> Iterator[Completion]:
        """Yield completions of `wanted` that were added since the last call, line by line.

        The caller may remove keys from `wanted` meanwhile; when it is empty, reading stops.
        """
        for file in sorted(self.path.glob("*.jsonl")) if self.path.is_dir() else [self.path]:
            if not wanted:
                return
            if file.is_file() and file.stat().st_size > self._offsets.get(file, 0):
                yield from self._read_new(file, wanted)

    def _read_new(self, file: Path, wanted: Collection[str]) -> Iterator[Completion]:
        offset = self._offsets.get(file, 0)
        with file.open("rb") as handle:
            handle.seek(offset)
            for line in handle:
                offset += len(line) if line.endswith(b"\n") else 0  # a line still being written is read again later
                completion = _parse(line, wanted)
                if completion:
                    yield completion
        self._offsets[file] = offset


def _parse(line: bytes, wanted: Collection[str]) -> Completion | None:
    # The key comes first in each line, so most lines need no JSON parser.
    if line.startswith(_HEAD):
        key = line[len(_HEAD) : line.find(b'"', len(_HEAD))].decode("utf-8", "replace")
        if key not in wanted:
            return None
    try:
        completion = Completion(**json.loads(line))
    except (ValueError, TypeError):
        return None  # torn by a killed writer: its request is asked again
    return completion if completion.key in wanted else None


class CompletionWriter:
    """Appends completions to a file of its own; each is handed to the operating system before `add` returns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{process_name()}.jsonl"
        self._handle: BinaryIO | None = None

    def __enter__(self) -> CompletionWriter:
        return self

    def add(self, completion: Completion) -> None:
        """Write one completion."""
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = _ends_in_torn_line(self.path)
            self._handle = self.path.open("ab")
            if torn:
                self._handle.write(b"\n")
        # `backslashreplace` writes a lone surrogate (half an emoji) as its JSON escape, which reads back unchanged.
        line = json.dumps(asdict(completion), ensure_ascii=False).encode("utf-8", "backslashreplace")
        self._handle.write(line + b"\n")
        self._handle.flush()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()


def _ends_in_torn_line(file: Path) -> bool:
    """Whether an earlier process with the same id died while it wrote its last line."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) != b"\n"
