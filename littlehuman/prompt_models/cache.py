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
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import asdict, fields
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from littlehuman.prompt_models.usage import MAX_TOKENS, bounded_int
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig
from littlehuman.store import cache_root, process_name, slug

log = logging.getLogger(__name__)

RETRY_S = (1.0, 10.0)  # first and longest wait between two tries to write an answer
SAY_AGAIN_S = 300.0
FULL = (
    "%s: %s. A paid answer cannot be written there, so nothing more is asked. It and the answers under way are kept in "
    "memory, and the run goes on by itself once there is room; Ctrl-C ends it without them"
)
_sleep = time.sleep
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
                try:
                    completion = _parse(line, wanted)
                except ValueError as error:
                    self._count_unreadable(file, str(error))
                    completion = None
                if completion:
                    yield completion
                if not line.endswith(b"\n"):
                    break  # it may still be written, so the next call reads it from its start
                offset += len(line)
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
    """Appends completions to a file of its own; each is handed to the operating system before `add` returns.

    Where the file takes nothing (disk full, quota, folder gone), `add` waits until it does. Requests are drawn by the
    thread that calls `add`, so nothing more is asked meanwhile, and what is under way is kept in memory.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{process_name()}.jsonl"
        self._handle: FileIO | None = None
        self._unwritten: deque[bytes] = deque()  # lines

    def __enter__(self) -> CompletionWriter:
        return self

    def add(self, completion: Completion, *, wait: bool = True) -> None:
        """Write one completion; with `wait` false, it is tried once, and again with the next one and at the end."""
        # `backslashreplace` writes a lone surrogate (half an emoji) as its JSON escape, which reads back unchanged.
        row = {name: value for name, value in asdict(completion).items() if value or name != "cached_tokens"}
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")
        self._unwritten.append(line + b"\n")
        error = self._write()
        if error and wait:
            self._wait(error)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unwritten and (error := self._write()):
            lost = "%d paid answers could not be kept in %s (%s): they are lost, and are asked and paid for again"
            log.error(lost, len(self._unwritten), self.path, error.strerror or error)
        self._close()

    def _write(self) -> OSError | None:
        """Write the lines that wait; the error where some could not be written."""
        try:
            if self._handle is None:
                self._handle = self._open()
            while self._unwritten:
                _write_all(self._handle, self._unwritten[0])
                self._unwritten.popleft()
        except OSError as error:
            self._close()  # opened anew at the next try: the folder may be another one then; half a line is ended first
            return error
        return None

    def _open(self) -> FileIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = _ends_in_torn_line(self.path)
        handle = self.path.open("ab", buffering=0)  # unbuffered: it is known how much of a line was written
        if torn:
            _write_all(handle, b"\n")
        return handle

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _wait(self, error: OSError | None) -> None:
        """Try again, at growing intervals, until the lines are written. Ctrl-C ends it."""
        pause, last_said = RETRY_S[0], -SAY_AGAIN_S
        while error:
            if time.monotonic() - last_said >= SAY_AGAIN_S:
                last_said = time.monotonic()
                log.error(FULL, self.path, error.strerror or error)
            _sleep(pause)
            pause = min(2 * pause, RETRY_S[1])
            error = self._write()
        log.info("%s: can be written again; going on", self.path)


def _write_all(handle: FileIO, data: bytes) -> None:
    while data:
        data = data[handle.write(data) :]


def _ends_in_torn_line(file: Path) -> bool:
    """Whether an earlier process with the same id died while it wrote its last line."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) != b"\n"
