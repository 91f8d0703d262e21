"""Any endpoint that speaks OpenAI's chat API: OpenAI itself, vLLM, llama.cpp, a provider.

In: prompts, drawn one by one. Out: an answer for each as it comes, a bounded number of requests
being under way. What can help no request (no server, wrong key, unknown model) stops the run at
once; what hits one request alone is that request's `Failure`; a server that is busy or away for a
while is waited for (`asking.py`, `pacing.py`).


[folded] One request, from its first try to its answer or to the trouble that it ends in.

In: a prompt. Out: a `Completion`, or the last `Trouble`. The client's own retries are off: each
refusal passes through the pace, which slows all requests down. What counts as a retry:

- a try that failed where another one can help (408, 409, 425, 5xx, timeout, broken connection): 1;
- a server that has too much to do (429, 503, 529): 1, or 1/4 when it says how long to wait, for
  then the next try is the server's own proposal;
- nobody there, though the server was reached before: 0, for nothing was asked. It is waited for
  as long as the pace has patience (with prompt_model.retries=0 not at all).


[folded] What is sent for one request, the same online and in a batch.

In: the settings, a prompt and a limit of tokens. Out: the body that `/chat/completions` takes.

"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from littlehuman.errors import GenerationError
from littlehuman.prompt_models import connection
from littlehuman.prompt_models.async_worker import AsyncWorker
from littlehuman.prompt_models.connection import CONNECT_S, ApiKey
from littlehuman.prompt_models.rate_limit import RateLimiter
from littlehuman.prompt_models.responses import (
    REASON_CHARS,
    RequestError,
    RetryAdvice,
    backoff,
    classify_error,
    read_bytes,
)
from littlehuman.prompt_models.settings import check_prompt_model
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

if TYPE_CHECKING:
    from openai import AsyncOpenAI, RequestOptions


def request_body(config: PromptModelConfig, prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """The request as plain values; with a schema where the prompt has one (OpenAI's structured outputs)."""
    asked: dict[str, Any] = {
        "model": config.name,
        "messages": [dict(message) for message in prompt.messages],
        "temperature": config.temperature,
        "top_p": config.top_p,
        config.token_limit_name: max_tokens,
    }
    if prompt.schema:
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema},
        }
    return asked


CHARACTERS_PER_TOKEN = 4.0  # before the first answer tells how it really is
LATER = "the same command later: what was answered is kept"


class ChatClient:
    """Asks the endpoint at `url`; its methods run in one event loop."""

    def __init__(self, config: PromptModelConfig, url: str, key: ApiKey, max_tokens: int, patience_s: float) -> None:
        self.config, self.key, self.max_tokens = config, key, max_tokens
        self.pace = RateLimiter(config.concurrency, config.requests_per_minute, config.tokens_per_minute, patience_s)
        self.served = False  # whether any request had an answer, or a refusal of its own
        self.over = False  # nothing more is to be asked: no request can have an answer
        self._reached = False
        self._sent: set[asyncio.Task[Any] | None] = set()
        self._characters, self._tokens = CHARACTERS_PER_TOKEN, 1.0
        self._client = _client(config, url, key)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def end(self) -> None:
        """Start nothing more. What the server is working on is awaited, if it serves at all: it may be paid for already."""
        self.over = True
        spared = self._sent if self.served else set()
        for task in asyncio.all_tasks() - spared - {asyncio.current_task()}:
            task.cancel()

    async def ask(self, prompt: Prompt) -> tuple[str, Completion | RequestError]:
        """Try until there is an answer, or a trouble that no further try can help."""
        left, times = float(self.config.retries), 0
        while True:
            result = await self._try(prompt)
            if isinstance(result, Completion):
                return prompt.key, result
            left -= self._cost(result)
            self.over = self.over or bool(result.mend)
            if self.over or result.cure is RetryAdvice.NONE or left < 0:
                return prompt.key, result
            if result.cure is RetryAdvice.AGAIN:
                times += 1
                await asyncio.sleep(result.after or backoff(times))

    async def _try(self, prompt: Prompt) -> Completion | RequestError:
        expected = self._expected(prompt) if self.config.tokens_per_minute else 0.0
        ticket = await self.pace.start(expected)
        if self.over:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        self._sent.add(task)
        try:
            result = await self._send(prompt)
        finally:
            self._sent.discard(task)
        self._reached = self._reached or isinstance(result, Completion) or result.cure is not RetryAdvice.WAIT
        self.served = self.served or isinstance(result, Completion) or result.served
        if isinstance(result, Completion) or result.served:
            self.pace.answered(ticket, self._learn(prompt, result))
            return result
        if result.cure is RetryAdvice.SLOWER:
            self.pace.busy(ticket, result.after)
        elif result.cure is RetryAdvice.WAIT:
            self.pace.gone(ticket, waited_for=self._waits)
        else:
            self.pace.failed(ticket)
        return self._in_our_case(result)

    async def _send(self, prompt: Prompt) -> Completion | RequestError:
        """One HTTP request. The client's short way is taken: its typed one takes twice the processor time."""
        import httpx2

        content = json.dumps(request_body(self.config, prompt, self.max_tokens)).encode("ascii")
        kind: RequestOptions = {"headers": {"content-type": "application/json"}}
        try:
            async with asyncio.timeout(
                self.config.timeout_s
            ):  # of the whole: a server that sends a byte now and then is none
                reply = await self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, content=content, options=kind
                )
            result = read_bytes(prompt.key, reply.content, reply.headers.get("content-type", ""), self.config)
        except Exception as error:  # it goes no further: the request in it holds the key
            result = classify_error(error, self.config)
        if isinstance(result, Completion):
            result = replace(result, text=self.key.out_of(result.text), finish=self.key.out_of(result.finish))
        else:
            result = replace(result, reason=" ".join(self.key.scrub(result.reason).split())[:REASON_CHARS])
        return result

    @property
    def _waits(self) -> bool:
        """Whether a server that does not answer is waited for: one that was there, for a while."""
        return self._reached and not self.pace.hopeless and self.config.retries > 0

    def _in_our_case(self, trouble: RequestError) -> RequestError:
        """Whether it ends the run: a server that was there is waited for, one that only refuses is not for ever."""
        if trouble.cure is RetryAdvice.WAIT and self._waits:
            return replace(trouble, mend="")
        if trouble.cure is RetryAdvice.SLOWER and self.pace.hopeless:
            return replace(trouble, mend=trouble.mend or LATER)
        return trouble

    @staticmethod
    def _cost(trouble: RequestError) -> float:
        if trouble.cure is RetryAdvice.WAIT:
            return 0.0
        return 0.25 if trouble.cure is RetryAdvice.SLOWER and trouble.after else 1.0

    def _expected(self, prompt: Prompt) -> float:
        """Tokens that the request may take: its prompt by the answers so far, and the longest answer (as providers count)."""
        return _characters(prompt) * self._tokens / self._characters + self.max_tokens

    def _learn(self, prompt: Prompt, result: Completion | RequestError) -> float:
        """Tokens that it took; 0 where the server does not say."""
        if not self.config.tokens_per_minute or not isinstance(result, Completion) or not result.prompt_tokens:
            return 0.0
        self._characters += _characters(prompt)
        self._tokens += result.prompt_tokens
        return float(result.prompt_tokens + result.completion_tokens)


