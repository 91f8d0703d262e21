"""Documents of studies for the server: made in a process of their own, kept in memory and on disk.

Statistics of a large study take seconds. Meanwhile the page shows the last document and says what it is of; the server
answers everything else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from littlehuman import __version__
from littlehuman.store import cache_root, digest, read_json, write_text
from littlehuman.webpage import SCHEMA
from littlehuman.webpage.studies import Look

log = logging.getLogger(__name__)

Make = Callable[[Path], Mapping[str, Any]]  # study folder -> its document; runs in another process
PAUSE = 3  # times what the last document took: the least time between two of them while cells come in


@dataclass
class Documents:
    """The last document of each study, as JSON text with the `stamp` of the cells that it is of."""

    make: Make
    _texts: dict[str, tuple[str, str]] = field(default_factory=dict)  # study -> stamp and text
    _answers: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _next: dict[str, float] = field(default_factory=dict)
    _pool: ProcessPoolExecutor | None = None

    def last(self, look: Look) -> tuple[str, str] | None:
        """Stamp and text of the last document; None where there is none yet."""
        if look.name not in self._texts:
            kept = read_json(_file(look.folder))
            if kept.get("key") == _key():
                self._texts[look.name] = (str(kept["stamp"]), str(kept["text"]))
        return self._texts.get(look.name)

    def answer(self, look: Look) -> str | None:
        """The answer in one line of the last document."""
        last = self.last(look)
        if last is None:
            return None
        if self._answers.get(look.name, ("", None))[0] != last[0]:
            self._answers[look.name] = (last[0], json.loads(last[1]).get("answer"))
        return self._answers[look.name][1]

    def is_current(self, look: Look) -> bool:
        """Whether the last document is of the cells that are complete now."""
        last = self.last(look)
        return last is not None and last[0] == look.stamp

    def refresh(self, look: Look) -> None:
        """Begin a new document, unless one is being made or the last one is current or too young."""
        task = self._tasks.get(look.name)
        busy = task is not None and not task.done()
        if busy or self.is_current(look) or time.monotonic() < self._next.get(look.name, 0.0):
            return
        self._tasks[look.name] = asyncio.create_task(self._renew(look))

    async def _renew(self, look: Look) -> None:
        began = time.monotonic()
        try:
            text = await asyncio.get_running_loop().run_in_executor(self._workers(), _made, self.make, look.folder)
        except Exception as error:  # the server goes on; the page shows the cells
            log.exception("%s: its document cannot be made", look.folder)
            self._pool = None  # the other process may be dead
            text = json.dumps({"error": f"{type(error).__name__}: {error}", "study": look.name})
        now = time.monotonic()
        self._next[look.name] = now + PAUSE * (now - began)
        self._texts[look.name] = (look.stamp, text)
        if '"answer"' in text:
            _keep(look, text)

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self._pool

    def close(self) -> None:
        """End the other process."""
        for task in self._tasks.values():
            task.cancel()
        if self._pool is not None:
            for process in list((vars(self._pool).get("_processes") or {}).values()):
                process.terminate()  # it may be in the midst of a large study
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _made(make: Make, folder: Path) -> str:
    from littlehuman.errors import LittlehumanError

    try:
        return json.dumps(make(folder), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except LittlehumanError as error:
        return json.dumps({"error": str(error), "study": folder.name})


def _keep(look: Look, text: str) -> None:
    try:
        write_text(_file(look.folder), json.dumps({"key": _key(), "stamp": look.stamp, "text": text}))
    except OSError as error:
        log.warning("the page of %s is not kept for the next time: %s", look.folder, error)


def _file(folder: Path) -> Path:
    return cache_root() / "pages" / f"{digest(str(folder))}.json"


def _key() -> list[Any]:
    return [__version__, SCHEMA]
