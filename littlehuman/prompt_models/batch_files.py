"""The files of a batch: requests that go up, answers that come down.

In: request bodies by key; later the provider's output and error file. Out: files within the provider's limits, one
JSON line per request; later one result per wanted key. Lines are matched by `custom_id`, which is the request key;
their order means nothing. Format: https://platform.openai.com/docs/guides/batch.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from littlehuman.prompt_models.batch_store import BatchStore, Submission
from littlehuman.prompt_models.cache import CompletionCache
from littlehuman.prompt_models.responses import (
    BAD_REQUEST,
    RequestError,
    RetryAdvice,
    is_transient,
    message_of,
    read_response,
)
from littlehuman.records import Completion
from littlehuman.store import read_jsonl

CHAT: Final = "/v1/chat/completions"
NO_LINE = {  # status of an ended batch -> why a request has no line in its files
    "expired": "the batch expired before this request was answered",
    "cancelled": "the batch was cancelled before this request was answered",
    "completed": "the batch was completed without an answer to this request",
}


class Spool:
    """The requests of one run, in an unnamed temporary file.

    Memory holds only an offset per request, and a killed run leaves no file behind.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)
        self._places: dict[str, tuple[int, int]] = {}  # key -> offset and bytes of its line
        self._folder, self._end = folder, 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def add(self, key: str, body: Mapping[str, Any]) -> None:
        """Add a request; one whose key is there already is the same request, and is ignored."""
        if key in self._places:
            return
        line = json.dumps({"custom_id": key, "method": "POST", "url": CHAT, "body": body}, ensure_ascii=False)
        size = self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
        self._places[key] = (self._end, size)
        self._end += size

    def size(self, key: str) -> int:
        """Bytes of a request's line."""
        return self._places[key][1]

    def chunks(self, keys: Sequence[str], max_requests: int, max_bytes: int) -> Iterator[list[str]]:
        """Split `keys` into files of at most so many requests and bytes; a line that is larger is alone in its file."""
        chunk: list[str] = []
        full = 0
        for key in keys:
            if chunk and (len(chunk) == max_requests or full + self.size(key) > max_bytes):
                yield chunk
                chunk, full = [], 0
            chunk.append(key)
            full += self.size(key)
        if chunk:
            yield chunk

    @contextmanager
    def file_with(self, keys: Sequence[str]) -> Iterator[IO[bytes]]:
        """A temporary file with the lines of these requests, in this order, positioned at its start."""
        with tempfile.TemporaryFile(dir=self._folder) as handle:
            for key in keys:
                start, size = self._places[key]
                self._file.seek(start)
                handle.write(self._file.read(size))
            self._file.seek(0, 2)
            handle.seek(0)
            yield handle


class BatchResults:
    """What an ended batch brought; its files lie beside the submission's file."""

    def __init__(self, submission: Submission, store: BatchStore, max_tokens: int | None = None) -> None:
        self.submission, self.files, self.max_tokens = submission, store.answer_files(submission), max_tokens
        self._asked, self._answered, self._handed_over = set(submission.keys), set[str](), set[str]()
        self._odd_lines = Counter[str]()

    def results(self, wanted: Collection[str]) -> Iterator[tuple[str, Completion | RequestError]]:
        """Yield key and result, once for each wanted key of the submission: answers first.

        The caller may remove keys from `wanted` meanwhile. Where the provider answered a request twice, the first
        answer counts; an error counts only where there is no answer.
        """
        errors: dict[str, RequestError] = {}
        for key, result in (line for file in self.files for line in read_results(file, self.max_tokens)):
            if key not in self._asked:
                self._odd_lines["lines that answer nothing we asked"] += 1
            elif isinstance(result, RequestError):
                errors[key] = result
            elif key in self._answered:
                self._odd_lines["second answers"] += 1
            else:
                self._answered.add(key)
                if key in wanted:
                    yield key, result
                    self._handed_over.add(key)
        errors = _errors_without_line(self.submission) | errors
        for key in self.submission.keys:
            if key in wanted and key not in self._answered:
                yield key, errors[key]

    def uncollected(self, cache: CompletionCache) -> list[str]:
        """Keys of answers that are neither handed over nor in the cache: other runs asked for them."""
        left = self._answered - self._handed_over
        for completion in cache.read(left):
            left.discard(completion.key)
        return sorted(left)

    def __str__(self) -> str:
        """One line for the log."""
        odd = "".join(f", {count} {what}" for what, count in self._odd_lines.items())
        answered = f"{len(self._answered)} of {len(self._asked)} requests answered"
        return f"batch {self.submission.batch}: {self.submission.status}; {answered}{odd}"


def read_results(path: Path, max_tokens: int | None = None) -> Iterator[tuple[str, Completion | RequestError]]:
    """Yield key and result of each readable line; an unreadable one counts as a request without a line."""
    for line in read_jsonl(path) if path.is_file() else ():
        if isinstance(line.get("custom_id"), str):
            yield line["custom_id"], _read_line(line["custom_id"], line, max_tokens)


def _read_line(key: str, line: Mapping[str, Any], max_tokens: int | None) -> Completion | RequestError:
    response = line.get("response")
    status = response.get("status_code") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(status, int):
        return RequestError(_line_error(line.get("error")) or "a line without an answer", retry=RetryAdvice.YES)
    if 200 <= status < 300:  # the same rules as online, errors with status 200 included
        return read_response(key, response.get("body"), max_tokens=max_tokens)
    reason = f"HTTP {status}: {message_of(response.get('body'))}"
    retry = RetryAdvice.YES if is_transient(status) else RetryAdvice.NO
    return RequestError(reason, served=status in BAD_REQUEST, retry=retry)


def _line_error(error: object) -> str:
    code = error.get("code") if isinstance(error, Mapping) else None
    return f"{code}: {message_of(error)}" if code else message_of(error)


def _errors_without_line(submission: Submission) -> dict[str, RequestError]:
    """Why a request has no line of its own, by key."""
    if submission.status != "failed":
        reason = NO_LINE.get(submission.status, submission.status)
        return dict.fromkeys(submission.keys, RequestError(reason, retry=RetryAdvice.YES))
    named = {error["line"]: error["message"] for error in submission.errors if error.get("line")}
    said = "; ".join(error["message"] for error in submission.errors) or "no reason was given"
    # Without the requests that it names, or when other batches have ended, the provider may accept the rest.
    retry = RetryAdvice.YES if named else RetryAdvice.SLOWER if submission.queue_full else RetryAdvice.NO
    errors = dict.fromkeys(submission.keys, RequestError(f"the batch was refused: {said}", retry=retry))
    for line, key in enumerate(submission.keys, start=1):
        if line in named:
            errors[key] = RequestError(f"the batch was refused for this request: {named[line]}", served=True)
    return errors
