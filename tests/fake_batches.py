"""A provider's batch API on this machine, that behaves as badly as a test wants.

In: a script, a function from (question, how often it was asked) to the line that answers it, and
how each batch ends. Out: a real HTTP server with `/v1/files` and `/v1/batches`, the batches
that were created, and a tap with which a test can break any request, before or after its effect.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROUTES = {"/v1/files": "upload", "/v1/batches": "create"}


def answer(text: str, usage: tuple[int, int] = (10, 5), finish: str = "stop") -> dict[str, Any]:
    """What stands in an output line for a request that was answered."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": counts}
    return {"response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}


def refusal(status: int, message: str = "no") -> dict[str, Any]:
    """What stands in an error line for a request that was refused."""
    return {
        "response": {"status_code": status, "request_id": "r", "body": {"error": {"message": message}}},
        "error": None,
    }


def echo(question: str, attempt: int) -> dict[str, Any] | None:
    return answer(f"You asked {question}")


@dataclass
class BatchEnd:
    """How a batch ends: with answers to its first `answered` requests (None: all)."""

    status: str = "completed"
    answered: int | None = None
    polls: int = 1  # how often it is asked after before it ends
    errors: list[dict[str, Any]] = field(default_factory=list)
    rewrite: Callable[[list[str]], list[str]] = lambda lines: lines  # of the output file's lines


@dataclass
class Broken(Exception):
    """A request that goes wrong: with a status, or (0) with a connection that drops."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "broken"


Script = Callable[[str, int], dict[str, Any] | None]
Tap = Callable[[str, str, int], None]  # (which request, before or after its effect, how many of these came)


class FakeBatches:
    """Serves files and batches; each batch meets the next of `ends`, and the last one meets all further ones."""

    def __init__(self, script: Script = echo, *ends: BatchEnd, tap: Tap = lambda what, when, count: None) -> None:
        self.script, self.ends, self.tap = script, ends or (BatchEnd(),), tap
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()  # how often each question was answered, and so paid for
        self.calls: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.most_running = 0
        self._end_of: dict[str, BatchEnd] = {}
        self._polls: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """What goes into `prompt_model.base_url`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def sizes(self) -> list[int]:
        """Requests in each batch that was created, in order."""
        return [len(self.lines(batch)) for batch in self.batches.values()]

    def lines(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """The requests of a batch."""
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def __enter__(self) -> FakeBatches:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- the API ---------------------------------------------------------------------------

    def serve(self, method: str, target: str, kind: str, content: bytes) -> tuple[int, bytes]:
        """The effect of a request and the body that answers it."""
        url = urlsplit(target)
        what = _name(method, url.path)
        with self._lock:
            self.calls[what] += 1
            count = self.calls[what]
            self.tap(what, "before", count)
            body = self._effect(what, url.path, parse_qs(url.query), kind, content)
            self.tap(what, "after", count)
        if body is None:
            return 404, b'{"error": {"message": "there is none"}}'
        return 200, body if isinstance(body, bytes) else json.dumps(body).encode()

    def _effect(self, what: str, path: str, query: dict[str, list[str]], kind: str, content: bytes) -> Any:
        name = path.split("/")[3] if path.count("/") > 2 else ""
        if what == "upload":
            return self._upload(kind, content)
        if what == "create":
            return self._create(json.loads(content))
        if what == "list":
            return self._list(query)
        if what == "content":
            return self.files.get(name)
        if what == "cancel" and name in self.batches:
            self.end(name, BatchEnd("cancelled", 0))
        if what == "retrieve" and name in self.batches:
            self._poll(name)
        return self.batches.get(name)

    def _upload(self, kind: str, content: bytes) -> dict[str, Any]:
        form = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}  # type: ignore[union-attr]
        assert parts["purpose"].get_payload() == "batch"  # type: ignore[union-attr]
        data = parts["file"].get_payload(decode=True)  # type: ignore[union-attr]
        assert isinstance(data, bytes)
        name = self._put(data)
        return {
            "id": name,
            "object": "file",
            "bytes": len(data),
            "created_at": 0,
            "filename": "f",
            "purpose": "batch",
            "status": "processed",
        }

    def _put(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        assert (request["endpoint"], request["completion_window"]) == ("/v1/chat/completions", "24h")
        name = f"batch-{len(self.batches)}"
        self._end_of[name] = self.ends[min(len(self.batches), len(self.ends) - 1)]
        made = {"id": name, "object": "batch", "created_at": int(time.time()), "status": "validating"}
        self.batches[name] = made | request
        self.batches[name]["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        self.most_running = max(
            self.most_running, sum(batch["status"] in ("validating", "in_progress") for batch in self.batches.values())
        )
        return self.batches[name]

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        names = list(self.batches)[::-1]
        start = names.index(query["after"][0]) + 1 if "after" in query else 0
        page = names[start : start + min(int(query.get("limit", ["20"])[0]), 3)]
        more = bool(page) and page[-1] != names[-1]
        return {
            "object": "list",
            "data": [self.batches[name] for name in page],
            "has_more": more,
            "last_id": page[-1] if page else None,
        }

    def _poll(self, name: str) -> None:
        self._polls[name] += 1
        batch, end = self.batches[name], self._end_of[name]
        if batch["status"] not in ("validating", "in_progress"):
            return
        batch["status"] = "in_progress"
        batch["request_counts"] = {"total": len(self.lines(batch)), "completed": 0, "failed": 0}
        if self._polls[name] >= end.polls:
            self.end(name, end)

    def end(self, name: str, end: BatchEnd) -> None:
        """Let a batch end."""
        batch = self.batches[name]
        batch["status"] = end.status
        if end.status == "failed":
            batch["errors"] = {"object": "list", "data": end.errors}
            return
        output, errors = list[str](), list[str]()
        for number, request in enumerate(self.lines(batch)):
            question = request["body"]["messages"][-1]["content"]
            done = end.answered is None or number < end.answered
            late: dict[str, Any] = {
                "response": None,
                "error": {"code": f"batch_{end.status}", "message": "This request could not be executed."},
            }
            self.asked[question] += done
            said = self.script(question, self.asked[question]) if done else late
            if said is None:
                continue
            good = bool(said["response"]) and said["response"]["status_code"] == 200
            (output if good else errors).append(
                json.dumps({"id": f"r{number}", "custom_id": request["custom_id"], **said})
            )
        output = end.rewrite(output)
        batch["request_counts"] = {"total": len(self.lines(batch)), "completed": len(output), "failed": len(errors)}
        batch["output_file_id"] = self._put("\n".join(output).encode() + b"\n") if output else None
        batch["error_file_id"] = self._put("\n".join(errors).encode() + b"\n") if errors else None


def _name(method: str, path: str) -> str:
    if method == "POST":
        return "cancel" if path.endswith("/cancel") else ROUTES[path]
    return "content" if path.endswith("/content") else "list" if path == "/v1/batches" else "retrieve"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


def _handler(fake: FakeBatches) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self._reply(self._content())

        def do_GET(self) -> None:
            self._reply(b"")

        def _content(self) -> bytes:
            length = self.headers.get("content-length")
            if length is not None:
                return self.rfile.read(int(length))
            blocks = []
            while size := int(self.rfile.readline(), 16):
                blocks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(blocks)

        def _reply(self, content: bytes) -> None:
            fake.keys.add(self.headers.get("authorization", "").removeprefix("Bearer "))
            headers = {}
            try:
                status, body = fake.serve(self.command, self.path, self.headers.get("content-type", ""), content)
            except Broken as broken:
                if not broken.status:
                    self.close_connection = True
                    return
                status, headers = broken.status, broken.headers
                body = json.dumps({"error": {"message": broken.message}}).encode()
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if headers.get("x-cut") else body)
            self.close_connection = self.close_connection or "x-cut" in headers

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
