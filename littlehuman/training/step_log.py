"""The log of all cells while they train: values stay on the device until a second has passed, as reading them waits."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from littlehuman.training.state import TrainState

EVERY_S = 1.0


class StepLog:
    """Collects the steps of `states`, and brings them into their logs and onto the progress bar now and then."""

    def __init__(self, states: Sequence[TrainState], bar: tqdm[None]) -> None:
        self._states, self._bar = states, bar
        self._since, self._tokens = time.perf_counter(), 0

    def __enter__(self) -> StepLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what was made, also before an error goes on; a device that has failed has nothing more to say."""
        try:
            self.flush()
        except RuntimeError:
            if kind is None:
                raise

    def add(self, cells: Sequence[int], losses: torch.Tensor, norms: torch.Tensor, tokens: int) -> None:
        """Count a step of `cells` on so many tokens; losses and norms are those of all cells, float32 [K]."""
        self._tokens += tokens
        loss_of, norm_of = losses.unbind(), norms.unbind()
        for cell in cells:
            self._states[cell].log_step(loss_of[cell], norm_of[cell])
        self._bar.update(len(cells))
        if time.perf_counter() - self._since >= EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Wait for the device, and write the rows of the steps made."""
        written = [state for state in self._states if state.flush_log(lambda: self._tokens / self._seconds())]
        if written:
            last = [state.log_rows[-1]["loss"] for state in written]
            self._bar.set_postfix(loss=f"{sum(last) / len(last):.3f}", refresh=False)
        self._since, self._tokens = time.perf_counter(), 0

    def _seconds(self) -> float:
        return max(time.perf_counter() - self._since, 1e-9)
