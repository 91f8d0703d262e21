"""The heartbeat of this process: one thread that renews all claims that the process holds.

A fused sweep holds hundreds of claims at once, so there is one thread for all. It ends when nothing is held.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol

BEAT_S = 5.0


class Held(Protocol):
    """What is renewed."""

    def beat(self) -> None:
        """Renew it once."""


_held: set[Held] = set()
_lock = threading.Lock()
_wake = threading.Event()  # set to end the thread early; a new one belongs to each thread
_thread: threading.Thread | None = None


def start(held: Held) -> None:
    """Renew `held` from now on."""
    global _thread, _wake
    with _lock:
        _held.add(held)
        if _thread is None or not _thread.is_alive():
            _wake = threading.Event()
            _thread = threading.Thread(target=_run, args=(_wake,), name="heartbeat of claims", daemon=True)
            _thread.start()


def stop(held: Held) -> None:
    """Renew `held` no more."""
    global _thread
    with _lock:
        _held.discard(held)
        if not _held:
            _wake.set()
            _thread = None


def all_held() -> list[Held]:
    """What this process holds."""
    with _lock:
        return list(_held)


def _run(wake: threading.Event) -> None:
    while not wake.wait(BEAT_S):
        for held in all_held():
            held.beat()


def _forget() -> None:
    """A forked child holds nothing, and has no thread."""
    global _thread, _lock
    _lock, _thread = threading.Lock(), None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
