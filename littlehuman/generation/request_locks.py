"""Locks on requests: two processes that need the same request at once pay for it once.

In: the keys that a process is about to ask for. Out: those that no other living process has locked. Each set of keys
is a file in the cache's folder `claims`, with a file lock that its owner holds: the operating system releases it
however the owner dies. No process waits while it holds locks, so there is no deadlock.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from littlehuman.errors import GenerationError
from littlehuman.store import NO_LOCKS, process_name, write_text

log = logging.getLogger(__name__)

POLL_S = (0.1, 1.0)  # first and longest wait between looks at the cache while another process asks
_own_files: dict[Path, tuple[int, int]] = {}  # key files of this process -> process id and thread id


class RequestLocks:
    """The request locks of one cache folder."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "claims"
        self.others: list[tuple[str, set[str]]] = []  # owner and keys of each lock, as of the last `acquire`

    @contextmanager
    def acquire(self, keys: Collection[str]) -> Iterator[set[str]]:
        """Lock those of `keys` that are free, until the block ends.

        A key that was locked by another process before may be answered by now: look into the cache again.

        Raises:
            GenerationError: when the cache cannot be written.
        """
        locked, key_file = self._lock_free(keys)
        try:
            yield locked
        finally:
            if key_file:
                key_file.release()

    def owners(self, keys: Collection[str]) -> list[str]:
        """Who has locked any of `keys`, as of the last `acquire`."""
        return list(dict.fromkeys(owner for owner, theirs in self.others if not theirs.isdisjoint(keys)))

    def _lock_free(self, keys: Collection[str]) -> tuple[set[str], _KeyFile | None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "all.lock", thread_local=False):
                self.others = list(self._living())
                free = set(keys).difference(*(theirs for _, theirs in self.others))
                return free, self._write(free) if free else None
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in NO_LOCKS:
                what = f"{self.folder}: cannot be written ({error.strerror or error}), so answers could not be kept"
                raise GenerationError(f"{what}\nTry: export LITTLEHUMAN_CACHE=FOLDER") from error
            log.warning("%s: this file system has no locks, so two processes may pay for the same request", self.folder)
            return set(keys), None

    def _living(self) -> Iterator[tuple[str, set[str]]]:
        """Owner and keys of every other living process or thread; files of dead ones are removed."""
        for file in sorted(self.folder.glob("*.keys")):
            if _own_files.get(file) == (os.getpid(), threading.get_ident()):
                continue  # a thread that waited for itself would wait for ever
            lock = FileLock(file.with_suffix(".lock"), thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                with suppress(OSError):  # released in this moment
                    yield file.stem.rpartition("-")[0], set(file.read_text("utf-8").split("\n"))
            else:
                _KeyFile(file, lock).release()

    def _write(self, keys: set[str]) -> _KeyFile:
        file = self.folder / f"{process_name()}-{uuid.uuid4().hex[:8]}.keys"
        lock = FileLock(file.with_suffix(".lock"), thread_local=False)
        lock.acquire(timeout=0)
        write_text(file, "\n".join(sorted(keys)))
        _own_files[file] = (os.getpid(), threading.get_ident())
        return _KeyFile(file, lock)


class LockWait:
    """Sleeps while other processes ask, with growing intervals, and logs it once."""

    def __init__(self, locks: RequestLocks) -> None:
        self.locks = locks
        self._seconds = POLL_S[0]
        self._logged = False

    def sleep(self, missing: Collection[str], *, progressed: bool) -> None:
        """Sleep until the next look at the cache; `progressed` makes the interval short again."""
        owners = self.locks.owners(missing)
        if owners and not self._logged:
            log.info("%d more are being asked for by %s: waiting for those answers", len(missing), ", ".join(owners))
            self._logged = True
        self._seconds = POLL_S[0] if progressed else min(2 * self._seconds, POLL_S[1])
        time.sleep(self._seconds)


@dataclass(frozen=True, slots=True)
class _KeyFile:
    """A file of locked keys, and its lock, which this process holds."""

    file: Path
    lock: FileLock

    def release(self) -> None:
        """Remove the keys before the lock is released: a free lock must mean that nothing is locked."""
        _own_files.pop(self.file, None)
        self.file.unlink(missing_ok=True)
        with suppress(OSError):
            Path(self.lock.lock_file).unlink(missing_ok=True)
        self.lock.release()
