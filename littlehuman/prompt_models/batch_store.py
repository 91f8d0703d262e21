"""What was handed in to a batch API: the memory of a run that may be killed at any moment.

In: submissions as they go on. Out: the ones that hold wanted requests, in whichever process they
began. One file each beside the shelf, written before and after every step at the provider; who
works on one holds its lock, which a killed process lets go.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from littlehuman.errors import GenerationError
from littlehuman.store import read_json, write_json


class Phase(StrEnum):
    """How far a submission is, as far as its file knows."""

    uploading = "uploading"  # nothing was bought: after a kill it is begun anew
    uploaded = "uploaded"
    creating = "creating"  # a batch may have been created: it is looked for before another one is
    running = "running"
    ended = "ended"  # what it answered lies beside its file


@dataclass(slots=True)
class Submission:
    """Requests that go through the batch API as one file. `keys` stand in the order of the file's lines."""

    address: str
    keys: list[str]
    round: int = 0  # how often these requests were asked before
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    phase: Phase = Phase.uploading
    file: str = ""
    batch: str = ""
    asked_at: float = 0.0  # seconds since 1970, when a batch was last asked for
    status: str = ""  # the provider's last word
    errors: list[dict[str, Any]] = field(default_factory=list)  # of a validation that failed: message, code, line

    @property
    def crowded(self) -> bool:
        """Whether it was refused because too much waits at the provider already."""
        return any(error.get("code") == "token_limit_exceeded" for error in self.errors)

    @property
    def bought(self) -> bool:
        """Whether the provider may be working on it."""
        return self.phase in (Phase.creating, Phase.running)


class BatchStore:
    """The submissions of one prompt model, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[str, FileLock] = {}

    def path(self, submission: Submission) -> Path:
        """The file that remembers it."""
        return self.folder / f"{submission.id}.json"

    def answers(self, submission: Submission) -> tuple[Path, Path]:
        """Where the provider's output file and error file are put."""
        return self.folder / f"{submission.id}.output.jsonl", self.folder / f"{submission.id}.errors.jsonl"

    def save(self, submission: Submission) -> None:
        """Write its state, whole or not at all."""
        write_json(self.path(submission), asdict(submission))

    def holding(self, keys: Collection[str], address: str) -> Iterator[Submission]:
        """The submissions to this address that hold any of `keys`, oldest round first.

        Raises:
            GenerationError: when a file cannot be understood: what it holds may have been paid for.
        """
        wanted = set(keys)
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        mine = [s for s in found if s and s.address == address and not wanted.isdisjoint(s.keys)]
        yield from sorted(mine, key=lambda s: s.round)

    def has(self, submission: Submission) -> bool:
        """Whether this process works on it."""
        return submission.id in self._locks

    def take(self, submission: Submission) -> bool:
        """Lock it for this process; False while another one works on it."""
        lock = FileLock(self.folder / f"{submission.id}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            pass  # a file system without locks: the claims on the shelf have warned of it
        self._locks[submission.id] = lock
        return True

    def fresh(self, submission: Submission) -> Submission | None:
        """Its state as the process that worked on it before left it; None when it is settled."""
        return self._read(self.path(submission))

    def settle(self, submission: Submission, still_wanted: list[str]) -> None:
        """Forget what was collected; `still_wanted` are answers that other runs have not collected yet."""
        if still_wanted:
            submission.keys = still_wanted
            self.save(submission)
        else:
            for path in (self.path(submission), *self.answers(submission), self.folder / f"{submission.id}.lock"):
                path.unlink(missing_ok=True)
        self.release(submission)

    def release(self, submission: Submission) -> None:
        """Let another process work on it."""
        if lock := self._locks.pop(submission.id, None):
            lock.release()

    def close(self) -> None:
        """Release all."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def _read(self, path: Path) -> Submission | None:
        value = read_json(path)
        if not path.is_file():
            return None  # settled a moment ago
        try:
            return Submission(**{**value, "phase": Phase(value["phase"])})
        except (TypeError, KeyError, ValueError):
            raise GenerationError(
                f"{path}: this file should remember a batch of requests, and cannot be read.\n"
                "Try: look at the provider's list of batches; remove the file to have its requests asked, and paid, again"
            ) from None


def refuse_bought(folder: Path, keys: Collection[str], address: str) -> None:
    """Refuse to ask online for what an earlier run handed in to the batch API and did not collect.

    Raises:
        GenerationError: when any of `keys` is in such a batch. What a living process waits for is locked, and not among them.
    """
    wanted, ledger = set(keys), BatchStore(folder)
    bought = [s for s in ledger.holding(wanted, address) if s.phase not in (Phase.uploading, Phase.uploaded)]
    files = [str(ledger.path(submission)) for submission in bought]
    if bought:
        held = len(wanted.intersection(key for s in bought for key in s.keys))
        raise GenerationError(
            f"prompt_model.batch_api=false: {held} of these requests were handed in to the batch API at {address} by an earlier run, "
            f"and would be paid twice (batch {', '.join(s.batch or '?' for s in bought)})\n"
            "Try: prompt_model.batch_api=true, which collects their answers; or cancel the batches at the provider and remove "
            + " ".join(files)
        )


def seconds_since(moment: float) -> float:
    """Wall-clock seconds: they go on while no process runs."""
    return time.time() - moment
