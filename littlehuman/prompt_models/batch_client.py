"""Calls of a provider's batch API: upload and download files; create, find and poll batches.

In: one call. Out: its result; a `TransientError` where the same call may succeed later; a `GenerationError` where it
cannot. No error of the client library goes further, because the request inside it holds the API key.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, TypeVar

from littlehuman.errors import GenerationError
from littlehuman.prompt_models import connection
from littlehuman.prompt_models.batch_files import CHAT
from littlehuman.prompt_models.batch_store import Submission
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.prompt_models.responses import RequestError, body_limit, classify_error, is_unreachable
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai.types import Batch

log = logging.getLogger(__name__)

TRANSFER_S = 600.0  # timeout of a file of 200 MB, and of what the provider does with it
MAX_OUTAGE_S = 3600.0  # how long a provider that was reached before is waited for; its batches run on meanwhile
DAY_S = 86400.0
LISTING_BYTES = 33_554_432  # of any reply but a file
METADATA_KEY = "littlehuman"  # of the submission's id in a batch's metadata
T = TypeVar("T")


class TransientError(Exception):
    """A call that may succeed later. `sure`: the provider did nothing."""

    def __init__(self, reason: str, sure: bool) -> None:
        self.reason, self.sure = reason, sure
        super().__init__(reason)


class BatchClient:
    """The batch API at `url`. Every call may raise what the module says."""

    def __init__(self, config: PromptModelConfig, url: str, key: ApiKey, max_tokens: int) -> None:
        from openai import OpenAI, Timeout

        from littlehuman.prompt_models.http_client import BoundedClient

        connection.silence_client_logs()
        self.config, self.key = config, key
        self.address = connection.shown_address(config)
        self._down_since: float | None = None
        self._reached = False
        connect = min(connection.CONNECT_S, config.timeout_s)
        self._transfer_timeout = Timeout(max(TRANSFER_S, config.timeout_s), connect=connect)
        timeout = Timeout(config.timeout_s, connect=connect)
        self._line_limit = body_limit(config, max_tokens)
        http = BoundedClient(LISTING_BYTES, base_url=url, timeout=timeout)
        self._client = OpenAI(
            api_key=key.for_client(), base_url=url, timeout=timeout, max_retries=config.retries, http_client=http
        )
        self._once = self._client.with_options(max_retries=0)

    def __enter__(self) -> BatchClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def probe(self) -> None:
        """Find out before the upload whether there is a server, a valid key and a batch API."""
        mend = "prompt_model.batch_api=false: no batch API answers there"
        try:
            self._call(lambda: self._once.batches.list(limit=1), mend_if_absent=mend)
        except TransientError as error:
            log.info("%s: %s; going on", self.address, error.reason)

    def upload(self, name: str, handle: IO[bytes]) -> str:
        """Upload a file; its id at the provider."""
        timeout = self._transfer_timeout
        made = self._call(lambda: self._client.files.create(file=(name, handle), purpose="batch", timeout=timeout))
        self._check_id(made.id)
        return made.id

    def create(self, submission: Submission) -> Batch:
        """Create a batch, without retries: after a lost reply it is not known whether the batch exists."""
        metadata = {METADATA_KEY: submission.id}
        made = self._call(
            lambda: self._once.batches.create(
                input_file_id=submission.file, endpoint=CHAT, completion_window="24h", metadata=metadata
            )
        )
        self._check_id(made.id)
        return made

    def find(self, submission: Submission) -> Batch | None:
        """The batch that was asked for, if the provider has it."""

        def search() -> Batch | None:
            for batch in self._client.batches.list(limit=100):  # newest first, page after page
                if (batch.metadata or {}).get(METADATA_KEY) == submission.id or batch.input_file_id == submission.file:
                    return batch
                if batch.created_at < submission.asked_at - DAY_S:
                    return None
            return None

        found = self._call(search)
        if found:
            self._check_id(found.id)
        return found

    def retrieve(self, batch: str, mend_if_absent: str) -> Batch:
        """The state of a batch; `mend_if_absent` goes into the error when the provider does not know it."""
        return self._call(lambda: self._client.batches.retrieve(batch), mend_if_absent)

    def download(self, file: str, path: Path, mend_if_absent: str, requests: int) -> None:
        """Download a file of answers to `path` atomically; the API key, should the provider echo it, is redacted.

        A line that is longer than any answer is left out; a file that is longer than `requests` answers ends the run.
        """
        part = path.with_suffix(".part")

        def stream() -> None:
            with (
                self._client.files.with_streaming_response.content(file, timeout=self._transfer_timeout) as response,
                part.open("wb") as handle,
            ):
                for line in bounded_lines(response.iter_bytes(), self._line_limit, requests):
                    handle.write(self._redacted(line))

        self._call(stream, mend_if_absent)
        os.replace(part, path)

    def error(self, reason: str, mend: str) -> GenerationError:
        """The error that ends the run, without the key."""
        return connection.endpoint_error(self.config, self.key, reason, mend)

    def _check_id(self, given: object) -> None:
        """Refuse what is no id: it goes into the command that cancels batches, and into logs."""
        if not re.fullmatch(r"[\w.:=@/+-]{1,256}", str(given)):
            raise self.error(self.key.short_reason(f"an id that is none: {given!r}"), "another prompt_model.base_url")

    def _redacted(self, line: bytes) -> bytes:
        return self.key.redact_answer(line.decode("utf-8", "replace")).encode("utf-8")

    def _call(self, work: Callable[[], T], mend_if_absent: str = "") -> T:
        try:
            result = work()
        except Exception as error:
            end = self._classify(error, mend_if_absent)
        else:
            self._down_since, self._reached = None, True
            return result
        raise end  # outside the handler, so that it has no reference to the client's error, which holds the key

    def _classify(self, error: Exception, mend_if_absent: str) -> TransientError | GenerationError:
        import httpx2
        import openai

        from littlehuman.prompt_models.http_client import AnswerTooLong, RedirectRefused

        found, status = classify_error(error, self.config), getattr(error, "status_code", None)
        if isinstance(error, httpx2.HTTPError):  # in the middle of a download
            found = RequestError(f"the connection broke ({type(error).__name__}: {error})")
        unreachable = is_unreachable(error.__cause__ or error)
        reason = self.key.short_reason(found.reason)
        self._reached = self._reached or not unreachable
        if isinstance(error, RedirectRefused | AnswerTooLong):
            return self.error(reason, found.mend or "the provider: its reply is none of a batch API")
        if mend_if_absent and isinstance(error, openai.APIStatusError) and status in (404, 405, 501):
            return self.error(reason, mend_if_absent)
        if isinstance(error, OSError):  # of this machine: the disk is full, the folder is gone
            return self.error(f"{type(error).__name__}: {error}", "make room for the cache (LITTLEHUMAN_CACHE)")
        if (found.mend or found.served) and not (unreachable and self._reached):
            general = "mend what the reason names; a smaller prompt_model.batch_mb makes smaller files"
            return self.error(reason, found.mend or general)
        self._down_since = self._down_since or time.monotonic()
        if time.monotonic() - self._down_since > MAX_OUTAGE_S:
            return self.error(f"for {MAX_OUTAGE_S / 60:.0f} minutes: {reason}", "the same command later")
        return TransientError(reason, sure=unreachable or status == 429)


def bounded_lines(blocks: Iterable[bytes], longest: int, count: int) -> Iterator[bytes]:
    """The lines of a file as it arrives, with their ends; one with more bytes than `longest` is left out.

    Raises:
        AnswerTooLong: when the file has more bytes than `count` such lines.
    """
    from littlehuman.prompt_models.http_client import AnswerTooLong

    line, size = bytearray(), 0
    for block in blocks:
        size += len(block)
        if size > longest * (count + 1):
            raise AnswerTooLong(longest * (count + 1))
        for piece in block.splitlines(keepends=True):
            if len(line) <= longest:
                line += piece
            if piece.endswith(b"\n"):
                if len(line) <= longest:
                    yield bytes(line)
                line.clear()
    if len(line) <= longest:
        yield bytes(line)
