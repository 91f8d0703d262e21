"""What answers cost: the bill afterwards, the estimate before, and the limit in between.

In: prices per model, requests, answers. Out: a `Bill`, an `Estimate`, and a `Purse` that lets a
request go only while the dearest outcome of all that is under way stays within `max_usd`. What
is counted is what the provider reports with an answer; what it may charge for a request that it
broke off is not known here.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.groups import PriceConfig, PromptModelConfig, Provider
from littlehuman.patience import Patience
from littlehuman.receipts import Receipt
from littlehuman.records import Completion, Failure

_ROUNDING = 1e-9  # US dollars by which a sum of floats may miss


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of requests took; a recording counts as a shelf.

    Tokens and `usd` are those of the requests asked now, `usd_without_cache` those of all.
    `batched` of them went through the batch API at its lower price; `asked_again` are further
    samples of requests whose first answer could not be read. `usd_before` is what earlier attempts
    of the same run paid: their answers are `from_cache` now.
    """

    requests: int = 0
    from_cache: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    usd_without_cache: float = 0.0
    batched: int = 0
    asked_again: int = 0
    usd_before: float = 0.0

    def __add__(self, other: Bill) -> Bill:
        """The bill of both."""
        return Bill(*(getattr(self, name) + getattr(other, name) for name in Bill.__slots__))

    def __sub__(self, other: Bill) -> Bill:
        """What came onto the bill since `other`."""
        return Bill(*(getattr(self, name) - getattr(other, name) for name in Bill.__slots__))

    def __str__(self) -> str:
        """One line for a log; what came from the cache is listed, and cost nothing."""
        asked = self.requests - self.from_cache
        text = f"{dollars(self.usd)} for {asked:,} requests ({self.prompt_tokens:,} + {self.completion_tokens:,} tokens)"
        saved = f", which saved {dollars(self.usd_without_cache - self.usd)}" if self.usd_without_cache > self.usd else ""
        before = f"; earlier attempts paid {dollars(self.usd_before)}" if self.usd_before else ""
        return text + (f"; {self.from_cache:,} more came from the cache for nothing{saved}" if self.from_cache else "") + before


def usd(prompt_tokens: float, completion_tokens: float, price: PriceConfig, *, batched: bool = False) -> float:
    """US dollars for so many tokens, online or through the batch API."""
    return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1e6 * (price.batch_share if batched else 1.0)


def dollars(amount: float) -> str:
    """An amount with as many digits as it needs: `$12.30`, `$0.043`, `$0.000012`."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.3f}" if amount >= 0.01 else f"${amount:.2g}" if amount >= 1e-4 else f"${amount:.9f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the requests that are not on the shelf will take; `how` says how tokens were counted."""

    requests: int
    from_cache: int
    prompt_tokens: int
    max_tokens: int
    how: str
    price: PriceConfig
    batched: bool = False

    def __str__(self) -> str:
        """One line, before the first request."""
        tokens = f"about {self.prompt_tokens:,} prompt tokens ({self.how})"
        return f"{self.requests + self.from_cache:,} requests, {self.from_cache:,} from the cache; {tokens}; {self._money()}"

    def _money(self) -> str:
        if not (self.price.prompt or self.price.completion):
            return "prompt_model.price says that they cost nothing"
        low = usd(self.prompt_tokens, 0, self.price, batched=self.batched)
        high = usd(self.prompt_tokens, self.requests * self.max_tokens, self.price, batched=self.batched)
        return f"between {dollars(low)} and {dollars(high)}" + (" through the batch API" if self.batched else "")


class Purse:
    """The money of one run, and its patience: what was spent, what is under way, what it may spend at most, and on whom in vain.

    Requests are let go in a prompt model's own thread and paid in the caller's, hence the lock.
    """

    def __init__(self, limit: float | None = None, receipt: Receipt | None = None) -> None:
        self.limit, self.receipt = limit, receipt
        self.bill = Bill()
        self.patience: defaultdict[str, Patience] = defaultdict(Patience)  # with each prompt model, by name
        self.uncounted = 0  # answers of which the endpoint did not say how many tokens they took
        self._spent = 0.0  # by which the limit holds: an uncounted answer counts as the dearest one
        self._under_way: dict[str, float] = {}
        self._reserved = 0.0
        self._lock = threading.Lock()

    def lets_go(self, key: str, worst: float) -> bool:
        """Whether a request that costs `worst` US dollars at most may go; if so, these are set aside."""
        if self.limit is None:
            return True
        with self._lock:
            if self._spent + self._reserved + worst > self.limit + _ROUNDING:
                return False
            self._under_way[key] = worst
            self._reserved += worst
        return True

    def pay(
        self, answer: Completion | Failure, price: PriceConfig, *, from_cache: bool, batched: bool = False, again: bool = False
    ) -> None:
        """Put an answer on the bill."""
        done = answer if isinstance(answer, Completion) else Completion(answer.key, "", "", 0, 0)
        cost = usd(done.prompt_tokens, done.completion_tokens, price, batched=batched)
        asked = not from_cache
        self.bill += Bill(
            requests=1,
            from_cache=int(from_cache),
            failed=int(isinstance(answer, Failure)),
            prompt_tokens=asked * done.prompt_tokens,
            completion_tokens=asked * done.completion_tokens,
            usd=asked * cost,
            usd_without_cache=cost,
            batched=int(asked and batched),
            asked_again=int(again),
        )
        if asked:
            silent = isinstance(answer, Completion) and not (answer.prompt_tokens or answer.completion_tokens)
            self.uncounted += silent
            with self._lock:
                worst = self._under_way.pop(answer.key, 0.0)
                self._reserved = self._reserved - worst if self._under_way else 0.0
                self._spent += worst if silent else cost
            if self.receipt:
                self.receipt.note(self.bill)

    def closed(self) -> Bill:
        """The whole bill of the run so far, that of its earlier attempts included."""
        if not self.receipt:
            return self.bill
        self.receipt.close()
        return replace(self.bill, usd_before=self.receipt.before())

    def forget_under_way(self) -> None:
        """Nothing is under way any more: what was set aside is free again."""
        with self._lock:
            self._under_way.clear()
            self._reserved = 0.0

    def empty(self, worst: float, left: int) -> GenerationError:
        """The error of a run that may not ask on: what was spent, what is kept, and how to go on."""
        return GenerationError(
            f"prompt_model.max_usd={self.limit:g}: stopped before it is passed; this run spent {dollars(self._spent)}, "
            f"the next request may cost {dollars(worst)}, and {left:,} requests are left\n"
            f"The {self.bill.requests - self.bill.failed:,} answers that came are kept in the cache and cost nothing again.\n"
            "Try: the same command with a larger prompt_model.max_usd (each run counts from nothing), a smaller n_train or synth_frac; "
            "prompt_model.max_usd=0 shows the estimate and asks nothing"
        )


def check_price(model: PromptModelConfig, limit: float | None) -> None:
    """Refuse a limit that could not hold.

    Raises:
        ConfigError: when an endpoint's price is not known.
    """
    if limit is not None and model.provider is Provider.openai and not (model.price.prompt or model.price.completion):
        what = "cannot hold without a price; prompt_model.price.prompt and .completion are US dollars per million tokens"
        raise ConfigError([Problem(f"prompt_model.max_usd={limit:g}", what)], "prompt_model.max_usd=null where the endpoint costs nothing")
