"""Batches that were handed in, on disk: a run may be killed at any moment and the next one goes on with them.

In: submissions as they progress. Out: those that contain wanted requests, whichever process started them. One JSON
file per submission, beside the completion cache, written before and after every step at the provider. The process
that works on a submission holds its lock, which the operating system releases when the process dies.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from littlehuman.errors import GenerationError
from littlehuman.store import read_json, write_json

BATCH_FOLDER = "batches"  # of a prompt model's completion cache
_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "Phase": str,
    "list[str]": list,
    "list[dict[str, Any]]": list,
}


class Phase(StrEnum):
    """How far a submission is, as far as its file knows."""

    uploading = "uploading"  # nothing is paid for: after a kill it starts anew
    uploaded = "uploaded"
    creating = "creating"  # a batch may have been created: look for it before another one is created
    running = "running"
    ended = "ended"  # its answers lie beside its file


@dataclass(slots=True)
class Submission:
    """Requests that go through the batch API as one file; `keys` are in the order of the file's lines."""

    address: str
    keys: list[str]
    round: int = 0  # how often these requests were asked before
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    phase: Phase = Phase.uploading
    file: str = ""
    batch: str = ""
    asked_at: float = 0.0  # Unix time at which a batch was last asked for
    status: str = ""  # the provider's last word
    errors: list[dict[str, Any]] = field(default_factory=list)  # of a failed validation: message, code, line

    @property
    def queue_full(self) -> bool:
        """Whether it was refused because too many tokens wait at the provider already."""
        return any(error.get("code") == "token_limit_exceeded" for error in self.errors)

    @property
    def may_run(self) -> bool:
        """Whether the provider may be working on it."""
        return self.phase in (Phase.creating, Phase.running)

    @property
    def seconds_since_asked(self) -> float:
        """By the wall clock, which goes on while no process runs."""
        return time.time() - self.asked_at


class BatchStore:
    """The submissions of one prompt model, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[str, FileLock] = {}

    def path(self, submission: Submission) -> Path:
        """The file of a submission."""
        return self.folder / f"{submission.id}.json"

    def answer_files(self, submission: Submission) -> tuple[Path, Path]:
        """Where the provider's output file and error file are put."""
        return self.folder / f"{submission.id}.output.jsonl", self.folder / f"{submission.id}.errors.jsonl"

    def save(self, submission: Submission) -> None:
        """Write its state atomically."""
        write_json(self.path(submission), asdict(submission))

    def containing(self, keys: Collection[str], address: str) -> Iterator[Submission]:
        """The submissions to this address that contain any of `keys`, oldest round first.

        Raises:
            GenerationError: when a file cannot be read: what it holds may be paid for.
        """
        wanted = set(keys)
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        matching = [s for s in found if s and s.address == address and not wanted.isdisjoint(s.keys)]
        yield from sorted(matching, key=lambda s: s.round)

    def is_locked(self, submission: Submission) -> bool:
        """Whether this process holds its lock."""
        return submission.id in self._locks

    def lock(self, submission: Submission) -> bool:
        """Lock it for this process; False while another one holds the lock."""
        lock = FileLock(self.folder / f"{submission.id}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            pass  # a file system without locks: `generation.request_locks` has warned of it
        self._locks[submission.id] = lock
        return True

    def reload(self, submission: Submission) -> Submission | None:
        """Its state as another process left it; None when it is finished."""
        return self._read(self.path(submission))

    def finish(self, submission: Submission, uncollected: list[str]) -> None:
        """Remove its files, or keep them for the keys whose answers other runs have not collected yet."""
        if uncollected:
            submission.keys = uncollected
            self.save(submission)
        else:
            for path in (self.path(submission), *self.answer_files(submission), self.folder / f"{submission.id}.lock"):
                path.unlink(missing_ok=True)
        if lock := self._locks.pop(submission.id, None):
            lock.release()

    def close(self) -> None:
        """Release all locks."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def _read(self, path: Path) -> Submission | None:
        value = read_json(path)
        if not path.is_file():
            return None  # finished by another process a moment ago
        try:
            found = Submission(**{**value, "phase": Phase(value["phase"])})
            _check_types(found)
            return found
        except (TypeError, KeyError, ValueError):
            mend = "look at the provider's list of batches; remove the file to have its requests asked, and paid, again"
            raise GenerationError(
                f"{path}: this file should remember a batch of requests, and cannot be read.\nTry: {mend}"
            ) from None


def _check_types(submission: Submission) -> None:
    for item in fields(submission):
        value, kind = getattr(submission, item.name), _TYPES[str(item.type)]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{item.name}={value}")
    if not all(isinstance(key, str) for key in submission.keys):
        raise TypeError("keys")


def refuse_if_batched(cache: Path, keys: Collection[str], address: str) -> None:
    """Refuse to ask online for requests that an earlier run handed in to the batch API and did not collect.

    Raises:
        GenerationError: when any of `keys` is in such a batch. The caller holds the request locks of `keys`, so no
            other process is waiting for them.
    """
    wanted, store = set(keys), BatchStore(cache / BATCH_FOLDER)
    paid = [s for s in store.containing(wanted, address) if s.phase not in (Phase.uploading, Phase.uploaded)]
    if paid:
        count = len(wanted.intersection(key for s in paid for key in s.keys))
        raise GenerationError(
            f"prompt_model.batch_api=false: {count} of these requests were handed in to the batch API at {address} "
            f"by an earlier run, and would be paid twice (batch {', '.join(s.batch or '?' for s in paid)})\n"
            "Try: prompt_model.batch_api=true, which collects their answers; or cancel the batches at the provider "
            f"and remove {' '.join(str(store.path(submission)) for submission in paid)}"
        )
