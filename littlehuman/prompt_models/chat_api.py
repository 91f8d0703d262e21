"""Any endpoint with OpenAI's chat API: OpenAI itself, a provider, vLLM, llama.cpp.

In: prompts, drawn one by one. Out: the answers as they arrive, with a bounded number of requests in flight. What
no request can survive (no server, wrong key, unknown model) ends the run; an error of one request is that request's
`Failure`. `chat_client` sends one request, `rate_limit` says when it may start, `responses` says what an error means.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

from littlehuman.prompt_models import connection
from littlehuman.prompt_models.chat_client import Body, ChatClient, request_body
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.prompt_models.responses import RequestError
from littlehuman.prompt_models.settings import check_prompt_model
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

log = logging.getLogger(__name__)

MAX_OUTAGE_S = 120.0  # how long a server that was reached before may be unreachable, or refuse everything
T = TypeVar("T")
R = TypeVar("R")
Result = tuple[str, Completion | RequestError]


class Endpoint:
    """Asks the model `prompt_model.name` at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    batched = False

    def __init__(
        self, config: PromptModelConfig, max_outage_s: float = MAX_OUTAGE_S, body: Body = request_body
    ) -> None:
        check_prompt_model(config)
        self.config, self.max_outage_s, self.body = config, max_outage_s, body
        self.undelivered: Sequence[Completion] = ()
        self.url = connection.base_url(config)
        self.key = ApiKey.from_environment(config.api_key_env)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers as they arrive. Closing the generator cancels the requests in flight.

        `prompts` is drawn from in the caller's thread: the next prompt when an answer was handed over and the caller
        asks for the one after it. So at most `concurrency` requests are sent and not handed over, which is all that a
        killed run can lose.

        Raises:
            GenerationError: when no request can succeed.
        """
        connection.silence_client_logs()
        self.undelivered, waiting = (), iter(prompts)
        first = list(islice(waiting, self.config.concurrency))
        if not first:
            return  # before the client is made: importing the library takes a second
        client = ChatClient(self.config, self.url, self.key, max_tokens, self.max_outage_s, self.body)
        worker = AsyncWorker[Result](on_exit=client.close)
        try:
            with worker:
                yield from self._answers(worker, client, first, waiting)
        finally:
            self.undelivered = [answer for _, answer in worker.undelivered if isinstance(answer, Completion)]

    def _answers(
        self, worker: AsyncWorker[Result], client: ChatClient, first: list[Prompt], waiting: Iterator[Prompt]
    ) -> Iterator[Completion | Failure]:
        for prompt in first:
            worker.submit(client.request(prompt))
        while (result := worker.next_result()) is not None:
            key, answer = result
            if isinstance(answer, RequestError) and answer.mend:
                yield from self._drain(worker, client, answer)
                raise connection.endpoint_error(self.config, self.key, answer.reason, answer.mend)
            yield _as_answer(key, answer)
            for prompt in islice(waiting, 0 if client.stopped else 1):
                worker.submit(client.request(prompt))

    def _drain(
        self, worker: AsyncWorker[Result], client: ChatClient, end: RequestError
    ) -> Iterator[Completion | Failure]:
        """Hand over what is paid for before the run ends with the error `end`."""
        worker.run(client.stop())
        if client.served and worker.pending:
            log.warning("%s; waiting up to %g s for the requests under way", end.reason, self.config.timeout_s)
        while (result := worker.next_result()) is not None:
            yield _as_answer(*result)


def _as_answer(key: str, result: Completion | RequestError) -> Completion | Failure:
    return result if isinstance(result, Completion) else Failure(key, result.reason, result.served)


class AsyncWorker(Generic[T]):
    """Runs coroutines in the event loop of a thread of its own, and hands their results to the calling thread.

    The thread is needed because a notebook's thread already runs a loop, and because requests must go on while the
    caller writes to disk. Leaving the context cancels what is running, waits for it, then runs `on_exit` in the loop.
    """

    def __init__(self, on_exit: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._on_exit = on_exit
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="prompt model", daemon=True)
        self._done: SimpleQueue[asyncio.Task[T]] = SimpleQueue()
        self._tasks: set[asyncio.Task[T]] = set()  # an event loop holds only weak references to its tasks
        self.pending = 0  # submitted, and the result not handed over yet
        self.undelivered: list[T] = []  # set on exit: results that had arrived and were not handed over

    def __enter__(self) -> AsyncWorker[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.is_finalizing():  # the interpreter has stopped the thread: nothing would answer
            return
        self.run(_cancel_all())
        self.undelivered = [t.result() for t in self._finished() if not t.cancelled() and not t.exception()]
        self.run(self._on_exit())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run one coroutine in the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def submit(self, work: Coroutine[Any, Any, T]) -> None:
        """Start a coroutine; its result comes by `next_result`."""
        self.pending += 1
        self._loop.call_soon_threadsafe(self._start, work)

    def next_result(self) -> T | None:
        """Wait for the next result, in order of completion; None when none is pending. Cancelled work has none.

        Raises:
            Exception: whatever the coroutine raised.
        """
        while self.pending:
            task = self._done.get()
            self.pending -= 1
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
