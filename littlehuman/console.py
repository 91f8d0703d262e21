"""How a command ends: what it says goes to the screen, and its exit code to the shell.

In: what a command does, line by line. Out: its exit code. A reader that leaves early (`| head`) is
no error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

from littlehuman.errors import LittlehumanError


def say(lines: Callable[[], Iterable[object]]) -> int:
    """Print what there is to say; 0, or 1 after an error that the user can mend."""
    try:
        for line in lines():
            print(line)
        sys.stdout.flush()
    except LittlehumanError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        nobody_listens()
    return 0


def nobody_listens() -> None:
    """Nothing more is said: else Python would complain at its end that it could not be."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
