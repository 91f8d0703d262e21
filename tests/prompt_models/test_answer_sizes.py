"""Answers that are larger than max_tokens allows: refused while they are read, whatever their encoding."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chat_requests import ask, at, requests
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, Reply, says
from gather_completions import gather

from littlehuman.prompt_models.batch_client import bounded_lines
from littlehuman.prompt_models.http_client import AnswerTooLong
from littlehuman.prompt_models.responses import TOO_LONG, body_limit
from littlehuman.records import Completion, Failure

pytestmark = pytest.mark.usefixtures("endpoint_environment")
LIMIT = body_limit(prompt_model("openai_compatible"), 50)
REASON = f"the answer has more than {LIMIT:,} bytes, which max_tokens does not allow"


def encoded(reply: Reply, encoding: str, body: bytes) -> Reply:
    return Reply(body, reply.status, {"content-encoding": encoding})


def zipped(reply: Reply, *, times: int = 1) -> Reply:
    body = json.dumps(reply.body).encode()
    for _ in range(times):
        body = gzip.compress(body)
    return encoded(reply, ", ".join(["gzip"] * times), body)


LONG = says("x" * 10_000_000)
TOO_LARGE = {
    "plain": LONG,
    "gzip": zipped(LONG),
    "deflate": encoded(LONG, "deflate", zlib.compress(json.dumps(LONG.body).encode())),
    "gzip in gzip": zipped(LONG, times=2),
    "thoughts": says("x", reasoning_content="x" * 10_000_000),
    "blanks": Reply(b" " * 10_000_000),
    "a page": Reply(b"<p>" * 4_000_000, kind="text/html"),
}


@pytest.mark.parametrize("reply", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_answer_of_ten_megabytes_is_a_failure_with_its_reason(reply: Reply) -> None:
    with FakeEndpoint(lambda q, attempt: reply if q == "q0" else says("fine")) as fake:
        answers = ask(at(fake), 2)
    assert answers == {"k0": Failure("k0", REASON), "k1": Completion("k1", "fine", "stop", 10, 5)}
    assert fake.questions.count("q0") == 1


def test_a_zipped_answer_of_usual_size_is_read() -> None:
    with FakeEndpoint(lambda q, attempt: zipped(says("fine"))) as fake:
        assert ask(at(fake), 1) == {"k0": Completion("k0", "fine", "stop", 10, 5)}


def test_an_error_of_ten_megabytes_keeps_its_status_and_is_cut() -> None:
    huge = Reply(b'{"error": {"message": "' + b"x" * 10_000_000 + b'"}}', 400)
    with FakeEndpoint(lambda q, attempt: huge if q == "q0" else says("fine")) as fake:
        failure = ask(at(fake), 2)["k0"]
    assert isinstance(failure, Failure) and failure.reason.startswith("HTTP 400: ") and len(failure.reason) == 300


def test_a_text_that_is_longer_than_its_tokens_is_cut_billed_and_no_twin() -> None:
    with FakeEndpoint(lambda q, attempt: says("x" * 20_000)) as fake:
        answers, bill = gather(requests(2), at(fake), 50, progress=False)
        gather(requests(2), at(fake), 50, progress=False)
    assert len(fake.requests) == 2 and bill.completion_tokens == 10
    assert all(isinstance(a, Completion) and a.finish == TOO_LONG and len(a.text) < 8_000 for a in answers.values())


@pytest.mark.parametrize(
    "text", ["渡轮" * 100, "नौका " * 100, "\\u20ac" * 200, "🚢" * 100], ids=["zh", "hi", "u", "emoji"]
)
def test_texts_in_any_script_fit(text: str) -> None:
    with FakeEndpoint(lambda q, attempt: says(text)) as fake:
        found = ask(at(fake), 1)["k0"]
    assert isinstance(found, Completion) and (found.text, found.finish) == (text, "stop")


def test_where_no_limit_is_sent_a_long_answer_is_read() -> None:
    with FakeEndpoint(lambda q, attempt: says("x" * 1_000_000)) as fake:
        found = ask(at(fake, token_limit_name=None), 1)["k0"]
    assert isinstance(found, Completion) and len(found.text) == 1_000_000 and found.finish == "stop"


# --- a bomb of two gigabytes ----------------------------------------------------------------------

ASKS = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from chat_requests import requests
from config_groups import prompt_model
from littlehuman.prompt_models.chat_api import Endpoint
model = prompt_model("openai_compatible", base_url=sys.argv[1], retries=0, concurrency=1)
list(Endpoint(model).complete(requests(1)[:0], 50))
import openai, httpx2
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answers = list(Endpoint(model).complete(requests(1), 50))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(answers[0].reason)
print((after - before) // 1024)
"""


@contextmanager
def bomb(blocks: Iterable[bytes]) -> Iterator[str]:
    """A server whose every answer is these blocks of gzip."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-encoding", "gzip")
            self.end_headers()
            try:
                for block in blocks:
                    self.wfile.write(block)
            except OSError:
                pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_gzip_bomb_of_two_gigabytes_takes_no_memory() -> None:
    megabyte = b"0" * 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    head = packer.compress(b'{"choices": [') + packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)  # the same bytes decompress to a megabyte each
    with bomb([head + again * 2047]) as url:
        tests = __file__.rsplit("/prompt_models/", 1)[0]
        ran = subprocess.run([sys.executable, "-c", ASKS, url, tests], capture_output=True, text=True, timeout=120)
    reason, megabytes = ran.stdout.splitlines()
    assert reason == REASON and int(megabytes) < 100


def test_a_line_of_a_batch_that_is_longer_than_an_answer_is_left_out() -> None:
    blocks = [b"one\nt", b"wo\n" + b"x" * 30, b"x" * 30 + b"\nthr", b"ee"]
    assert list(bounded_lines(blocks, 10, 10)) == [b"one\n", b"two\n", b"three"]
    with pytest.raises(AnswerTooLong):
        list(bounded_lines([b"x" * 8] * 9, 10, 3))
