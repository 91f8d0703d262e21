"""Errors around a job, outside of the pipeline: what they mean for the user, and what to try.

In: an exception of Hydra or of the file system. Out: one report that names the cell, the file and the mend.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman import cli
from littlehuman.errors import ConfigError
from littlehuman.execution import workers
from littlehuman.runs import leftovers, status

log = logging.getLogger(__name__)

_MENDS = {
    errno.ENOSPC: "free space on that disk, then the same command",
    errno.EDQUOT: "free space within your quota, then the same command",
    errno.EEXIST: "move that file away: a run folder is to be there",
    errno.ENOTDIR: "move the file away that stands where a folder is to be",
    errno.EACCES: "chmod u+w, or export LITTLEHUMAN_MULTIRUN=FOLDER",
    errno.EROFS: "export LITTLEHUMAN_MULTIRUN=FOLDER, on a disk that can be written",
    errno.ENAMETOOLONG: "a shorter name (study=NAME)",
}


@contextmanager
def refusing_the_command(study: Path) -> Iterator[None]:
    """End the command with exit code 1 after a `ConfigError`, which is printed: Hydra would add a traceback, or go on.

    A study in which nothing was is removed.
    """
    try:
        yield
    except ConfigError as error:
        if not workers.first_tells():  # every process of the command refuses it
            print(cli.said(error), file=sys.stderr)
        leftovers.remove_empty(study)
        raise SystemExit(1) from None


def of_hydra(error: Exception, folder: Path | None, overrides: Sequence[str]) -> None:
    """Report and log an error that Hydra raised around a job; what no user can mend keeps its traceback."""
    reason = sentence(error)
    known = isinstance(error, OSError | HydraException | OmegaConfBaseException | YAMLError)
    log.error("%s: %s", folder or " ".join(overrides), reason, exc_info=None if known else error)
    status.report_incomplete(folder or Path(" ".join(overrides)), reason)


def sentence(error: BaseException) -> str:
    """One line: what went wrong, where, and what to try."""
    if isinstance(error, OSError) and error.errno:
        mend = _MENDS.get(error.errno)
        return f"{error.filename or 'the disk'}: {error.strerror}" + (f"; try: {mend}" if mend else "")
    lines = [line.strip() for each in (error, error.__cause__) if each for line in str(each).splitlines()]
    return f"{type(error).__name__}: {' '.join(line for line in lines if line)[:500]}"
