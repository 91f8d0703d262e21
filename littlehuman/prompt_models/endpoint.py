"""Any endpoint that speaks OpenAI's chat API: OpenAI itself, vLLM, llama.cpp, a provider.

In: prompts, drawn one by one. Out: an answer for each as it comes, a bounded number of requests
being under way. What can help no request (no server, wrong key, unknown model) stops the run at
once; what hits one request alone is that request's `Failure`; a server that is busy or away for a
while is waited for (`asking.py`, `pacing.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from littlehuman.errors import GenerationError
from littlehuman.groups import PromptModelConfig
from littlehuman.prompt_models import manners
from littlehuman.prompt_models.api_key import ApiKey
from littlehuman.prompt_models.asking import Asker
from littlehuman.prompt_models.replies import Trouble
from littlehuman.prompt_models.settings import check
from littlehuman.prompt_models.streaming import Crew
from littlehuman.records import Completion, Failure, Prompt

log = logging.getLogger(__name__)

PATIENCE_S = 120.0  # how long a server that was there may be away, or refuse everything

Result = tuple[str, Completion | Trouble]


class Endpoint:
    """Asks for the model `prompt_model.name` at `prompt_model.base_url`.

    Raises:
        ConfigError: when a setting is impossible.
        GenerationError: when the key is missing.
    """

    batched = False

    def __init__(self, config: PromptModelConfig, patience_s: float = PATIENCE_S) -> None:
        check(config)
        self.config, self.patience_s = config, patience_s
        self.untaken: Sequence[Completion] = ()
        self.url = manners.address(config)
        self.key = ApiKey.of(config.api_key_env)

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        """Yield the answers as they come; closing the iterator cancels the requests under way and keeps what had come (`untaken`).

        `prompts` is drawn from in the caller's thread, the next one when an answer was taken and
        the one after it is asked for: so what was asked and not yet handed over is never more
        than `concurrency` requests, and that is all that a killed run can lose.

        Raises:
            GenerationError: when no request can succeed.
        """
        manners.keep_quiet()
        self.untaken, waiting = (), iter(prompts)
        first = list(islice(waiting, self.config.concurrency))
        if not first:
            return  # without a client: the library takes a second to load
        asker = Asker(self.config, self.url, self.key, max_tokens, self.patience_s)
        crew = Crew[Result](last=asker.close)
        try:
            with crew:
                yield from self._answers(crew, asker, first, waiting)
        finally:
            self.untaken = [answer for _, answer in crew.untaken if isinstance(answer, Completion)]

    def _answers(self, crew: Crew[Result], asker: Asker, first: list[Prompt], waiting: Iterator[Prompt]) -> Iterator[Completion | Failure]:
        for prompt in first:
            crew.begin(asker.ask(prompt))
        while (result := crew.take()) is not None:
            key, answer = result
            if isinstance(answer, Trouble) and answer.mend:
                yield from self._rest(crew, asker, answer)
                raise self._error(answer.reason, answer.mend)
            yield _handed_over(key, answer)
            for prompt in islice(waiting, 0 if asker.over else 1):
                crew.begin(asker.ask(prompt))

    def _rest(self, crew: Crew[Result], asker: Asker, end: Trouble) -> Iterator[Completion | Failure]:
        """What was paid for is handed over before the run stops."""
        crew.run(asker.end())
        if asker.served and crew.open:
            log.warning("%s; waiting up to %g s for the requests under way", end.reason, self.config.timeout_s)
        while (result := crew.take()) is not None:
            key, answer = result
            yield _handed_over(key, answer)

    def _error(self, reason: str, mend: str) -> GenerationError:
        return GenerationError(
            self.key.scrub(f"prompt_model.name={self.config.name} at {manners.without_password(self.url)}: {reason}\nTry: {mend}")
        )


def _handed_over(key: str, answer: Completion | Trouble) -> Completion | Failure:
    return answer if isinstance(answer, Completion) else Failure(key, answer.reason, answer.served)
