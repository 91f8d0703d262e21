"""A disk that several machines share, as its worst clients see it: faults in the calls of `os` and `fcntl`.

    python tests/shared_disk.py MODULE ARGUMENTS ...    runs a module with these faults, as `python -m` would

- Locks answer ENOLCK.
- A listing, and that a file is missing, are remembered for `STALE_S`: what others made or removed shows later. As on
  NFS, a process that makes or removes a file in a folder sees that folder anew (not with `forgetful=False`).
- A renamed file shows `LATE_S` after the call has returned; renames keep their order.
"""

from __future__ import annotations

import errno
import fcntl
import os
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

STALE_S, LATE_S = 1.0, 0.3
LATE_NAMES = (".lock", "result.json")  # what other processes wait for; the own process reads none of them


class _Listing(list[Any]):
    """What `os.scandir` returns."""

    def __enter__(self) -> _Listing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


class SharedDisk:
    """The faults, for everything below `root`."""

    def __init__(self, root: Path, *, forgetful: bool = True) -> None:
        self.root, self.forgetful = str(root), forgetful
        self._listed: dict[str, tuple[float, list[Any]]] = {}
        self._missing: dict[str, float] = {}
        self._late: SimpleQueue[tuple[float, str, str] | None] = SimpleQueue()
        self._real = {name: getattr(os, name) for name in ("scandir", "stat", "link", "replace", "unlink", "mkdir")}
        self._thread = threading.Thread(target=self._rename, daemon=True)

    def install(self) -> None:
        """Replace the functions in this process."""
        for name in ("scandir", "stat", "replace"):
            setattr(os, name, getattr(self, f"_{name}"))
        for name in ("link", "unlink", "mkdir"):
            setattr(os, name, self._changing(self._real[name], which=1 if name == "link" else 0))
        fcntl.flock = self._flock  # type: ignore[assignment]
        self._thread.start()

    def remove(self) -> None:
        """Finish the renames, and put the functions back."""
        self._late.put(None)
        self._thread.join()
        for name, function in self._real.items():
            setattr(os, name, function)

    def _is_on(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root)

    def _flock(self, descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def _scandir(self, path: Any = ".") -> Any:
        if not self._is_on(path):
            return self._real["scandir"](path)
        name = os.fspath(path)
        when, entries = self._listed.get(name, (0.0, []))
        if time.monotonic() - when > STALE_S:
            with self._real["scandir"](path) as found:
                entries = list(found)
            self._listed[name] = time.monotonic(), entries
        return _Listing(entries)

    def _stat(self, path: Any, **options: Any) -> os.stat_result:
        if not self._is_on(path):
            return self._real["stat"](path, **options)
        name = os.fspath(path)
        if time.monotonic() - self._missing.get(name, -STALE_S) < STALE_S:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        try:
            return self._real["stat"](path, **options)
        except FileNotFoundError:
            self._missing[name] = time.monotonic()
            raise

    def _replace(self, source: Any, target: Any, **options: Any) -> None:
        self._changed(target)
        if self._is_on(target) and os.path.basename(os.fspath(target)).startswith(LATE_NAMES):
            # The draft's name is free for its writer, who removes it now.
            hidden = f"{os.fspath(source)}.late"
            self._real["replace"](source, hidden)
            self._late.put((time.monotonic() + LATE_S, hidden, os.fspath(target)))
        else:
            self._real["replace"](source, target, **options)

    def _rename(self) -> None:
        for when, source, target in self._due():
            time.sleep(max(0.0, when - time.monotonic()))
            self._real["replace"](source, target)

    def _due(self) -> Iterator[tuple[float, str, str]]:
        while (item := self._late.get()) is not None:
            yield item

    def _changing(self, function: Any, which: int) -> Any:
        def call(*paths: Any, **options: Any) -> Any:
            try:
                return function(*paths, **options)
            finally:
                self._changed(paths[which])

        return call

    def _changed(self, path: Any) -> None:
        """This process changed a folder: it looks there anew."""
        if self.forgetful and self._is_on(path):
            folder = os.path.dirname(os.fspath(path))
            self._listed.pop(folder, None)
            for name in [name for name in self._missing if os.path.dirname(name) == folder]:
                del self._missing[name]


if __name__ == "__main__":
    disk = SharedDisk(Path(os.environ["LITTLEHUMAN_MULTIRUN"]))
    disk.install()
    sys.argv = sys.argv[1:]
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    finally:
        disk.remove()
