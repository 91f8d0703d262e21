"""Cell claims: one process computes a cell; what a dead or silent one held is taken over, without file locks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from littlehuman.errors import DataError
from littlehuman.runs import claims, heartbeat, process
from littlehuman.runs.claims import ClaimLost
from littlehuman.runs.status import RunStatus
from littlehuman.store import read_json

HOLDS = "import signal, sys, time; from pathlib import Path; from littlehuman.runs import claims\n"
HOLDS += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits that it is ignored
HOLDS += "print(claims.take(Path(sys.argv[1])) is not None, flush=True); time.sleep(60)"


def _other_process(folder: Path) -> subprocess.Popen[str]:
    """A process that takes the claim and holds it."""
    command = [sys.executable, "-c", HOLDS, str(folder)]
    other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert other.stdout and other.stdout.readline() == "True\n"
    return other


def _written(folder: Path, name: str = ".lock", age: float = 0.0, **changes: Any) -> Path:
    """A claim as another process, which is not of this machine unless `place` says so, would have written it."""
    content = {"token": "t", "host": "node7", "place": "node7/boot", "pid": 1, "started": "5", "since": "then"}
    (folder / name).write_text(json.dumps({**content, "released": False, **changes}))
    then = time.time() - age
    os.utime(folder / name, (then, then))
    return folder / name


def test_a_cell_is_claimed_once_until_it_is_released(tmp_path: Path) -> None:
    first = claims.take(tmp_path)
    assert first and claims.take(tmp_path) is None and not claims.is_free(tmp_path)
    assert str(claims.holder_of(tmp_path)) == f"process {os.getpid()} on {process.host()}"
    first.release()
    assert claims.holder_of(tmp_path) is None and claims.is_free(tmp_path)
    again = claims.take(tmp_path)
    assert again and again.number == first.number + 1
    again.release()
    assert {path.name for path in tmp_path.iterdir()} == {".lock", ".lock-1"}


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("held_before", [False, True], ids=["new", "left by a dead process"])
def test_of_many_that_want_a_cell_at_once_one_gets_it(
    links: bool, held_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        if held_before:
            _written(folder, place=process.place(), pid=2**22 + 1)
        with ThreadPoolExecutor(8) as pool:
            taken = [claim for claim in pool.map(claims.take, [folder] * 8) if claim]
        assert len(taken) == 1 and not taken[0].lost
        taken[0].release()
        assert not [path.name for path in folder.iterdir() if not claims.is_claim(path.name)]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_the_claim_of_a_process_that_ended_is_free_at_once(end: signal.Signals, tmp_path: Path) -> None:
    other = _other_process(tmp_path)
    assert claims.take(tmp_path) is None
    os.kill(other.pid, end)
    deadline = time.monotonic() + 5
    while (mine := claims.take(tmp_path)) is None and time.monotonic() < deadline:
        time.sleep(0.02)  # not waited for: a zombie holds nothing
    assert mine
    mine.release()
    other.wait()


def test_a_process_id_that_another_process_has_by_now_holds_nothing(tmp_path: Path) -> None:
    _written(tmp_path, place=process.place(), pid=os.getppid(), started=process.started(os.getppid()))
    assert claims.take(tmp_path) is None
    _written(tmp_path, place=process.place(), pid=os.getppid(), started="1")
    assert claims.holder_of(tmp_path) is None
    _written(tmp_path, place=process.place(), pid=os.getpid(), started=process.started(os.getpid()))
    assert claims.is_free(tmp_path)  # of this process, which does not know of it


def test_another_machines_claim_is_free_when_its_heartbeat_stood_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    _written(tmp_path, age=claims.STALE_S + 30, token="slow clock")
    assert claims.holder_of(tmp_path) is None  # as far as clocks tell
    assert not claims.is_free(tmp_path)  # which may differ: first it is watched
    now[0] += claims.STALE_S - 1
    _written(tmp_path, age=claims.STALE_S + 20, token="slow clock")
    assert not claims.is_free(tmp_path)
    now[0] += claims.STALE_S - 1
    assert claims.take(tmp_path) is None
    now[0] += 2
    mine = claims.take(tmp_path)
    assert mine and mine.number == 1
    mine.release()
    _written(tmp_path, ".lock-2", age=claims.ABANDONED_S + 1, token="of last week")
    assert claims.is_free(tmp_path)


@pytest.mark.parametrize("text", ["", '{"token": ', "[]", '{"pid": {}}', "[" * 100_000])
def test_a_claim_that_cannot_be_read_is_free_soon(text: str, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(text)
    assert not claims.is_free(tmp_path) and str(claims.holder_of(tmp_path)) == "another process"
    os.utime(tmp_path / ".lock", (1, 1))  # as the file locks of older versions are
    mine = claims.take(tmp_path)
    assert mine
    mine.release()


def test_a_lock_that_is_a_directory_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(DataError, match=rf"{tmp_path}/.lock: is a folder.*\nTry: rm -r {tmp_path}/.lock"):
        claims.take(tmp_path)
    assert claims.holder_of(tmp_path) is None


def test_the_heartbeat_goes_on_while_a_cell_is_held_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    mine = claims.take(tmp_path)
    assert mine

    def beats_within(seconds: float) -> bool:
        os.utime(tmp_path / ".lock", (1, 1))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (tmp_path / ".lock").stat().st_mtime > 1:
                return True
            time.sleep(0.01)
        return False

    assert beats_within(5)
    mine.release()
    assert not beats_within(0.1)


def test_who_was_taken_over_notices_it_and_leaves_the_status_alone(tmp_path: Path) -> None:
    mine = claims.take(tmp_path)
    assert mine
    status = RunStatus(tmp_path, mine)
    _written(tmp_path, ".lock-1")
    before = read_json(tmp_path / "status.json")
    with pytest.raises(ClaimLost, match="was taken over by process 1 on node7"), status.stage("training"):
        raise AssertionError("not reached")
    status.failed(ValueError("whatever"))
    mine.release()
    assert read_json(tmp_path / "status.json") == before and json.loads((tmp_path / ".lock-1").read_text())["pid"] == 1


def test_a_refused_cells_folder_does_not_come_back_with_the_release(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    mine = claims.take(folder)
    assert mine
    (folder / ".lock").unlink()
    folder.rmdir()
    mine.release()
    assert not folder.exists()
