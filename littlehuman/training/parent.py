"""The life of a worker process ends with its parent's, however that one ends, and before it writes anything more.

Linux ends the worker at once (`prctl`, PR_SET_PDEATHSIG); everywhere a thread waits for the parent, and writing asks
first. Without it a killed run's workers would train on, and write into the folder of the run that takes its cell over.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1
_parent: int | None = None  # process id of the parent of a worker; None in any other process


def follow() -> None:
    """End this process when its parent ends. Called first in each worker that multiprocessing started."""
    global _parent
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    _parent = parent.pid
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait, args=(parent.sentinel,), name="life of the parent", daemon=True).start()
    require()  # it may have ended before


def require() -> None:
    """End this process if its parent has ended; asked before each write. Nothing in a process that follows none."""
    if _parent is not None and hasattr(os, "getppid") and os.getppid() != _parent:
        os._exit(1)


def _wait(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
