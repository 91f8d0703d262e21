"""One request to a chat endpoint: its body, its place in the rate limit, its retries.

In: a prompt. Out: a `Completion`, or the `RequestError` of the last try. The client library's own retries are off:
every refusal must pass through the shared `RateLimiter`, which slows all requests down. What counts as a retry
(`prompt_model.retries`):

- a try that failed where another one can help (408, 409, 425, 5xx, timeout, broken connection): 1;
- an overloaded server (429, 503, 529): 1, or 1/4 when it sends `retry-after`, since the next try is its own proposal;
- a server that was reached before and is unreachable now: 0, since nothing was asked. It is waited for up to
  `max_outage_s` (with prompt_model.retries=0 not at all).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from littlehuman.prompt_models.connection import CONNECT_S, ApiKey
from littlehuman.prompt_models.parameters import sampling_parameters
from littlehuman.prompt_models.rate_limit import RateLimiter, backoff
from littlehuman.prompt_models.responses import (
    RequestError,
    RetryAdvice,
    body_limit,
    classify_error,
    read_body,
)
from littlehuman.records import Completion, Prompt
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai import AsyncOpenAI, RequestOptions

CHARACTERS_PER_TOKEN = 4.0  # until the first answer says how many there are
LATER = "the same command later: what was answered is kept"


def request_body(config: PromptModelConfig, prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """The JSON body for `/chat/completions`, the same online and in a batch.

    A prompt with a schema asks for structured outputs (OpenAI's `response_format`).
    """
    body: dict[str, Any] = {
        "model": config.name,
        "messages": [dict(message) for message in prompt.messages],
        **sampling_parameters(config, max_tokens),
    }
    if prompt.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema},
        }
    return body


Body = Callable[[PromptModelConfig, Prompt, int], Mapping[str, Any]]  # as `request_body`


class ChatClient:
    """Sends requests to the endpoint at `url`; its methods run in one event loop.

    `max_outage_s`: seconds for which a server may be unreachable, or refuse everything, before the run ends.
    """

    def __init__(
        self,
        config: PromptModelConfig,
        url: str,
        key: ApiKey,
        max_tokens: int,
        max_outage_s: float,
        body: Body = request_body,
    ) -> None:
        self.config, self.key, self.max_tokens, self.body = config, key, max_tokens, body
        self.limiter = RateLimiter(
            config.concurrency, config.requests_per_minute, config.tokens_per_minute, max_outage_s
        )
        self.served = False  # whether any request had an answer, or a refusal of its own
        self.stopped = False  # no further request starts: none can succeed
        self._reached = False
        self._in_flight: set[asyncio.Task[Any] | None] = set()
        self._characters, self._tokens = CHARACTERS_PER_TOKEN, 1.0  # of all prompts whose tokens are known
        self._client = _openai_client(config, url, key, body_limit(config, max_tokens))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stop(self) -> None:
        """Start no further request, and cancel those that wait.

        Requests in flight at a server that answers are left running: they may be paid for already.
        """
        self.stopped = True
        spared = self._in_flight if self.served else set()
        for task in asyncio.all_tasks() - spared - {asyncio.current_task()}:
            task.cancel()

    async def request(self, prompt: Prompt) -> tuple[str, Completion | RequestError]:
        """The prompt's key, and its answer or the error that no further retry can help."""
        left, retries = float(self.config.retries), 0
        while True:
            result = await self._try(prompt)
            if isinstance(result, Completion):
                return prompt.key, result
            left -= _cost(result)
            self.stopped = self.stopped or bool(result.mend)
            if self.stopped or result.retry is RetryAdvice.NO or left < 0:
                return prompt.key, result
            if result.retry is RetryAdvice.YES:
                retries += 1
                await asyncio.sleep(result.retry_after_s or backoff(retries))

    async def _try(self, prompt: Prompt) -> Completion | RequestError:
        expected = self._expected_tokens(prompt) if self.config.tokens_per_minute else 0.0
        permit = await self.limiter.acquire(expected)
        if self.stopped:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        self._in_flight.add(task)
        try:
            result = await self._send(prompt)
        finally:
            self._in_flight.discard(task)
        self._reached = self._reached or isinstance(result, Completion) or result.retry is not RetryAdvice.UNREACHABLE
        self.served = self.served or isinstance(result, Completion) or result.served
        if isinstance(result, Completion) or result.served:
            self.limiter.answered(permit, self._used_tokens(prompt, result))
            return result
        if result.retry is RetryAdvice.SLOWER:
            self.limiter.overloaded(permit, result.retry_after_s)
        elif result.retry is RetryAdvice.UNREACHABLE:
            self.limiter.unreachable(permit, waited_for=self._waits_for_server)
        else:
            self.limiter.failed(permit)
        return self._set_mend(result)

    async def _send(self, prompt: Prompt) -> Completion | RequestError:
        """One HTTP request by the client's untyped `post`: the typed method takes twice the processor time."""
        import httpx2

        content = json.dumps(self.body(self.config, prompt, self.max_tokens)).encode("ascii")
        options: RequestOptions = {"headers": {"content-type": "application/json"}}
        try:
            # The limit is on the whole answer: a per-read timeout would wait for ever on a server that trickles bytes.
            async with asyncio.timeout(self.config.timeout_s):
                reply = await self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, content=content, options=options
                )
            kind = reply.headers.get("content-type", "")
            result = read_body(prompt.key, reply.content, kind, self.config, self.max_tokens)
        except Exception as error:  # not passed on: the request inside it holds the API key
            result = classify_error(error, self.config)
        if isinstance(result, Completion):
            clean = self.key.redact_answer
            return replace(result, text=clean(result.text), finish=clean(result.finish))
        return replace(result, reason=self.key.short_reason(result.reason))

    @property
    def _waits_for_server(self) -> bool:
        """Whether an unreachable server is waited for: only one that was reached before, and only for a while."""
        return self._reached and not self.limiter.exhausted and self.config.retries > 0

    def _set_mend(self, error: RequestError) -> RequestError:
        """`mend` ends the run: clear it while a lost server is waited for, set it when the wait is over."""
        if error.retry is RetryAdvice.UNREACHABLE and self._waits_for_server:
            return replace(error, mend="")
        if error.retry is RetryAdvice.SLOWER and self.limiter.exhausted:
            return replace(error, mend=error.mend or LATER)
        return error

    def _expected_tokens(self, prompt: Prompt) -> float:
        """Prompt tokens estimated from the answers so far, plus the longest answer: providers count this way."""
        return _characters(prompt) * self._tokens / self._characters + self.max_tokens

    def _used_tokens(self, prompt: Prompt, result: Completion | RequestError) -> float:
        """Tokens that the request took, also learnt for later estimates; 0 where the server does not say."""
        if not self.config.tokens_per_minute or not isinstance(result, Completion) or not result.prompt_tokens:
            return 0.0
        self._characters += _characters(prompt)
        self._tokens += result.prompt_tokens
        return float(result.prompt_tokens + result.completion_tokens)


