"""From prompts to completions: what the cache has is free, the rest is asked once.

In: prompts, iterated at least twice (to look up and count, then to ask), a prompt model and the run's spending limit.
Out: answers, handed over as they arrive; only request keys are held in memory. Each answer is in the cache before it
is handed over, so an interrupted run loses nothing that was paid for. What another process is asking for is waited
for, not paid twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType

from tqdm import tqdm

from littlehuman.formatting import one_line
from littlehuman.generation.costs import (
    CostEstimate,
    dollars,
    prompt_bytes,
    token_counter,
    tokens_per_byte,
)
from littlehuman.generation.request_locks import LockWait, RequestLocks
from littlehuman.generation.spending import SpendingGate, SpendingLimit, check_price
from littlehuman.prompt_models import Answer, PromptModel, open_model
from littlehuman.prompt_models.batch_store import refuse_if_batched
from littlehuman.prompt_models.cache import CompletionCache, CompletionWriter, cache_path
from littlehuman.prompt_models.connection import shown_address
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider

log = logging.getLogger(__name__)
COUNTED = 64  # requests whose tokens are counted; those of the others are estimated from their bytes


def complete(
    prompts: Iterable[Prompt],
    model: PromptModelConfig,
    max_tokens: int,
    spending: SpendingLimit | None = None,
    *,
    what: str = "twins",
    before: Callable[[], None] | None = None,
    progress: bool = True,
) -> Generator[Answer, None, None]:
    """Yield one answer per distinct request: those in the cache first, then the model's as they arrive.

    Closing the generator cancels the requests in flight. Its request locks are held until it ends, so do not start
    another one while it is half consumed.

    Args:
        prompts: the requests, iterated twice or more; an iterator is copied into memory first.
        model: the prompt model to ask.
        max_tokens: of each answer.
        spending: the limit and the bill; None: a limit of `model.max_usd` for these requests alone.
        what: the name of the answers on the progress bar.
        before: called before the first request that the cache cannot answer; it may raise.
        progress: whether to show the bar.

    Raises:
        GenerationError: when the prompt model cannot be reached, answers nothing, or the next request could exceed
            `max_usd`.
        ConfigError: when `max_usd` is set and the price is not known.
    """
    requests = list(prompts) if isinstance(prompts, Iterator) else prompts
    run = _Requests(requests, model, max_tokens, spending or SpendingLimit(model.max_usd), what, progress, before)
    never_asked = not any(cache_path(model).glob("*.jsonl"))
    with closing(run.replayed() if model.provider is Provider.recorded else run.answers()) as answers:
        for answer in answers:
            yield answer
            run.check_breaker()
    run.check_breaker(ended=True, never_asked=never_asked)


@dataclass
class _Requests:
    """One call of `complete`."""

    requests: Iterable[Prompt]
    model: PromptModelConfig
    max_tokens: int
    spending: SpendingLimit
    what: str
    progress: bool
    before: Callable[[], None] | None = None
    resampled: set[str] = field(default_factory=set)  # keys of further samples of a request

    def replayed(self) -> Generator[Answer, None, None]:
        """Answers of a recording, which is cache and model in one."""
        if not any(True for _ in self.requests):
            return
        log.info("replaying recorded %s by %s", self.what, self.model.name)
        for answer in open_model(self.model).complete(map(self._noted, self.requests), self.max_tokens):
            yield self._settled(answer, from_cache=True)

    def answers(self) -> Generator[Answer, None, None]:
        """Answers from the cache, then from the model, then those that other processes were asking for."""
        missing, sample = self._sizes()
        requested = len(missing)
        cache = CompletionCache(cache_path(self.model))
        yield from self._cached(cache, missing)
        if not missing:
            return
        if self.before:
            self.before()
        check_price(self.model, self.spending)
        opened = open_model(self.model)
        gate = self._gate(opened, missing, sample, requested)
        title = f"{self.what} by {self.model.name}"
        with (
            GenerationProgress(len(missing), title, self.spending, shown=self.progress) as bar,
            closing(self._asked_or_awaited(cache, missing, opened, gate)) as answers,
        ):
            for answer in answers:
                yield bar.count(answer)

    def check_breaker(self, *, ended: bool = False, never_asked: bool = False) -> None:
        """Raise the circuit breaker's error, if it is open."""
        breaker = self.spending.breakers[self.model.name]
        if error := breaker.error(self.model, ended=ended, never_asked=never_asked):
            raise error

    def _sizes(self) -> tuple[dict[str, int], list[Prompt]]:
        """Bytes of each request by key, and the first requests themselves."""
        sizes: dict[str, int] = {}
        first: list[Prompt] = []
        for prompt in self.requests:
            if prompt.key not in sizes and len(first) < COUNTED:
                first.append(prompt)
            sizes[self._noted(prompt).key] = prompt_bytes(prompt)
        return sizes, first

    def _noted(self, prompt: Prompt) -> Prompt:
        if prompt.sample:
            self.resampled.add(prompt.key)
        return prompt

    def _cached(self, cache: CompletionCache, missing: dict[str, int]) -> Iterator[Answer]:
        for completion in cache.read(missing):
            del missing[completion.key]
            # What the cache saved is the price of the way that is configured now, whichever way it came.
            yield self._settled(completion, from_cache=True, batched=self.model.batch_api)

    def _gate(self, opened: PromptModel, missing: dict[str, int], sample: list[Prompt], requested: int) -> SpendingGate:
        """The gate for the missing requests, after their estimated cost is logged."""
        counter, batched = token_counter(self.model), opened.batched
        tokens = round(tokens_per_byte(counter, sample) * sum(missing.values()))
        from_cache, price = requested - len(missing), self.model.price
        estimate = CostEstimate(len(missing), from_cache, tokens, self.max_tokens, counter.how, price, batched)
        limit, key = self.spending.limit, self.spending.key
        shown = "" if limit is None else f"; at most {dollars(limit)} ({key})"
        log.info("asking %s for %s: %s%s", self.model.name, self.what, estimate, shown)
        return SpendingGate(self.requests, self.model, self.max_tokens, self.spending, counter, batched)

    def _asked_or_awaited(
        self, cache: CompletionCache, missing: dict[str, int], opened: PromptModel, gate: SpendingGate
    ) -> Generator[Answer, None, None]:
        locks = RequestLocks(cache.path)
        wait = LockWait(locks)
        while missing:
            with locks.acquire(missing) as locked:
                before = len(missing)
                yield from self._cached(cache, missing)  # answered by another process meanwhile
                locked &= missing.keys()
                if self.model.provider is Provider.openai and not gate.batched:
                    refuse_if_batched(cache.path, locked, shown_address(self.model))
                yield from self._asked(cache, locked, missing, opened, gate)
            if missing:
                wait.sleep(missing, progressed=len(missing) < before)

    def _asked(
        self,
        cache: CompletionCache,
        locked: set[str],
        missing: dict[str, int],
        opened: PromptModel,
        gate: SpendingGate,
    ) -> Iterator[Answer]:
        """Cache each answer before it is handed over, and those that arrived after the caller stopped."""
        with CompletionWriter(cache.path) as writer:
            try:
                with closing(gate.ask(opened, locked)) as answers:
                    for answer in answers:
                        del missing[answer.key]
                        self._settled(answer, from_cache=False, batched=gate.batched)  # paid, even if it is lost now
                        if isinstance(answer, Completion):
                            writer.add(answer)
                        yield answer
            finally:
                for late in opened.undelivered:
                    if missing.pop(late.key, None) is not None:
                        self._settled(late, from_cache=False, batched=gate.batched)
                        writer.add(late, wait=False)  # the run ends

    def _settled(self, answer: Answer, *, from_cache: bool, batched: bool = False) -> Answer:
        again = answer.key in self.resampled
        self.spending.settle(answer, self.model.price, from_cache=from_cache, batched=batched, again=again)
        self.spending.breakers[self.model.name].count(answer)
        return answer


class GenerationProgress:
    """A progress bar over `total` requests; tokens and cost are those of the whole run."""

    def __init__(self, total: int, title: str, spending: SpendingLimit, *, shown: bool = True) -> None:
        self.spending, self.failed = spending, 0
        self._bar = tqdm(total=total, desc=one_line(title), unit="", disable=None if shown else True, smoothing=0.05)

    def __enter__(self) -> GenerationProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def count(self, answer: Answer) -> Answer:
        """Count an answer, and hand it on."""
        self.failed += isinstance(answer, Failure)
        bill = self.spending.bill
        tokens = tqdm.format_sizeof(bill.prompt_tokens + bill.completion_tokens)
        self._bar.set_postfix_str(f"{self.failed:,} failed, {tokens} tokens, {dollars(bill.usd)}", refresh=False)
        self._bar.update()
        return answer
