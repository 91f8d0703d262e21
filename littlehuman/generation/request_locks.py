"""Locks on requests, so that two processes that need the same one at once pay once.

In: the keys that a process is about to ask for. Out: those that no other living process has
claimed. Each claim is a file of its own beside the shelf, and its owner holds the file's lock:
the operating system lets go of it when the owner dies, however it dies. Nobody waits while it
holds a claim, so no two processes can wait for each other.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from littlehuman.errors import GenerationError
from littlehuman.store import slug, write_text

log = logging.getLogger(__name__)

POLL_S = (0.1, 1.0)  # between looks at the shelf while another process asks: at first, at most
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_ours: dict[Path, tuple[int, int]] = {}  # claims of this process -> process and thread


class RequestLocks:
    """The claims on one shelf."""

    def __init__(self, shelf: Path) -> None:
        self.folder = shelf / "claims"
        self.others: dict[str, set[str]] = {}  # who -> keys; as of the last `take`

    @contextmanager
    def take(self, keys: Collection[str]) -> Iterator[set[str]]:
        """Claim those of `keys` that are free, until the block ends.

        What was claimed by another before, and is free now, may be answered: look at the shelf again.

        Raises:
            GenerationError: when the cache cannot be written.
        """
        mine, release = self._claimed(keys)
        try:
            yield mine
        finally:
            if release:
                release()

    def owners(self, keys: Collection[str]) -> list[str]:
        """Who claimed any of `keys`, as of the last `take`."""
        return [who for who, theirs in self.others.items() if not theirs.isdisjoint(keys)]

    def _claimed(self, keys: Collection[str]) -> tuple[set[str], _Release | None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "all.lock", thread_local=False):
                self.others = dict(self._living())
                mine = set(keys).difference(*self.others.values())
                return mine, self._put(mine) if mine else None
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _WITHOUT_LOCKS:
                what = f"{self.folder}: cannot be written ({error.strerror or error}), so answers could not be kept"
                raise GenerationError(f"{what}\nTry: export LITTLEHUMAN_CACHE=FOLDER") from error
            log.warning("%s: this file system has no locks, so two processes may pay for the same request", self.folder)
            return set(keys), None

    def _living(self) -> Iterator[tuple[str, set[str]]]:
        """Claims of other processes and threads that live; the files of dead ones are removed."""
        for file in sorted(self.folder.glob("*.keys")):
            if _ours.get(file) == (os.getpid(), threading.get_ident()):
                continue  # it cannot go on while it waits for itself
            lock = FileLock(file.with_suffix(".lock"), thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                with suppress(OSError):  # released in this moment
                    yield file.stem.rpartition("-")[0], set(file.read_text("utf-8").split("\n"))
            else:
                _remove(file, lock)

    def _put(self, keys: set[str]) -> _Release:
        file = self.folder / f"{slug(socket.gethostname())}-{os.getpid()}-{uuid.uuid4().hex[:8]}.keys"
        lock = FileLock(file.with_suffix(".lock"), thread_local=False)
        lock.acquire(timeout=0)
        write_text(file, "\n".join(sorted(keys)))
        _ours[file] = (os.getpid(), threading.get_ident())
        return _Release(file, lock)


class Wait:
    """Waits while other processes ask, at first briefly, and says so once."""

    def __init__(self, claims: RequestLocks) -> None:
        self.claims = claims
        self._seconds = POLL_S[0]
        self._said = False

    def a_little(self, missing: Collection[str], *, progressed: bool) -> None:
        """Sleep until it is worth while to look at the shelf again."""
        owners = self.claims.owners(missing)
        if owners and not self._said:
            log.info("%d more are being asked for by %s: waiting for those answers", len(missing), ", ".join(owners))
            self._said = True
        self._seconds = POLL_S[0] if progressed else min(2 * self._seconds, POLL_S[1])
        time.sleep(self._seconds)


class _Release:
    """Takes one claim back."""

    def __init__(self, file: Path, lock: FileLock) -> None:
        self.file, self.lock = file, lock

    def __call__(self) -> None:
        _ours.pop(self.file, None)
        _remove(self.file, self.lock)


def _remove(file: Path, lock: FileLock) -> None:
    """The keys go first: a lock that is free means a claim that is none."""
    file.unlink(missing_ok=True)
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
