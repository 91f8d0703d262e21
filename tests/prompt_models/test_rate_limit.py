import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest

from littlehuman.prompt_models.rate_limit import Permit, RateLimiter, backoff
from littlehuman.prompt_models.responses import retry_after


def limiter(
    concurrency: int = 8, requests: float | None = None, tokens: float | None = None, max_outage_s: float = 60.0
) -> RateLimiter:
    return RateLimiter(concurrency, requests, tokens, max_outage_s)


def run(scene: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await scene()

    return asyncio.run(whole())


async def permits(limit: RateLimiter, count: int, tokens: float = 0.0) -> list[Permit]:
    return [await limit.acquire(tokens) for _ in range(count)]


async def waits(limit: RateLimiter, within: float = 0.05) -> bool:
    """Whether the next request has to wait longer than this."""
    start = asyncio.ensure_future(limit.acquire())
    done, _ = await asyncio.wait([start], timeout=within)
    start.cancel()
    return not done


async def seconds(work: Awaitable[Any]) -> float:
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


# --- how many at once --------------------------------------------------------------------------


def test_no_more_start_than_are_allowed_and_one_that_ends_makes_room() -> None:
    async def scene() -> tuple[bool, bool]:
        limit = limiter(2)
        first, _ = await permits(limit, 2)
        full = await waits(limit)
        limit.answered(first, 0)
        return full, await waits(limit)

    assert run(scene) == (True, False)


def test_requests_start_in_the_order_in_which_they_asked() -> None:
    async def scene() -> list[int]:
        limit, order = limiter(1), []

        async def one(number: int) -> None:
            permit = await limit.acquire()
            order.append(number)
            await asyncio.sleep(0)
            limit.answered(permit, 0)

        await asyncio.gather(*map(one, range(20)))
        return order

    assert run(scene) == list(range(20))


def test_refusals_of_one_moment_halve_the_window_once() -> None:
    async def scene() -> float:
        limit = limiter(16)
        for permit in await permits(limit, 16):
            limit.overloaded(permit, 0.001)
        return limit.window

    assert run(scene) == 8


def test_refusals_after_each_slowdown_halve_it_down_to_one_at_once() -> None:
    async def scene() -> list[float]:
        limit, seen = limiter(64), []
        for _ in range(4):
            first, second = await permits(limit, 2)
            limit.overloaded(first, 0.001)
            seen.append(limit.window)
            limit.answered(second, 0)  # it had started before: no reason to widen
            limit.answered(await limit.acquire(), 0)
        return seen

    assert run(scene) == pytest.approx([32, 16, 8, 4], abs=0.3)


def test_a_window_of_answers_widens_it_by_about_one_and_never_beyond_the_setting() -> None:
    async def scene() -> list[float]:
        limit = limiter(8)
        limit.overloaded(await limit.acquire(), 0.001)
        seen = [limit.window]
        for _ in range(60):
            limit.answered(await limit.acquire(), 0)
            seen.append(limit.window)
        return seen

    widths = run(scene)
    assert widths[0] == 4 and 4.8 < widths[4] <= 5 and widths[10] < 6.5 and widths[-1] == 8


def test_after_three_slowdowns_without_an_answer_one_request_goes_alone() -> None:
    async def scene() -> tuple[bool, bool, bool]:
        limit = limiter(64)
        for _ in range(3):
            limit.overloaded(await limit.acquire(), 0.001)
        alone = await limit.acquire()
        second_waits = await waits(limit)
        limit.answered(alone, 0)
        together = await permits(limit, 8)
        return second_waits, limit.window >= 8, len(together) == 8

    assert run(scene) == (True, True, True)


def test_a_server_that_went_away_does_not_narrow_the_window_but_one_looks_for_it() -> None:
    async def scene() -> tuple[float, bool]:
        limit = limiter(16)
        for permit in await permits(limit, 16):
            limit.unreachable(permit, waited_for=True)
        alone = await limit.acquire()
        others_wait = await waits(limit)
        limit.answered(alone, 0)
        return limit.window, others_wait

    assert run(scene) == (16, True)


# --- waits and outages ------------------------------------------------------------------------


def test_the_wait_that_a_server_asks_for_holds_all_requests_back() -> None:
    async def scene() -> float:
        limit = limiter(8)
        first, second = await permits(limit, 2)
        limit.overloaded(first, 0.05)
        limit.overloaded(second, 0.3)  # of the same moment; the longer wait counts
        return await seconds(limit.acquire())

    assert 0.28 < run(scene) < 0.6


def test_without_a_word_of_the_server_waits_grow() -> None:
    waits_s = [[backoff(times) for _ in range(200)] for times in (1, 2, 3, 20)]
    assert 0.375 <= min(waits_s[0]) < max(waits_s[0]) <= 0.5
    assert max(waits_s[0]) < min(waits_s[1]) and max(waits_s[1]) < min(waits_s[2])
    assert 22 < min(waits_s[3]) < max(waits_s[3]) <= 30
    assert sum(min(backoff(times) for _ in range(200)) for times in range(1, 6)) > 20  # five retries outlast a restart


def test_the_limiter_is_exhausted_when_nothing_but_refusals_came_for_long_enough() -> None:
    async def scene() -> list[bool]:
        limit, seen = limiter(8, max_outage_s=0.15), []
        for _ in range(2):
            limit.overloaded(await limit.acquire(), 0.01)
            seen.append(limit.exhausted)
            await asyncio.sleep(0.2)
        seen.append(limit.exhausted)
        limit.answered(await limit.acquire(), 0)
        seen.append(limit.exhausted)
        return seen

    assert run(scene) == [False, True, True, False]


def test_a_server_that_asks_for_long_waits_is_given_ten_of_them() -> None:
    async def scene() -> list[bool]:
        limit, seen = limiter(8, max_outage_s=0.05), []
        limit.overloaded(await limit.acquire(), 0.05)
        await asyncio.sleep(0.1)
        seen.append(limit.exhausted)
        await asyncio.sleep(0.45)
        seen.append(limit.exhausted)
        return seen

    assert run(scene) == [False, True]


# --- budgets -----------------------------------------------------------------------------------


def test_requests_per_minute_are_spread_evenly() -> None:
    async def scene() -> float:
        return await seconds(permits(limiter(100, requests=1200), 11))  # one in 50 ms

    assert 0.44 < run(scene) < 1.0


def test_tokens_per_minute_hold_requests_back() -> None:
    async def scene() -> float:
        return await seconds(permits(limiter(100, tokens=60_000), 5, tokens=100))  # 100 tokens in 100 ms

    assert 0.34 < run(scene) < 0.9


def test_tokens_that_were_not_used_are_given_back() -> None:
    async def scene() -> tuple[float, float]:
        kept, corrected = limiter(tokens=60_000), limiter(tokens=60_000)
        await kept.acquire(500)
        corrected.answered(await corrected.acquire(500), 100)
        return await seconds(corrected.acquire(500)), await seconds(kept.acquire(500))

    soon, late = run(scene)
    assert soon < 0.2 and late > soon + 0.05


def test_a_refused_request_took_no_tokens() -> None:
    async def scene() -> float:
        limit = limiter(tokens=60_000)
        limit.overloaded(await limit.acquire(500), 0.01)
        return await seconds(limit.acquire(500))

    assert run(scene) < 0.3


def test_tokens_beyond_the_estimate_are_paid_later() -> None:
    async def scene() -> float:
        limit = limiter(tokens=60_000)
        limit.answered(await limit.acquire(1), 300)
        return await seconds(limit.acquire(1))

    assert run(scene) > 0.2


def test_a_request_larger_than_the_budget_of_a_minute_still_goes() -> None:
    async def scene() -> Permit:
        return await asyncio.wait_for(limiter(tokens=10).acquire(500), 1)

    assert run(scene).tokens == 500


# --- retry-after -------------------------------------------------------------------------------

NOW = 1_790_000_000
ASKED: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "7"}, 7.0),
    "parts of a second": ({"retry-after": "0.25"}, 0.25),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "milliseconds before seconds": ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    "broken milliseconds": ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
    "a date, by the server's clock": (
        {"retry-after": formatdate(NOW + 12, usegmt=True), "date": formatdate(NOW, usegmt=True)},
        12.0,
    ),
    "a date that is past": (
        {"retry-after": formatdate(NOW - 12, usegmt=True), "date": formatdate(NOW, usegmt=True)},
        None,
    ),
    "nothing": ({}, None),
    "no number": ({"retry-after": "soon"}, None),
    "zero": ({"retry-after": "0"}, None),
    "below zero": ({"retry-after": "-3"}, None),
    "not a number": ({"retry-after": "nan"}, None),
    "for ever": ({"retry-after": "inf"}, None),
}


@pytest.mark.parametrize(("headers", "expected"), ASKED.values(), ids=ASKED.keys())
def test_the_wait_that_a_server_asks_for_is_read(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers) == expected


def test_a_date_counts_from_now_where_the_server_tells_no_time() -> None:
    found = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert found is not None and 28 < found <= 31
