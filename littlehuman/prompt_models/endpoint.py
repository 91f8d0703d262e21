"""Any endpoint that speaks OpenAI's chat API: OpenAI itself, vLLM, llama.cpp, a provider.

In: prompts. Out: an answer for each as it comes, a bounded number of requests being under way.
Retries are the client's (429, 5xx, dropped connections; it honours `retry-after`). What can help
no request (no server, wrong key, unknown model) stops the run at once; what hits one request
alone is that request's `Failure`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.groups import PromptModelConfig
from littlehuman.prompt_models.api_key import ApiKey
from littlehuman.prompt_models.replies import REASON_CHARS, Trouble, cannot_connect, judge, read
from littlehuman.prompt_models.streaming import cancel, from_thread
from littlehuman.records import Completion, Failure, Prompt

if TYPE_CHECKING:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

OPENAI = "https://api.openai.com/v1"
CONNECT_S = 10.0
TOKEN_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")


class Endpoint:
    """Asks for the model `prompt_model.name` at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    def __init__(self, config: PromptModelConfig) -> None:
        _check(config)
        self.config = config
        # Said in so many words: null would let the client read OPENAI_BASE_URL.
        self.url = config.base_url or OPENAI
        self.key = ApiKey.of(config.api_key_env)

    def complete(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the answers as they come; closing the iterator cancels the requests under way.

        Raises:
            GenerationError: when no request can succeed, or the endpoint served none.
        """
        for name in ("openai", "httpx2", "httpcore2"):  # at INFO and below they tell run.log of each request
            logging.getLogger(name).setLevel(logging.WARNING)
        reasons: Counter[str] = Counter()
        served = False
        with closing(from_thread(self._results(prompts, max_tokens))) as results:
            for key, result in results:
                served = served or isinstance(result, Completion) or result.served
                if isinstance(result, Completion):
                    yield result
                elif result.mend:
                    raise self._error(result.reason, result.mend)
                else:
                    reasons[result.reason] += 1
                    yield Failure(key, result.reason)
        if reasons and not served:
            reason, count = reasons.most_common(1)[0]
            mend = "the same command later, prompt_model.concurrency=1, or a larger prompt_model.timeout_s"
            raise self._error(f"all {reasons.total()} requests failed, {count} of them so: {reason}", mend)

    async def _results(self, prompts: Sequence[Prompt], max_tokens: int) -> AsyncGenerator[tuple[str, Completion | Trouble], None]:
        waiting = iter(prompts)
        async with self._client() as client:

            def start(count: int) -> set[asyncio.Task[tuple[str, Completion | Trouble]]]:
                return {asyncio.create_task(self._ask(client, prompt, max_tokens)) for prompt in islice(waiting, count)}

            running = start(self.config.concurrency)
            try:
                while running:
                    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    # What was paid for is handed over before the run stops.
                    first = min(done, key=_ends_the_run)
                    ending = any(map(_ends_the_run, done))
                    running.remove(first)
                    yield first.result()
                    if not ending:  # and only when the last one was taken: an interrupted run loses what is under way, no more
                        running |= start(1)
            finally:
                await cancel(running)

    async def _ask(self, client: AsyncOpenAI, prompt: Prompt, max_tokens: int) -> tuple[str, Completion | Trouble]:
        create: Any = client.chat.completions.create  # its overloads take no name that is only known here
        try:
            reply = await create(
                model=self.config.name,
                messages=[dict(message) for message in prompt.messages],
                temperature=self.config.temperature,
                top_p=self.config.top_p,
                **{self.config.token_limit_name: max_tokens},
            )
            result = read(prompt.key, reply)
        except Exception as error:  # it goes no further: the request in it holds the key
            result = judge(error, self.config)
        if isinstance(result, Trouble):
            result = replace(result, reason=" ".join(self.key.scrub(result.reason).split())[:REASON_CHARS])
        return prompt.key, result

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, Timeout

        timeout = Timeout(self.config.timeout_s, connect=min(CONNECT_S, self.config.timeout_s))
        return AsyncOpenAI(
            api_key=self.key.for_client(),
            base_url=self.url,
            timeout=timeout,
            max_retries=self.config.retries,
            http_client=_http_client(self.url, timeout),
        )

    def _error(self, reason: str, mend: str) -> GenerationError:
        address = re.sub(r"//[^/@]*@", "//***@", self.url)  # an address may bring a password of its own
        return GenerationError(self.key.scrub(f"prompt_model.name={self.config.name} at {address}: {reason}\nTry: {mend}"))


def _ends_the_run(task: asyncio.Task[tuple[str, Completion | Trouble]]) -> bool:
    _, result = task.result()
    return isinstance(result, Trouble) and bool(result.mend)


def _http_client(url: str, timeout: Timeout) -> DefaultAsyncHttpxClient:
    """A client that reports at once that no server is there; it retries only with a server that was reached before."""
    from openai import DefaultAsyncHttpxClient, OpenAIError

    class Client(DefaultAsyncHttpxClient):
        reached = False

        async def send(self, *args: Any, **kwargs: Any) -> Any:
            try:
                response = await super().send(*args, **kwargs)
            except Exception as error:
                if self.reached or not cannot_connect(error):
                    raise
                raise OpenAIError(str(error)) from error  # the one family of errors that is not retried
            self.reached = True
            return response

    return Client(base_url=url, timeout=timeout)


def _check(config: PromptModelConfig) -> None:
    url = urlsplit(config.base_url or OPENAI)
    checks = [
        (url.scheme in ("http", "https") and bool(url.hostname), "base_url", "must be an address such as http://127.0.0.1:8000/v1"),
        (config.token_limit_name in TOKEN_LIMIT_NAMES, "token_limit_name", f"must be one of: {', '.join(TOKEN_LIMIT_NAMES)}"),
        (config.concurrency > 0, "concurrency", "must be at least 1"),
        (config.timeout_s > 0, "timeout_s", "must be above 0 seconds"),
        (config.retries >= 0, "retries", "must be 0 or more"),
    ]
    problems = [Problem(f"prompt_model.{name}={getattr(config, name)}", what) for fine, name, what in checks if not fine]
    if problems:
        raise ConfigError(problems)
