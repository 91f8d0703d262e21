"""Real processes that ask an endpoint, started in milliseconds: a parent imports everything once and forks.

In: jobs. Out: the children's process ids, and what each wrote when it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_PARENT = """
import json, logging, os, sys
from pathlib import Path
from config_groups import prompt_model
import openai
from gather_completions import gather
from littlehuman.prompt_models import chat_api
from littlehuman.records import Completion, Prompt

def child(job):
    os.environ["LITTLEHUMAN_CACHE"] = job["cache"]
    logging.basicConfig(level=logging.INFO, filename=job["out"] + ".log")
    settings = {"base_url": job["url"], "retries": 0, "timeout_s": 30.0, "concurrency": job["concurrency"]}
    model = prompt_model("openai_compatible", **settings)
    done = {"texts": {}, "asked": 0, "from_cache": 0, "failed": 0}
    for numbers in job["rounds"]:
        prompts = [Prompt(f"e{i}", ({"role": "user", "content": f"q{i}"},), f"k{i:04}") for i in numbers]
        answers, bill = gather(prompts, model, 50, progress=False)
        done["texts"] |= {key: a.text for key, a in answers.items() if isinstance(a, Completion)}
        done["asked"] += bill.requests - bill.from_cache
        done["from_cache"] += bill.from_cache
        done["failed"] += bill.failed
    Path(job["out"] + ".part").write_text(json.dumps(done))
    os.rename(job["out"] + ".part", job["out"])

print("ready", flush=True)
ended = set()
for line in sys.stdin:
    if line.startswith("alive "):  # a child that was not waited for keeps its process id
        pid = int(line.split()[1])
        if pid not in ended and os.waitpid(pid, os.WNOHANG)[0]:
            ended.add(pid)
        print(int(pid not in ended), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(json.loads(line))
            code = 0
        finally:
            os._exit(code)
    print(pid, flush=True)
"""


class ClientProcess:
    """One child: it asks for rounds of numbered requests, one round after another."""

    def __init__(self, pid: int, out: Path, parent: ClientProcesses) -> None:
        self.pid, self.out, self._parent = pid, out, parent
        self._ended = False

    @property
    def log(self) -> str:
        """What it logged so far."""
        file = Path(f"{self.out}.log")
        return file.read_text() if file.exists() else ""

    def kill(self) -> None:
        """Send SIGKILL, as the kernel does when memory is short."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)  # even if it has ended: its id is not reused before `waitpid`
        until(lambda: not self.is_alive())

    def result(self) -> dict[str, Any]:
        """What it wrote when it ended."""
        until(lambda: not self.is_alive())
        assert self.out.exists(), self.log
        done: dict[str, Any] = json.loads(self.out.read_text())
        return done

    def is_alive(self) -> bool:
        """Whether it is still running."""
        if not self._ended:
            self._ended = self._parent.send(f"alive {self.pid}") == "0"
        return not self._ended


class ClientProcesses:
    """The parent: its children share the cache that the environment names when they start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._count = 0

    def __enter__(self) -> ClientProcesses:
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def start(self, url: str, *rounds: Sequence[int], concurrency: int = 4) -> ClientProcess:
        """Start a child that asks."""
        self._count += 1
        out = self.folder / f"client{self._count}.json"
        job = {
            "url": url,
            "cache": os.environ["LITTLEHUMAN_CACHE"],
            "rounds": [list(numbers) for numbers in rounds],
            "concurrency": concurrency,
            "out": str(out),
        }
        return ClientProcess(int(self.send(json.dumps(job))), out, self)

    def send(self, line: str) -> str:
        """Send the parent a line, and return its reply."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that another process does; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)
