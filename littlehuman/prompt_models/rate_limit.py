"""Rate limiter: when a request may start, and how all requests slow down after HTTP 429.

In: requests that want to start, and how each one ended. Out: a `Permit` for each, first come, first served. All of
it lives in one event loop. What limits the requests:

- requests in flight: a window that follows additive increase, multiplicative decrease (Chiu and Jain 1989, as in TCP).
  An overloaded server (429, 503, 529) halves it and all requests wait; each window's worth of answers widens it by
  one, up to `concurrency`. Refusals of requests that had started before it was halved halve it no further;
- requests per minute and tokens per minute: one `TokenBucket` each;
- after several slowdowns in a row, or when the server is unreachable: one request at a time probes it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass

log = logging.getLogger(__name__)

FIRST_S, GROWTH, LONGEST_S = 0.5, 2.5, 30.0  # five retries wait at least 24 s in all: a server has time to restart
CATCH_UP_S = 0.05  # a timer that fires late wastes none of a limit: at most 0.1 % of a minute too much
PROBE_AFTER = 3  # slowdowns in a row without an answer: from then on one request at a time
LONGEST_PROBE_S = 5.0  # between two probes of an unreachable server


def backoff(times: int, longest_s: float = LONGEST_S) -> float:
    """Exponential backoff with jitter: seconds before retry number `times` (0.5, 1.25, 3.1, 7.8, ..., less up to 1/4).

    The jitter keeps requests that failed together from coming back together. It touches no result, so it has no seed.
    """
    return min(FIRST_S * GROWTH ** min(times - 1, 20), longest_s) * random.uniform(0.75, 1.0)


@dataclass(slots=True)
class TokenBucket:
    """At most `per_minute` units in any minute, evenly spread (generic cell rate algorithm, ITU-T I.371).

    None: no limit.
    """

    per_minute: float | None
    free_at: float = 0.0

    def take(self, amount: float, now: float) -> None:
        """Take units out; `free_at` is when the next ones may be taken."""
        if self.per_minute:
            self.free_at = max(self.free_at, now - CATCH_UP_S) + amount * 60 / self.per_minute

    def give_back(self, amount: float) -> None:
        """Correct an estimate that was taken; a negative amount was too little."""
        if self.per_minute:
            self.free_at -= amount * 60 / self.per_minute


@dataclass(frozen=True, slots=True)
class Permit:
    """One request in flight: how many slowdowns there had been when it started, and the tokens reserved for it."""

    slowdowns: int
    tokens: float


class RateLimiter:
    """Hands out permits; each is given back by exactly one of `answered`, `overloaded`, `unreachable`, `failed`.

    `max_outage_s`: seconds of nothing but refusals after which `exhausted` is true.
    """

    def __init__(
        self,
        concurrency: int,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        max_outage_s: float,
    ) -> None:
        self.window = float(concurrency)
        self._concurrency, self._max_outage_s = concurrency, max_outage_s
        self._requests, self._tokens = TokenBucket(requests_per_minute), TokenBucket(tokens_per_minute)
        self._in_flight = self._slowdowns = self._in_a_row = 0
        self._resume_at = self._retry_after_s = 0.0
        self._probing, self._logged_limit = False, concurrency
        self._refused_since: float | None = None
        self._waiting: deque[tuple[float, asyncio.Future[Permit]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def exhausted(self) -> bool:
        """Whether only refusals came for `max_outage_s`, or for ten times the wait that the server itself asks for."""
        if self._refused_since is None:
            return False
        return _now() - self._refused_since >= max(self._max_outage_s, 10 * self._retry_after_s)

    async def acquire(self, tokens: float = 0.0) -> Permit:
        """Wait for a permit; `tokens` is what the request is expected to take."""
        permit: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, permit))
        self._admit()
        return await permit

    def answered(self, permit: Permit, tokens: float) -> None:
        """The server answered, or refused this request for its content; it took `tokens` (0: unknown)."""
        if tokens:
            self._tokens.give_back(permit.tokens - tokens)
        if permit.slowdowns == self._slowdowns:
            self._in_a_row, self._probing = 0, False
            self.window = min(self._concurrency, self.window + 1 / self.window)
        self._heard_from_server()

    def failed(self, permit: Permit) -> None:
        """The request failed for a reason that says nothing about the others."""
        self._heard_from_server()

    def overloaded(self, permit: Permit, retry_after_s: float | None) -> None:
        """The server has too much to do (429, 503, 529): halve the window and pause, as long as it asks to."""
        if permit.slowdowns == self._slowdowns:
            if not self._probing:
                self.window = max(1.0, self.window / 2)
            self._slow_down(0.0 if retry_after_s else backoff(self._in_a_row + 1))
            self._probing = self._in_a_row >= PROBE_AFTER
            self._log_limit()
        if retry_after_s:
            self._retry_after_s = retry_after_s
            self._pause(retry_after_s * random.uniform(1.0, 1.1))  # other processes were told the same moment
        self._refused(permit)

    def unreachable(self, permit: Permit, *, waited_for: bool) -> None:
        """No connection could be made: one request at a time probes the server, if it is `waited_for` at all."""
        if permit.slowdowns == self._slowdowns:
            if waited_for and not self._probing:
                log.warning("nothing answers at the endpoint any more; waiting up to %.0f s for it", self._max_outage_s)
            self._slow_down(backoff(self._in_a_row + 1, LONGEST_PROBE_S))
            self._probing = True
        self._refused(permit)

    @property
    def _limit(self) -> int:
        return 1 if self._probing else int(self.window)

    def _slow_down(self, wait_s: float) -> None:
        self._slowdowns += 1
        self._in_a_row += 1
        self._refused_since = _now() if self._refused_since is None else self._refused_since
        self._pause(wait_s)

    def _log_limit(self) -> None:
        if self._limit < self._logged_limit:  # only new lows: a run near its limit would log at every slowdown
            self._logged_limit = self._limit
            log.info("the endpoint has too much to do: %d requests at once for now", self._limit)

    def _pause(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, _now() + seconds)

    def _heard_from_server(self) -> None:
        self._refused_since, self._retry_after_s = None, 0.0
        self._release()

    def _refused(self, permit: Permit) -> None:
        self._tokens.give_back(permit.tokens)  # the server read none of them
        self._release()

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Start every request that may start now, and set a timer for the next one."""
        now = _now()
        while self._waiting and self._in_flight < self._limit:
            opens_at = max(self._resume_at, self._requests.free_at, self._tokens.free_at)
            if opens_at > now:
                return self._wake_at(opens_at)
            tokens, permit = self._waiting.popleft()
            if permit.cancelled():
                continue
            self._in_flight += 1
            self._requests.take(1, now)
            self._tokens.take(tokens, now)
            permit.set_result(Permit(self._slowdowns, tokens))

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            if self._timer.when() == moment:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._admit)


def _now() -> float:
    return asyncio.get_running_loop().time()
