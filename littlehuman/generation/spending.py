"""The spending limit of a run (`prompt_model.max_usd`), the gate that keeps it, and the record of what was paid.

In: requests that are to be sent, and answers that arrive. Out: requests pass while the worst case of everything in
flight stays within the limit; the bill, written down with each answer, so that the money of attempts that were
killed or failed is not forgotten.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.generation.circuit_breaker import CircuitBreaker
from littlehuman.generation.costs import Bill, TokenCounter, dollars, usd
from littlehuman.prompt_models import Answer, PromptModel
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig, Provider
from littlehuman.store import process_name, read_json

FOLDER = "paid"  # of a run folder: one spend record per attempt
_ROUNDING = 1e-9  # US dollars by which a sum of floats may miss


class SpendingLimit:
    """What one run has spent, has in flight and may spend, in US dollars, and its circuit breakers.

    `limit` None: no limit. Requests are reserved in the prompt model's thread and settled in the caller's, hence the
    lock.
    """

    def __init__(self, limit: float | None = None, record: SpendRecord | None = None) -> None:
        self.limit, self.record = limit, record
        self.bill = Bill()
        self.breakers: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)  # by prompt model's name
        self.uncounted = 0  # answers whose number of tokens the endpoint did not report
        self._spent = 0.0  # compared with the limit: an uncounted answer counts with its worst case
        self._in_flight: dict[str, tuple[float, float]] = {}  # key -> worst case as computed, and as reserved
        self._reserved = 0.0
        self._excess = 1.0  # largest ratio of a cost to its worst case: not every server keeps max_tokens
        self._lock = threading.Lock()

    def reserve(self, key: str, worst: float) -> bool:
        """Reserve the worst case of a request, in US dollars; False when the limit does not allow it."""
        if self.limit is None:
            return True
        with self._lock:
            amount = worst * self._excess
            if self._spent + self._reserved + amount > self.limit + _ROUNDING:
                return False
            self._in_flight[key] = worst, amount
            self._reserved += amount
        return True

    def settle(
        self, answer: Answer, price: PriceConfig, *, from_cache: bool, batched: bool = False, again: bool = False
    ) -> None:
        """Put an answer on the bill, and free what was reserved for it."""
        bill = Bill.of_answer(answer, price, from_cache=from_cache, batched=batched, again=again)
        self.bill += bill
        if from_cache:
            return
        uncounted = isinstance(answer, Completion) and not (answer.prompt_tokens or answer.completion_tokens)
        self.uncounted += uncounted
        with self._lock:
            worst, reserved = self._in_flight.pop(answer.key, (0.0, 0.0))
            self._reserved = self._reserved - reserved if self._in_flight else 0.0
            self._spent += reserved if uncounted else bill.usd
            self._excess = max(self._excess, bill.usd / worst) if worst else self._excess
        if self.record:
            self.record.write(self.bill)

    def final_bill(self) -> Bill:
        """The bill of the run so far, with what its earlier attempts paid; closes the spend record."""
        if not self.record:
            return self.bill
        self.record.close()
        return replace(self.bill, usd_before=self.record.before())

    def release_all(self) -> None:
        """Free everything that is reserved: nothing is in flight any more."""
        with self._lock:
            self._in_flight.clear()
            self._reserved = 0.0

    def limit_error(self, worst: float, left: int) -> GenerationError:
        """The error of a run that may send no further request."""
        stopped = "stopped before it is passed"
        if self._spent > (self.limit or 0.0) + _ROUNDING:
            stopped = "it is passed, for the server gave longer answers than max_tokens allows"
        kept = self.bill.requests - self.bill.failed
        return GenerationError(
            f"prompt_model.max_usd={self.limit:g}: {stopped}; this run spent {dollars(self._spent)}, "
            f"the next request may cost {dollars(worst * self._excess)}, and {left:,} requests are left\n"
            f"The {kept:,} answers that came are kept in the cache and cost nothing again.\n"
            "Try: the same command with a larger prompt_model.max_usd (each run counts from nothing), "
            "a smaller n_train or synth_frac; prompt_model.max_usd=0 shows the estimate and asks nothing"
        )


def check_price(model: PromptModelConfig, limit: float | None) -> None:
    """Refuse a limit on an endpoint without a price.

    Raises:
        ConfigError: when there is a limit and the endpoint's price is not known.
    """
    if limit is not None and model.provider is Provider.openai and not (model.price.prompt or model.price.completion):
        prices = "prompt_model.price.prompt and .completion are US dollars per million tokens"
        problem = Problem(f"prompt_model.max_usd={limit:g}", f"cannot hold without a price; {prices}")
        raise ConfigError([problem], "prompt_model.max_usd=null where the endpoint costs nothing")
    if limit is not None and model.provider is Provider.openai and model.token_limit_name is None:
        what = "cannot hold with prompt_model.token_limit_name=null: no request has a largest price then"
        mend = "prompt_model.token_limit_name=max_completion_tokens, or prompt_model.max_usd=null"
        raise ConfigError([Problem(f"prompt_model.max_usd={limit:g}", what)], mend)


@dataclass
class SpendingGate:
    """Sends requests to a prompt model while the limit allows it; `batched` ones at their lower price."""

    requests: Iterable[Prompt]
    model: PromptModelConfig
    max_tokens: int
    spending: SpendingLimit
    counter: TokenCounter
    batched: bool = False
    _sent: int = 0
    _refused: float | None = None  # worst case of the first request that was not sent

    def ask(self, opened: PromptModel, keys: Collection[str]) -> Generator[Answer, None, None]:
        """Yield the answers to `keys`.

        Where the limit does not allow all at once, what is in flight is finished first: it usually costs less than
        its worst case, so more requests can follow.

        Raises:
            GenerationError: when the next request could exceed the limit though none is in flight.
        """
        left = set(keys)
        while left:
            self._sent, self._refused = 0, None
            try:
                # Closed at once, not when it is garbage-collected: after Ctrl-C no request may go on and cost money.
                with closing(opened.complete(self._allowed(set(left)), self.max_tokens)) as incoming:
                    for answer in incoming:
                        if answer.key in left:  # an endpoint may answer twice
                            left.remove(answer.key)
                            yield answer
            finally:
                self.spending.release_all()
            if self._refused is None:
                break
            if not self._sent:
                raise self.spending.limit_error(self._refused, len(left))
        yield from (Failure(key, "the prompt model gave no answer") for key in sorted(left))

    def _allowed(self, wanted: set[str]) -> Iterator[Prompt]:
        """The requests of `wanted`, each once, until one must wait; may run in the prompt model's thread."""
        for prompt in self.requests if wanted else ():
            if prompt.key not in wanted:
                continue
            worst = self._worst_case(prompt)
            if not self.spending.reserve(prompt.key, worst):
                self._refused = worst
                return
            wanted.remove(prompt.key)
            self._sent += 1
            yield prompt
            if not wanted:
                return

    def _worst_case(self, prompt: Prompt) -> float:
        price = self.model.price
        if self.spending.limit is None or not (price.prompt or price.completion):
            return 0.0  # not needed, and counting tokens takes time
        return usd(self.counter.upper_bound(prompt), self.max_tokens, price, batched=self.batched)


class SpendRecord:
    """The file that holds what this attempt of a run paid, overwritten in place with each answer.

    A killed attempt misses at most the one answer that was just being cached. An attempt that paid nothing leaves no
    file.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / FOLDER / f"{process_name()}-{uuid.uuid4().hex[:8]}.json"
        self._handle: BinaryIO | None = None
        self._width = 0

    def write(self, bill: Bill) -> None:
        """Write the bill; what the operating system has received outlives a killed process."""
        if not bill.usd:
            return
        if self._handle is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.file.open("r+b" if self.file.exists() else "wb", buffering=0)
        text = json.dumps(asdict(bill)).encode()
        self._width = max(self._width, len(text))
        self._handle.seek(0)
        self._handle.write(text.ljust(self._width))  # one write of about 250 bytes: no reader sees half of it

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def before(self) -> float:
        """US dollars that earlier attempts of the run paid."""
        return paid(self.run) - float(read_json(self.file).get("usd", 0.0))


def paid(run: Path) -> float:
    """US dollars that all attempts of a run paid."""
    return float(sum(read_json(file).get("usd", 0.0) for file in sorted((run / FOLDER).glob("*.json"))))
