"""What the human points of one series are worth, and which kind of point is the better buy at two prices.

In: a series' runs (`ScoredRuns`), maybe two prices and a number of synthetic points. Out: a `Price`, as JSON values or
as text; `Tradeoff`s for the series of a study. All numbers are summaries of the draws of one `StudyModel`, from which
plans are made too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman.economics import human_worth, price_options, price_text
from littlehuman.economics.human_worth import HumanWorth
from littlehuman.economics.paper_equivalent import NOTE, PaperEquivalent
from littlehuman.economics.price_verdict import PriceVerdict
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.study_model import StudyModel
from littlehuman.errors import DataError
from littlehuman.stats.interval import Interval
from littlehuman.study.scores import SIZES, ScoredRuns, of_series

if TYPE_CHECKING:
    from littlehuman.study.series import Cells

PAPER_NOTE = NOTE
ROWS = 6  # sizes at which the worth is shown, and numbers of human points that are valued


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """What the human points of a series are worth beside N synthetic ones.

    `by_human` starts with the number of most runs.

    `curve` are (N, worth) over the tried sizes; `prices` are those of a human and of a synthetic point, in one
    currency.
    """

    name: str
    metric: str
    model: StudyModel
    by_human: tuple[HumanWorth, ...]
    curve: tuple[tuple[float, Interval], ...]
    paper: PaperEquivalent | None = None
    prices: tuple[float, float] | None = None
    protocol: str = ""
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> HumanWorth:
        """The worth of the number of human points with most runs."""
        return self.by_human[0]

    @property
    def verdict(self) -> PriceVerdict | None:
        """Which kind of point is the better buy at the headline's N; None without prices."""
        return None if self.prices is None else self.model.price(*self.prices, self.headline.n)

    @property
    def warnings(self) -> list[str]:
        """All that must be said beside the numbers: about them, and about the runs."""
        return [*(sentence(reason) for reason in (*self.headline.reasons, *self.model.caveats)), *self.notes]

    def as_json(self) -> dict[str, Any]:
        """Plain values for strict JSON: None where a number is infinite or cannot be said."""
        return price_text.as_json(self)

    def text(self) -> str:
        """The same for reading: a short block."""
        return price_text.text(self)


def model_of(scored: ScoredRuns) -> StudyModel:
    """The model of a series; runs that were trained on nothing are left out.

    Raises:
        DataError: where no run was trained on anything.
    """
    trained = scored.n_synthetic + scored.n_human > 0
    if not trained.any():
        raise DataError(
            f"{scored.place}: no run was trained on any points\nTry: runs with n_synthetic or n_human above 0"
        )
    seed = None if scored.seed is None else scored.seed[trained]
    return StudyModel(scored.n_synthetic[trained], scored.n_human[trained], scored.score[trained], seed)


def untrained_note(scored: ScoredRuns) -> tuple[str, ...]:
    """A sentence on runs that `model_of` leaves out."""
    count = int(np.sum(scored.n_synthetic + scored.n_human == 0))
    runs = "1 run without any training points is" if count == 1 else f"{count} runs without any training points are"
    return (f"{runs} left out: they say nothing about what a point adds",) if count else ()


def price_of_scores(
    scored: ScoredRuns, human_price: float | None = None, synthetic_price: float | None = None, at: float | None = None
) -> Price:
    """Value the human points of a series; with both prices, per point and in one currency, a verdict.

    Args:
        scored: the runs.
        human_price: of one human label.
        synthetic_price: of one synthetic point.
        at: beside how many synthetic points; None: the most of the study.

    Raises:
        ConfigError: for a price that is not above 0, one price without the other, or an `at` outside the study.
        DataError: for runs that cannot tell the two kinds of points apart, with the two cells that mend it.
    """
    price_options.check_prices(human_price, synthetic_price)
    model = model_of(scored)
    if model.obstacle is not None:
        raise DataError(f"{scored.place}: {model.refusal}")
    first = model.worth(at)
    others = [model.worth(first.n, h) for h in _human_levels(model) if h != first.human_points]
    prices = None if human_price is None or synthetic_price is None else (human_price, synthetic_price)
    notes = (*scored.notes, *untrained_note(scored))
    paper = model.paper(first.human_points)
    return Price(
        scored.name, scored.metric, model, (first, *others), _curve(model, first), paper, prices, scored.protocol, notes
    )


def _human_levels(model: StudyModel) -> list[float]:
    """Numbers of human points beside synthetic ones, those with most runs, in rising order."""
    beside = model.n_human[(model.n_human > 0) & (model.n_synthetic > 0)]
    values, counts = np.unique(beside, return_counts=True)
    return sorted(float(h) for h in values[np.argsort(-counts, kind="stable")][:ROWS])


def _curve(model: StudyModel, headline: HumanWorth) -> tuple[tuple[float, Interval], ...]:
    tried = np.unique(model.n_synthetic[model.n_synthetic > 0])
    sizes = tried[np.unique(np.linspace(0, len(tried) - 1, min(ROWS, len(tried))).round().astype(int))]
    middle, low, high = human_worth.worth_draws(model.response, sizes, headline.human_points).limits()
    return tuple((float(n), Interval(*ends)) for n, *ends in zip(sizes, middle, low, high, strict=True))


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Score over size for one series.

    `price` is None where its runs cannot tell what human points are worth, and `why` says so.
    """

    scored: ScoredRuns
    price: Price | None
    protocol: str
    dataset: str
    why: str = ""


def of_study(study: Path, frame: Cells, prices: tuple[float, float] | None = None) -> Iterator[Tradeoff]:
    """The trade-offs of a study, whose frame was loaded before, or its series.

    `prices` are those of a human label and of a synthetic point.
    """
    from littlehuman.study.series import split

    for series in split(frame):
        runs = of_series(study, series)
        alone = runs.n_synthetic[(runs.n_human == 0) & (runs.n_synthetic > 0)]
        if len(set(alone)) < SIZES:
            continue
        obstacle = model_of(runs).obstacle
        price = price_of_scores(runs, *(prices or ())) if obstacle is None else None
        yield Tradeoff(runs, price, series.protocol, series.dataset, "" if obstacle is None else sentence(obstacle))
