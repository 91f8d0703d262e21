"""Requests that are interrupted: closed, broken off by the caller, ended by Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_requests import at, close, echo, requests, wait_until, worker_threads
from fake_endpoint import HANG, FakeEndpoint, Reply, says
from gather_completions import gather

from littlehuman.prompt_models import cache
from littlehuman.prompt_models.chat_api import Endpoint

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def test_closing_the_iterator_cancels_the_rest_at_once() -> None:
    with FakeEndpoint(lambda q, attempt: echo(q, attempt) if int(q[1:]) < 3 else HANG) as fake:
        answers = Endpoint(at(fake, timeout_s=30, concurrency=4)).complete(requests(100), 50)
        came = [next(answers) for _ in range(3)]
        start = time.monotonic()
        close(answers)
        assert time.monotonic() - start < 10
        time.sleep(0.3)  # for what was on its way
        asked = len(fake.requests)
        time.sleep(0.3)
        assert len(fake.requests) == asked <= 7
    assert len(came) == 3 and worker_threads() == []


def test_an_error_of_the_caller_ends_the_requests_and_keeps_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(list[Any]):
        def add(self, answer: Any) -> None:
            real(answer)
            self.append(answer)
            if len(self) == 5:
                raise KeyboardInterrupt

    taken = Interrupting()
    with FakeEndpoint(echo) as fake:
        writer = cache.CompletionWriter(cache.cache_path(at(fake)))
        real = writer.add
        monkeypatch.setattr(cache.CompletionWriter, "add", lambda self, answer, **_: taken.add(answer))
        with writer, pytest.raises(KeyboardInterrupt) as error:
            gather(requests(20), at(fake, concurrency=2), 50, progress=False)
        assert error.tb and worker_threads() == []  # at once, though the traceback still holds the iterator
        monkeypatch.undo()
        monkeypatch.setenv("LITTLEHUMAN_CACHE", str(writer.path.parents[2]))
        before = len(fake.requests)
        answers, bill = gather(requests(20), at(fake), 50, progress=False)
    assert 5 <= bill.from_cache <= 7  # and what had come while the fifth was taken
    assert (len(answers), len(fake.requests) - before) == (20, 20 - bill.from_cache)


PREPARE = """
import sys
sys.path.insert(0, sys.argv[2])
from chat_requests import requests
from config_groups import prompt_model
from gather_completions import gather
from littlehuman.prompt_models.chat_api import Endpoint
model = prompt_model("openai_compatible", base_url=sys.argv[1], concurrency=2)
"""
RUN = PREPARE + "gather(requests(20), model, 50, progress=False)"
LEFT_OPEN = PREPARE + "left = Endpoint(model).complete(requests(20), 50); next(left)"


def test_ctrl_c_in_a_real_run_keeps_what_came_and_the_next_run_asks_the_rest(tmp_path: Path) -> None:
    stuck = threading.Event()

    def five_then_silence(question: str, attempt: int) -> Reply:
        if int(question[1:]) < 5 or stuck.is_set():
            return echo(question, attempt)
        return replace(says("too late"), delay=60)

    with FakeEndpoint(five_then_silence) as fake:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, fake.url, str(Path(__file__).parents[1])],
            env=os.environ | {"HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # under nohup it would be ignored
        )
        wait_until(lambda: len(fake.requests) == 7)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=30)
        assert said.rstrip().endswith(b"KeyboardInterrupt") and b"RuntimeError" not in said
        assert b"never retrieved" not in said and b"was destroyed" not in said
        stuck.set()
        before = len(fake.requests)
        _, bill = gather(requests(20), at(fake), 50, progress=False)
    assert (bill.from_cache, len(fake.requests) - before) == (5, 15)


def test_an_iterator_that_is_left_open_does_not_hang_the_process() -> None:
    with FakeEndpoint(lambda q, attempt: echo(q, attempt) if q == "q0" else HANG) as fake:
        run = subprocess.run(
            [sys.executable, "-c", LEFT_OPEN, fake.url, str(Path(__file__).parents[1])], timeout=15, capture_output=True
        )
    assert run.returncode == 0, run.stderr
