"""The provider's side of a batch: files up and down, batches created, found and asked after.

In: one step to be done. Out: its result; `Passing` where the same step may succeed later; a
`GenerationError` where it cannot. No error of the client goes further: the request in it holds
the key.


[folded] The files of a batch: the requests that go up, the answers that come down.

In: requests by key. Out: files within the provider's limits, one line a request, and the outcome
of each line of what came back. `custom_id` is the request's key; the order of lines means nothing.
The format is that of https://platform.openai.com/docs/guides/batch.

"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from littlehuman.errors import GenerationError
from littlehuman.prompt_models import connection
from littlehuman.prompt_models.batch_store import Submission
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.prompt_models.responses import (
    BUSY,
    ITS_OWN_FAULT,
    PASSES,
    REASON_CHARS,
    RequestError,
    RetryAdvice,
    cannot_connect,
    classify_error,
    read_response,
    said_in,
)
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai.types import Batch

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

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
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


def read_outcomes(path: Path) -> Iterator[tuple[str, Completion | RequestError]]:
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


def _result(key: str, line: Mapping[str, Any]) -> Completion | RequestError:
    response = line.get("response")
    status = response.get("status_code") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(status, int):
        return RequestError(_said(line.get("error")) or "a line without an answer", cure=RetryAdvice.AGAIN)
    if 200 <= status < 300:  # as online: what was paid for is not asked again, an error in an answer's place is
        return read_response(key, response.get("body"))
    passes = status in PASSES or status in BUSY or status >= 500
    reason = f"HTTP {status}: {said_in(response.get('body'))}"
    return RequestError(reason, served=status in ITS_OWN_FAULT, cure=RetryAdvice.AGAIN if passes else RetryAdvice.NONE)


def _said(error: object) -> str:
    code = error.get("code") if isinstance(error, Mapping) else None
    return f"{code}: {said_in(error)}" if code else said_in(error)


log = logging.getLogger(__name__)
T = TypeVar("T")
TRANSFER_S = 600.0  # a file of 200 MB, and what the provider does with it
OUTAGE_S = 3600.0  # how long a provider that was there is waited for; its batches run on meanwhile
DAY_S = 86400.0
NAME = "littlehuman"  # of the entry in a batch's metadata that holds the submission's id


class TransientError(Exception):
    """A step that may succeed later. `sure`: the provider did nothing."""

    def __init__(self, reason: str, sure: bool) -> None:
        self.reason, self.sure = reason, sure
        super().__init__(reason)


class BatchClient:
    """The batch API at `url`.

    Raises:
        GenerationError: when nothing answers there, or no batch API does.
    """

    def __init__(self, config: PromptModelConfig, url: str, key: ApiKey) -> None:
        from openai import OpenAI, Timeout

        connection.keep_quiet()
        self.config, self.key, self.url = config, key, url
        self.address = connection.without_password(url)
        self._down_since: float | None = None
        self._reached = False
        connect = min(connection.CONNECT_S, config.timeout_s)
        self._long = Timeout(max(TRANSFER_S, config.timeout_s), connect=connect)
        timeout = Timeout(config.timeout_s, connect=connect)
        self._client = OpenAI(api_key=key.for_client(), base_url=url, timeout=timeout, max_retries=config.retries)
        self._once = self._client.with_options(max_retries=0)

    def __enter__(self) -> BatchClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def greet(self) -> None:
        """Say at once what would otherwise be said after the upload: no server, a wrong key, no batch API."""
        try:
            self._call(
                lambda: self._once.batches.list(limit=1),
                absent="prompt_model.batch_api=false: no batch API answers there",
            )
        except TransientError as trouble:
            log.info("%s: %s; going on", self.address, trouble.reason)

    def upload(self, name: str, handle: IO[bytes]) -> str:
        """The id of the file at the provider."""
        file = self._call(lambda: self._client.files.create(file=(name, handle), purpose="batch", timeout=self._long))
        return file.id

    def create(self, submission: Submission) -> Batch:
        """Ask for a batch, once: whether a request without an answer was heard is not known."""
        return self._call(
            lambda: self._once.batches.create(
                input_file_id=submission.file, endpoint=CHAT, completion_window="24h", metadata={NAME: submission.id}
            )
        )

    def find(self, submission: Submission) -> Batch | None:
        """The batch that was asked for, if the provider has it."""

        def search() -> Batch | None:
            for batch in self._client.batches.list(limit=100):  # the newest first, page after page
                if (batch.metadata or {}).get(NAME) == submission.id or batch.input_file_id == submission.file:
                    return batch
                if batch.created_at < submission.asked_at - DAY_S:
                    return None
            return None

        return self._call(search)

    def retrieve(self, batch: str, lost: str) -> Batch:
        """How the batch does; `lost` is the mend when the provider does not know it."""
        return self._call(lambda: self._client.batches.retrieve(batch), absent=lost)

    def fetch(self, file: str, path: Path, lost: str) -> None:
        """Put a file of the provider at `path`, whole or not at all; a key that it echoes stays out."""
        part = path.with_suffix(".part")

        def download() -> None:
            with (
                self._client.files.with_streaming_response.content(file, timeout=self._long) as response,
                part.open("wb") as handle,
            ):
                rest = b""
                for block in response.iter_bytes():
                    *lines, rest = (rest + block).split(b"\n")
                    handle.writelines(self._clean(line) + b"\n" for line in lines)
                handle.write(self._clean(rest))

        self._call(download, absent=lost)
        os.replace(part, path)

    def error(self, reason: str, mend: str) -> GenerationError:
        """The run's end, in words without the key."""
        return GenerationError(
            self.key.scrub(f"prompt_model.name={self.config.name} at {self.address}: {reason}\nTry: {mend}")
        )

    def short(self, reason: str) -> str:
        """A reason without the key, on one line."""
        return " ".join(self.key.scrub(reason).split())[:REASON_CHARS]

    def _clean(self, line: bytes) -> bytes:
        return self.key.out_of(line.decode("utf-8", "replace")).encode("utf-8")

    def _call(self, work: Callable[[], T], absent: str = "") -> T:
        try:
            result = work()
        except Exception as error:
            end = self._meaning(error, absent)
        else:
            self._down_since, self._reached = None, True
            return result
        raise end  # out here, so that it does not hold on to the client's error

    def _meaning(self, error: Exception, absent: str) -> TransientError | GenerationError:
        import httpx2
        import openai

        trouble, status = classify_error(error, self.config), getattr(error, "status_code", None)
        if isinstance(error, httpx2.HTTPError):  # in the middle of a file
            trouble = RequestError(f"the connection broke ({type(error).__name__}: {error})")
        lost_contact = cannot_connect(error.__cause__ or error)
        reason = self.short(trouble.reason)
        self._reached = self._reached or not lost_contact
        if absent and isinstance(error, openai.APIStatusError) and status in (404, 405, 501):
            return self.error(reason, absent)
        if isinstance(error, OSError):  # of this machine: the disk is full, the folder is gone
            return self.error(f"{type(error).__name__}: {error}", "make room for the cache (LITTLEHUMAN_CACHE)")
        if (trouble.mend or trouble.served) and not (lost_contact and self._reached):
            return self.error(
                reason,
                trouble.mend or "mend what the reason names; a smaller prompt_model.batch_mb makes smaller files",
            )
        self._down_since = self._down_since or time.monotonic()
        if time.monotonic() - self._down_since > OUTAGE_S:
            return self.error(f"for {OUTAGE_S / 60:.0f} minutes: {reason}", "the same command later")
        return TransientError(reason, sure=lost_contact or status == 429)
