"""A chat endpoint that breaks in every way that real ones do, and counts what it was paid for.

In: a reply for each (question, try). Out: a real HTTP server (asyncio, in a thread of its own) that
counts the answers it sent in full, and can go away for a while and come back at the same address.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any


class Delivery(Enum):
    """How a reply is sent."""

    SENT = "sent"
    HANG = "hang"  # silence
    DROP = "drop"  # the connection is closed instead
    HALF = "half"  # the connection is closed in the middle of the body
    TRICKLE = "trickle"  # a byte now and then, for ever


@dataclass(frozen=True)
class ScriptedReply:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.005
    delivery: Delivery = Delivery.SENT


def answer(
    text: str, *, finish: str = "stop", tokens: tuple[int, int] = (100, 20), delay: float = 0.005
) -> ScriptedReply:
    """A chat completion; all have the same id, as with servers that do not care."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return ScriptedReply(
        json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode(),
        delay=delay,
    )


def refusal(status: int, message: str = "no", **headers: str) -> ScriptedReply:
    """An error; `retry_after="1"` becomes the header `retry-after: 1`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ScriptedReply(json.dumps({"error": {"message": message}}).encode(), status, named)


HANG, DROP, HALF, TRICKLE = (ScriptedReply(answer("lost").body, delivery=way) for way in list(Delivery)[1:])

ReplyScript = Callable[[str, int], ScriptedReply]


class FaultServer:
    """Serves `/v1/chat/completions`; `script` gets the last turn's text and the number of the try, from 1."""

    def __init__(self, script: ReplyScript) -> None:
        self.script = script
        self.tries: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()  # answers with status 200 that were sent in full
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.under_way = self.most_at_once = 0
        self.port = 0
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """What goes into `prompt_model.base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultServer:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._vanish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def go_away(self, seconds: float | None = None) -> None:
        """Close the port and every connection at once; come back after so many seconds (None: never)."""
        asyncio.run_coroutine_threadsafe(self._vanish(seconds), self._loop)

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _vanish(self, seconds: float | None = None) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self._open):
            transport.abort()
        if seconds is not None:
            self._loop.call_later(seconds, lambda: self._loop.create_task(self._listen()))


class _Connection(asyncio.Protocol):
    def __init__(self, server: FaultServer) -> None:
        self._server, self._heard = server, b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server._open.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, gap, rest = self._heard.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        if not gap or len(rest) < int(fields[b"content-length"]):
            return
        self._heard = b""
        asyncio.get_running_loop().create_task(self._reply(json.loads(rest)))

    async def _reply(self, request: dict[str, Any]) -> None:
        server, question = self._server, request["messages"][-1]["content"]
        server.requests.append(request)
        server.times.append(asyncio.get_running_loop().time())
        server.tries[question] += 1
        server.under_way += 1
        server.most_at_once = max(server.most_at_once, server.under_way)
        reply = server.script(question, server.tries[question])
        with suppress(ConnectionError):
            await asyncio.sleep(reply.delay)
            server.under_way -= 1
            await self._send(question, reply)

    async def _send(self, question: str, reply: ScriptedReply) -> None:
        if reply.delivery is Delivery.DROP:
            self._transport.abort()
        if reply.delivery in (Delivery.HANG, Delivery.DROP) or self._transport.is_closing():
            return
        lines = {"content-type": "application/json", **reply.headers, "content-length": str(len(reply.body))}
        head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        whole = head.encode() + b"\r\n" + reply.body
        if reply.delivery is Delivery.HALF:
            self._transport.write(whole[: -len(reply.body) // 2])
            self._transport.close()
            return
        if reply.delivery is Delivery.TRICKLE:
            for position in range(len(whole)):
                if self._transport.is_closing():
                    return
                self._transport.write(whole[position : position + 1])
                await asyncio.sleep(0.05)
            return
        self._transport.write(whole)
        self._server.paid[question] += reply.status == 200