def _characters(prompt: Prompt) -> int:
    return sum(len(message["content"]) for message in prompt.messages)


def _client(config: PromptModelConfig, url: str, key: ApiKey) -> AsyncOpenAI:
    from httpx2 import Limits
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

    timeout = Timeout(None, connect=min(CONNECT_S, config.timeout_s))  # the rest is timed as a whole
    # A connection that idles is closed before a usual server closes it (uvicorn: after 5 s), else a request may meet its end.
    limits = Limits(max_connections=None, max_keepalive_connections=config.concurrency, keepalive_expiry=4.0)
    http = DefaultAsyncHttpxClient(base_url=url, timeout=timeout, limits=limits)
    return AsyncOpenAI(api_key=key.for_client(), base_url=url, timeout=timeout, max_retries=0, http_client=http)


log = logging.getLogger(__name__)
PATIENCE_S = 120.0  # how long a server that was there may be away, or refuse everything
Result = tuple[str, Completion | RequestError]


class Endpoint:
    """Asks for the model `prompt_model.name` at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    batched = False

    def __init__(self, config: PromptModelConfig, patience_s: float = PATIENCE_S) -> None:
        check_prompt_model(config)
        self.config, self.patience_s = config, patience_s
        self.untaken: Sequence[Completion] = ()
        self.url = connection.address(config)
        self.key = ApiKey.of(config.api_key_env)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the answers as they come; closing the iterator cancels the requests under way and keeps what had come (`untaken`).

        `prompts` is drawn from in the caller's thread, the next one when an answer was taken and
        the one after it is asked for: so what was asked and not yet handed over is never more
        than `concurrency` requests, and that is all that a killed run can lose.

        Raises:
            GenerationError: when no request can succeed.
        """
        connection.keep_quiet()
        self.untaken, waiting = (), iter(prompts)
        first = list(islice(waiting, self.config.concurrency))
        if not first:
            return  # without a client: the library takes a second to load
        asker = ChatClient(self.config, self.url, self.key, max_tokens, self.patience_s)
        crew = AsyncWorker[Result](last=asker.close)
        try:
            with crew:
                yield from self._answers(crew, asker, first, waiting)
        finally:
            self.untaken = [answer for _, answer in crew.untaken if isinstance(answer, Completion)]

    def _answers(
        self, crew: AsyncWorker[Result], asker: ChatClient, first: list[Prompt], waiting: Iterator[Prompt]
    ) -> Iterator[Completion | Failure]:
        for prompt in first:
            crew.begin(asker.ask(prompt))
        while (result := crew.take()) is not None:
            key, answer = result
            if isinstance(answer, RequestError) and answer.mend:
                yield from self._rest(crew, asker, answer)
                raise self._error(answer.reason, answer.mend)
            yield _handed_over(key, answer)
            for prompt in islice(waiting, 0 if asker.over else 1):
                crew.begin(asker.ask(prompt))

    def _rest(self, crew: AsyncWorker[Result], asker: ChatClient, end: RequestError) -> Iterator[Completion | Failure]:
        """What was paid for is handed over before the run stops."""
        crew.run(asker.end())
        if asker.served and crew.open:
            log.warning("%s; waiting up to %g s for the requests under way", end.reason, self.config.timeout_s)
        while (result := crew.take()) is not None:
            key, answer = result
            yield _handed_over(key, answer)

    def _error(self, reason: str, mend: str) -> GenerationError:
        return GenerationError(
            self.key.scrub(
                f"prompt_model.name={self.config.name} at {connection.without_password(self.url)}: {reason}\nTry: {mend}"
            )
        )


def _handed_over(key: str, answer: Completion | RequestError) -> Completion | Failure:
    return answer if isinstance(answer, Completion) else Failure(key, answer.reason, answer.served)
