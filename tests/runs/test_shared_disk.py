"""Claims and atomic writes on a disk of several machines: no locks, old listings, late renames."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import table_rows
from conftest import ROOT, TINY
from shared_disk import SharedDisk

from littlehuman.generation import ledger
from littlehuman.generation.request_locks import RequestLocks
from littlehuman.runs import claims, process
from littlehuman.store import INVOCATION, locked, read_json

# Computes each cell of a folder that has no result; notes it, and whether another process computed it meanwhile.
WORKER = """
import os, sys, time
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from shared_disk import SharedDisk
from littlehuman.runs import claims
from littlehuman.store import write_json
study, notes = Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
disk = SharedDisk(study)
disk.install()
left = sorted(study.iterdir())
until = time.monotonic() + 60
while left and time.monotonic() < until:
    cell = left.pop(0)
    if (cell / "result.json").is_file():
        continue
    claim = claims.take(cell)
    if claim is None:
        left.append(cell)
        time.sleep(0.05)
        continue
    if not (cell / "result.json").is_file():
        alone = notes.fileno() and not Path(f"{{study}}-{{cell.name}}").exists()
        open(f"{{study}}-{{cell.name}}", "w").close()
        time.sleep(0.05)
        write_json(cell / "result.json", {{}})
        os.unlink(f"{{study}}-{{cell.name}}")
        notes.write(f"{{cell.name}} {{alone}}\\n")
    claim.release()
disk.remove()
sys.exit(bool(left))
"""


def _beside(study: Path, notes: Path, count: int) -> list[subprocess.Popen[bytes]]:
    code = WORKER.format(root=str(ROOT), tests=str(ROOT / "tests"))
    return [subprocess.Popen([sys.executable, "-c", code, str(study), str(notes)]) for _ in range(count)]


def test_each_cell_is_computed_once_by_processes_that_see_each_other_late(tmp_path: Path) -> None:
    study, notes = tmp_path / "study", tmp_path / "notes"
    for cell in range(8):
        (study / f"cell{cell}").mkdir(parents=True)
    ended = [worker.wait(90) for worker in _beside(study, notes, 3)]
    assert ended == [0, 0, 0]
    assert sorted(notes.read_text().splitlines()) == [f"cell{cell} True" for cell in range(8)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SharedDisk]:
    """A disk whose listings are old even to a process that has just made a file."""
    flock = fcntl.flock
    made = SharedDisk(tmp_path, forgetful=False)
    made.install()
    yield made
    made.remove()
    fcntl.flock = flock


@pytest.mark.usefixtures("disk")
def test_a_claim_counts_though_the_listing_does_not_show_it_yet(tmp_path: Path) -> None:
    assert claims.is_free(tmp_path)  # the empty listing is remembered from here on
    mine = claims.take(tmp_path)
    assert mine and mine.number == 0 and not mine.lost
    assert claims.take(tmp_path) is None
    mine.release()


def test_who_claimed_by_an_old_listing_leaves_the_cell_to_the_newer_claim(tmp_path: Path, disk: SharedDisk) -> None:
    """Two machines can hold a cell only where a listing is older than two claims; the older claim notices it."""
    (tmp_path / ".lock").write_text(json.dumps(_released("first")))
    assert claims.is_free(tmp_path)
    disk.remove()
    (tmp_path / ".lock-2").write_text(json.dumps({**_released("third"), "released": False}))  # .lock-1 is gone again
    disk = SharedDisk(tmp_path, forgetful=False)
    disk._listed[str(tmp_path)] = time.monotonic(), [entry for entry in os.scandir(tmp_path) if entry.name == ".lock"]
    disk.install()
    mine = claims.take(tmp_path)
    assert mine and mine.number == 1  # as good as the listing
    with pytest.raises(claims.ClaimLost):
        mine.require()
    mine.release()
    disk.remove()
    assert str(claims.holder_of(tmp_path)) == "process 1 on node7"


def _released(token: str) -> dict[str, object]:
    here = {"host": "node7", "place": "node7/boot", "pid": 1, "started": "5", "since": "then"}
    return {"token": token, **here, "released": True}


def test_without_locks_requests_go_on_and_the_limit_is_split(
    tmp_path: Path, disk: SharedDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with RequestLocks(tmp_path).acquire({"a", "b"}) as free:
        assert free == {"a", "b"} and "two processes may pay for the same request" in caplog.text
    monkeypatch.setenv(INVOCATION, str(tmp_path / "command"))
    ledger.begin(4, "")
    command = ledger.command()
    assert command and command.split == "this file system has no locks"
    ledger.split(2)  # among jobs: it is split among the cells already
    assert not (command.folder / "0").exists()


def test_without_locks_what_all_use_is_made_by_one_process_at_a_time(tmp_path: Path, disk: SharedDisk) -> None:
    with locked(tmp_path / "weights.lock"):
        assert (tmp_path / "weights.lock.held").is_file()
    assert not os.path.exists(tmp_path / "weights.lock.held")


def test_another_error_than_of_missing_locks_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", full)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path / "weights.lock"):
        pass


@pytest.mark.slow
def test_two_commands_on_such_a_disk_compute_each_cell_once(tmp_path: Path) -> None:
    words = (*TINY, "-m", "dataset=fieldnotes_fv", "n_train=6", "synth_frac=0,0.5", "seed=0,1,2")
    command = [sys.executable, str(ROOT / "tests" / "shared_disk.py"), "littlehuman.run", *words]
    environment = {
        **os.environ,
        "LITTLEHUMAN_MULTIRUN": str(tmp_path / "multirun"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]),
        "LITTLEHUMAN_CACHE": str(tmp_path / "multirun" / "cache"),
    }
    both = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    texts = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "".join(texts)
    told = [line for text in texts for line in text.splitlines() if ": accuracy " in line]
    assert len(told) == 12 and len([line for line in told if "already complete" not in line]) == 6
    rows = table_rows(tmp_path / "multirun" / "default")
    assert [row["state"] for row in rows.values()] == ["done"] * 6
    assert read_json(next((tmp_path / "multirun" / "default").glob("*/status.json")))["host"] == process.host()
