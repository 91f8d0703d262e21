"""What a run may still spend, and on whom: the limit between the estimate and the bill.

In: requests that want to go, answers that come. Out: leave to go, while the dearest outcome of all
that is under way stays within `max_usd`; the bill, on the run's receipt with each answer.


[folded] Stops a run whose prompt model fails on everything.

In: how each of a run's requests fared, round after round. Out: the error of a run that asks in
vain. Single failures are a cell's normal loss, and spare points stand in for them; but a model
that answers nothing is set up wrong, and a server that serves nothing is broken: neither is asked
for a whole dataset. What the shelf answers counts as answered: the same cell fares alike when it
is repeated.

"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from littlehuman.errors import ConfigError, GenerationError, Problem
from littlehuman.generation.costs import Bill, SpendRecord, dollars
from littlehuman.prompt_models.connection import without_password
from littlehuman.records import Completion, Failure
from littlehuman.schema import PriceConfig, PromptModelConfig, Provider

MANY = 5  # requests that do not all fail for what each of them says
ENOUGH = 64  # requests that failed, and none answered; or in a row were not served: the next ones would fail too
LOSS = 0.1  # share of a run's requests that may go unserved; answers of the shelf are among them
LATER = "the same command later, prompt_model.concurrency=1, or a larger prompt_model.timeout_s"
ONLINE = "mend what the reason names; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false, which asks online"
NAMED = "mend what the reason names"
PARAMETER = f"{NAMED}; a model that refuses max_tokens wants prompt_model.token_limit_name=max_completion_tokens"


@dataclass
class CircuitBreaker:
    """A run's patience with one prompt model."""

    answered: int = 0  # by the model, or by the shelf
    failed: Counter[str] = field(default_factory=Counter)  # reasons
    unserved: Counter[str] = field(default_factory=Counter)  # reasons of those of which nothing was found out
    in_a_row: int = 0  # unserved, since the last one that was served

    def note(self, answer: Completion | Failure) -> None:
        """How one request fared."""
        if isinstance(answer, Completion):
            self.answered += 1
        else:
            self.failed[answer.reason] += 1
        if isinstance(answer, Failure) and not answer.served:
            self.unserved[answer.reason] += 1
            self.in_a_row += 1
        else:
            self.in_a_row = 0

    def lost(
        self, model: PromptModelConfig, *, ended: bool = False, first_ever: bool = False
    ) -> GenerationError | None:
        """The error, once it is of no use to ask on.

        Args:
            model: who was asked.
            ended: the round is over. Few failures say something only then.
            first_ever: nothing that this model wrote is on the shelf, so its settings were never tried.
        """
        failed, unserved = self.failed.total(), self.unserved.total()
        requests = self.answered + failed
        if (unserved >= MANY if ended else self.in_a_row >= ENOUGH) and unserved > LOSS * requests:
            return _error(model, self.unserved, requests)
        if not self.answered and (failed >= ENOUGH or (ended and failed and (first_ever or failed >= MANY))):
            return _error(model, self.failed, requests, refused=unserved < failed)
        return None


def _error(model: PromptModelConfig, reasons: Counter[str], requests: int, *, refused: bool = False) -> GenerationError:
    reason, count = reasons.most_common(1)[0]
    which = f"all {requests}" if requests == reasons.total() else f"{reasons.total()} of {requests}"
    where = f" at {without_password(model.base_url)}" if model.base_url else ""
    mend = NAMED
    if model.provider is Provider.openai:
        mend = ONLINE if model.batch_api else PARAMETER if refused else LATER
    return GenerationError(
        f"prompt_model.name={model.name}{where}: {which} requests failed, {count} of them so: {reason}\nTry: {mend}"
    )


_ROUNDING = 1e-9  # US dollars by which a sum of floats may miss


class SpendingLimit:
    """The money of one run, and its patience: what was spent, what is under way, what it may spend at most, and on whom in vain.

    Requests are let go in a prompt model's own thread and paid in the caller's, hence the lock.
    """

    def __init__(self, limit: float | None = None, receipt: SpendRecord | None = None) -> None:
        self.limit, self.receipt = limit, receipt
        self.bill = Bill()
        self.patience: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)  # with each prompt model, by name
        self.uncounted = 0  # answers of which the endpoint did not say how many tokens they took
        self._spent = 0.0  # by which the limit holds: an uncounted answer counts as the dearest one
        self._under_way: dict[
            str, tuple[float, float]
        ] = {}  # key -> the dearest outcome as asked for, and as set aside
        self._reserved = 0.0
        self._excess = (
            1.0  # how much dearer an answer was than the dearest that was asked for: not every server keeps max_tokens
        )
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
        self,
        answer: Completion | Failure,
        price: PriceConfig,
        *,
        from_cache: bool,
        batched: bool = False,
        again: bool = False,
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
        what = (
            "cannot hold without a price; prompt_model.price.prompt and .completion are US dollars per million tokens"
        )
        raise ConfigError(
            [Problem(f"prompt_model.max_usd={limit:g}", what)],
            "prompt_model.max_usd=null where the endpoint costs nothing",
        )
