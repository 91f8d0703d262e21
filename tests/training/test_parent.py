"""Worker processes end with their parent, whatever ends it, and write nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from littlehuman.runs import process

# A parent with two workers that write without end, as training does; the workers do not import torch.
PARENT = """
import multiprocessing, sys, time
from pathlib import Path

def work(file, pdeathsig):
    import sys
    if not pdeathsig:
        sys.platform = "another"  # only the portable ways are left
    from littlehuman.training import parent
    parent.follow()
    while True:
        parent.require()
        Path(file).write_text(str(time.time()))
        time.sleep(0.01)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(f"{sys.argv[1]}/{n}", sys.argv[2] == "True")) for n in range(2)]
    for worker in workers:
        worker.start()
    while len(list(Path(sys.argv[1]).iterdir())) < 2:
        time.sleep(0.01)
    print(*[worker.pid for worker in workers], flush=True)
    time.sleep(600)
"""


@pytest.mark.slow  # starts processes that import much
@pytest.mark.parametrize("pdeathsig", [True, False], ids=["prctl", "portable"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGABRT], ids=lambda s: s.name)
def test_workers_end_within_five_seconds_of_their_parent(end: signal.Signals, pdeathsig: bool, tmp_path: Path) -> None:
    script, written = tmp_path / "parent.py", tmp_path / "written"
    script.write_text(PARENT)
    written.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(script), str(written), str(pdeathsig)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2 and all(process.started(pid) for pid in workers)
    os.kill(parent.pid, end)
    parent.wait()
    ended = time.time()
    while any(process.started(pid) for pid in workers) and time.time() < ended + 5:
        time.sleep(0.02)
    assert not any(process.started(pid) for pid in workers)
    last = max(float(file.read_text() or 0) for file in written.iterdir())
    assert last < ended + 0.5  # nothing that the next run would find changed


@pytest.mark.slow
def test_the_workers_of_a_killed_run_end_and_the_next_run_takes_the_cell_over(tmp_path: Path) -> None:
    words = ("model=tiny", "launch=cpu", "launch.progress=false", "metrics.bootstrap=100", "n_test=5", "synth_frac=0")
    command = [sys.executable, "-m", "littlehuman.run", *words, "dataset=fieldnotes_fv", "n_train=40"]
    environment = {**os.environ, "LITTLEHUMAN_MULTIRUN": str(tmp_path)}
    longer = [*command, "launch.processes=2", "training.epochs=100"]
    run = subprocess.Popen(longer, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    while not list(tmp_path.glob("default/*/train.jsonl")):
        assert run.poll() is None
        time.sleep(0.05)
    children = [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdecimal() and _parent_of(folder) == run.pid
    ]
    assert len(children) >= 2
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 5
    while any(process.started(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.started(pid) for pid in children)


def _parent_of(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
