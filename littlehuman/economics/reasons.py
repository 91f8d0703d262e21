"""Why a number, a verdict or a plan cannot be given: machine-readable, with the numbers that a sentence needs.

In: nothing. Out: `Kind`, an enumeration, and `Reason`, a kind with its parts; words are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What stands in the way, or what must stand beside a number."""

    TOO_FEW_RUNS = "too_few_runs"
    """Fewer runs than any shape needs: `runs`, `needed`."""
    ALL_ON_ONE_TOTAL = "all_on_one_total"
    """Every run has n_synthetic + n_human = `total` (a replacement study).

    More of one kind is always less of the other.
    """
    ALL_ON_ONE_LINE = "all_on_one_line"
    """The runs lie on another straight line in the plane of n_synthetic and n_human."""
    ONLY_SYNTHETIC = "only_synthetic"
    """No run has human points."""
    ONLY_HUMAN = "only_human"
    """No run has synthetic points."""
    MISFITS = "misfits"
    """The scores over human points alone follow none of the curves."""
    NO_MIXED_RUNS = "no_mixed_runs"
    """No run has both kinds: how they add up is an assumption of the model."""
    ONE_SEED = "one_seed"
    """One seed: how much draws of human points differ is an assumption of the interval."""
    TWO_SEEDS = "two_seeds"
    """Two seeds say little about how draws of human points differ."""
    NO_SEEDS = "no_seeds"
    """Seeds are not known: every run is taken as a draw of its own."""
    LEVELS_OFF = "levels_off"
    """The synthetic curve levels off at `ceiling`; in a share `share` of the draws below the score to match."""
    DOES_NOT_RISE = "does_not_rise"
    """Over the tried sizes the score changes by `rise` [`low`, `high`]; in `share` of the draws it does not rise."""
    BEYOND_REACH = "beyond_reach"
    """The equivalent size is more than `factor` times the largest that was tried (`largest`)."""
    HUMAN_POINTS_HARM = "human_points_harm"
    """Human points lower the score: `lift` [`low`, `high`]."""
    NO_LIFT_SHOWN = "no_lift_shown"
    """Human points are not shown to raise the score: `lift` [`low`, `high`]."""
    NEITHER_SHOWN = "neither_shown"
    """Neither kind of points is shown to raise the score: in a share `share` of the draws neither does."""
    PRICE_IN_INTERVAL = "price_in_interval"
    """The price ratio `paid` lies inside the interval of the worth [`low`, `high`]."""
    NOTHING_AFFORDABLE = "nothing_affordable"
    """No design within reach costs at most `budget`; the cheapest costs `cheapest`."""
    EXTRAPOLATED = "extrapolated"
    """More points than any run had: `n_synthetic`, `n_human`, at most `factor` times the largest tried numbers."""
    EVIDENCE_BINDS = "evidence_binds"
    """More evidence texts than the `evidence` at hand would be worth having."""
    RUNNER_UP_AS_GOOD = "runner_up_as_good"
    """Another design is as good as can be told: `share` of the draws prefer the best."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind and its numbers."""

    kind: Kind
    parts: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Kind and parts as plain values."""
        return {"kind": self.kind.value, **self.parts}
