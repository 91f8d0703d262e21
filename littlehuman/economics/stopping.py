"""When a replacement study needs no more seeds: stochastic curtailment of a fixed grid.

In: after a look, the mean scores of the complete blocks (one seed on all shares each), and which shares have a verdict
at the level that this look may spend (from the curve model; alpha spending is not done here). Out: stop, or go on.

A study stops when every share has a verdict, when its looks are used up, or when the decision that the full grid would
come to is the present one with a probability of at least `certainty`: conditional on what was seen, new seeds would
hardly change it (Lan, Simon and Halperin 1982). The rule spends no alpha by itself: it looks at the choice of a share,
and claims nothing that the verdicts do not. With fewer than two seeds the scatter is not known, and a study goes on.

`littlehuman next` and its simulation (`benchmarks/simulate/next_cells.py`) call the same two functions: `look_at` and
`advise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from littlehuman import seeding
from littlehuman.economics.response_shapes import Array, Bool, Index
from littlehuman.stats.layout import PRIOR

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
    score on the same test items, the base first, net of what all shares have in common, with `df` degrees of freedom;
    `settled` [A]: whether the share has a verdict (worse, better or equal) at the level of this look; `seeds` so far,
    `number` of this look from 1.
    """

    loss: Array
    seed_sd: Array
    df: float
    settled: Sequence[bool]
    seeds: int
    number: int


@dataclass(frozen=True, slots=True)
class Advice:
    """`stop` says whether and why; `choice` is the largest share up to which none loses delta or more now.

    `certainty` that it stands after the full grid.
    """

    stop: Stop
    choice: float
    certainty: float

    def as_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return {"stop": self.stop.value, "choice": self.choice, "certainty": self.certainty}


def look_at(means: Array, settled: Sequence[bool], number: int) -> Look:
    """A look at mean scores [A + 1, seeds] of complete blocks, the base first.

    What a seed adds to all shares drops out (two-way residuals). Each share's variance is drawn towards the common one,
    which counts for `PRIOR` degrees of freedom, as in the curve model; unlike there it keeps the noise of single items,
    for new seeds have it too.
    """
    arms, seeds = means.shape
    rest = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    df = max((arms - 1) * (seeds - 1), 1)
    common, weight = (rest**2).sum() / df, PRIOR / (PRIOR + seeds - 1)
    own = (rest**2).sum(axis=1) * arms / df
    average = means.mean(axis=1)
    sd = np.sqrt(weight * common + (1 - weight) * own)
    return Look(average[0] - average[1:], sd, df, settled, seeds, number)


def advise(rules: Rules, look: Look) -> Advice:
    """Whether to stop after a look, and the choice as it stands."""
    now = int(choices(look.loss[None], rules.delta)[0])
    certainty = _certainty(rules, look, now)
    return Advice(_stop(rules, look, certainty), rules.shares[now], certainty)


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
