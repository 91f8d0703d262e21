"""A disk that is full while paid answers come: `/dev/full`, and a limit on the size of a process's files."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, says
from gather_completions import gather

from littlehuman.generation.spending import SpendingLimit, SpendRecord, paid
from littlehuman.prompt_models import cache
from littlehuman.prompt_models.cache import lookup
from littlehuman.records import Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig
from littlehuman.store import process_name

COUNT, AT_ONCE = 12, 3
KEYS = [f"k{i:02}" for i in range(COUNT)]
PROMPTS = [Prompt(key, ({"role": "user", "content": key},), key) for key in KEYS]
FULL = Path("/dev/full")

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def at(fake: FakeEndpoint) -> PromptModelConfig:
    price = PriceConfig(prompt=0.0, completion=1000.0)
    return prompt_model("openai_compatible", base_url=fake.url, retries=0, concurrency=AT_ONCE, price=price)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """The file of this process in the cache: a disk without room."""
    if not FULL.exists():
        pytest.skip("this system has no /dev/full")
    file = tmp_path / "cache" / "completions" / "model" / f"{process_name()}.jsonl"
    file.parent.mkdir(parents=True)
    file.symlink_to(FULL)
    return file


def settled(count: Callable[[], int]) -> int:
    """A count that no longer changes."""
    before, now = -1, count()
    while before != now:
        time.sleep(0.2)
        before, now = now, count()
    return now


def test_a_full_disk_stops_the_asking_and_once_there_is_room_everything_goes_on(
    full: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    with FakeEndpoint(lambda q, attempt: says("an answer")) as fake:

        def sleep(seconds: float) -> None:
            asked.append(settled(lambda: len(fake.requests)))
            if len(asked) == 3:
                full.unlink()

        asked: list[int] = []
        monkeypatch.setattr(cache, "_sleep", sleep)
        _, bill = gather(PROMPTS, at(fake), 50, progress=False)
    assert asked == [AT_ONCE] * 3  # one is held, the others were under way
    (said,) = [message for message in caplog.messages if "nothing more is asked" in message]
    assert said.startswith(f"{full}: No space left on device. A paid answer cannot be written there")
    assert f"{full}: can be written again; going on" in caplog.messages
    assert Counter(fake.questions) == Counter(KEYS)  # none was lost, none was paid for twice
    assert set(lookup(full.parent, KEYS)) == set(KEYS) and bill.usd == pytest.approx(COUNT * 0.005)


def test_who_ends_a_run_on_a_full_disk_is_told_how_many_paid_answers_are_lost(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeEndpoint(lambda q, attempt: says("an answer")) as fake:

        def interrupted(seconds: float) -> None:
            settled(lambda: len(fake.requests))
            raise KeyboardInterrupt

        monkeypatch.setattr(cache, "_sleep", interrupted)
        spending = SpendingLimit(None, SpendRecord(tmp_path / "run"))
        with pytest.raises(KeyboardInterrupt):
            gather(PROMPTS, at(fake), 50, spending, progress=False)
        assert f"{AT_ONCE} paid answers could not be kept in {full} (No space left on device)" in caplog.text
        assert paid(tmp_path / "run") == pytest.approx(AT_ONCE * 0.005)  # they were paid for nevertheless
        full.unlink()
        _, bill = gather(PROMPTS, at(fake), 50, progress=False)
    assert (bill.requests, bill.from_cache) == (COUNT, 0)


def test_a_folder_of_the_cache_that_comes_back_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a disk that was unmounted: what stands at the path then is opened anew."""
    away = tmp_path / "away"
    away.write_text("no folder")
    monkeypatch.setattr(cache, "_sleep", lambda seconds: away.unlink())
    with cache.CompletionWriter(away) as writer:
        writer.add(cache.Completion("a", "x", "stop", 1, 1))
    assert set(lookup(away, ["a"])) == {"a"}


def test_a_full_disk_under_the_record_of_what_was_paid_ends_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("a file stands where the run folder should be")
    with FakeEndpoint(lambda q, attempt: says("an answer")) as fake:
        spending = SpendingLimit(None, SpendRecord(tmp_path / "run"))
        answers, _ = gather(PROMPTS[:4], at(fake), 50, spending, progress=False)
        assert len(answers) == 4 and caplog.text.count("what is paid is not recorded until it can be") == 1
        (tmp_path / "run").unlink()
        gather(PROMPTS[4:5], at(fake), 50, spending, progress=False)
    assert paid(tmp_path / "run") == pytest.approx(5 * 0.005)


# --- a real process with a real limit, which writes part of a line ----------------------------------

ASKS = """
import logging, resource, sys, threading
import test_full_disk as test
from littlehuman.prompt_models import cache

url, size = sys.argv[1:]
logging.basicConfig(level=logging.INFO, format="%(message)s")
import openai
cache.RETRY_S = (0.02, 0.02)
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), most))

def make_room():
    sys.stdin.readline()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

threading.Thread(target=make_room, daemon=True).start()
model = test.prompt_model("openai_compatible", base_url=url, retries=0, concurrency=test.AT_ONCE)
_, bill = test.gather(test.PROMPTS, model, 50, progress=False)
print("requests paid:", bill.requests - bill.from_cache)
"""


@contextmanager
def asking(fake: FakeEndpoint, size: int) -> Iterator[subprocess.Popen[str]]:
    """A process that asks everything, and may write files of `size` bytes until a line is sent to it."""
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests.parent), str(tests), str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", ASKS, fake.url, str(size)]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(words, text=True, env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_line_that_was_written_in_part_before_the_disk_was_full_is_written_whole(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "completions" / "model"
    with FakeEndpoint(lambda q, attempt: says("an answer")) as fake, asking(fake, 250) as process:
        assert process.stderr
        line = next(line for line in process.stderr if "nothing more is asked" in line)
        assert str(folder) in line and "File too large" in line
        asked, on_disk = settled(lambda: len(fake.requests)), len(lookup(folder, KEYS))
        (file,) = folder.glob("*.jsonl")
        assert not file.read_text().endswith("\n") and asked <= on_disk + 1 + AT_ONCE < COUNT
        out, err = process.communicate("room\n", timeout=60)
    assert f"requests paid: {COUNT}" in out, err
    assert Counter(fake.questions) == Counter(KEYS) and set(lookup(folder, KEYS)) == set(KEYS)
