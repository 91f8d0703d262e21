"""AdamW for K cells at once: one clipping and, where their learning rates agree, one fused kernel; cells stay apart.

Each cell has its own gradient norm, learning rate, weight decay, moments and count of steps. Nothing here waits for the
device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch.optim.adamw import adamw

from littlehuman.training.state import TrainState
from littlehuman.training.transfer import to_device


def update(states: Sequence[TrainState], cells: Iterable[int], grads: torch.Tensor) -> torch.Tensor:
    """Clip the gradients and update the parameters of `cells`; returns the norms before clipping, float32 [K].

    Args:
        states: of all K cells, attached.
        cells: those that make a step.
        grads: of all cells, [K, parameters]; clipped in place.
    """
    norms = _clip(grads, [float(state.tuning.max_grad_norm or math.inf) for state in states])
    alike: dict[tuple[float, float], list[TrainState]] = {}
    for cell in cells:
        state = states[cell]
        alike.setdefault((state.learning_rate(), float(state.tuning.weight_decay or 0)), []).append(state)
    for (rate, decay), group in alike.items():
        _adamw(group, rate, decay)
    return norms


def _clip(grads: torch.Tensor, limits: Sequence[float]) -> torch.Tensor:
    """As torch.nn.utils.clip_grad_norm_ for each row: the same bits."""
    norms = torch.stack(torch._foreach_norm(list(grads.unbind())))
    (most,) = to_device([torch.tensor(limits)], grads.device)
    grads.mul_(((norms + 1e-6).reciprocal() * most).clamp(max=1.0)[:, None])
    return norms


def _adamw(states: Sequence[TrainState], rate: float, decay: float) -> None:
    moments = [[state.moments[name] for state in states] for name in ("exp_avg", "exp_avg_sq")]
    with torch.no_grad():
        adamw(
            [state.params for state in states],
            [state.grads for state in states],
            moments[0],
            moments[1],
            [],
            [state.updates for state in states],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
        )
