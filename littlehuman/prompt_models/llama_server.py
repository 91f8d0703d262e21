"""The llama.cpp server of this process: started when it is first needed, used again, ended with the process.

In: a GGUF file and what it shall hold. Out: its address on 127.0.0.1, on a free port. One server is held at a time; it
is a process of its own (`llama_child`), so that its signal handlers and a crash stay there.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from littlehuman.errors import GenerationError
from littlehuman.formatting import one_line
from littlehuman.prompt_models import llama_child

INSTALL = f"{sys.executable} -m pip install 'xllamacpp>=2026.10'"
_held: LlamaServer | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server is started with.

    Attributes:
        file: a GGUF file.
        slots: requests that are answered at the same time.
        context: tokens of a prompt and its answer together, per slot.
        threads: processor threads.
        gpu: whether a llama.cpp that was built for a GPU may use it.
    """

    file: str
    slots: int
    context: int
    threads: int
    gpu: bool

    def serves(self, wanted: ServerSettings) -> bool:
        """Whether a server with these settings can do what `wanted` asks for."""
        same = (self.file, self.slots, self.threads, self.gpu) == (
            wanted.file,
            wanted.slots,
            wanted.threads,
            wanted.gpu,
        )
        return same and self.context >= wanted.context


class LlamaServer:
    """A server that has loaded its model.

    Raises:
        GenerationError: when it cannot be started.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings, self.owner = settings, os.getpid()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        command = [sys.executable, "-P", llama_child.__file__, json.dumps(asdict(settings))]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is for the caller, who may want answers that are under way
        )
        self.address = self._address()

    @property
    def alive(self) -> bool:
        """Whether it runs, and is this process's own: not one that a fork inherited."""
        return self.owner == os.getpid() and self.process.poll() is None

    def stop(self) -> None:
        """End the process."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream:
                stream.close()

    def last_words(self) -> str:
        """The end of what it logged, on one line."""
        self._log.seek(0)
        lines = [line for line in self._log.read()[-4000:].decode("utf-8", "replace").splitlines() if line.strip()]
        return one_line("; ".join(lines[-3:]))[-500:]

    def _address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            text = line.decode("utf-8", "replace").strip()
            if text.startswith(llama_child.LISTENING):
                return text.removeprefix(llama_child.LISTENING)
        self.process.wait()
        raise GenerationError(
            f"prompt_model.weights={self.settings.file}: llama.cpp could not serve it: {self.last_words()}\n"
            "Try: a whole GGUF file that this llama.cpp knows, or prompt_model=qwen-1.5b"
        )


def running(wanted: ServerSettings) -> LlamaServer:
    """The server of this process, started, or started anew, where none can do what is asked for.

    Raises:
        GenerationError: when it cannot be started.
    """
    global _held
    if _held is None or not (_held.alive and _held.settings.serves(wanted)):
        release()
        _held = LlamaServer(wanted)
    return _held


@atexit.register
def release() -> None:
    """End the server that is held."""
    global _held
    held, _held = _held, None
    if held:
        held.stop()


def check_installed() -> None:
    """Look for the package, without loading it.

    Raises:
        GenerationError: when it is not installed.
    """
    if find_spec("xllamacpp") is None:
        raise GenerationError(
            "prompt_model.provider=llama_cpp: the package xllamacpp, which has llama.cpp's server, is not installed.\n"
            f"Try: {INSTALL}"
        )


def threads() -> int:
    """The threads that torch would take: OMP_NUM_THREADS, else the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdigit() and int(asked) else _cores()


def _cores() -> int:
    import psutil

    allowed: Sequence[int] = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()  # type: ignore[assignment]
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return min(len(allowed) or physical, physical)


def is_gguf(weights: str) -> bool:
    """Whether weights are named by a GGUF file."""
    return Path(weights).suffix.lower() == ".gguf"
