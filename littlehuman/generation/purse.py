"""What a run may still spend, and on whom: the limit between the estimate and the bill.

In: requests that want to go, answers that come. Out: leave to go, while the dearest outcome of all
that is under way stays within `max_usd`; the bill, on the run's receipt with each answer.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.generation.money import Bill, dollars
from littlehuman.generation.patience import Patience
from littlehuman.generation.receipts import Receipt
from littlehuman.groups import PriceConfig, PromptModelConfig, Provider
from littlehuman.records import Completion, Failure

_ROUNDING = 1e-9  # US dollars by which a sum of floats may miss


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
        self._under_way: dict[str, tuple[float, float]] = {}  # key -> the dearest outcome as asked for, and as set aside
        self._reserved = 0.0
        self._excess = 1.0  # how much dearer an answer was than the dearest that was asked for: not every server keeps max_tokens
        self._lock = threading.Lock()

    def lets_go(self, key: str, worst: float) -> bool:
        """Whether a request that costs `worst` US dollars at most may go; if so, these are set aside."""
        if self.limit is None:
            return True
        with self._lock:
            aside = worst * self._excess
            if self._spent + self._reserved + aside > self.limit + _ROUNDING:
                return False
            self._under_way[key] = worst, aside
            self._reserved += aside
        return True

    def pay(
        self, answer: Completion | Failure, price: PriceConfig, *, from_cache: bool, batched: bool = False, again: bool = False
    ) -> None:
        """Put an answer on the bill."""
        bill = Bill.of(answer, price, from_cache=from_cache, batched=batched, again=again)
        self.bill += bill
        if from_cache:
            return
        silent = isinstance(answer, Completion) and not (answer.prompt_tokens or answer.completion_tokens)
        self.uncounted += silent
        with self._lock:
            worst, aside = self._under_way.pop(answer.key, (0.0, 0.0))
            self._reserved = self._reserved - aside if self._under_way else 0.0
            self._spent += aside if silent else bill.usd
            self._excess = max(self._excess, bill.usd / worst) if worst else self._excess
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
        stopped = "stopped before it is passed"
        if self._spent > (self.limit or 0.0) + _ROUNDING:
            stopped = "it is passed, for the server gave longer answers than max_tokens allows"
        return GenerationError(
            f"prompt_model.max_usd={self.limit:g}: {stopped}; this run spent {dollars(self._spent)}, "
            f"the next request may cost {dollars(worst * self._excess)}, and {left:,} requests are left\n"
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
