"""Which process this is, and whether another one still lives, as far as this machine can tell.

A process id alone is not enough: it is used again after the end of a process, containers number their own, and a
killed child stays as a zombie until its parent looks.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_ENDED = "ZXx"  # states of Linux: zombie, dead
_STATE, _STARTED = 0, 19  # places in /proc/PID/stat, counted after the name, which may hold spaces


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


@cache
def place() -> str:
    """Host, boot and process namespace: inside one of them a process id has one meaning."""
    parts = [host()]
    with suppress(OSError):
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink(_PROC / "self/ns/pid"))
    return "/".join(parts)


def started(pid: int) -> str | None:
    """When a process of this place started, in ticks since the boot; None where it has ended.

    Empty where it may live, and the system (macOS, Windows) does not say when it started.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return None if fields[_STATE] in _ENDED else fields[_STARTED]
    except (OSError, IndexError):
        return None if (_PROC / "self/stat").exists() else _answers(pid)


def _answers(pid: int) -> str | None:
    if os.name == "nt":  # where signal 0 would end the process
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # it lives, and is another user's
    return ""
