"""The progress of a sweep whose cells are computed together.

In: the states of its jobs as they change. Out: one bar over all cells, with how they ended and when
the last one may.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from littlehuman.job import ENDS, State


class Bar:
    """One bar over all cells: how they ended, and when the last one may."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar = tqdm(total=total, desc="cells", unit="cell", smoothing=0, disable=not show)
        self._states: Counter[str] = Counter()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def count(self, state: State) -> None:
        """A cell is in this state now."""
        over = state in ENDS
        if state is not State.new:
            self._states[state if over else "prepared"] += 1
        self._bar.set_postfix(self._states, refresh=not over)
        self._bar.update(over)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Cells that end in here, and the time of it, are no part of the estimate, which is about training."""
        before, started = self._bar.n, time.time()
        yield
        del self._states["prepared"]
        if not self._bar.disable:
            self._bar.initial += self._bar.n - before
            self._bar.start_t += time.time() - started
