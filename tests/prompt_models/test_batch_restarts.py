"""Runs that are killed or interrupted while their batches run: nothing is lost, nothing is paid twice."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_requests import (
    at,
    interrupt_at,
    left_behind,
    requests,
    run,
    said,
)
from fake_batches import BatchEnd, FakeBatches, echo

from littlehuman.prompt_models import batch_client
from littlehuman.prompt_models.batch_api import BatchEndpoint
from littlehuman.prompt_models.batch_store import BatchStore
from littlehuman.prompt_models.cache import CompletionWriter, cache_path

pytestmark = pytest.mark.usefixtures("endpoint_environment", "short_listing_delay")


# --- runs that are killed ------------------------------------------------------------------------


class Killed(BaseException):
    """What kill -9 is to a process: nothing handles it."""


def killed_at(number: int, function: Callable[..., Any], moments: list[str]) -> Callable[..., Any]:
    """`function`, with a moment before and one after each call; the run dies at moment `number` of all."""

    def moment(name: str) -> None:
        moments.append(name)
        if len(moments) == number:
            raise Killed(name)

    def call(*arguments: Any, **settings: Any) -> Any:
        moment(f"before {function.__name__}")
        result = function(*arguments, **settings)
        moment(f"after {function.__name__}")
        return result

    return call


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_any_moment_pays_for_nothing_twice_and_loses_nothing(every: int) -> None:
    """Two batches, of which one expires: all moments before and after a word with the provider or a write to disk."""
    seen: list[str] = []
    for number in range(1, 200, every):
        moments = list[str]()
        with FakeBatches(echo, BatchEnd(), BatchEnd("expired", 1), BatchEnd()) as fake:
            config = at(fake, name=f"model-{number}", batch_requests=2, poll_s=0.0)
            try:
                with pytest.MonkeyPatch.context() as dying:
                    dying.setattr(
                        batch_client.BatchClient, "_call", killed_at(number, batch_client.BatchClient._call, moments)
                    )
                    dying.setattr(BatchStore, "save", killed_at(number, BatchStore.save, moments))
                    run(config, *range(4))
                break
            except Killed:
                where = f"killed {moments[-1]}, moment {number}"
            assert run(config, *range(4)) == said(*range(4)), where
        assert set(fake.asked.values()) == {1} and sum(fake.sizes) == 5, where
        assert all(name.endswith(".lock") for name in left_behind(config)), where
        seen.append(moments[-1])
    assert len(seen) > 40 // every and len(set(seen)) == 4


@pytest.mark.parametrize("taken", [0, 1, 3, 4])
def test_a_run_that_is_killed_while_it_hands_over_goes_on_from_the_files_it_has(taken: int) -> None:
    with FakeBatches() as fake:
        config = at(fake)
        with CompletionWriter(cache_path(config)) as writer:
            incoming = BatchEndpoint(config).complete(requests(*range(5)), 50)
            for _ in range(taken):
                writer.add(next(incoming))  # type: ignore[arg-type]
            next(incoming)  # came, and was not written
            incoming.close()  # type: ignore[attr-defined]
        calls = fake.calls.copy()
        assert run(config, *range(5)) == said(*range(5))
    assert fake.calls - calls == {"list": 1}  # no poll, no file
    assert left_behind(config) == []


RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from batch_requests import prompt_model, run
from littlehuman.prompt_models import batch_api
batch_api.LISTING_DELAY_S = 0.2
config = prompt_model("openai_compatible", base_url=sys.argv[2], batch_api=True, poll_s=0.01, api_key_env="MY_KEY")
print(len(run(config, 0, 1, 2)))
"""


def really_run(fake: FakeBatches, started: list[int]) -> subprocess.CompletedProcess[bytes]:
    code = [sys.executable, "-c", RUN, str(Path(__file__).parents[1]), fake.url]
    with subprocess.Popen(
        code, env=os.environ | {"MY_KEY": "sk-secret"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        started.append(process.pid)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(code, process.returncode, out, err)


CALLS = [(what, when) for what in ("upload", "create", "retrieve", "content") for when in ("before", "after")]


@pytest.mark.parametrize(
    ("what", "when"),
    [
        pytest.param(*call, marks=[] if call == ("create", "after") else pytest.mark.slow, id=" ".join(call))
        for call in CALLS
    ],
)
def test_a_real_process_that_is_killed_in_the_middle_of_a_call_pays_once(what: str, when: str) -> None:
    started: list[int] = []

    def tap(which: str, at_what_time: str, count: int) -> None:
        if (which, at_what_time, count) == (what, when, 1):
            os.kill(started[0], signal.SIGKILL)

    with FakeBatches(tap=tap) as fake:
        assert really_run(fake, started).returncode == -signal.SIGKILL
        ended = really_run(fake, started)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == b"3\n"
    assert fake.sizes == [3] and set(fake.asked.values()) == {1}
    assert fake.keys == {"sk-secret"}


# --- interruptions -------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_batches_running_and_says_how_to_go_on_and_how_to_cancel(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with FakeBatches(echo, BatchEnd(polls=1000)) as fake:
        config = at(fake, batch_requests=2, api_key_env="MY_KEY")
        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", interrupt_at(2, time.sleep))
            with pytest.raises(KeyboardInterrupt):
                run(config, *range(4))
        assert [batch["status"] for batch in fake.batches.values()] == ["in_progress"] * 2
        [hint] = [record.getMessage() for record in caplog.records if "The same command" in record.getMessage()]
        assert hint.startswith("2 batches go on at the provider.") and "sk-secret" not in hint
        python, *arguments = shlex.split(hint.partition("To cancel them: ")[2])
        assert python == "python"
        subprocess.run([sys.executable, *arguments], check=True, timeout=60)
        assert [batch["status"] for batch in fake.batches.values()] == ["cancelled"] * 2
        fake.ends = (BatchEnd(),)
        assert run(config, *range(4)) == said(*range(4))


def test_closing_the_iterator_keeps_what_came_and_says_what_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches(echo, BatchEnd(), BatchEnd(polls=1000)) as fake:
        incoming = BatchEndpoint(at(fake, batch_requests=1)).complete(requests(0, 1), 50)
        assert next(incoming).key == "k0"
        assert "go on" not in caplog.text
        incoming.close()  # type: ignore[attr-defined]
        assert "1 batches go on at the provider" in caplog.text
        fake._end_of["batch-1"] = BatchEnd()
        assert {a.key for a in BatchEndpoint(at(fake)).complete(requests(0, 1), 50)} == {"k0", "k1"}
    assert fake.sizes == [1, 1]


def test_a_run_that_has_all_answers_says_nothing_of_batches_that_go_on(caplog: pytest.LogCaptureFixture) -> None:
    with FakeBatches() as fake:
        run(at(fake, batch_requests=1), 0, 1, 2)
    assert "go on" not in caplog.text and left_behind(at(fake)) == []