def _cost(error: RequestError) -> float:
    """Retries that a failed try uses up."""
    if error.retry is RetryAdvice.UNREACHABLE:
        return 0.0
    return 0.25 if error.retry is RetryAdvice.SLOWER and error.retry_after_s else 1.0


def _characters(prompt: Prompt) -> int:
    return sum(len(message["content"]) for message in prompt.messages)


def _openai_client(config: PromptModelConfig, url: str, key: ApiKey, most_bytes: int) -> AsyncOpenAI:
    from httpx2 import Limits
    from openai import AsyncOpenAI, Timeout

    from littlehuman.prompt_models.http_client import BoundedAsyncClient

    timeout = Timeout(None, connect=min(CONNECT_S, config.timeout_s))  # the rest is timed as a whole in `_send`
    # Idle connections are closed before a usual server closes them (uvicorn: after 5 s); otherwise a request may be
    # sent on a connection that is being closed.
    limits = Limits(max_connections=None, max_keepalive_connections=config.concurrency, keepalive_expiry=4.0)
    proxies = urlsplit(url).hostname not in ("127.0.0.1", "localhost")  # prompts for this machine stay on it
    http = BoundedAsyncClient(most_bytes, base_url=url, timeout=timeout, limits=limits, trust_env=proxies)
    return AsyncOpenAI(api_key=key.for_client(), base_url=url, timeout=timeout, max_retries=0, http_client=http)
