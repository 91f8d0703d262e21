"""A chat endpoint on this machine that behaves as badly as a test wants.

In: a script, a function from (question, attempt) to a `Reply`. Out: a real HTTP server with an
address, the requests that it saw, and how many were under way at once.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

HANG_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What the server does: answer, wait first, or worse."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang: bool = False  # say nothing until the server closes
    drop: bool = False  # close the connection instead of answering
    kind: str = "application/json"


def says(
    text: str | None,
    *,
    finish: str | None = "stop",
    usage: tuple[int, int] | None = (10, 5),
    delay: float = 0.0,
    **message: Any,
) -> Reply:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(body, delay=delay)


def fails(status: int, message: str = "no", *, retry_after: float | None = None, code: str | None = None) -> Reply:
    """An error in OpenAI's form."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Reply({"error": {"message": message, "type": "error", "code": code}}, status, headers)


HANG = Reply(hang=True)
DROP = Reply(drop=True)

Script = Callable[[str, int], Reply]


class FakeEndpoint:
    """Serves `/v1/chat/completions` under a script; `attempt` counts from 1 for each question."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """What goes into `prompt_model.base_url`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def questions(self) -> list[str]:
        """The last turn of each request, in the order in which they came."""
        return [request["messages"][-1]["content"] for request in self.requests]

    def __enter__(self) -> FakeEndpoint:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away: no further connection is taken, and those that are open are answered no more."""
        if not self.closing.is_set():
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()

    def take(self, request: dict[str, Any], key: str) -> Reply:
        """Count a request that came, and look up its reply."""
        with self._lock:
            question = request["messages"][-1]["content"]
            self._attempts[question] += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.requests.append(request)
            self.times.append(time.monotonic())
            self.keys.append(key)
            attempt = self._attempts[question]
        return self.script(question, attempt)

    def let_go(self) -> None:
        """Count a request as done: before its answer leaves, for the next one may follow at once."""
        with self._lock:
            self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


def _handler(endpoint: FakeEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            reply = endpoint.take(request, self.headers.get("authorization", "").removeprefix("Bearer "))
            endpoint.closing.wait(HANG_S if reply.hang else reply.delay)
            endpoint.let_go()
            if reply.hang or reply.drop or endpoint.closing.is_set():
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"content-type": reply.kind, "content-length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
