"""When a replacement study needs no more seeds: stochastic curtailment of a fixed grid.

In: after a look, the loss of each synthetic share against the base, how much one seed scatters, and the verdicts at the
level that this look may spend (both from the curve model; alpha spending is not done here). Out: stop, or the next
block, which is one new seed on all shares.

A study stops when every share has a verdict, when its looks are used up, or when the decision that the full grid would
come to is the present one with a probability of at least `certainty`: conditional on what was seen, new seeds would
hardly change it (Lan, Simon and Halperin 1982). The rule spends no alpha by itself: it looks at the choice of a share,
and claims nothing that the verdicts do not. With fewer than two seeds the scatter is not known, and a study goes on.

No command uses this module yet: it is simulated (`benchmarks/simulate/next_cells.py`) and tested, nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from littlehuman import seeding
from littlehuman.economics.response_shapes import Array, Bool, Index

FEWEST_SEEDS, MOST_LOOKS = 2, 4
CERTAINTY = 0.85
TOLERANCE = 0.25  # times delta: losses that close to delta are neither clearly within nor clearly beyond it
_DRAWS = 4_000


class Stop(StrEnum):
    """Why a study stops, or that it goes on."""

    GO_ON = "go_on"
    ALL_SETTLED = "all_settled"
    """Every share has a verdict at the level of this look."""
    DECISION_STANDS = "decision_stands"
    """More seeds would hardly change which share is chosen."""
    LAST_LOOK = "last_look"
    """No look, or no seed of the full grid, is left."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What was fixed before the first look.

    Synthetic shares (the first is the base), largest tolerated loss, and the full grid.
    """

    shares: tuple[float, ...]
    delta: float
    most_seeds: int = 5
    most_looks: int = MOST_LOOKS
    certainty: float = CERTAINTY
    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found, share by share without the base.

    `loss` [A]: mean score of the base less that of the share; `seed_sd` [A + 1]: standard deviation of one seed's mean
    score, the base first (pooled or shrunk, as the curve model has it), with `df` degrees of freedom; `settled` [A]:
    whether the share has a verdict (worse, better or equal) at the level of this look; `seeds` so far, `number` of this
    look from 1.
    """

    loss: Array
    seed_sd: Array
    df: float
    settled: Sequence[bool]
    seeds: int
    number: int


@dataclass(frozen=True, slots=True)
class Advice:
    """`stop` says whether and why; `choice` is the largest share within delta now.

    `certainty` that the full grid chooses the same.
    """

    stop: Stop
    choice: float
    certainty: float
    cells: tuple[tuple[float, int], ...]

    def as_json(self) -> dict[str, Any]:
        """All fields as plain values; `cells` are pairs of a share and a seed."""
        cells = [{"share": share, "seed": seed} for share, seed in self.cells]
        return {"stop": self.stop.value, "choice": self.choice, "certainty": self.certainty, "next_cells": cells}


def advise(rules: Rules, look: Look, used_seeds: Sequence[int] = ()) -> Advice:
    """Whether to stop after a look, and the cells of the next block.

    All shares with the lowest seed that was not used.
    """
    now = int(choices(look.loss[None], rules.delta)[0])
    certainty = _certainty(rules, look, now)
    stop = _stop(rules, look, certainty)
    seed = next(n for n in range(len(used_seeds) + 1) if n not in used_seeds)
    cells = tuple((share, seed) for share in rules.shares) if stop is Stop.GO_ON else ()
    return Advice(stop, rules.shares[now], certainty, cells)


def choices(loss: Array, delta: float) -> Index:
    """Index [D] of the largest share up to which no share loses delta or more, for losses [D, A]; 0 is the base."""
    beyond = loss >= delta
    return np.asarray(np.where(beyond.any(axis=1), beyond.argmax(axis=1), loss.shape[1]))


def stands(choice: int, loss: Array, rules: Rules) -> Bool:
    """Whether a choice is right by losses [D, A] of a larger study, up to the tolerance on either side of delta."""
    cautious, bold = (choices(loss, rules.delta * (1 + side * rules.tolerance)) for side in (-1, 1))
    return np.asarray((cautious <= choice) & (choice <= bold))


def _certainty(rules: Rules, look: Look, now: int) -> float:
    """Probability that the choice stands after the full grid: predictive, with the seeds that are still to come."""
    if look.seeds >= rules.most_seeds:
        return 1.0
    if look.seeds < FEWEST_SEEDS:
        return 0.0
    rng = np.random.default_rng(seeding.number(0, "seeds that are still to come"))
    scale = np.sqrt(look.df / rng.chisquare(look.df, (_DRAWS, 1)) * (1 / look.seeds - 1 / rules.most_seeds))
    change = rng.standard_normal((_DRAWS, len(look.loss) + 1)) * look.seed_sd * scale
    final = look.loss + change[:, :1] - change[:, 1:]
    return float(np.mean(stands(now, final, rules)))


def _stop(rules: Rules, look: Look, certainty: float) -> Stop:
    if look.seeds < FEWEST_SEEDS:
        return Stop.GO_ON
    if all(look.settled):
        return Stop.ALL_SETTLED
    if look.number >= rules.most_looks or look.seeds >= rules.most_seeds:
        return Stop.LAST_LOOK
    return Stop.DECISION_STANDS if certainty >= rules.certainty else Stop.GO_ON
