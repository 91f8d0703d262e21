"""Score over size for the series of a study, and what their human points are worth.

In: a study, maybe two prices. Out: a `Tradeoff` for each series with runs on synthetic points alone of enough sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman.study.scored import Scored, read_scores
from littlehuman.worth import price
from littlehuman.worth.price import Price

if TYPE_CHECKING:
    import pandas as pd

SIZES = 3  # synthetic-only sizes from which a curve over size says something


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Score over size for one series, and what its human points are worth."""

    scored: Scored
    price: Price
    protocol: str
    dataset: str


def of_study(study: Path, frame: pd.DataFrame, prices: tuple[float, float] | None = None) -> Iterator[Tradeoff]:
    """The trade-offs of a study, whose frame was loaded before; `prices` are those of a human label and of a synthetic point."""
    from littlehuman.study.series import split

    by_name = {series.name: series for series in split(frame)}
    for runs in read_scores(study):
        alone = runs.n_synthetic[(runs.n_human == 0) & (runs.n_synthetic > 0)]
        if len(set(alone)) >= SIZES and runs.name in by_name:
            series = by_name[runs.name]
            yield Tradeoff(runs, price.of(runs, *(prices or ())), series.protocol, series.dataset)
