"""Sends requests to the model while the spending limit allows it.

In: requests, some of whose keys are wanted, and an opened prompt model. Out: their answers as they
come. A request goes only while the dearest outcome of all that is under way stays within the
run's limit; what is under way is always waited for, since it is paid for.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from littlehuman.generation.costs import usd
from littlehuman.generation.spending import SpendingLimit
from littlehuman.generation.token_counts import TokenCounter
from littlehuman.prompt_models import PromptModel
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig

Answer = Completion | Failure


@dataclass
class SpendingGate:
    """Lets `requests` go to the model as long as `purse` allows; `batched` ones at their lower price."""

    requests: Iterable[Prompt]
    model: PromptModelConfig
    max_tokens: int
    purse: SpendingLimit
    counter: TokenCounter
    batched: bool = False
    _gone: int = 0
    _refused: float | None = None  # what the first request that did not go may cost

    def ask(self, opened: PromptModel, keys: Collection[str]) -> Iterator[Answer]:
        """Yield the answers to `keys`.

        Where the purse is too small for all at once, what is under way is finished first: it costs
        less than it may, so others can follow.

        Raises:
            GenerationError: when the next request could pass the limit though none is under way.
        """
        left = set(keys)
        while left:
            self._gone, self._refused = 0, None
            try:
                with closed_at_once(opened.complete(self._passing(set(left)), self.max_tokens)) as incoming:
                    for answer in incoming:
                        if answer.key in left:  # an endpoint may say the same twice
                            left.remove(answer.key)
                            yield answer
            finally:
                self.purse.forget_under_way()
            if self._refused is None:
                break
            if not self._gone:
                raise self.purse.empty(self._refused, len(left))
        yield from (Failure(key, "the prompt model gave no answer") for key in sorted(left))

    def _passing(self, wanted: set[str]) -> Iterator[Prompt]:
        """The requests of `wanted`, each once, until one must wait; it may run in the prompt model's own thread."""
        for prompt in self.requests if wanted else ():
            if prompt.key not in wanted:
                continue
            worst = self._worst(prompt)
            if not self.purse.lets_go(prompt.key, worst):
                self._refused = worst
                return
            wanted.remove(prompt.key)
            self._gone += 1
            yield prompt
            if not wanted:
                return

    def _worst(self, prompt: Prompt) -> float:
        price = self.model.price
        if self.purse.limit is None or not (price.prompt or price.completion):
            return 0.0  # counting takes time
        return usd(self.counter.at_most(prompt), self.max_tokens, price, batched=self.batched)


@contextmanager
def closed_at_once(answers: Iterator[Answer]) -> Iterator[Iterator[Answer]]:
    """Close a generator at once, not when it is collected: after Ctrl-C no request may go on and cost money."""
    try:
        yield answers
    finally:
        if isinstance(answers, Generator):
            answers.close()
