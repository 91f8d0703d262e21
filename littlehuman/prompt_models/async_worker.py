"""Requests in a thread of their own, results in the caller's.

In: coroutines. Out: what they return, as it comes. The loop runs in a thread of its own: a
notebook's thread already runs one, and requests go on while the caller writes to disk.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class AsyncWorker(Generic[T]):
    """Coroutines at work. Leaving it, or Ctrl-C in it, cancels what is under way, waits until it has let go, and does `last`."""

    def __init__(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._last = last
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prompt model", daemon=True)
        self._done: SimpleQueue[asyncio.Task[T]] = SimpleQueue()
        self._tasks: set[asyncio.Task[T]] = set()  # a loop holds on to its tasks only weakly
        self.open = 0  # begun, and not yet taken
        self.untaken: list[T] = []  # when it was left: results that had come, and that nobody took

    def __enter__(self) -> AsyncWorker[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.is_finalizing():  # then the thread is gone already, and nothing would answer
            return
        self.run(_cancel_all())
        self.untaken = [task.result() for task in self._finished() if not task.cancelled() and not task.exception()]
        self.run(self._last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Do one thing in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Set a coroutine to work."""
        self.open += 1
        self._loop.call_soon_threadsafe(self._start, work)

    def take(self) -> T | None:
        """The next result, in the order in which they come; None when all are taken (cancelled ones have none).

        Raises:
            Exception: whatever the coroutine raised.
        """
        while self.open:
            task = self._done.get()
            self.open -= 1
            if not task.cancelled():
                return task.result()
        return None

    def _finished(self) -> Iterator[asyncio.Task[T]]:
        with suppress(Empty):
            while True:
                yield self._done.get_nowait()

    def _start(self, work: Coroutine[Any, Any, T]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        self._done.put(task)


async def _cancel_all() -> None:
    stopping = asyncio.all_tasks() - {asyncio.current_task()}
    for task in stopping:
        task.cancel()
    await asyncio.gather(*stopping, return_exceptions=True)
