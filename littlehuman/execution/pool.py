"""A sweep over several processes of this machine (`launch.processes=N`): a queue of cells, and a process per device.

This process computes nothing: it hands groups of cells to whoever is free, smaller ones towards the end, and prints
what the others print. A process that dies is replaced; each cell that it had is handed out once more, alone, and failed
with the cause when that process dies too. The processes end with this one (`training/parent.py`).
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol

from hydra.core.utils import env_override, setup_globals
from omegaconf import DictConfig

from littlehuman import cli
from littlehuman.errors import ConfigError, LittlehumanError, Problem
from littlehuman.execution import placement, workers
from littlehuman.execution.fused import SweepProgress
from littlehuman.execution.hosts import Host
from littlehuman.execution.job import Job, State
from littlehuman.execution.sharing import Elsewhere
from littlehuman.execution.workers import Worker
from littlehuman.runs.claims import Holder
from littlehuman.runs.process import host as this_machine

MOST_TRIES = 2  # processes that may die with a cell
GRACE_S = (3.0, 10.0)  # after an interruption: until the others are told of it, and until they are killed


class Computes(Protocol):
    """The launcher's side: it goes to the other processes (pickle)."""

    most: int  # cells in a group
    count: int  # jobs of the launch

    def compute(self, hosts: Sequence[Host], *, wait: bool) -> list[Host]:
        """Compute cells; return those that other commands compute, unless these are to be waited for."""

    def prepare(self, count: int) -> None:
        """Set up Hydra for a launch of `count` jobs."""


class ProcessDied(LittlehumanError):
    """Processes that computed a cell were killed, or ended without a word."""


def processes(hosts: Sequence[Host]) -> int:
    """Processes among which the cells are divided; 1 where a single cell is: its training is divided (data parallel).

    Raises:
        ConfigError: for fewer GPUs than processes, or one device for all.
    """
    config = next((config for host in hosts if (config := host.composed())), None)
    worker = workers.current()
    if config is None or workers.is_quiet() and worker.size == 1:
        return 1
    launch, alone = config.launch, worker.size == 1
    count = int(launch.processes) if alone else worker.here
    if count > 1 and (len(hosts) > 1 or not alone):
        _check(str(launch.device), count)
    return min(count, len(hosts)) if alone else 1


def _check(device: str, count: int) -> None:
    placement.refuse_one_device(device, count)
    if device != "cpu":
        from littlehuman.models import devices

        devices.device(device, count - 1)


def sweep(hosts: Sequence[Host], launcher: Computes, size: int) -> None:
    """Compute the cells of a sweep in `size` processes.

    Raises:
        ConfigError: when the sweep cannot be sent to them.
    """
    try:
        payload = pickle.dumps((launcher, list(hosts)))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        what = f"this sweep cannot be sent to other processes (hydra.callbacks): {error}"
        raise ConfigError([Problem(f"launch.processes={size}", what)], "launch.processes=1") from error
    _Pool(hosts, payload, size, launcher.most).run(show=any(host.progress for host in hosts[:1]))


class _Member:
    """One process, with the group of cells that it has."""

    def __init__(self, slot: int, size: int, payload: bytes) -> None:
        self.slot = slot
        self.group: list[int] = []
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(there, payload), name=f"worker {slot}")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // size))
        with env_override({cli.QUIET: "1", "LITTLEHUMAN_GPU": str(slot), "OMP_NUM_THREADS": threads}):
            self.process.start()
        there.close()

    def hand(self, group: list[int], *, patient: bool) -> None:
        self.group = group
        with suppress(OSError):  # it is dead, which its sentinel tells
            self.pipe.send((group, patient))

    @property
    def cause(self) -> str:
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was killed ({name}{', as when memory runs out' if name == 'SIGKILL' else ''})"


