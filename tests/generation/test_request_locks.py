"""Processes that share a cache: nothing is paid twice, and nobody waits for a dead process or for ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from client_processes import ClientProcesses, until
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
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientProcesses]:
    with ClientProcesses(tmp_path_factory.mktemp("clients")) as started:
        yield started


def slowly(question: str, attempt: int) -> Reply:
    return says(f"answer {attempt} to {question}", delay=0.02)


def texts(*numbers: int) -> dict[str, str]:
    return {f"k{i:04}": f"answer 1 to q{i}" for i in numbers}


# --- two processes -----------------------------------------------------------------------------


def test_two_processes_that_need_the_same_requests_at_once_pay_once(clients: ClientProcesses) -> None:
    with FakeEndpoint(slowly) as fake:
        both = [clients.start(fake.url, range(30)), clients.start(fake.url, range(30))]
        done = [client.result() for client in both]
    assert sorted(fake.questions) == sorted(f"q{i}" for i in range(30))
    assert [one["texts"] for one in done] == [texts(*range(30))] * 2
    assert sum(one["asked"] for one in done) == sum(one["from_cache"] for one in done) == 30


def test_two_processes_with_some_requests_in_common_share_those(clients: ClientProcesses) -> None:
    with FakeEndpoint(slowly) as fake:
        one, other = clients.start(fake.url, range(20)), clients.start(fake.url, range(10, 30))
        assert one.result()["texts"] == texts(*range(20)) and other.result()["texts"] == texts(*range(10, 30))
    assert len(fake.requests) == 30


def test_two_processes_that_each_want_next_what_the_other_is_asking_for_both_end(clients: ClientProcesses) -> None:
    with FakeEndpoint(slowly) as fake:
        one, other = clients.start(fake.url, range(10), range(20)), clients.start(fake.url, range(10, 20), range(20))
        assert one.result()["texts"] == other.result()["texts"] == texts(*range(20))
    assert len(fake.requests) == 20


def test_a_process_that_waits_for_a_killed_one_asks_only_then(clients: ClientProcesses) -> None:
    with FakeEndpoint(lambda q, attempt: HANG if attempt == 1 else slowly(q, attempt)) as fake:
        owner = clients.start(fake.url, range(8), concurrency=8)
        until(lambda: len(fake.requests) == 8)
        waiting = clients.start(fake.url, range(8))
        until(lambda: f"-{owner.pid}: waiting for those answers" in waiting.log)
        time.sleep(0.3)
        assert len(fake.requests) == 8
        owner.kill()
        assert len(waiting.result()["texts"]) == 8
    assert len(fake.requests) == 16  # what was in flight when it was killed is lost, and no more


def test_what_failed_in_one_process_is_asked_by_the_one_that_waited_for_it(clients: ClientProcesses) -> None:
    def first_refused(question: str, attempt: int) -> Reply:
        return replace(fails(400) if question == "q3" and attempt == 1 else says(question), delay=0.1)

    with FakeEndpoint(first_refused) as fake:
        one = clients.start(fake.url, range(8), concurrency=1)
        until(lambda: bool(fake.requests))
        other = clients.start(fake.url, range(8))
        assert one.result()["failed"] == 1
        assert (other.result()["asked"], other.result()["from_cache"]) == (1, 7)


# --- kill -9 -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "concurrency", "delay", "longest"),
    [(150, 4, 0.02, 0.3), pytest.param(2000, 64, 0.1, 2.0, marks=pytest.mark.slow)],
    ids=["150 requests", "2000 requests"],
)
def test_a_run_that_is_killed_ten_times_pays_again_for_what_was_in_flight_alone(
    clients: ClientProcesses, cache: Path, count: int, concurrency: int, delay: float, longest: float
) -> None:
    folder, keys = cache / "completions" / "model", texts(*range(count)).keys()
    moments = random.Random(5)
    lost = 0
    with FakeEndpoint(lambda q, attempt: says(f"answer 1 to {q}", delay=delay)) as fake:
        for _ in range(10):
            before = len(fake.requests)
            client = clients.start(fake.url, range(count), concurrency=concurrency)
            until(lambda: len(fake.requests) > before or not client.is_alive())  # noqa: B023 (called at once)
            time.sleep(moments.uniform(0, longest))
            client.kill()
            settle(fake)
            in_flight = len(fake.requests) - len(lookup(folder, keys)) - lost
            assert 0 <= in_flight <= concurrency
            lost += in_flight
        assert clients.start(fake.url, range(count), concurrency=concurrency).result()["texts"] == texts(*range(count))
        assert lost and len(fake.requests) == count + lost
    assert not list((folder / "claims").glob("*.keys"))


def settle(fake: FakeEndpoint) -> None:
    """Wait until the server has seen all that a dead process sent."""
    seen = -1
    while seen != len(fake.requests):
        seen = len(fake.requests)
        time.sleep(0.05)


# --- the locks themselves ----------------------------------------------------------------------


def elsewhere(cache: Path, keys: set[str]) -> tuple[set[str], threading.Event]:
    """Lock keys in another thread until the event is set; the keys that it got."""
    locked: list[set[str]] = []
    taken, end = threading.Event(), threading.Event()

    def hold() -> None:
        with RequestLocks(cache).acquire(keys) as mine:
            locked.append(mine)
            taken.set()
            end.wait(10)
        taken.set()

    threading.Thread(target=hold, daemon=True).start()
    assert taken.wait(10)
    taken.clear()
    return locked[0], end


@pytest.fixture
def held(tmp_path: Path) -> Iterator[threading.Event]:
    _, end = elsewhere(tmp_path, {"a", "b"})
    yield end
    end.set()


def test_keys_that_another_thread_has_locked_are_left_out(tmp_path: Path, held: threading.Event) -> None:
    locks = RequestLocks(tmp_path)
    with locks.acquire({"b", "c"}) as mine:
        assert mine == {"c"}
        assert len(locks.owners({"b"})) == 1 and locks.owners({"c"}) == []


def test_keys_that_two_threads_of_one_process_have_locked_are_left_out_and_their_owner_is_named_once(
    tmp_path: Path, held: threading.Event
) -> None:
    _, end = elsewhere(tmp_path, {"c"})
    locks = RequestLocks(tmp_path)
    with locks.acquire({"a", "c", "d"}) as mine:
        assert mine == {"d"}
        assert len(locks.owners({"a", "c"})) == 1
    end.set()


def test_a_lock_ends_with_its_block_however_that_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RequestLocks(tmp_path).acquire({"a"}):
        raise KeyboardInterrupt
    assert [file.name for file in (tmp_path / "claims").iterdir()] == ["all.lock"]
    locked, end = elsewhere(tmp_path, {"a"})
    end.set()
    assert locked == {"a"}


def test_nothing_to_lock_leaves_no_file(tmp_path: Path, held: threading.Event) -> None:
    before = set((tmp_path / "claims").iterdir())
    with RequestLocks(tmp_path).acquire({"a"}) as mine:
        assert mine == set()
        assert set((tmp_path / "claims").iterdir()) == before


def test_a_thread_never_waits_for_its_own_lock(tmp_path: Path) -> None:
    with RequestLocks(tmp_path).acquire({"a"}), RequestLocks(tmp_path).acquire({"a"}) as mine:
        assert mine == {"a"}


def test_the_lock_of_a_dead_process_is_free_and_its_file_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "host-1-dead.keys").write_text("a\nb")
    (folder / "host-1-dead.lock").touch()
    with RequestLocks(tmp_path).acquire({"a"}) as mine:
        assert mine == {"a"}
    assert [file.name for file in folder.iterdir()] == ["all.lock"]


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("a file where the folder should be")
    with pytest.raises(
        GenerationError, match=r"claims: cannot be written \(File exists\).*\nTry: export LITTLEHUMAN_CACHE=FOLDER"
    ):
        RequestLocks(tmp_path).acquire({"a"}).__enter__()
