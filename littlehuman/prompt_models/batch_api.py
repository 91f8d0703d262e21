"""A provider's batch API: the same requests, within a day instead of at once, for half the price.

In: prompts. Out: the answers that the online endpoint would give, when their batch has ended.
A run that stops at any moment, and is started again with the same command, goes on with the
batches that it left at the provider: nothing is paid for twice.


[folded] The steps of a submission at the provider, each written down before and after.

In: a submission as its file has it. Out: the same, as far on as the provider lets it be. Each step
may be cut off at any moment and taken again: only creating a batch costs money, so one that may
have been created is looked for first.

"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.batch_client import BatchClient, Spool, TransientError
from littlehuman.prompt_models.batch_results import Collected
from littlehuman.prompt_models.batch_store import BatchStore, Phase, Submission, seconds_since
from littlehuman.prompt_models.cache import CompletionCache, cache_path
from littlehuman.prompt_models.chat_api import Endpoint, request_body
from littlehuman.prompt_models.responses import RequestError, RetryAdvice
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai.types import Batch

log = logging.getLogger(__name__)
ON_ITS_WAY_S = 30.0  # a request whose answer was lost may reach the provider, or show in its list, so much later
ENDS = ("completed", "expired", "cancelled", "failed")


def advance(submission: Submission, spool: Spool, ledger: BatchStore, service: BatchClient) -> None:
    """Take the steps that can be taken now.

    Raises:
        Passing: when a step may succeed later.
        GenerationError: when it cannot.
    """
    if submission.phase is Phase.uploading:
        _upload(submission, spool, ledger, service)
    if submission.phase is Phase.creating:
        _look_for(submission, ledger, service)  # not there: it is asked for at the next turn, if it is wanted still
    elif submission.phase is Phase.uploaded:
        _create(submission, ledger, service)
    if submission.phase is Phase.running:
        _poll(submission, ledger, service)


def _upload(submission: Submission, spool: Spool, ledger: BatchStore, service: BatchClient) -> None:
    with spool.file_of(submission.keys) as handle:
        submission.file = service.upload(f"littlehuman-{submission.id}.jsonl", handle)
    submission.phase = Phase.uploaded
    ledger.save(submission)


def _create(submission: Submission, ledger: BatchStore, service: BatchClient) -> None:
    submission.phase, submission.asked_at = Phase.creating, time.time()
    ledger.save(submission)
    try:
        batch = service.create(submission)
    except TransientError as trouble:
        if trouble.sure:
            submission.phase = Phase.uploaded
        submission.asked_at = time.time()
        ledger.save(submission)
        raise
    except GenerationError:
        ledger.settle(submission, [])  # refused: nothing was bought, and another try begins anew
        raise
    _created(submission, batch, ledger)
    log.info("batch %s: %d requests handed in", batch.id, len(submission.keys))


def _look_for(submission: Submission, ledger: BatchStore, service: BatchClient) -> None:
    batch = service.find(submission)
    if batch:
        _created(submission, batch, ledger)
        log.info("batch %s: found again, %d requests", batch.id, len(submission.keys))
    elif seconds_since(submission.asked_at) > ON_ITS_WAY_S:
        submission.phase = Phase.uploaded
        ledger.save(submission)


def _created(submission: Submission, batch: Batch, ledger: BatchStore) -> None:
    submission.phase, submission.batch = Phase.running, batch.id
    ledger.save(submission)


def _poll(submission: Submission, ledger: BatchStore, service: BatchClient) -> None:
    where = ledger.path(submission)
    lost = f"with the key that paid for batch {submission.batch}; or remove {where} to have its requests asked, and paid, again"
    batch = service.retrieve(submission.batch, lost)
    counts = batch.request_counts
    status = (
        f"{batch.status}, {counts.completed} of {counts.total} answered, {counts.failed} failed"
        if counts
        else str(batch.status)
    )
    if status != submission.status:
        log.info("batch %s: %s", submission.batch, status)
        submission.status = status
    if batch.status in ENDS:
        for file, path in zip((batch.output_file_id, batch.error_file_id), ledger.answers(submission), strict=True):
            if file:
                service.fetch(file, path, lost)
        found = batch.errors.data if batch.errors else None
        submission.errors = [
            {"message": service.short(e.message or ""), "code": e.code, "line": e.line} for e in found or ()
        ]
        submission.status, submission.phase = batch.status, Phase.ended
        ledger.save(submission)


MEGABYTE = 1_000_000


class BatchEndpoint:
    """Asks for the model `prompt_model.name` through the batch API at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    batched, untaken = True, ()  # what a batch answered stays in its files until it is on the shelf

    def __init__(self, config: PromptModelConfig) -> None:
        self.config = config
        self.online = Endpoint(config)  # the same settings, address and key
        self.folder = cache_path(config) / "batches"

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the answers of each batch when it has ended. All prompts are taken before the first batch is paid for.

        Closing the iterator, or Ctrl-C, leaves the batches running at the provider, and says so.

        Raises:
            GenerationError: when no request can succeed.
        """
        with Spool(self.folder) as spool:
            for prompt in prompts:
                spool.add(prompt.key, request_body(self.config, prompt, max_tokens))
            if any(True for _ in spool):
                with (
                    closing(BatchStore(self.folder)) as ledger,
                    BatchClient(self.config, self.online.url, self.online.key) as service,
                ):
                    run = _Run(self.config, spool, ledger, service)
                    try:
                        yield from run.answers()
                    finally:
                        run.part()


class _Run:
    """One call of `complete`: what is wanted, and the submissions that will bring it."""

    def __init__(self, config: PromptModelConfig, spool: Spool, ledger: BatchStore, service: BatchClient) -> None:
        self.config, self.spool, self.ledger, self.service = config, spool, ledger, service
        self.wanted = dict.fromkeys(spool)
        self.rounds: dict[str, int] = {}  # of requests that are asked again
        self.open: list[Submission] = []
        self.crowded = False  # the provider takes no further batch before one of ours has ended

    def answers(self) -> Iterator[Completion | Failure]:
        """Everything that is wanted, batch by batch.

        Raises:
            GenerationError: when no request can succeed.
        """
        self._resume()
        self.service.greet()
        yield from self._too_large()
        while self.wanted:
            self._submit()
            for submission in list(self.open):
                self._bring_on(submission)
            for submission in [s for s in self.open if s.phase is Phase.ended and self.ledger.has(s)]:
                yield from self._collect(submission)
            if self.wanted and not self.config.batch_wait and self._handed_in():
                raise self._later()
            if self.wanted:
                time.sleep(self.config.poll_s)

    def _handed_in(self) -> bool:
        """Whether there is nothing left to do but to wait for the provider, or for another process."""
        held = {key for s in self.open for key in s.keys}
        ours = [s for s in self.open if self.ledger.has(s)]
        return (self.crowded or held >= self.wanted.keys()) and all(s.phase is Phase.running for s in ours)

    def _later(self) -> GenerationError:
        batches = ", ".join(f"{s.batch}: {s.status}" for s in self.open if s.batch)
        reason = f"prompt_model.batch_wait=false, and {len(self.wanted)} requests wait for their batches ({batches})"
        return self.service.error(
            reason, "the same command later collects the answers; prompt_model.batch_wait=true waits for them"
        )

    def part(self) -> None:
        """Say what goes on without us, and how to stop it."""
        ours = [s for s in self.open if s.bought and self.ledger.has(s)]
        names = [s.batch for s in ours if s.batch]  # one that was asked for in this moment has none yet
        if not ours or not self.wanted:
            return
        variable = self.config.api_key_env
        key = f"os.environ['{variable}']" if variable else "'no-key'"
        client = f"openai.OpenAI(api_key={key}, base_url='{self.service.address}')"
        log.warning(
            "%d batches go on at the provider. The same command waits for them where this one stopped, and pays nothing twice. "
            'To cancel them: python -c "import os, openai; c = %s; [c.batches.cancel(b) for b in %s]"',
            *(len(ours), client, names),
        )

    def _resume(self) -> None:
        self.open = list(self.ledger.holding(self.wanted, self.service.address))
        for submission in self.open:
            self.rounds.update(dict.fromkeys(submission.keys, submission.round))
            if submission.batch:
                log.info("batch %s goes on: %d requests were handed in before", submission.batch, len(submission.keys))

    def _submit(self) -> None:
        """Make submissions of all that is wanted and in none."""
        if self.crowded and any(s.bought for s in self.open):
            return
        held = {key for submission in self.open for key in submission.keys}
        free: dict[int, list[str]] = {}
        for key in self.wanted:
            if key not in held:
                free.setdefault(self.rounds.get(key, 0), []).append(key)
        for round_, keys in free.items():
            for part in self.spool.parts(keys, self.config.batch_requests, self.config.batch_mb * MEGABYTE):
                submission = Submission(self.service.address, part, round_)
                self.ledger.take(submission)
                self.ledger.save(submission)
                self.open.append(submission)

    def _bring_on(self, submission: Submission) -> None:
        """As far as it goes now. One that was not bought yet would be paid for whole: only if all of it is wanted."""
        current = self._mine(submission)
        if current and current.phase is Phase.uploaded and not self.wanted.keys() >= set(current.keys):
            self.open.remove(current)
            self.ledger.settle(current, [])  # what is wanted of it is handed in anew
        elif current:
            try:
                advance(current, self.spool, self.ledger, self.service)
            except TransientError as trouble:
                log.warning("%s: %s; trying again in %g s", self.service.address, trouble.reason, self.config.poll_s)

    def _collect(self, submission: Submission) -> Iterator[Completion | Failure]:
        self.open.remove(submission)
        self.crowded = submission.crowded and any(s.bought for s in self.open)
        came, failures = Collected(submission, self.ledger), list[Failure]()
        for key, result in came.outcomes(self.wanted):
            if (
                isinstance(result, RequestError)
                and result.cure is not RetryAdvice.NONE
                and (self.crowded or submission.round < self.config.retries)
            ):
                self.rounds[key] = submission.round + (not self.crowded)
                continue  # it stays wanted, and is in no submission any more
            self.wanted.pop(key)
            if isinstance(result, RequestError):
                failures.append(self._failure(key, result))
            else:
                yield result
        log.info("%s", came)
        self.ledger.settle(submission, came.left_over(CompletionCache(cache_path(self.config))))
        yield from failures  # when the batch is settled: a run that ends with them must ask anew, not read them again

    def _failure(self, key: str, trouble: RequestError) -> Failure:
        return Failure(key, self.service.short(trouble.reason), trouble.served)

    def _too_large(self) -> Iterator[Failure]:
        limit = self.config.batch_mb * MEGABYTE
        for key in [key for key in self.wanted if self.spool.size(key) > limit]:
            self.wanted.pop(key)
            yield self._failure(
                key,
                RequestError(
                    f"the request alone has more than prompt_model.batch_mb={self.config.batch_mb}", served=True
                ),
            )

    def _mine(self, submission: Submission) -> Submission | None:
        """The submission, once no other process works on it; None while one does, or when nothing is left of it."""
        if self.ledger.has(submission):
            return submission
        if not self.ledger.take(submission):
            return None
        current = self.ledger.fresh(submission)
        self.open.remove(submission)
        if (
            current is None or current.phase is Phase.uploading
        ):  # settled, or nothing was bought: what is wanted of it is free
            self.ledger.settle(submission, [])
            return None
        self.open.append(current)
        return current
