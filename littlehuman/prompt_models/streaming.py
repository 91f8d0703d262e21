"""From an async generator to a plain one.

In: an async generator. Out: its values, in the caller's thread. The loop runs in a thread of its
own: a notebook's thread already runs one, and requests go on while the caller writes to disk.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def from_thread(source: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Yield what `source` yields; closing this generator, or Ctrl-C in it, cancels what is under way.

    Raises:
        Exception: whatever `source` raises.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="prompt model", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        while (value := run(_next(source))) is not None:
            yield value
    finally:
        if not sys.is_finalizing():  # then the thread is gone already, and nothing would answer
            run(_wind_up(source))
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have let go of their connections."""
    stopping = list(tasks)
    for task in stopping:
        task.cancel()
    await asyncio.gather(*stopping, return_exceptions=True)


async def _next(source: AsyncGenerator[T, None]) -> T | None:
    return await anext(source, None)


async def _wind_up(source: AsyncGenerator[T, None]) -> None:
    # After Ctrl-C `source` may still be working on its next value: it must stop before it can be closed.
    await cancel(asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task})
    await source.aclose()
