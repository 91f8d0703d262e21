"""The API key of an endpoint never appears: not in a file, a log, a traceback, nor on the screen.

Real command lines ask a server that repeats the key in its answers and in its errors. Then every byte that the runs
left behind is searched.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import ROOT, TINY, Cli
from fake_endpoint import FakeEndpoint, Reply, fails, says

KEY = 'sk-planted/"key"+7f3a&9c'  # with characters that JSON, URLs and HTML write in another way
PARTS = ("sk-planted", "+7f3a&9c")  # every encoding leaves one of these whole
SHOWN = (
    *(value for value in TINY if value != "launch.progress=false"),
    *("launch.progress=true", "n_train=4", "synth_frac=0.5", "tracker=tensorboard"),
)
AS_IT_IS = "from littlehuman.run import cli; cli()"
WITH_A_BUG = """
from littlehuman.prompt_models import cache
def add(self, completion):
    raise RuntimeError("a bug of ours, while requests are under way")
cache.CompletionWriter.add = add
from littlehuman.run import cli
cli()
"""


@dataclass(frozen=True)
class Left:
    """What a run left behind."""

    code: int
    screen: str
    folder: Path

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Everything, with its place; names of files too."""
        yield "the screen", self.screen.encode()
        for path in sorted(self.folder.rglob("*")):
            yield f"the name of {path}", str(path.relative_to(self.folder)).encode()
            if path.is_file():
                yield str(path), path.read_bytes()


def begun(folder: Path, fake: FakeEndpoint, code: str = AS_IT_IS) -> subprocess.Popen[str]:
    """One command, with everything that it writes below `folder`: results, cache, temporary files."""
    places = {name: str(folder / name.lower()) for name in ("LITTLEHUMAN_CACHE", "LITTLEHUMAN_MULTIRUN", "TMPDIR")}
    for place in places.values():
        Path(place).mkdir(parents=True)
    ask = (
        "prompt_model=openai_compatible",
        f"prompt_model.base_url={fake.url}",
        "prompt_model.api_key_env=MY_KEY",
        "prompt_model.retries=1",
    )
    environment = {**os.environ, **places, "MY_KEY": KEY, "NO_PROXY": "127.0.0.1", "HYDRA_FULL_ERROR": "1"}
    command = [sys.executable, "-c", code, *SHOWN, *ask]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def found_in(left: Left) -> list[str]:
    """Where the key stands, or a part of it, plain or encoded."""
    forms = {
        form.encode()
        for key in (KEY, *PARTS)
        for form in (key, quote(key, safe=""), base64.b64encode(key.encode()).decode())
    }
    return [place for place, content in left.texts() if any(form in content for form in forms)]


def answers(question: str, attempt: int) -> Reply:
    if attempt == 1:
        return fails(429, f"slow down, {KEY}", retry_after=0.01)
    return says(f"Question: What is {KEY}? || Answer: it")


def refuses(question: str, attempt: int) -> Reply:
    return fails(401, f"Incorrect API key provided: {KEY} {quote(KEY)} {KEY!r}")


COMMANDS = {"passing": (answers, AS_IT_IS), "refused": (refuses, AS_IT_IS), "with a bug": (answers, WITH_A_BUG)}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    """What each of the commands left behind; they run at the same time."""
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeEndpoint(script)) for name, (script, _) in COMMANDS.items()}
        folders = {name: tmp_path_factory.mktemp("secrets") for name in COMMANDS}
        processes = {name: begun(folders[name], fakes[name], code) for name, (_, code) in COMMANDS.items()}
        screens = {name: process.communicate(timeout=120)[0] for name, process in processes.items()}
        assert all(set(fake.keys) == {KEY} for fake in fakes.values()), screens  # it was really used
        return {name: Left(processes[name].returncode, screens[name], folders[name]) for name in COMMANDS}


@pytest.mark.slow
def test_a_run_that_passes_shows_the_key_nowhere(left: dict[str, Left]) -> None:
    passing = left["passing"]
    assert passing.code == 0, passing.screen
    names = {path.name for path in passing.folder.rglob("*")}
    assert {"result.json", "run.log", "status.json", "overrides.yaml", "mixture.json"} <= names
    assert list(passing.folder.glob("littlehuman_cache/completions/model/*.jsonl"))
    assert list(passing.folder.rglob("events.out.tfevents.*")) and b"train/loss" in b"".join(
        content for _, content in passing.texts()
    )
    assert "twins by model: 100%" in passing.screen  # the progress bar was shown
    assert found_in(passing) == []


@pytest.mark.slow
def test_a_run_whose_key_is_refused_shows_it_nowhere(left: dict[str, Left]) -> None:
    refused = left["refused"]
    assert refused.code == 1 and "the key is not accepted (HTTP 401: Incorrect API key provided: ***" in log_of(refused)
    assert found_in(refused) == []


@pytest.mark.slow
def test_a_run_that_ends_in_a_traceback_shows_the_key_nowhere(left: dict[str, Left]) -> None:
    crashed = left["with a bug"]
    assert crashed.code == 1 and "Traceback (most recent call last)" in log_of(crashed)
    assert "a bug of ours, while requests are under way" in log_of(crashed) + crashed.screen
    assert found_in(crashed) == []


def log_of(left: Left) -> str:
    (log,) = left.folder.rglob("run.log")
    return log.read_text()


def test_the_search_finds_a_key_that_is_there(tmp_path: Path) -> None:
    for number, form in enumerate((KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode())):
        (tmp_path / f"{number}.log").write_text(f"authorization: Bearer {form}\n")
    assert len(found_in(Left(0, KEY, tmp_path))) == 4


HF = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")])
@pytest.mark.parametrize(
    "given", [f"prompt_model.api_key_env={KEY}", f"prompt_model.api_key_env={HF}", f"+prompt_model.api_key={KEY}"]
)
def test_a_key_in_place_of_its_variables_name_is_refused_before_anything_is_written(
    given: str, sweep: tuple[str, ...], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    ended = cli(*sweep, "prompt_model=gpt-4-turbo", given)
    assert ended.code == 1 and f"{given.split('=')[0].lstrip('+')}=***" in ended.err and "Traceback" not in ended.err
    assert HF not in ended.text
    assert found_in(Left(ended.code, ended.text, tmp_path)) == [] and list(tmp_path.iterdir()) == []
