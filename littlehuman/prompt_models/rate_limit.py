"""When a request may start: how many are under way, how many a minute, and who has to wait.

In: requests that want to start, and how each one ended. Out: a `Ticket` for each when its turn
has come, in the order in which they asked. All of it lives in one event loop.

The window of requests under way follows the rule of TCP (Chiu and Jain 1989; additive increase,
multiplicative decrease): it is halved, and all requests wait, when the server has too much to do;
each window's worth of answers widens it by one, up to `at_once`. Refusals of requests that had
started before it was halved halve it no further.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass

from littlehuman.prompt_models.responses import backoff

log = logging.getLogger(__name__)

CATCH_UP_S = 0.05  # a timer that wakes late costs no part of a budget: at most 0.1 % of a minute too much
ALONE_AFTER = 3  # slowdowns in a row without an answer: from then on one request at a time tries
LONGEST_ABSENCE_S = 5.0  # between two looks at whether the server is back


@dataclass(slots=True)
class TokenBucket:
    """At most `per_minute` units in any minute, evenly spread (generic cell rate algorithm, ITU-T I.371); None: no limit."""

    per_minute: float | None
    free_at: float = 0.0

    def spend(self, amount: float, now: float) -> None:
        """Take units out; the budget is free again when time has brought them back."""
        if self.per_minute:
            self.free_at = max(self.free_at, now - CATCH_UP_S) + amount * 60 / self.per_minute

    def give_back(self, amount: float) -> None:
        """Correct what was taken; below zero: it was too little."""
        if self.per_minute:
            self.free_at -= amount * 60 / self.per_minute


@dataclass(frozen=True, slots=True)
class Permit:
    """A request under way: when it started in terms of slowdowns, and the tokens that were set aside for it."""

    slowdowns: int
    tokens: float


class RateLimiter:
    """Hands out tickets; each one is given back by exactly one of `answered`, `busy`, `gone`, `failed`.

    `patience_s`: seconds of refusals alone after which the run is `hopeless`.
    """

    def __init__(
        self, at_once: int, requests_per_minute: float | None, tokens_per_minute: float | None, patience_s: float
    ) -> None:
        self.window = float(at_once)
        self._widest, self._patience_s = at_once, patience_s
        self._requests, self._tokens = TokenBucket(requests_per_minute), TokenBucket(tokens_per_minute)
        self._under_way = self._slowdowns = self._in_a_row = 0
        self._resume_at = self._asked_s = 0.0
        self._alone, self._told = False, at_once
        self._refused_since: float | None = None
        self._waiting: deque[tuple[float, asyncio.Future[Permit]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def hopeless(self) -> bool:
        """Whether nothing but refusals came for so long, or for ten times as long as the server itself asks to wait."""
        if self._refused_since is None:
            return False
        return _now() - self._refused_since >= max(self._patience_s, 10 * self._asked_s)

    async def start(self, tokens: float = 0.0) -> Permit:
        """Wait for a turn; `tokens` is what the request is expected to take."""
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, turn))
        self._admit()
        return await turn

    def answered(self, ticket: Permit, tokens: float) -> None:
        """The server did its work; `tokens` it took (0: it does not say)."""
        if tokens:
            self._tokens.give_back(ticket.tokens - tokens)
        if ticket.slowdowns == self._slowdowns:
            self._in_a_row, self._alone = 0, False
            self.window = min(self._widest, self.window + 1 / self.window)
        self._heard()

    def failed(self, ticket: Permit) -> None:
        """The request failed for a reason that says nothing about the others."""
        self._heard()

    def busy(self, ticket: Permit, asked_s: float | None) -> None:
        """The server has too much to do; it may ask to wait so many seconds."""
        if ticket.slowdowns == self._slowdowns:
            if not self._alone:
                self.window = max(1.0, self.window / 2)
            self._slow_down(0.0 if asked_s else backoff(self._in_a_row + 1))
            self._alone = self._in_a_row >= ALONE_AFTER
            self._tell()
        if asked_s:
            self._asked_s = asked_s
            self._pause(asked_s * random.uniform(1.0, 1.1))  # other processes were told the same
        self._refuse(ticket)

    def gone(self, ticket: Permit, *, waited_for: bool) -> None:
        """Nobody was there to take the request; one at a time looks whether the server is back, if it is `waited_for` at all."""
        if ticket.slowdowns == self._slowdowns:
            if waited_for and not self._alone:
                log.warning("nothing answers at the endpoint any more; waiting up to %.0f s for it", self._patience_s)
            self._slow_down(backoff(self._in_a_row + 1, LONGEST_ABSENCE_S))
            self._alone = True
        self._refuse(ticket)

    @property
    def _limit(self) -> int:
        return 1 if self._alone else int(self.window)

    def _slow_down(self, wait_s: float) -> None:
        self._slowdowns += 1
        self._in_a_row += 1
        self._refused_since = _now() if self._refused_since is None else self._refused_since
        self._pause(wait_s)

    def _tell(self) -> None:
        if self._limit < self._told:  # a run near its limit would say it at every turn
            self._told = self._limit
            log.info("the endpoint has too much to do: %d requests at once for now", self._limit)

    def _pause(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, _now() + seconds)

    def _heard(self) -> None:
        self._refused_since, self._asked_s = None, 0.0
        self._leave()

    def _refuse(self, ticket: Permit) -> None:
        self._tokens.give_back(ticket.tokens)  # nothing was read
        self._leave()

    def _leave(self) -> None:
        self._under_way -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in who may start now, and set an alarm for the next one."""
        now = _now()
        while self._waiting and self._under_way < self._limit:
            opens_at = max(self._resume_at, self._requests.free_at, self._tokens.free_at)
            if opens_at > now:
                return self._wake_at(opens_at)
            tokens, turn = self._waiting.popleft()
            if turn.cancelled():
                continue
            self._under_way += 1
            self._requests.spend(1, now)
            self._tokens.spend(tokens, now)
            turn.set_result(Permit(self._slowdowns, tokens))

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            if self._timer.when() == moment:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._admit)


def _now() -> float:
    return asyncio.get_running_loop().time()
