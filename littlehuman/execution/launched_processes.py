"""The processes that torchrun or `accelerate launch` started with one command, from its start to its exit code.

Of a sweep each computes cells (`workers`), and all report to the folder of the first one, which alone prints. Of a
single run the first process does everything, and the others join its trainings. All end with one exit code, when all
have ended: torchrun would kill the others after an error of one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from littlehuman import cli
from littlehuman.execution import placement, workers
from littlehuman.execution.workers import Worker

_FOLDER, _CODE = "littlehuman/folder", "littlehuman/code"  # keys of the launcher's store
PATIENCE_S = 600.0  # the first process waits no longer for the others, when all cells have settled


class LaunchedProcesses:
    """The processes of one command; alone, none of the methods does anything.

    Attributes:
        code: the exit code of the command, as far as it is known.
        prints: whether this process tells what is not complete.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """`words`: the command line.

        Raises:
            ConfigError: for an environment that is no launcher's.
        """
        self.code = 0
        self._worker: Worker = workers.current()
        self._sweeps = any(word == "-m" or word.startswith(("--mu", "hydra.mode=MULTI")) for word in words)
        self.prints = self._worker.is_main or not self._worker.can_join
        if not self._worker.is_main:
            os.environ[cli.QUIET] = "1"
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until this process ends

    def begin(self, folder: Path) -> Path:
        """The command's own folder: `folder`, or that of the first process.

        Raises:
            ConfigError: when Accelerate is to spread a model over processes.
            SystemExit: in the others, at the end of a single run or of a first process that refused the command.
        """
        if not self._worker.can_join:
            placement.check()
            return folder
        from littlehuman.training import launched

        if self._worker.is_main:
            placement.check()
            launched.store().set(_FOLDER, str(folder))
            launched.leads = not self._sweeps
            return folder
        if not self._sweeps:
            raise SystemExit(launched.serve())
        if launched.wait(_FOLDER, launched.END) == launched.END:
            raise SystemExit(launched.ended())
        return Path(launched.store().get(_FOLDER).decode())

    def gather(self) -> None:
        """End with the others: in the first process when they have ended their cells, in the others when it ended."""
        if not self._worker.can_join or not self._sweeps:
            return
        from littlehuman.training import launched

        if not self._worker.is_main:
            launched.store().set(f"{_CODE}/{self._worker.rank}", str(self.code))
            self.code = launched.ended()
            return
        keys = [f"{_CODE}/{rank}" for rank in range(1, self._worker.size)]
        deadline = time.monotonic() + PATIENCE_S
        while not launched.store().check(keys) and time.monotonic() < deadline:
            time.sleep(launched.POLL_S[0])
        codes = [int(launched.store().get(key)) for key in keys if launched.store().check([key])]
        self.code = max([self.code, *codes])

    def end(self) -> None:
        """Give the others the exit code; called at the end, whatever it was."""
        if self._worker.can_join and self._worker.is_main:
            from littlehuman.training import launched

            launched.end(self.code)
