"""Cache of completions: each request is paid for once, by whichever job asks first.

In: completions as they arrive. Out: completions by request key. One folder per prompt model under
`$LITTLEHUMAN_CACHE/completions`, in JSON lines. Every writer has a file of its own and readers merge them: processes
never wait for each other, and a killed writer loses at most the line that it was writing. A recording
(`prompt_model=recorded`) has the same format.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from littlehuman.prompt_models.usage import MAX_TOKENS, bounded_int
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig
from littlehuman.store import cache_root, process_name, slug

log = logging.getLogger(__name__)
_HEAD = b'{"key": "'
_NAMES = {field.name for field in fields(Completion)}
UNREADABLE = "%s: %d lines are no answers (wrong types or impossible values) and were passed over; they are asked again"


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
        self._unreadable: dict[Path, int] = {}  # lines with a wanted key that are no completion

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
                try:
                    completion = _parse(line, wanted)
                except ValueError as error:
                    self._count_unreadable(file, str(error))
                    continue
                if completion:
                    yield completion
        self._offsets[file] = offset
        if count := self._unreadable.pop(file, 0):
            log.warning(UNREADABLE, file, count)

    def _count_unreadable(self, file: Path, what: str) -> None:
        if file not in self._unreadable:
            log.debug("%s: %s", file, what)
        self._unreadable[file] = self._unreadable.get(file, 0) + 1


def _parse(line: bytes, wanted: Collection[str]) -> Completion | None:
    """The completion in a line; None where it is another one's, or torn.

    Raises:
        ValueError: when a line with a wanted key has values of other types than a completion's.
    """
    # The key comes first in each line, so most lines need no JSON parser.
    if line.startswith(_HEAD):
        key = line[len(_HEAD) : line.find(b'"', len(_HEAD))].decode("utf-8", "replace")
        if key not in wanted:
            return None
    try:
        row = json.loads(line, parse_int=bounded_int)
    except (ValueError, RecursionError):
        return None  # torn by a killed writer: its request is asked again
    if not isinstance(row, dict) or not isinstance(row.get("key"), str) or row["key"] not in wanted:
        return None
    return _completion(row)


def _completion(row: dict[str, Any]) -> Completion:
    texts = [row.get(name) for name in ("text", "finish")]
    counts = [row.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "cached_tokens")]
    if row.keys() - _NAMES or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"request {row['key']}: no completion")
    if not all(type(count) is int and 0 <= count <= MAX_TOKENS for count in counts) or counts[2] > counts[0]:
        raise ValueError(f"request {row['key']}: an impossible number of tokens")
    return Completion(**row)


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
        row = {name: value for name, value in asdict(completion).items() if value or name != "cached_tokens"}
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")
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
