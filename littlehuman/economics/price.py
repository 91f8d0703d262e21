"""What the human points of one series are worth.

In: a series' runs (`Scored`), maybe two prices. Out: a `Price`: curve, equivalents and price ratio of its
`Valuation`, a verdict at the prices; as JSON values or as text.


[folded] Score over size for the series of a study, and what their human points are worth.

In: a study, maybe two prices. Out: a `Tradeoff` for each series with runs on synthetic points alone of enough sizes.


[folded] Which kind of point is the better buy at two prices.

In: how many synthetic points one human point costs, what human points are worth, and the curve that
this was read off. Out: human, synthetic or undecided, and why, in words.

"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.economics import price_options
from littlehuman.study.scores import ScoredRuns, read_scores

if TYPE_CHECKING:
    import pandas as pd

    from littlehuman.economics.curves import Failed, Fitted
    from littlehuman.economics.size_curve import SizeCurve
    from littlehuman.economics.valuation import HumanValue, Valuation

HUMAN, SYNTHETIC, UNDECIDED = "human wins", "synthetic wins", "undecided"


def verdict_at_prices(paid: float, worth: HumanValue | None, curve: SizeCurve) -> tuple[str, str]:
    """The better buy where a human point costs as much as `paid` synthetic ones, and why."""
    if worth is None:
        return UNDECIDED, "there are no runs with human points to judge by"
    ratio, lifted = worth.price_ratio, worth.lift.low is not None and worth.lift.low > 0
    if ratio is None or (ratio.value is None and ratio.low is None):
        if lifted:
            others = (
                "no number of synthetic points within reach does that"
                if curve.rises
                else "more synthetic points are not shown to"
            )
            return HUMAN, f"human points lift the score, and {others}"
        return UNDECIDED, "neither more synthetic points nor the human ones are shown to help"
    if ratio.low is None:
        return UNDECIDED, "there is no interval to judge by"
    harmful = worth.lift.high is not None and worth.lift.high < 0
    if curve.levelling is not None and not lifted and not harmful:
        return (
            UNDECIDED,
            "the curve levels off, and the human points are not shown to lift the score: neither is known to help further",
        )
    if paid < ratio.low:
        return HUMAN, "a human point costs less than the synthetic points that it is worth"
    if ratio.high is None or paid <= ratio.high:
        return UNDECIDED, "the prices lie inside the interval of the break-even ratio"
    if worth.above_ceiling:
        return (
            UNDECIDED,
            "by the logarithm synthetic points are cheaper, but under the better-fitting curve none reach these scores",
        )
    return SYNTHETIC, "a human point costs more than the synthetic points that it is worth"


PAPER_NOTE = (
    "The paper's sentence on the price ratio (arXiv 2410.13098, Section 4) has the two prices swapped, and its 73 does not follow "
    "from its own Table 3: 17,672 / 200 = 88 by the mean, 84.5 by the median."
)


@dataclass(frozen=True, slots=True)
class Price:
    """What the human points of a series are worth; `verdict` only with both prices (per point, in one currency)."""

    name: str
    metric: str
    valuation: Valuation
    human_price: float | None = None
    synthetic_price: float | None = None
    protocol: str = ""

    @property
    def headline(self) -> HumanValue | None:
        """The number of human points with most runs; None where no run has both kinds of points."""
        return self.valuation.by_human[0] if self.valuation.by_human else None

    @property
    def paid(self) -> float | None:
        """How many synthetic points one human point costs at the user's prices."""
        return self.human_price / self.synthetic_price if self.human_price and self.synthetic_price else None

    @property
    def warnings(self) -> list[str]:
        """All that must be said beside the numbers."""
        return [*self.valuation.warnings, *(self.headline.warnings if self.headline else ())]

    @property
    def verdict(self) -> tuple[str, str] | None:
        """Which kind of point is the better buy, and why; None without prices."""
        return None if self.paid is None else verdict_at_prices(self.paid, self.headline, self.valuation.curve)

    def as_json(self) -> dict[str, Any]:
        """Plain values for strict JSON: None where a number is infinite or cannot be said."""
        curve = self.valuation.curve
        fit = {**curve.log.parameters, "residual_sd": curve.log.residual_sd, "p_rising": curve.p}
        runs = {"synthetic_only": len(curve.x), "with_human": sum(len(w.equivalents) for w in self.valuation.by_human)}
        told: dict[str, Any] = {
            "name": self.name,
            "metric": self.metric,
            "protocol": self.protocol or None,
            "runs": runs,
            "fit": fit,
        }
        told |= _worth_as_json(self.headline)
        if len(self.valuation.by_human) > 1:
            told["by_human"] = [
                _worth_as_json(worth) | {"warnings": list(worth.warnings)} for worth in self.valuation.by_human
            ]
        told["models"] = [_model_as_json(model) for model in curve.models]
        if self.verdict is not None:
            told["prices"] = {"human": self.human_price, "synthetic": self.synthetic_price, "ratio": self.paid}
            told |= {"verdict": self.verdict[0], "verdict_because": self.verdict[1]}
        return told | {"warnings": self.warnings, "note": PAPER_NOTE}

    def text(self) -> str:
        """The same for reading: a short block."""
        from littlehuman.economics import price_text

        return price_text.price_text(self)


def price_of_scores(
    scored: ScoredRuns, human_price: float | None = None, synthetic_price: float | None = None
) -> Price:
    """Value the human points of a series; with both prices, per point and in one currency, a verdict.

    Raises:
        ConfigError: for a price that is not above 0, or one price without the other.
        DataError: for runs without a curve.
    """
    price_options.check_prices(human_price, synthetic_price)
    from littlehuman.economics import valuation  # scipy takes its time: not for --help

    return Price(
        scored.name, scored.metric, valuation.value_of_scores(scored), human_price, synthetic_price, scored.protocol
    )


def _worth_as_json(worth: HumanValue | None) -> dict[str, Any]:
    if worth is None:
        return {"human_points_added": None, "points_needed": None, "price_ratio": None, "lift": None, "equivalents": []}
    return {
        "human_points_added": worth.human_points,
        "points_needed": None if worth.points_needed is None else asdict(worth.points_needed),
        "price_ratio": None if worth.price_ratio is None else asdict(worth.price_ratio),
        "lift": asdict(worth.lift),
        "equivalents": [asdict(run) for run in worth.equivalents],
    }


def _model_as_json(model: Fitted | Failed) -> dict[str, Any]:
    blank: dict[str, Any] = {"name": model.name, "aicc": None, "weight": None, "parameters": None, "residual_sd": None}
    if hasattr(model, "reason"):
        return blank | {"reason": model.reason}
    return blank | {
        "aicc": model.aicc,
        "weight": model.weight,
        "parameters": dict(model.parameters),
        "residual_sd": model.residual_sd,
    }


SIZES = 3  # synthetic-only sizes from which a curve over size says something


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Score over size for one series, and what its human points are worth."""

    scored: ScoredRuns
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
            yield Tradeoff(runs, price_of_scores(runs, *(prices or ())), series.protocol, series.dataset)
