"""Ledger: what the cells and processes of one command have spent and reserved together, in US dollars.

In: reservations before requests, payments after answers. Out: whether a reservation is within the limit. The ledger
of a command is a file in the command's own folder, changed under a file lock by every cell that asks. Code that no
command started (a notebook) has a ledger in memory for each cell. Where jobs run on several machines, or the file
system has no locks, the limit is split evenly among the jobs beforehand, and each keeps its share in memory.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from littlehuman.errors import GenerationError
from littlehuman.generation.costs import dollars
from littlehuman.store import INVOCATION, process_name, read_json, write_json

log = logging.getLogger(__name__)
T = TypeVar("T")

ROUNDING = 1e-9  # US dollars by which a sum of floats may miss
POLL_S = (0.1, 1.0)  # first and longest wait between looks at what other processes have reserved
BEGUN_S = 60.0  # longest wait for the process that begins the ledger
SHARE = "LITTLEHUMAN_LEDGER"  # environment variable of a cluster's job: which share of the limit is its own
_FILE, _LOCK = "ledger.json", "ledger.lock"


class Ledger:
    """The ledger of one run, in memory."""

    whose = "run"

    def __init__(self) -> None:
        self.spent = 0.0
        self.problem = ""  # why nothing can be reserved any more, whatever the limit

    def reserve(self, held: float, more: float, limit: float) -> bool:
        """Reserve `more` beside what this run has `held`; False where all together could pass the limit."""
        return self.spent + held + more <= limit + ROUNDING

    def settle(self, held: float, paid: float) -> None:
        """Note that `paid` was spent; `held` stays reserved."""
        self.spent += paid

    def wait_for_others(self) -> bool:
        """Wait a moment, if other processes have something reserved that may become free."""
        return False

    def close(self) -> None:
        """Give back what is reserved."""


class SharedLedger(Ledger):
    """The ledger of one command, in its folder. What a killed process had reserved counts as spent."""

    def __init__(self, folder: Path, whose: str = "command") -> None:
        super().__init__()
        self.folder, self.whose = folder, whose
        self._owner = f"{process_name()}-{uuid.uuid4().hex[:8]}"
        self._alive: FileLock | None = None  # held while this process has something reserved
        self._unsaved = 0.0  # paid, and not in the file: it could not be written
        self._pause = POLL_S[0]
        self._waiting_said = False

    def reserve(self, held: float, more: float, limit: float) -> bool:
        """As `Ledger.reserve`; also False where the file is gone or cannot be written."""
        if not more:
            return True

        def within(state: dict[str, Any]) -> bool:
            fits = bool(self._total(state) + held + more <= limit + ROUNDING)
            self._note(state, held + more if fits else held)
            return fits

        self._show_alive()
        return bool(self._change(within))

    def settle(self, held: float, paid: float) -> None:
        """As `Ledger.settle`."""
        self._unsaved += paid
        self._change(lambda state: self._note(state, held))

    def wait_for_others(self) -> bool:
        """Wait while other living processes have something reserved."""
        others = self._change(self._others)
        if not others:
            self._pause = POLL_S[0]
            return False
        if not self._waiting_said:
            log.info("other cells of this command have %s reserved: waiting until they are answered", dollars(others))
            self._waiting_said = True
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, POLL_S[1])
        return True

    def before(self, study: Path, paid: Callable[[Path], float]) -> float:
        """What earlier commands paid for a study: `paid` of its folder when a cell of this command first asked."""

        def first(state: dict[str, Any]) -> float:
            return float(state["before"].setdefault(str(study), paid(study)))

        return self._change(first) or 0.0

    def close(self) -> None:
        """Give back what is reserved."""
        if self._alive is not None:
            self._change(lambda state: self._note(state, 0.0))
            self._alive.release()
            with suppress(OSError):
                self._alive_file(self._owner).unlink(missing_ok=True)
            self._alive = None

    def _total(self, state: dict[str, Any]) -> float:
        reserved = sum(amount for owner, amount in state["reserved"].items() if owner != self._owner)
        return float(state["spent"] + self._unsaved + reserved)

    def _note(self, state: dict[str, Any], held: float) -> None:
        state["spent"] += self._unsaved
        state["reserved"][self._owner] = held
        if not held:
            del state["reserved"][self._owner]

    def _others(self, state: dict[str, Any]) -> float:
        """What other processes have reserved; of those that are gone it becomes spent."""
        for owner in [owner for owner in state["reserved"] if owner != self._owner]:
            lock = FileLock(self._alive_file(owner))
            with suppress(Timeout):
                lock.acquire(timeout=0)
                state["spent"] += state["reserved"].pop(owner)
                lock.release()
        return float(sum(amount for owner, amount in state["reserved"].items() if owner != self._owner))

    def _change(self, change: Callable[[dict[str, Any]], T]) -> T | None:
        """Change the file under its lock; None, and `problem` is set, where that is not possible."""
        file = self.folder / _FILE
        try:
            if not file.is_file():
                raise FileNotFoundError(0, "it is gone, as after the end of the command that wrote it")
            with FileLock(self.folder / _LOCK, thread_local=False):
                state = read_json(file)
                done = change(state)
                write_json(file, state)
        except (OSError, KeyError, TypeError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or f"{type(error).__name__}: {error}"
            self.problem = f"{file}, where the cells of this command count what they spend: {why}"
            return None
        self.spent, self._unsaved, self.problem = state["spent"], 0.0, ""
        return done

    def _show_alive(self) -> None:
        if self._alive is None:
            self._alive = FileLock(self._alive_file(self._owner), thread_local=False)
            with suppress(OSError):  # then the file cannot be changed either
                self._alive.acquire(timeout=0)

    def _alive_file(self, owner: str) -> Path:
        return self.folder / f"{owner}.lock"


@dataclass(frozen=True, slots=True)
class Command:
    """What the jobs of a command know of each other.

    Attributes:
        folder: its own folder, with the ledger.
        jobs: how many there are; None where the sweeper does not say.
        split: why the limit is split among them; empty where they share the ledger.
        before: what earlier commands paid for its study, noted where the limit is split.
        shares: jobs of a cluster that have a ledger each, with an even share of the limit; 1: one ledger for all.
    """

    folder: Path
    jobs: int | None
    split: str
    before: float = 0.0
    shares: int = 1


def begin(jobs: int | None, split: str, before: float = 0.0) -> None:
    """Write the ledger of a command that starts now; nothing where no command line started it."""
    folder = _folder()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=10):
            pass
    except (OSError, NotImplementedError):  # Timeout is an OSError too
        split = split or "this file system has no locks"
    facts = {"jobs": jobs, "split": split, "paid_before": before}
    write_json(folder / _FILE, {**facts, "spent": 0.0, "reserved": {}, "before": {}})


def split(shares: int) -> None:
    """Give each job of a cluster a ledger of its own, with an even share of the limit: what a ledger's file lock holds
    together is one machine. A job that is submitted again goes on with its share.
    """
    folder = _folder()
    facts = read_json(folder / _FILE) if folder else {}
    if folder and facts and not facts["split"]:
        for share in range(shares):
            write_json(folder / str(share) / _FILE, {**facts, "shares": shares})


def wait_until_begun() -> None:
    """Wait for the ledger that another process of this command begins."""
    folder, deadline = _folder(), time.monotonic() + BEGUN_S
    while folder and not (folder / _FILE).is_file() and time.monotonic() < deadline:
        time.sleep(POLL_S[0])


def command(*, needed: bool = True) -> Command | None:
    """The command that this process belongs to; None for code that no command line started.

    Raises:
        GenerationError: when its ledger is gone, and `needed`.
    """
    folder = _folder()
    if folder is None:
        return None
    facts = read_json(folder / _FILE)
    if "jobs" not in facts and not needed:
        return None
    if "jobs" not in facts:
        raise GenerationError(
            f"{folder / _FILE} is gone, where the cells of this command count what they spend: its limit cannot be kept"
            "\nTry: the same command again, which counts from nothing"
        )
    return Command(folder, facts["jobs"], facts["split"], facts["paid_before"], facts.get("shares", 1))


def _folder() -> Path | None:
    invocation = os.environ.get(INVOCATION)
    return Path(invocation, "money", os.environ.get(SHARE, "")) if invocation else None
