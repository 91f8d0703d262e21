"""Processes that share a shelf: nothing is paid twice, nobody waits for the dead, nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asking_processes import Askers, until
from fake_endpoint import HANG, FakeEndpoint, Reply, fails, says

from littlehuman.errors import GenerationError
from littlehuman.generation.request_locks import RequestLocks
from littlehuman.prompt_models.cache import lookup


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def askers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Askers]:
    with Askers(tmp_path_factory.mktemp("askers")) as started:
        yield started


def slowly(question: str, attempt: int) -> Reply:
    return says(f"answer {attempt} to {question}", delay=0.02)


def texts(*numbers: int) -> dict[str, str]:
    return {f"k{i:04}": f"answer 1 to q{i}" for i in numbers}


# --- two processes -----------------------------------------------------------------------------


def test_two_processes_that_need_the_same_requests_at_once_pay_once(askers: Askers) -> None:
    with FakeEndpoint(slowly) as fake:
        both = [askers.start(fake.url, range(30)), askers.start(fake.url, range(30))]
        done = [asker.result() for asker in both]
    assert sorted(fake.questions) == sorted(f"q{i}" for i in range(30))
    assert [one["texts"] for one in done] == [texts(*range(30))] * 2
    assert sum(one["asked"] for one in done) == sum(one["from_cache"] for one in done) == 30


def test_two_processes_with_some_requests_in_common_share_those(askers: Askers) -> None:
    with FakeEndpoint(slowly) as fake:
        one, other = askers.start(fake.url, range(20)), askers.start(fake.url, range(10, 30))
        assert one.result()["texts"] == texts(*range(20)) and other.result()["texts"] == texts(*range(10, 30))
    assert len(fake.requests) == 30


def test_two_processes_that_each_want_next_what_the_other_is_asking_for_both_end(askers: Askers) -> None:
    with FakeEndpoint(slowly) as fake:
        one, other = askers.start(fake.url, range(10), range(20)), askers.start(fake.url, range(10, 20), range(20))
        assert one.result()["texts"] == other.result()["texts"] == texts(*range(20))
    assert len(fake.requests) == 20


def test_who_waits_for_a_claimant_that_is_killed_asks_itself_and_asked_nothing_before(askers: Askers) -> None:
    with FakeEndpoint(lambda q, attempt: HANG if attempt == 1 else slowly(q, attempt)) as fake:
        claimant = askers.start(fake.url, range(8), concurrency=8)
        until(lambda: len(fake.requests) == 8)
        waiting = askers.start(fake.url, range(8))
        until(lambda: f"-{claimant.pid}: waiting for those answers" in waiting.log)
        time.sleep(0.3)
        assert len(fake.requests) == 8
        claimant.kill()
        assert len(waiting.result()["texts"]) == 8
    assert len(fake.requests) == 16  # what was in flight when it was killed is lost, and no more


def test_what_failed_elsewhere_is_asked_by_who_waited_for_it(askers: Askers) -> None:
    def first_refused(question: str, attempt: int) -> Reply:
        return replace(fails(400) if question == "q3" and attempt == 1 else says(question), delay=0.1)

    with FakeEndpoint(first_refused) as fake:
        one = askers.start(fake.url, range(8), concurrency=1)
        until(lambda: bool(fake.requests))
        other = askers.start(fake.url, range(8))
        assert one.result()["failed"] == 1
        assert (other.result()["asked"], other.result()["from_cache"]) == (1, 7)


# --- kill -9 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "concurrency", "delay", "longest"),
    [(150, 4, 0.02, 0.3), pytest.param(2000, 64, 0.1, 2.0, marks=pytest.mark.slow)],
    ids=["150 requests", "2000 requests"],
)
def test_a_run_that_is_killed_ten_times_pays_again_for_what_was_in_flight_alone(
    askers: Askers, cache: Path, count: int, concurrency: int, delay: float, longest: float
) -> None:
    shelf, keys = cache / "completions" / "model", texts(*range(count)).keys()
    moments = random.Random(5)
    lost = 0
    with FakeEndpoint(lambda q, attempt: says(f"answer 1 to {q}", delay=delay)) as fake:
        for _ in range(10):
            before = len(fake.requests)
            asker = askers.start(fake.url, range(count), concurrency=concurrency)
            until(lambda: len(fake.requests) > before or not asker.lives())  # noqa: B023 (called at once)
            time.sleep(moments.uniform(0, longest))
            asker.kill()
            settle(fake)
            in_flight = len(fake.requests) - len(lookup(shelf, keys)) - lost
            assert 0 <= in_flight <= concurrency
            lost += in_flight
        assert askers.start(fake.url, range(count), concurrency=concurrency).result()["texts"] == texts(*range(count))
        assert lost and len(fake.requests) == count + lost
    assert not list((shelf / "claims").glob("*.keys"))


def settle(fake: FakeEndpoint) -> None:
    """Wait until the server has seen all that a dead process sent."""
    seen = -1
    while seen != len(fake.requests):
        seen = len(fake.requests)
        time.sleep(0.05)


# --- the claims themselves ---------------------------------------------------------------------


def elsewhere(shelf: Path, keys: set[str]) -> tuple[set[str], threading.Event]:
    """Claim in another thread, until the event is set."""
    claimed: list[set[str]] = []
    taken, end = threading.Event(), threading.Event()

    def hold() -> None:
        with RequestLocks(shelf).take(keys) as mine:
            claimed.append(mine)
            taken.set()
            end.wait(10)
        taken.set()

    threading.Thread(target=hold, daemon=True).start()
    assert taken.wait(10)
    taken.clear()
    return claimed[0], end


@pytest.fixture
def held(tmp_path: Path) -> Iterator[threading.Event]:
    _, end = elsewhere(tmp_path, {"a", "b"})
    yield end
    end.set()


def test_what_another_has_claimed_is_left_out(tmp_path: Path, held: threading.Event) -> None:
    claims = RequestLocks(tmp_path)
    with claims.take({"b", "c"}) as mine:
        assert mine == {"c"}
        assert len(claims.owners({"b"})) == 1 and claims.owners({"c"}) == []


def test_a_claim_ends_with_its_block_however_that_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RequestLocks(tmp_path).take({"a"}):
        raise KeyboardInterrupt
    assert [file.name for file in (tmp_path / "claims").iterdir()] == ["all.lock"]
    claimed, end = elsewhere(tmp_path, {"a"})
    end.set()
    assert claimed == {"a"}


def test_who_claims_nothing_leaves_no_file(tmp_path: Path, held: threading.Event) -> None:
    before = set((tmp_path / "claims").iterdir())
    with RequestLocks(tmp_path).take({"a"}) as mine:
        assert mine == set()
        assert set((tmp_path / "claims").iterdir()) == before


def test_a_thread_never_waits_for_its_own_claim(tmp_path: Path) -> None:
    with RequestLocks(tmp_path).take({"a"}), RequestLocks(tmp_path).take({"a"}) as mine:
        assert mine == {"a"}


def test_the_claim_of_a_dead_process_is_free_and_its_file_goes(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "host-1-dead.keys").write_text("a\nb")
    (folder / "host-1-dead.lock").touch()
    with RequestLocks(tmp_path).take({"a"}) as mine:
        assert mine == {"a"}
    assert [file.name for file in folder.iterdir()] == ["all.lock"]


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("a file where the folder should be")
    with pytest.raises(
        GenerationError, match=r"claims: cannot be written \(File exists\).*\nTry: export LITTLEHUMAN_CACHE=FOLDER"
    ):
        RequestLocks(tmp_path).take({"a"}).__enter__()
