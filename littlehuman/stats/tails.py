"""p values and half widths of values whose variance is the sum of a seeds' and an items' part.

Satterthwaite's single Student t rejects too often where the seeds' variance is known with one or two degrees of
freedom only: seeds that happen to agree look like certainty. The Behrens-Fisher distribution (the seeds' variance
integrated over what it may be, given what was seen; Fisher 1935) is too cautious where there are many. The tail used
here is their mean, with weight `CAUTION` / df of the seeds' variance on the second: with one degree of freedom it
alone counts, with eight hardly. The weight was set by simulation (`make simulate`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import special

from littlehuman.stats.clusters import Floats

CAUTION = 1.5
NODES = 16
_STEPS = 12
_NEAR = 1e-11  # of a probability, relative


@dataclass(frozen=True, slots=True)
class Known:
    """Values `[..., rows]` and what is known of their errors; a row is an arm, or a comparison with the base.

    `variance` = `by_items` + `by_seeds` / `seeds`; `scatter`: what was seen between seeds, part of the items included;
    `df` of the whole, `df_items` and `df_seeds` of the parts (the last nan where seeds tell nothing: the row speaks of
    new items alone; `[rows]` where all studies share it).
    """

    value: Floats
    variance: Floats
    by_items: Floats
    by_seeds: Floats
    scatter: Floats
    seeds: Floats
    df: Floats
    df_items: Floats
    df_seeds: Floats

    @property
    def se(self) -> Floats:
        """Standard errors."""
        return np.asarray(np.sqrt(self.variance))

    def only(self, row: int) -> Known:
        """One of the rows."""
        parts = {field.name: getattr(self, field.name)[..., [row]] for field in fields(self)}
        return Known(**parts)


def two_sided(rows: Known, distance: Floats) -> Floats:
    """Probability that an estimate lies further than `distance` from the truth, on either side."""
    return _two_sided(rows, distance, _ratios(rows.df_seeds), CAUTION)


def half_width(rows: Known, local: Floats, caution: float = CAUTION) -> Floats:
    """Distance that has `local` `[...]` as its two-sided probability: secant steps on a double logarithmic scale.

    `caution` / df is the weight of the Behrens-Fisher tail.
    """
    goal, ratios = np.log(local)[..., None], _ratios(rows.df_seeds)
    with np.errstate(invalid="ignore", divide="ignore"):
        one = np.log(-special.stdtrit(rows.df, local[..., None] / 2) * rows.se)
        other = one + 0.1
        at_one, at_other = (np.log(_two_sided(rows, np.exp(at), ratios, caution)) - goal for at in (one, other))
        for _ in range(_STEPS):
            slope = at_other - at_one
            step = np.where(np.abs(at_other) > _NEAR, at_other * (other - one) / np.where(slope == 0, 1, slope), 0)
            one, at_one, other = other, at_other, other - np.clip(step, -1, 1)
            at_other = np.log(_two_sided(rows, np.exp(other), ratios, caution)) - goal
            if not (np.abs(at_other) > _NEAR).any():
                break
    return np.asarray(np.exp(other))


def _two_sided(rows: Known, distance: Floats, ratios: list[Floats], caution: float) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        single = 2 * special.stdtr(rows.df, -distance / rows.se)
        weight = np.nan_to_num(np.minimum(caution / rows.df_seeds, 1))
        if not weight.any():
            return np.asarray(single)
        return np.asarray((1 - weight) * single + weight * _behrens_fisher(rows, distance, ratios))


def _ratios(df: Floats) -> list[Floats]:
    """What an estimated variance may be of the true one: quantiles of chi-square over its degrees of freedom."""
    with np.errstate(invalid="ignore"):
        return [special.chdtri(df, 1 - (node + 0.5) / NODES) / df for node in range(NODES)]


def _behrens_fisher(rows: Known, distance: Floats, ratios: list[Floats]) -> Floats:
    total = np.zeros(np.broadcast_shapes(distance.shape, rows.variance.shape))
    floor = rows.variance - rows.by_items - rows.by_seeds / rows.seeds
    for ratio in ratios:
        net = np.maximum(rows.scatter / ratio - (rows.scatter - rows.by_seeds), 0)
        total += special.stdtr(rows.df_items, -distance / np.sqrt(rows.by_items + net / rows.seeds + floor))
    return np.asarray(2 * total / NODES)
