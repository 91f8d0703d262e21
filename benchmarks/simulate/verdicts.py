"""A simulated rate beside its limit, and whether Monte-Carlo error leaves room for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z = 2.5758  # of a 99 % interval


@dataclass(frozen=True)
class Rate:
    """The mean of a quantity over studies with its 99 % Monte-Carlo interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:5.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Row:
    """One line of the table. `held` is False where the 99 % interval excludes the limit, None where there is none."""

    group: str
    setting: str
    rate: Rate
    limit: str
    held: bool | None
    width: float | None = None

    def __str__(self) -> str:
        width = "     " if self.width is None else f"{self.width:5.2f}"
        verdict = {True: "held", False: "NOT HELD", None: ""}[self.held]
        return f"{self.group:22s} {self.setting:96s} {self.rate!s:20s} {width}  {self.limit:12s} {verdict}"


def rate(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> Rate:
    """Mean of one value per study."""
    values = np.asarray(values, float)
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / np.sqrt(len(values))
    return Rate(mean, mean - half, mean + half)


def at_most(group: str, setting: object, values: npt.NDArray[np.bool_], limit: float) -> Row:
    """A rate that must not be above its limit."""
    found = rate(values)
    return Row(group, str(setting), found, f"<= {100 * limit:g}", found.low <= limit)


def at_least(group: str, setting: object, values: npt.NDArray[np.bool_], limit: float) -> Row:
    """A rate that must not be below its limit."""
    found = rate(values)
    return Row(group, str(setting), found, f">= {100 * limit:g}", found.high >= limit)


def covers(group: str, setting: object, values: npt.NDArray[np.float64], width: float, least: float = 0.93) -> Row:
    """Coverage: at least `least`, and above 97 % only where the width is at most 1.3 times the oracle's."""
    found = rate(values)
    held = found.high >= least and (found.low <= 0.97 or width <= 1.3)
    return Row(group, str(setting), found, f">= {100 * least:g}", held, width)
