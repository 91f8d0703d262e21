"""What answers cost: the estimate before, and the bill afterwards.

In: prices per model, requests, answers. Out: an `Estimate`, and a `Bill`. What is counted is what
the provider reports with an answer; what it may charge for a request that it broke off is not
known here.


[folded] What each attempt of a run paid: so that money of attempts that were killed or failed is not forgotten.

In: a run's folder, and the bill as it grows. Out: one small file per attempt under `paid/`, written
over in place with each answer, and the sum over attempts. A killed attempt misses at most the one
answer that was just being put on the shelf.

"""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from littlehuman.records import Completion, Failure
from littlehuman.schema import PriceConfig
from littlehuman.store import read_json, slug


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

    @classmethod
    def of(
        cls,
        answer: Completion | Failure,
        price: PriceConfig,
        *,
        from_cache: bool,
        batched: bool = False,
        again: bool = False,
    ) -> Bill:
        """The bill of one answer."""
        done = answer if isinstance(answer, Completion) else Completion(answer.key, "", "", 0, 0)
        cost, asked = usd(done.prompt_tokens, done.completion_tokens, price, batched=batched), not from_cache
        return cls(
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

    def __add__(self, other: Bill) -> Bill:
        """The bill of both."""
        return Bill(*(getattr(self, name) + getattr(other, name) for name in Bill.__slots__))

    def __sub__(self, other: Bill) -> Bill:
        """What came onto the bill since `other`."""
        return Bill(*(getattr(self, name) - getattr(other, name) for name in Bill.__slots__))

    def __str__(self) -> str:
        """One line for a log; what came from the cache is listed, and cost nothing."""
        asked = self.requests - self.from_cache
        text = (
            f"{dollars(self.usd)} for {asked:,} requests ({self.prompt_tokens:,} + {self.completion_tokens:,} tokens)"
        )
        saved = (
            f", which saved {dollars(self.usd_without_cache - self.usd)}" if self.usd_without_cache > self.usd else ""
        )
        before = f"; earlier attempts paid {dollars(self.usd_before)}" if self.usd_before else ""
        return (
            text
            + (f"; {self.from_cache:,} more came from the cache for nothing{saved}" if self.from_cache else "")
            + before
        )


def usd(prompt_tokens: float, completion_tokens: float, price: PriceConfig, *, batched: bool = False) -> float:
    """US dollars for so many tokens, online or through the batch API."""
    return (
        (prompt_tokens * price.prompt + completion_tokens * price.completion)
        / 1e6
        * (price.batch_share if batched else 1.0)
    )


def dollars(amount: float) -> str:
    """An amount with as many digits as it needs: `$12.30`, `$0.043`, `$0.000012`."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    return (
        f"${amount:.3f}"
        if amount >= 0.01
        else f"${amount:.2g}"
        if amount >= 1e-4
        else f"${amount:.9f}".rstrip("0").rstrip(".")
    )


@dataclass(frozen=True, slots=True)
class CostEstimate:
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


FOLDER = "paid"


class SpendRecord:
    """The receipt of this attempt; an attempt that paid nothing leaves none."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / FOLDER / f"{slug(socket.gethostname())}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self._handle: BinaryIO | None = None
        self._width = 0

    def note(self, bill: Bill) -> None:
        """Write the bill down; what was handed to the system outlives a killed process."""
        if not bill.usd:
            return
        if self._handle is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.file.open("r+b" if self.file.exists() else "wb", buffering=0)
        text = json.dumps(asdict(bill)).encode()
        self._width = max(self._width, len(text))
        self._handle.seek(0)
        self._handle.write(text.ljust(self._width))  # one write of about 250 bytes: no reader meets half of it

    def close(self) -> None:
        """Let go of the file; a later note takes it up again."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def before(self) -> float:
        """US dollars that earlier attempts of the run paid."""
        return paid(self.run) - float(read_json(self.file).get("usd", 0.0))


def paid(run: Path) -> float:
    """US dollars that all attempts of a run paid."""
    return float(sum(read_json(file).get("usd", 0.0) for file in sorted((run / FOLDER).glob("*.json"))))
