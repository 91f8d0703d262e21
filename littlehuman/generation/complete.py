"""From prompts to completions: what the shelf has is free, the rest is asked for once.

In: prompts, gone through twice (first to look their keys up and to count, then to ask), a prompt
model and the run's purse. Out: answers, handed over as they come; nothing is collected here but
keys. Each answer is on the shelf before the next one counts, so an interrupted run loses nothing
that was paid for; what another process is asking for is waited for, not paid twice.


[folded] The progress bar of a set of requests.

In: answers as they come, and the purse that pays. Out: a line with done, failed, tokens, the cost
so far and the time left.

"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from tqdm import tqdm

from littlehuman.generation.costs import Bill, CostEstimate, dollars
from littlehuman.generation.request_locks import RequestLocks, Wait
from littlehuman.generation.spending import SpendingLimit, check_price
from littlehuman.generation.spending_gate import Answer, SpendingGate, closed_at_once
from littlehuman.generation.token_counts import counter_of, per_byte, size
from littlehuman.prompt_models import PromptModel, open_model
from littlehuman.prompt_models.batch_store import refuse_bought
from littlehuman.prompt_models.cache import CompletionCache, CompletionWriter, cache_path
from littlehuman.prompt_models.connection import address, without_password
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider


class GenerationProgress:
    """A bar over `total` requests; tokens and cost are those of the whole run."""

    def __init__(self, total: int, title: str, purse: SpendingLimit, *, shown: bool = True) -> None:
        self.purse, self.failed = purse, 0
        self._bar = tqdm(total=total, desc=title, unit="", disable=not shown, smoothing=0.05)

    def __enter__(self) -> GenerationProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def count(self, answer: Completion | Failure) -> Completion | Failure:
        """Count an answer, and hand it on."""
        self.failed += isinstance(answer, Failure)
        bill = self.purse.bill
        tokens = tqdm.format_sizeof(bill.prompt_tokens + bill.completion_tokens)
        self._bar.set_postfix_str(f"{self.failed:,} failed, {tokens} tokens, {dollars(bill.usd)}", refresh=False)
        self._bar.update()
        return answer


log = logging.getLogger(__name__)
COUNTED = 64  # requests whose tokens are counted; the others' are estimated by their length


def complete(
    prompts: Iterable[Prompt],
    model: PromptModelConfig,
    max_tokens: int,
    purse: SpendingLimit | None = None,
    *,
    what: str = "twins",
    before: Callable[[], None] | None = None,
    progress: bool = True,
) -> Generator[Answer, None, None]:
    """Yield one answer per distinct request, from the shelf first, then from the model as they come.

    Closing the iterator cancels what is under way. Do not ask for more while an iterator is half
    read: its claims last until it ends.

    Args:
        prompts: the requests; they are gone through twice or more. An iterator, which can only be
            gone through once, is held in memory.
        model: who is asked.
        max_tokens: of each answer.
        purse: pays, and says how much; without one, a purse of `model.max_usd`.
        what: the answers' name on the progress bar.
        before: called before the first request that the shelf cannot answer; it may raise.
        progress: whether to show one.

    Raises:
        GenerationError: when the prompt model cannot be reached at all, or answers nothing, or
            when the next request could pass `max_usd`.
        ConfigError: when `max_usd` cannot hold.
    """
    requests = list(prompts) if isinstance(prompts, Iterator) else prompts
    asking = _Asking(requests, model, max_tokens, purse or SpendingLimit(model.max_usd), what, progress, before)
    first_ever = not any(cache_path(model).glob("*.jsonl"))
    with closed_at_once(asking.replayed() if model.provider is Provider.recorded else asking.answers()) as answers:
        for answer in answers:
            yield answer
            asking.go_on()
    asking.go_on(ended=True, first_ever=first_ever)


def gather(
    prompts: Iterable[Prompt],
    model: PromptModelConfig,
    max_tokens: int,
    purse: SpendingLimit | None = None,
    *,
    what: str = "twins",
    progress: bool = True,
) -> tuple[dict[str, Answer], Bill]:
    """The answers by key, and the bill of these requests alone: `complete` for as many as memory holds."""
    purse = purse or SpendingLimit(model.max_usd)
    before = purse.bill
    with closed_at_once(complete(prompts, model, max_tokens, purse, what=what, progress=progress)) as incoming:
        answers = {answer.key: answer for answer in incoming}
    return answers, purse.bill - before


@dataclass
class _Asking:
    """One set of requests on its way."""

    requests: Iterable[Prompt]
    model: PromptModelConfig
    max_tokens: int
    purse: SpendingLimit
    what: str
    progress: bool
    before: Callable[[], None] | None = None
    again: set[str] = field(default_factory=set)  # requests that are further samples

    def replayed(self) -> Iterator[Answer]:
        """A recording is shelf and model in one."""
        if not any(True for _ in self.requests):
            return
        log.info("replaying recorded %s by %s", self.what, self.model.name)
        for answer in open_model(self.model).complete(map(self._noted, self.requests), self.max_tokens):
            yield self._paid(answer, from_cache=True)

    def answers(self) -> Iterator[Answer]:
        """What the shelf has, then what the model answers, then what other processes were asking for."""
        missing, sample = self._sizes()
        requested = len(missing)
        shelf = CompletionCache(cache_path(self.model))
        yield from self._shelved(shelf, missing)
        if not missing:
            return
        if self.before:
            self.before()
        check_price(self.model, self.purse.limit)
        opened = open_model(self.model)
        gate = self._opened_gate(opened, missing, sample, requested)
        with (
            GenerationProgress(
                len(missing), f"{self.what} by {self.model.name}", self.purse, shown=self.progress
            ) as bar,
            closed_at_once(self._asked_or_awaited(shelf, missing, opened, gate)) as answers,
        ):
            for answer in answers:
                yield bar.count(answer)

    def _sizes(self) -> tuple[dict[str, int], list[Prompt]]:
        """Bytes of each request by key, and the first requests themselves."""
        sizes: dict[str, int] = {}
        first: list[Prompt] = []
        for prompt in self.requests:
            if prompt.key not in sizes and len(first) < COUNTED:
                first.append(prompt)
            sizes[self._noted(prompt).key] = size(prompt)
        return sizes, first

    def _noted(self, prompt: Prompt) -> Prompt:
        if prompt.sample:
            self.again.add(prompt.key)
        return prompt

    def _shelved(self, shelf: CompletionCache, missing: dict[str, int]) -> Iterator[Answer]:
        for completion in shelf.read(missing):
            del missing[completion.key]
            yield self._paid(
                completion, from_cache=True, batched=self.model.batch_api
            )  # what it saved is the price of today's way

    def _opened_gate(
        self, opened: PromptModel, missing: dict[str, int], sample: list[Prompt], requested: int
    ) -> SpendingGate:
        counter = counter_of(self.model)
        batched = opened.batched
        tokens = round(per_byte(counter, sample) * sum(missing.values()))
        price = self.model.price
        estimate = CostEstimate(
            len(missing), requested - len(missing), tokens, self.max_tokens, counter.how, price, batched
        )
        limit = "" if self.purse.limit is None else f"; at most {dollars(self.purse.limit)} (prompt_model.max_usd)"
        log.info("asking %s for %s: %s%s", self.model.name, self.what, estimate, limit)
        return SpendingGate(self.requests, self.model, self.max_tokens, self.purse, counter, batched)

    def _asked_or_awaited(
        self, shelf: CompletionCache, missing: dict[str, int], opened: PromptModel, gate: SpendingGate
    ) -> Iterator[Answer]:
        claims = RequestLocks(shelf.path)
        wait = Wait(claims)
        while missing:
            with claims.take(missing) as mine:
                before = len(missing)
                yield from self._shelved(shelf, missing)  # answered by another process meanwhile
                mine &= missing.keys()
                if self.model.provider is Provider.openai and not gate.batched:
                    refuse_bought(shelf.path / "batches", mine, without_password(address(self.model)))
                yield from self._asked(shelf, mine, missing, opened, gate)
            if missing:
                wait.a_little(missing, progressed=len(missing) < before)

    def _asked(
        self, shelf: CompletionCache, mine: set[str], missing: dict[str, int], opened: PromptModel, gate: SpendingGate
    ) -> Iterator[Answer]:
        """Each answer is on the shelf before it counts; so are those that came when nobody took them any more."""
        with CompletionWriter(shelf.path) as writer:
            try:
                with closed_at_once(gate.ask(opened, mine)) as answers:
                    for answer in answers:
                        if isinstance(answer, Completion):
                            writer.add(answer)
                        del missing[answer.key]
                        yield self._paid(answer, from_cache=False, batched=gate.batched)
            finally:
                for late in opened.untaken:
                    if missing.pop(late.key, None) is not None:
                        writer.add(late)
                        self._paid(late, from_cache=False, batched=gate.batched)

    def _paid(self, answer: Answer, *, from_cache: bool, batched: bool = False) -> Answer:
        self.purse.pay(answer, self.model.price, from_cache=from_cache, batched=batched, again=answer.key in self.again)
        self.purse.patience[self.model.name].note(answer)
        return answer

    def go_on(self, *, ended: bool = False, first_ever: bool = False) -> None:
        """Stop where the run asks in vain."""
        if error := self.purse.patience[self.model.name].lost(self.model, ended=ended, first_ever=first_ever):
            raise error
