"""The steps of a submission at the provider, each written down before and after.

In: a submission as its file has it. Out: the same, as far on as the provider lets it be. Each step
may be cut off at any moment and taken again: only creating a batch costs money, so one that may
have been created is looked for first.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.batch_files import Spool
from littlehuman.prompt_models.batch_ledger import Ledger, Phase, Submission, seconds_since
from littlehuman.prompt_models.batch_service import Passing, Service

if TYPE_CHECKING:
    from openai.types import Batch

log = logging.getLogger(__name__)

ON_ITS_WAY_S = 30.0  # a request whose answer was lost may reach the provider, or show in its list, so much later
ENDS = ("completed", "expired", "cancelled", "failed")


def advance(submission: Submission, spool: Spool, ledger: Ledger, service: Service) -> None:
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


def _upload(submission: Submission, spool: Spool, ledger: Ledger, service: Service) -> None:
    with spool.file_of(submission.keys) as handle:
        submission.file = service.upload(f"littlehuman-{submission.id}.jsonl", handle)
    submission.phase = Phase.uploaded
    ledger.save(submission)


def _create(submission: Submission, ledger: Ledger, service: Service) -> None:
    submission.phase, submission.asked_at = Phase.creating, time.time()
    ledger.save(submission)
    try:
        batch = service.create(submission)
    except Passing as trouble:
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


def _look_for(submission: Submission, ledger: Ledger, service: Service) -> None:
    batch = service.find(submission)
    if batch:
        _created(submission, batch, ledger)
        log.info("batch %s: found again, %d requests", batch.id, len(submission.keys))
    elif seconds_since(submission.asked_at) > ON_ITS_WAY_S:
        submission.phase = Phase.uploaded
        ledger.save(submission)


def _created(submission: Submission, batch: Batch, ledger: Ledger) -> None:
    submission.phase, submission.batch = Phase.running, batch.id
    ledger.save(submission)


def _poll(submission: Submission, ledger: Ledger, service: Service) -> None:
    where = ledger.path(submission)
    lost = f"with the key that paid for batch {submission.batch}; or remove {where} to have its requests asked, and paid, again"
    batch = service.retrieve(submission.batch, lost)
    counts = batch.request_counts
    status = f"{batch.status}, {counts.completed} of {counts.total} answered, {counts.failed} failed" if counts else str(batch.status)
    if status != submission.status:
        log.info("batch %s: %s", submission.batch, status)
        submission.status = status
    if batch.status in ENDS:
        for file, path in zip((batch.output_file_id, batch.error_file_id), ledger.answers(submission), strict=True):
            if file:
                service.fetch(file, path, lost)
        found = batch.errors.data if batch.errors else None
        submission.errors = [{"message": service.short(e.message or ""), "code": e.code, "line": e.line} for e in found or ()]
        submission.status, submission.phase = batch.status, Phase.ended
        ledger.save(submission)
