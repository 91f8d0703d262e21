"""A provider's batch API: the same requests within a day instead of at once, for about half the price.

In: prompts. Out: the answers that the online endpoint would give, batch by batch. A run that stops at any moment and
is started again with the same command goes on with the batches that it left at the provider: nothing is paid twice.
Only creating a batch costs money, so one that may have been created is looked for before another one is created.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from littlehuman.errors import GenerationError
from littlehuman.formatting import one_line
from littlehuman.prompt_models.batch_client import BatchClient, TransientError
from littlehuman.prompt_models.batch_files import BatchResults, Spool
from littlehuman.prompt_models.batch_store import BATCH_FOLDER, BatchStore, Phase, Submission
from littlehuman.prompt_models.cache import CompletionCache, cache_path
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.chat_client import request_body
from littlehuman.prompt_models.connection import NO_KEY
from littlehuman.prompt_models.responses import RequestError, RetryAdvice
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai.types import Batch

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
LISTING_DELAY_S = 30.0  # how late a create request whose reply was lost may still show in the provider's list
END_STATUSES = ("completed", "expired", "cancelled", "failed")


class BatchEndpoint:
    """Asks the model `prompt_model.name` through the batch API at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    batched, undelivered = True, ()  # what a batch answered stays in its files until it is in the cache

    def __init__(self, config: PromptModelConfig) -> None:
        self.config = config
        self.online = Endpoint(config)  # the same settings, address and key
        self.folder = cache_path(config) / BATCH_FOLDER

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers of each batch when it has ended. All prompts are read before the first batch is paid for.

        Closing the generator, or Ctrl-C, leaves the batches running at the provider, and logs how to go on.

        Raises:
            GenerationError: when no request can succeed.
        """
        with Spool(self.folder) as spool:
            for prompt in prompts:
                spool.add(prompt.key, request_body(self.config, prompt, max_tokens))
            if any(True for _ in spool):
                with (
                    closing(BatchStore(self.folder)) as store,
                    BatchClient(self.config, self.online.url, self.online.key, max_tokens) as client,
                ):
                    run = _Run(self.config, spool, store, client, max_tokens)
                    try:
                        yield from run.answers()
                    finally:
                        run.log_what_goes_on()


class _Run:
    """One call of `complete`: the wanted keys, and the submissions that will bring their answers."""

    def __init__(
        self, config: PromptModelConfig, spool: Spool, store: BatchStore, client: BatchClient, max_tokens: int
    ) -> None:
        self.config, self.spool, self.store, self.client = config, spool, store, client
        self.max_tokens = max_tokens if config.token_limit_name else None
        self.wanted = dict.fromkeys(spool)
        self.rounds: dict[str, int] = {}  # key -> how often it was asked before
        self.open: list[Submission] = []
        self.queue_full = False  # the provider takes no further batch before one of ours has ended

    def answers(self) -> Iterator[Completion | Failure]:
        """Yield one answer per wanted key.

        Raises:
            GenerationError: when no request can succeed.
        """
        self._resume()
        self.client.probe()
        yield from self._too_large()
        while self.wanted:
            self._submit()
            for submission in list(self.open):
                self._advance(submission)
            for submission in [s for s in self.open if s.phase is Phase.ended and self.store.is_locked(s)]:
                yield from self._collect(submission)
            if self.wanted and not self.config.batch_wait and self._all_handed_in():
                raise self._not_waiting()
            if self.wanted:
                time.sleep(self.config.poll_s)

    def log_what_goes_on(self) -> None:
        """Log which batches run on at the provider, and how to cancel them."""
        ours = [s for s in self.open if s.may_run and self.store.is_locked(s)]
        names = [s.batch for s in ours if s.batch]  # one that is just being created has none yet
        if not ours or not self.wanted:
            return
        variable = self.config.api_key_env
        key = f"os.environ['{variable}']" if variable else f"'{NO_KEY}'"
        client = f"openai.OpenAI(api_key={key}, base_url='{self.client.address}')"
        log.warning(
            "%d batches go on at the provider. The same command waits for them where this one stopped, "
            "and pays nothing twice. "
            'To cancel them: python -c "import os, openai; c = %s; [c.batches.cancel(b) for b in %s]"',
            *(len(ours), client, names),
        )

    def _all_handed_in(self) -> bool:
        """Whether only the provider, or another process, is to be waited for."""
        held = {key for s in self.open for key in s.keys}
        ours = [s for s in self.open if self.store.is_locked(s)]
        return (self.queue_full or held >= self.wanted.keys()) and all(s.phase is Phase.running for s in ours)

    def _not_waiting(self) -> GenerationError:
        batches = ", ".join(f"{s.batch}: {s.status}" for s in self.open if s.batch)
        reason = f"prompt_model.batch_wait=false, and {len(self.wanted)} requests wait for their batches ({batches})"
        return self.client.error(
            reason, "the same command later collects the answers; prompt_model.batch_wait=true waits for them"
        )

    def _resume(self) -> None:
        self.open = list(self.store.containing(self.wanted, self.client.address))
        for submission in self.open:
            self.rounds.update(dict.fromkeys(submission.keys, submission.round))
            if submission.batch:
                log.info("batch %s goes on: %d requests were handed in before", submission.batch, len(submission.keys))

    def _submit(self) -> None:
        """Make submissions of all wanted keys that are in none."""
        if self.queue_full and any(s.may_run for s in self.open):
            return
        held = {key for submission in self.open for key in submission.keys}
        free: dict[int, list[str]] = {}
        for key in self.wanted:
            if key not in held:
                free.setdefault(self.rounds.get(key, 0), []).append(key)
        for round_, keys in free.items():
            for chunk in self.spool.chunks(keys, self.config.batch_requests, self.config.batch_mb * MEGABYTE):
                submission = Submission(self.client.address, chunk, round_)
                self.store.lock(submission)
                self.store.save(submission)
                self.open.append(submission)

    def _advance(self, submission: Submission) -> None:
        """Take the steps that are possible now. An uploaded file is not paid for yet: only if all of it is wanted."""
        current = self._locked(submission)
        if current and current.phase is Phase.uploaded and not self.wanted.keys() >= set(current.keys):
            self.open.remove(current)
            self.store.finish(current, [])  # the wanted part is submitted anew
        elif current:
            try:
                advance(current, self.spool, self.store, self.client)
            except TransientError as error:
                log.warning("%s: %s; trying again in %g s", self.client.address, error.reason, self.config.poll_s)

    def _locked(self, submission: Submission) -> Submission | None:
        """The submission, locked for this process; None while another holds it, or when nothing is left of it."""
        if self.store.is_locked(submission):
            return submission
        if not self.store.lock(submission):
            return None
        current = self.store.reload(submission)
        self.open.remove(submission)
        if current is None or current.phase is Phase.uploading:  # finished, or nothing was paid for
            self.store.finish(submission, [])
            return None
        self.open.append(current)
        return current

    def _collect(self, submission: Submission) -> Iterator[Completion | Failure]:
        self.open.remove(submission)
        self.queue_full = submission.queue_full and any(s.may_run for s in self.open)
        results, failures = BatchResults(submission, self.store, self.max_tokens), list[Failure]()
        for key, result in results.results(self.wanted):
            if isinstance(result, Completion):
                self.wanted.pop(key)
                yield result
            elif result.retry is not RetryAdvice.NO and (self.queue_full or submission.round < self.config.retries):
                self.rounds[key] = submission.round + (not self.queue_full)  # still wanted, now in no submission
            else:
                self.wanted.pop(key)
                failures.append(self._failure(key, result))
        log.info("%s", results)
        self.store.finish(submission, results.uncollected(CompletionCache(cache_path(self.config))))
        yield from failures  # only now: if one ends the run, the next run must ask anew, not read these files again

    def _failure(self, key: str, error: RequestError) -> Failure:
        return Failure(key, self.client.key.short_reason(error.reason), error.served)

    def _too_large(self) -> Iterator[Failure]:
        limit = self.config.batch_mb * MEGABYTE
        reason = f"the request alone has more than prompt_model.batch_mb={self.config.batch_mb}"
        for key in [key for key in self.wanted if self.spool.size(key) > limit]:
            self.wanted.pop(key)
            yield self._failure(key, RequestError(reason, served=True))


def advance(submission: Submission, spool: Spool, store: BatchStore, client: BatchClient) -> None:
    """Take the steps of one submission that can be taken now; its state is saved before and after each.

    Raises:
        TransientError: when a step may succeed later.
        GenerationError: when it cannot.
    """
    if submission.phase is Phase.uploading:
        _upload(submission, spool, store, client)
    if submission.phase is Phase.creating:
        _find(submission, store, client)  # if it is not there, it is created at the next turn, if still wanted
    elif submission.phase is Phase.uploaded:
        _create(submission, store, client)
    if submission.phase is Phase.running:
        _poll(submission, store, client)


def _upload(submission: Submission, spool: Spool, store: BatchStore, client: BatchClient) -> None:
    with spool.file_with(submission.keys) as handle:
        submission.file = client.upload(f"littlehuman-{submission.id}.jsonl", handle)
    submission.phase = Phase.uploaded
    store.save(submission)


def _create(submission: Submission, store: BatchStore, client: BatchClient) -> None:
    submission.phase, submission.asked_at = Phase.creating, time.time()
    store.save(submission)
    try:
        batch = client.create(submission)
    except TransientError as error:
        if error.sure:
            submission.phase = Phase.uploaded
        submission.asked_at = time.time()
        store.save(submission)
        raise
    except GenerationError:
        store.finish(submission, [])  # refused, so nothing is paid for: the next run starts anew
        raise
    _created(submission, batch, store)
    log.info("batch %s: %d requests handed in", batch.id, len(submission.keys))


def _find(submission: Submission, store: BatchStore, client: BatchClient) -> None:
    batch = client.find(submission)
    if batch:
        _created(submission, batch, store)
        log.info("batch %s: found again, %d requests", batch.id, len(submission.keys))
    elif submission.seconds_since_asked > LISTING_DELAY_S:
        submission.phase = Phase.uploaded
        store.save(submission)


def _created(submission: Submission, batch: Batch, store: BatchStore) -> None:
    submission.phase, submission.batch = Phase.running, batch.id
    store.save(submission)


def _poll(submission: Submission, store: BatchStore, client: BatchClient) -> None:
    remove = f"remove {store.path(submission)} to have its requests asked, and paid, again"
    mend_if_absent = f"with the key that paid for batch {submission.batch}; or {remove}"
    batch = client.retrieve(submission.batch, mend_if_absent)
    status, counts = one_line(str(batch.status)), batch.request_counts
    if counts:
        status += f", {counts.completed} of {counts.total} answered, {counts.failed} failed"
    if status != submission.status:
        log.info("batch %s: %s", submission.batch, status)
        submission.status = status
    if batch.status in END_STATUSES:
        for file, path in zip((batch.output_file_id, batch.error_file_id), store.answer_files(submission), strict=True):
            if file:
                client.download(file, path, mend_if_absent, len(submission.keys))
        errors = (batch.errors.data if batch.errors else None) or ()
        submission.errors = [
            {"message": client.key.short_reason(str(e.message or "")), "code": e.code, "line": e.line} for e in errors
        ]
        submission.status, submission.phase = str(batch.status), Phase.ended
        store.save(submission)
