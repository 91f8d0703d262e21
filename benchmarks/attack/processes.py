"""Commands in process groups of their own: with a time limit, killed at will, and their peak memory.

Output goes to a file, so a command never waits for its reader. Processes that outlive their command are found by
their process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.004
# ru_maxrss is in kilobytes on Linux, in bytes on macOS
RSS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (below 0: by that signal), all output, wall seconds, peak memory in MB."""

    code: int
    text: str
    seconds: float
    peak_mb: float
    timed_out: bool = False

    @property
    def said(self) -> str:
        """The last lines of the output, to be shown with a failure: what a terminal would obey is left out."""
        last = " | ".join(self.text.strip().splitlines()[-3:])[-300:]
        return "".join(character if character.isprintable() else "?" for character in last)


class Process:
    """One running command."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], output: Path) -> None:
        self.output, self._started = output, time.monotonic()
        with output.open("wb") as handle:
            self._process = subprocess.Popen(
                arguments,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._ended: Ended | None = None

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def ended(self) -> Ended | None:
        """How it ended; None while it runs."""
        if self._ended is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                code = self._process.returncode = os.waitstatus_to_exitcode(status)
                text = self.output.read_text("utf-8", "surrogateescape")
                self._ended = Ended(code, text, self.seconds, usage.ru_maxrss / RSS_PER_MB)
        return self._ended

    def until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Wait for something; False when the command ends first, or after `limit_s` seconds."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end and self.ended() is None:
            if condition():
                return True
            time.sleep(POLL_S)
        return False

    def wait(self, limit_s: float) -> Ended:
        """Wait for the end; after `limit_s` seconds the whole group is killed."""
        self.until(lambda: False, limit_s)
        if ended := self.ended():
            return ended
        self.kill_group()
        while (ended := self.ended()) is None:
            time.sleep(POLL_S)
        return Ended(ended.code, ended.text, ended.seconds, ended.peak_mb, timed_out=True)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, not to its workers."""
        if self.ended() is None:
            os.kill(self._process.pid, number)

    def kill_group(self) -> None:
        """End everything that the command started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def outlived(self, limit_s: float) -> bool:
        """Whether processes of its group are alive after so many seconds; they are killed then."""
        end = time.monotonic() + limit_s
        while self._members():
            if time.monotonic() > end:
                self.kill_group()
                return True
            time.sleep(0.1)
        return False

    def _members(self) -> list[str]:
        listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True).stdout
        rows = [line.split() for line in listed.splitlines()]
        return [state for group, state in rows if int(group) == self._process.pid and not state.startswith("Z")]
