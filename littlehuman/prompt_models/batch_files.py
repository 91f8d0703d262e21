"""The files of a batch: the requests that go up, the answers that come down.

In: requests by key. Out: files within the provider's limits, one line a request, and the outcome
of each line of what came back. `custom_id` is the request's key; the order of lines means nothing.
The format is that of https://platform.openai.com/docs/guides/batch.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from littlehuman.prompt_models.replies import BUSY, ITS_OWN_FAULT, PASSES, Cure, Trouble, read, said_in
from littlehuman.records import Completion

CHAT: Final = "/v1/chat/completions"


class Spool:
    """The requests of one run, in a file without a name: memory holds a place per request, a killed run leaves nothing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)
        self._places: dict[str, tuple[int, int]] = {}
        self._folder, self._end = folder, 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def add(self, key: str, body: Mapping[str, Any]) -> None:
        """Put a request in; a second one with the same key is the same one."""
        if key in self._places:
            return
        line = json.dumps({"custom_id": key, "method": "POST", "url": CHAT, "body": body}, ensure_ascii=False)
        size = self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
        self._places[key] = (self._end, size)
        self._end += size

    def size(self, key: str) -> int:
        """Bytes of a request's line."""
        return self._places[key][1]

    def parts(self, keys: Sequence[str], requests: int, size: int) -> Iterator[list[str]]:
        """Cut into files of at most so many requests and bytes (a line that is larger by itself stands alone)."""
        part: list[str] = []
        full = 0
        for key in keys:
            if part and (len(part) == requests or full + self.size(key) > size):
                yield part
                part, full = [], 0
            part.append(key)
            full += self.size(key)
        if part:
            yield part

    @contextmanager
    def file_of(self, keys: Sequence[str]) -> Iterator[IO[bytes]]:
        """A file with the lines of these requests, in this order, open at its beginning."""
        with tempfile.TemporaryFile(dir=self._folder) as handle:
            for key in keys:
                start, size = self._places[key]
                self._file.seek(start)
                handle.write(self._file.read(size))
            self._file.seek(0, 2)
            handle.seek(0)
            yield handle


def read_outcomes(path: Path) -> Iterator[tuple[str, Completion | Trouble]]:
    """Yield key and result of each line that can be read; a trouble says whether asking again may help.

    A line that cannot be read is passed over: its request counts as one without an answer.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as handle:
        for text in handle:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
                yield line["custom_id"], _result(line["custom_id"], line)


def _result(key: str, line: Mapping[str, Any]) -> Completion | Trouble:
    response = line.get("response")
    status = response.get("status_code") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(status, int):
        return Trouble(_said(line.get("error")) or "a line without an answer", cure=Cure.AGAIN)
    if 200 <= status < 300:  # as online: what was paid for is not asked again, an error in an answer's place is
        return read(key, response.get("body"))
    passes = status in PASSES or status in BUSY or status >= 500
    reason = f"HTTP {status}: {said_in(response.get('body'))}"
    return Trouble(reason, served=status in ITS_OWN_FAULT, cure=Cure.AGAIN if passes else Cure.NONE)


def _said(error: object) -> str:
    code = error.get("code") if isinstance(error, Mapping) else None
    return f"{code}: {said_in(error)}" if code else said_in(error)
