"""Cell claims: one process at a time computes a cell (a lease with heartbeat and takeover, on files alone).

A claim is a file in the run folder: `.lock`, then `.lock-1`, `.lock-2` each time that the cell is claimed again; the
highest number counts. It says which process holds it (host, process id, when the process started), and its
modification time is the heartbeat. To claim is to create the next number, which the file system allows one process
only (`link`, or `open` with O_EXCL where it has no links): no file locks are needed, which many network file systems
lack.

A claim is free when its process released it or has ended: at once where this machine knows the process, else when the
heartbeat stood still for `STALE_S`. A released claim stays as a file, so that numbers never go down.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from littlehuman.errors import DataError, LittlehumanError
from littlehuman.runs import heartbeat, process

NAME = ".lock"
STALE_S = 60.0  # without a heartbeat: the process of another machine is taken to have ended
ABANDONED_S = 900.0  # the same by the clocks alone, which may differ between machines
SETTLE_S = 10.0  # a claim that cannot be read is just being written, or older versions left it
_FILE = re.compile(rf"{re.escape(NAME)}(?:-(\d{{1,9}}))?")
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
_own: set[str] = set()  # tokens of the claims of this process, also of those that it is just writing
_seen: dict[str, tuple[int, float]] = {}  # token of another machine's claim -> its last new heartbeat, and when


class ClaimLost(LittlehumanError):
    """Another process took the cell over: this one gave no sign of life (it was suspended, or cut off its disk)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What a claim says of its process; `started` in ticks since the boot, `since` when it claimed the cell."""

    token: str = ""
    host: str = ""
    place: str = ""
    pid: int = 0
    started: str = ""
    since: str = ""
    released: bool = False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.token else "another process"


@dataclass(eq=False)
class Claim:
    """A claim that this process holds until `release`; a thread keeps its heartbeat beside the work."""

    folder: Path
    number: int
    holder: Holder
    lost: bool = False

    def beat(self) -> None:
        """Renew the heartbeat, and notice a takeover. An error of the disk may pass until the next beat."""
        file = _path(self.folder, self.number)
        with suppress(OSError):
            self.lost = self.lost or _path(self.folder, self.number + 1).exists() or not file.exists()
            if not self.lost:
                os.utime(file)

    def require(self) -> None:
        """Check that the cell is still this process's.

        Raises:
            ClaimLost: when another process took it over.
        """
        self.beat()
        if self.lost:
            other = holder_of(self.folder) or "another process"
            raise ClaimLost(f"was taken over by {other}, for this process gave no sign of life")

    def release(self) -> None:
        """Give the cell free. What cannot be written now is free when this process ends."""
        heartbeat.stop(self)
        self.beat()
        if not self.lost:
            with suppress(OSError):
                _write(_path(self.folder, self.number), replace(self.holder, released=True), os.replace)
        _own.discard(self.holder.token)


def take(folder: Path) -> Claim | None:
    """Claim the cell of a run folder; None while another living process, or another job of this one, has it.

    Raises:
        DataError: when a folder stands in place of the claim.
        OSError: when the run folder cannot be written.
    """
    number, current = _current(folder)
    if current and _lives(_path(folder, number), current, patient=True):
        return None
    mine = Holder(
        token=uuid.uuid4().hex,
        host=process.host(),
        place=process.place(),
        pid=os.getpid(),
        started=process.started(os.getpid()) or "",
        since=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    claim = Claim(folder, number + 1, mine)
    _own.add(mine.token)
    if not _is_created(claim):
        _own.discard(mine.token)
        return None
    if number > 0:  # the first file stays: older versions look for it
        _path(folder, number).unlink(missing_ok=True)
    heartbeat.start(claim)
    return claim


def _is_created(claim: Claim) -> bool:
    file = _path(claim.folder, claim.number)
    try:
        _write(file, claim.holder, _create)
    except FileExistsError:
        return False
    if _current(claim.folder)[0] <= claim.number:  # a listing may be older than the file that was just made
        return True
    file.unlink(missing_ok=True)  # it was taken more than once since the first look
    return False


def holder_of(folder: Path) -> Holder | None:
    """The living process that has claimed the cell of a run folder, as far as one look can tell; else None."""
    try:
        number, current = _current(folder)
    except (OSError, DataError):
        return None
    return current if current and _lives(_path(folder, number), current, patient=False) else None


def is_free(folder: Path) -> bool:
    """Whether the cell of a run folder can be claimed; asked again and again, it watches other machines' heartbeats."""
    try:
        number, current = _current(folder)
    except (OSError, DataError):
        return True  # `take` tells what is wrong
    return not current or not _lives(_path(folder, number), current, patient=True)


def is_claim(name: str) -> bool:
    """Whether this is the name of a claim's file."""
    return bool(_FILE.fullmatch(name))


def _path(folder: Path, number: int) -> Path:
    return folder / (f"{NAME}-{number}" if number else NAME)


def _current(folder: Path) -> tuple[int, Holder | None]:
    """Number and content of the claim that counts; -1 and None where there is none."""
    numbers = [int(match[1] or 0) for entry in os.scandir(folder) if (match := _FILE.fullmatch(entry.name))]
    return (max(numbers), _read(_path(folder, max(numbers)))) if numbers else (-1, None)


def _read(file: Path) -> Holder:
    """The content of a claim; an empty holder where it has none that can be read."""
    if file.is_dir():
        what = f"{file}: is a folder, and the claim of the process that computes this cell is to be written there"
        raise DataError(f"{what}\nTry: rm -r {shlex.quote(str(file))}")
    try:
        found = json.loads(file.read_text("utf-8"))
        texts = {name: str(found[name]) for name in ("token", "host", "place", "started", "since")}
        return Holder(**texts, pid=int(found["pid"]), released=bool(found["released"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Holder()


def _lives(file: Path, holder: Holder, *, patient: bool) -> bool:
    """Whether the process of a claim lives; `patient`: of another machine's it is said only after watching it."""
    if holder.released:
        return False
    try:
        beaten = file.stat().st_mtime_ns
    except OSError:
        return False
    age = time.time() - beaten / 1e9
    if not holder.token:
        return age < SETTLE_S
    if holder.place == process.place():
        return _lives_here(holder, age)
    if not patient or age > ABANDONED_S:
        return age < STALE_S
    last, when = _seen.get(holder.token, (0, 0.0))
    if beaten != last:
        last, when = _seen[holder.token] = beaten, time.monotonic()
    return time.monotonic() - when < STALE_S


def _lives_here(holder: Holder, age: float) -> bool:
    if holder.pid == os.getpid():
        return holder.token in _own
    started = process.started(holder.pid)
    return age < STALE_S if started == "" else started == holder.started


def _create(draft: str, file: Path) -> None:
    """Give a written file its name, unless there is one of that name.

    Raises:
        FileExistsError: when there is.
    """
    try:
        os.link(draft, file)
    except FileExistsError:
        if os.stat(draft).st_nlink != 2:  # on NFS a link may succeed and its answer be lost
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with file.open("x", encoding="utf-8") as handle:
            handle.write(Path(draft).read_text("utf-8"))


def _write(file: Path, holder: Holder, put: Callable[[str, Path], None]) -> None:
    """Write a claim by way of a draft. The folder is not made: a refused cell's was removed on purpose."""
    draft = f"{file}.{holder.token}"
    try:
        with open(draft, "x", encoding="utf-8") as handle:
            json.dump(asdict(holder), handle)
        put(draft, file)
    finally:
        with suppress(OSError):
            os.unlink(draft)
