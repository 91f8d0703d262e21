"""`python -m benchmarks.generation [--quick]`: throughput and memory of requests to a chat API.

The server runs on this machine in its own process and answers each request after a delay. Printed: requests per second
of littlehuman's client, of the `openai` client's plain `post` (the floor) and of its typed call (what one would write),
relative to the ideal (requests at once / seconds of an answer), processor time per request, and growth of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Way, interleave, spread
from benchmarks.machine import cores
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.chat_client import request_body
from littlehuman.records import Prompt
from littlehuman.schema import PromptModelConfig, Provider

AT_ONCE, ANSWER_S, MAX_TOKENS = 64, 0.2, 120
OURS, POST, TYPED = "littlehuman", "openai, client.post alone", "openai, chat.completions.create"
SENTENCE = "The ferry leaves the harbour at six and returns at nine in the evening. "
ANSWER = "Claim: The ferry is away for three hours. || Label: True"
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 30, "total_tokens": 1030},
}


def main() -> None:
    options = _options()
    if options.serve is not None:
        return asyncio.run(serve(options.serve))
    count, rounds = (600, 2) if options.quick else (2000, 5)
    speed(count, rounds)
    growth(1000, 4000 if options.quick else 20_000)


def speed(count: int, rounds: int) -> None:
    """Requests per second of each way, in turn, on the same server."""
    spent: dict[str, list[float]] = {OURS: [], POST: [], TYPED: []}
    with server(ANSWER_S) as config:

        def timed(name: str, work: Callable[[PromptModelConfig, int], None]) -> Way:
            def way(turn: int) -> float:
                requests = count if turn >= 0 else AT_ONCE
                begun, used = time.perf_counter(), time.process_time()
                work(config, requests)
                spent[name].append((time.process_time() - used) / requests * 1000)
                return requests / (time.perf_counter() - begun)

            return way

        ways = {OURS: timed(OURS, ours), POST: timed(POST, post), TYPED: timed(TYPED, typed)}
        values, _ = interleave(ways, rounds)
    ideal = AT_ONCE / ANSWER_S
    print(f"\n{count} requests, {AT_ONCE} at once, answers after {ANSWER_S:g} s, {cores()} cores", end=": ")
    print(f"ideal {ideal:.0f} requests/s")
    for name, rates in values.items():
        rate, used = spread(rates), spread(spent[name][1:])  # the first one is the warm-up
        print(f"  {name:32s} {rate.median:5.0f} requests/s ({rate.low:.0f} to {rate.high:.0f})", end=", ")
        print(f"{rate.median / ideal:4.0%} of the ideal, best {rate.high / ideal:4.0%}", end="; ")
        print(f"processor {used.median:.2f} ms a request ({used.low:.2f} to {used.high:.2f})")


def growth(first: int, last: int) -> None:
    """Resident memory after the first and after the last request of one run."""
    with server(0.02) as config:
        for number, _ in enumerate(Endpoint(config).complete(prompts(last), MAX_TOKENS), start=1):
            if number in (first, last):
                gc.collect()
                print(f"  after {number} requests: {resident_mb():.1f} MB resident")


def ours(config: PromptModelConfig, count: int) -> None:
    assert sum(1 for _ in Endpoint(config).complete(prompts(count), MAX_TOKENS)) == count


def post(config: PromptModelConfig, count: int) -> None:
    asyncio.run(_library(config, count, is_typed=False))


def typed(config: PromptModelConfig, count: int) -> None:
    asyncio.run(_library(config, count, is_typed=True))


async def _library(config: PromptModelConfig, count: int, *, is_typed: bool) -> None:
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
    waiting = prompts(count)
    async with AsyncOpenAI(
        api_key="none",
        base_url=config.base_url,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(limits=limits, timeout=60),
    ) as client:

        async def work() -> None:
            for prompt in waiting:
                asked = request_body(config, prompt, MAX_TOKENS)
                if is_typed:
                    await client.chat.completions.create(**asked)
                else:
                    json.loads((await client.post("/chat/completions", cast_to=httpx2.Response, body=asked)).content)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def prompts(count: int) -> Iterator[Prompt]:
    """Requests of about 4 kB: a system turn, three few-shot examples, a question."""
    roles = ("system", *("user", "assistant") * 3, "user")
    for i in range(count):
        yield Prompt(f"e{i}", tuple({"role": role, "content": SENTENCE * 7 + str(i)} for role in roles), f"k{i}")


@contextmanager
def server(answer_s: float) -> Iterator[PromptModelConfig]:
    """A server in another process; yields a prompt model that uses it."""
    command = [sys.executable, "-m", "benchmarks.generation", "--serve", str(answer_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield PromptModelConfig(
                name="m", provider=Provider.openai, base_url=f"http://127.0.0.1:{port}/v1", concurrency=AT_ONCE
            )
        finally:
            process.terminate()


async def serve(answer_s: float) -> None:
    """Answer every request with the same text after `answer_s` seconds; print the port."""
    loop = asyncio.get_running_loop()
    content = json.dumps(REPLY).encode()
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content) + content

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport, self.received = transport, b""

        def data_received(self, data: bytes) -> None:
            self.received += data
            head, gap, rest = self.received.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            if gap and len(rest) >= int(length):
                self.received = b""
                loop.call_later(answer_s, self.transport.write, reply)

    listening = await loop.create_server(Connection, "127.0.0.1", 0, backlog=512)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a look of half a minute")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
