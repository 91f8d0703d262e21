"""A quantised model served by llama.cpp on this machine (`prompt_model.provider=llama_cpp`).

In: prompts, a window at a time. Out: answers as they arrive. The GGUF file is served by `llama_server`, and asked by
the client of every chat endpoint: requests go to 127.0.0.1 and to no proxy. The file's own chat template makes the
prompt.

`prompt_model.dtype` is the file's quantisation, such as Q4_K_M. It is part of each request's key, and no other engine
has such names: answers of llama.cpp are kept apart from those of the same weights by another engine.

An answer depends on the other requests under way by rounding only; above temperature 0 each request has its own seed.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.prompt_models import llama_server
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.chat_client import request_body
from littlehuman.prompt_models.llama_server import LlamaServer, ServerSettings
from littlehuman.prompt_models.settings import InProcess
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider

WINDOW = 512  # prompts whose longest decides the context
BYTES_PER_TOKEN = (2, 1)  # of the longest prompt; the second is a bound, for texts of digits or in rare scripts
TURN_TOKENS = 32  # that a chat template adds to a turn, at most
CONTEXT_STEP = 1024  # contexts are multiples of it, so that the next window finds a server that serves it
QUEUED = 2  # requests that wait at the server, so that no slot does
MAX_OUTAGE_S = 1.0  # a server of our own that is gone does not come back
REFUSED = "exceeds the available context size"  # what llama.cpp says of a prompt that is too long
# The samplers of the config alone: llama.cpp has others, which are on by default.
SAMPLING = {"top_k": 0, "min_p": 0.0, "cache_prompt": True, "chat_template_kwargs": {"enable_thinking": False}}


class LlamaCppModel(InProcess):
    """Answers with the GGUF file that `prompt_model.weights` names: a package that has one, or its path.

    Raises:
        ConfigError: when none is named, or a setting cannot be followed.
        GenerationError: when llama.cpp is not installed.
    """

    def __init__(self, config: PromptModelConfig) -> None:
        super().__init__(config)
        llama_server.check_installed()
        self.undelivered: Sequence[Completion] = ()  # type: ignore[assignment]  # of a closed generator

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers as they arrive; a prompt that is too long for the model is a `Failure`.

        Raises:
            WeightsError: when there is no such file.
            ConfigError: when its quantisation is not `prompt_model.dtype`.
            GenerationError: when llama.cpp cannot serve it.
        """
        from littlehuman.models import gguf_file

        waiting, file = iter(prompts), None
        while window := list(islice(waiting, WINDOW)):
            file = file or gguf_file.of(str(self.config.weights), "prompt_model.weights")
            if file.quantisation != self.config.dtype:
                what = f"is not the quantisation of {file.path.name}"
                raise ConfigError(
                    [Problem(f"prompt_model.dtype={self.config.dtype}", what)],
                    f"prompt_model.dtype={file.quantisation}",
                )
            yield from self._answers(window, str(file.path), file.context, max_tokens)

    def _answers(
        self, window: list[Prompt], file: str, longest: int, max_tokens: int
    ) -> Generator[Completion | Failure, None, None]:
        """The answers to a window; prompts that the first guess of their tokens was too small for are asked again."""
        for bytes_per_token in BYTES_PER_TOKEN:
            context = min(_context(window, bytes_per_token, max_tokens), longest)
            server = llama_server.running(self._server(file, context))
            refused, by_key = list[Prompt](), {prompt.key: prompt for prompt in window}
            with closing(self._asked(server, window, max_tokens)) as answers:
                for answer in answers:
                    if not (isinstance(answer, Failure) and REFUSED in answer.reason):
                        yield answer
                    elif server.settings.context < longest and bytes_per_token > 1:
                        refused.append(by_key[answer.key])
                    else:
                        mend = "fewer strategy.shots or a smaller strategy.max_evidence_words"
                        yield replace(answer, reason=f"{answer.reason}: {mend}")
            if not refused:
                return
            window = refused

    def _server(self, file: str, context: int) -> ServerSettings:
        from littlehuman.models import memory_holders

        on_cuda = (self.config.device or "").startswith("cuda")
        if on_cuda:
            memory_holders.register("llama.cpp", llama_server.release)
        gpu = on_cuda or (self.config.device != "cpu" and sys.platform == "darwin")
        return ServerSettings(file, self.config.concurrency, context, llama_server.threads(), gpu)

    def _asked(
        self, server: LlamaServer, prompts: list[Prompt], max_tokens: int
    ) -> Generator[Completion | Failure, None, None]:
        asked = replace(
            self.config,
            provider=Provider.openai,
            base_url=f"{server.address}/v1",
            concurrency=self.config.concurrency + QUEUED,
            extra_body=SAMPLING,
        )
        endpoint = Endpoint(asked, MAX_OUTAGE_S, body=_seeded_body)
        try:
            yield from endpoint.complete(prompts, max_tokens)
        except GenerationError as error:
            if server.alive:
                raise
            said = server.last_words() or "without a word"
            raise GenerationError(
                f"prompt_model.weights={self.config.weights}: llama.cpp ended: {said}\n"
                f"Try: a smaller prompt_model.concurrency than {self.config.concurrency}, or prompt_model=qwen-1.5b"
            ) from error
        finally:
            self.undelivered = endpoint.undelivered


def _seeded_body(config: PromptModelConfig, prompt: Prompt, max_tokens: int) -> Mapping[str, Any]:
    """The body of a request, with its own seed where it samples."""
    seed = {"seed": int(prompt.key, 16) % 2**32} if config.temperature else {}
    return request_body(config, prompt, max_tokens) | seed


def _context(prompts: Sequence[Prompt], bytes_per_token: int, max_tokens: int) -> int:
    """Tokens of the longest prompt and its answer, from its bytes, rounded up."""
    longest = max(
        sum(len(turn["content"].encode()) / bytes_per_token + TURN_TOKENS for turn in prompt.messages)
        for prompt in prompts
    )
    return -int(-(longest + max_tokens) // CONTEXT_STEP) * CONTEXT_STEP