class _Pool:
    """The queue, and the processes that work on it."""

    def __init__(self, hosts: Sequence[Host], payload: bytes, size: int, most: int) -> None:
        self.hosts, self.payload, self.size, self.most = list(hosts), payload, size, most
        self.open = deque(range(len(hosts)))
        self.alone: deque[int] = deque()  # cells that died with a process
        self.elsewhere: deque[int] = deque()  # cells of other commands
        self.died: Counter[int] = Counter()
        self.members: list[_Member] = []

    def run(self, *, show: bool) -> None:
        try:
            with SweepProgress(len(self.hosts), show=show) as self.bar:
                while busy := self._hand_out():
                    for member in self._heard(busy):
                        self._listen(member)
        finally:
            self._end()

    def _hand_out(self) -> list[_Member]:
        """Give cells to whoever is free; the processes that have some."""
        for slot in set(range(self.size)) - {member.slot for member in self.members}:
            if self._queue():
                self.members.append(_Member(slot, self.size, self.payload))
                self._hand(self.members[-1])
        for member in self.members:
            if not member.group:
                self._hand(member)
        return [member for member in self.members if member.group]

    def _queue(self) -> deque[int]:
        return self.open or self.alone or self.elsewhere

    def _hand(self, member: _Member) -> None:
        if queue := self._queue():
            share = 1 if queue is self.alone else min(self.most, Worker(0, self.size).share(len(queue)))
            member.hand([queue.popleft() for _ in range(share)], patient=queue is self.elsewhere)

    def _heard(self, busy: list[_Member]) -> list[_Member]:
        there = wait([thing for member in busy for thing in (member.pipe, member.process.sentinel)])
        return [member for member in busy if member.pipe in there or member.process.sentinel in there]

    def _listen(self, member: _Member) -> None:
        has_ended = member.process.exitcode is not None  # before the last messages are read
        messages = list[str | list[int]]()
        try:
            while member.pipe.poll():
                messages.append(member.pipe.recv())
        except (EOFError, OSError):
            member.process.join()
            has_ended = True
        for message in messages:
            if isinstance(message, str):
                print(message, end="", flush=True)
            else:
                self._settle(member, message)
        if has_ended:
            self._replace(member)

    def _settle(self, member: _Member, elsewhere: list[int]) -> None:
        """A group is computed: take over its results."""
        for index in member.group:
            if index in elsewhere:
                self.elsewhere.append(index)
            else:
                self.bar.count(State.done if self.hosts[index].take_result() else State.failed)
        member.group = []

    def _replace(self, member: _Member) -> None:
        """A process died: hand its cells out again, or fail them with the cause."""
        self.members.remove(member)
        for index in member.group:
            cell = self.hosts[index]
            if cell.take_result():
                self.bar.count(State.done)
            elif _failed_in(member, cell):
                self.bar.count(State.failed)
            else:
                self._try_again(index, member)

    def _try_again(self, index: int, member: _Member) -> None:
        self.died[index] += 1
        if self.died[index] < MOST_TRIES:
            self.alone.append(index)
            return
        what = f"{self.died[index]} processes that computed this cell ended; the last one {member.cause}"
        error = ProcessDied(f"{what}\nTry: launch.processes=1, which leaves all memory to one cell")

        def part(config: DictConfig, folder: Path) -> Job:
            job = Job(folder)
            job.fail_lost(config, error)
            return job

        self.hosts[index].run_part(part)
        self.bar.count(State.failed)

    def _end(self) -> None:
        for member in self.members:
            with suppress(OSError):
                member.pipe.send(None)
        for seconds, tell in zip(GRACE_S, (signal.SIGINT, signal.SIGKILL), strict=True):
            for member in self.members:
                member.process.join(seconds)
                if member.process.is_alive():
                    os.kill(member.process.pid or 0, tell)


def _failed_in(member: _Member, cell: Host) -> bool:
    """Whether the process has reported the cell as failed."""
    folder = cell.known_folder()
    holder = Holder(host=this_machine(), pid=member.process.pid or -1)
    return folder is not None and bool(Elsewhere(folder, holder).failure)


class _Stdout:
    """Sends what is printed to the process that prints, in whole lines."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock, self._line = pipe, threading.Lock(), ""

    def send(self, message: object) -> None:
        with self._lock:
            self._pipe.send(message)

    def write(self, text: str) -> int:
        self._line += text
        if self._line.endswith("\n"):
            line, self._line = self._line, ""
            with suppress(OSError):
                self.send(line)
        return len(text)

    def flush(self) -> None:
        """Lines are sent when they end."""

    def isatty(self) -> bool:
        return False


def _work(pipe: Connection, payload: bytes) -> None:
    """Main function of a process of the pool."""
    from littlehuman.training import parent

    parent.follow()
    import littlehuman.run  # noqa: F401 - Hydra's resolvers

    setup_globals()
    out: Any = _Stdout(pipe)
    sys.stdout = out
    with suppress(KeyboardInterrupt, EOFError):
        launcher, hosts = pickle.loads(payload)
        launcher.prepare(launcher.count)
        numbers = {id(host): index for index, host in enumerate(hosts)}
        while task := pipe.recv():
            group, patient = task
            left = launcher.compute([hosts[index] for index in group], wait=patient)
            out.send([numbers[id(host)] for host in left])
    sys.stdout = sys.__stdout__
