"""The next command, as the reader would type it.

In: what `littlehuman.run` is to be told, and where Hydra found the config of the run before. Out: a line for a shell.


[folded] How a command ends: what it says goes to the screen, and its exit code to the shell.

In: what a command does, line by line. Out: its exit code. A reader that leaves early (`| head`) is
no error.

"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from littlehuman.errors import LittlehumanError


def print_lines(lines: Callable[[], Iterable[object]]) -> int:
    """Print what there is to say; 0, or 1 after an error that the user can mend."""
    try:
        for line in lines():
            print(line)
        sys.stdout.flush()
    except LittlehumanError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        ignore_closed_pipe()
    return 0


def ignore_closed_pipe() -> None:
    """Nothing more is said: else Python would complain at its end that it could not be."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


OWN = "command-line"  # what Hydra calls the folder of --config-dir


def interpreter() -> str:
    """The interpreter, from the current folder."""
    inside = os.path.relpath(sys.executable)
    return "python" if inside.startswith("..") else inside


def sweep_command(words: Iterable[str], own: str | None = None, *, executable: str | None = None) -> str:
    """A sweep that is told `words`, with the folder `own` of the reader's groups; no password is shown."""
    from littlehuman.prompt_models.connection import without_password  # its package takes its time: not for --help

    place = ["--config-dir", own] if own else []
    return without_password(shlex.join([executable or interpreter(), "-m", "littlehuman.run", "-m", *place, *words]))


def config_dir(sources: Iterable[Any]) -> str | None:
    """The folder of `--config-dir`, from the current folder where it lies inside; None where none was given.

    `sources` are Hydra's `runtime.config_sources`: path, schema and provider of each.
    """
    for source in sources:
        if source.provider == OWN:
            inside = os.path.relpath(source.path)
            return str(source.path) if inside.startswith("..") else inside
    return None


def config_dir_of(cell: Path) -> str | None:
    """The same for a run folder, where Hydra keeps the sources in `.hydra/hydra.yaml`."""
    from omegaconf import OmegaConf

    try:
        return config_dir(OmegaConf.load(cell / ".hydra" / "hydra.yaml").hydra.runtime.config_sources)
    except (OSError, AttributeError):  # copied without it
        return None
