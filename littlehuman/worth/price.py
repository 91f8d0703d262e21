"""What the human points of one series are worth.

In: a series' runs (`Scored`), maybe two prices. Out: a `Price`: curve, equivalents and price ratio of its
`Valuation`, a verdict at the prices; as JSON values or as text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from littlehuman.study.scored import Scored
from littlehuman.worth import prices, verdict

if TYPE_CHECKING:
    from littlehuman.worth.fits import Failed, Fitted
    from littlehuman.worth.valuation import Valuation, Worth

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
    def headline(self) -> Worth | None:
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
        return None if self.paid is None else verdict.of(self.paid, self.headline, self.valuation.curve)

    def as_json(self) -> dict[str, Any]:
        """Plain values for strict JSON: None where a number is infinite or cannot be said."""
        curve = self.valuation.curve
        fit = {**curve.log.parameters, "residual_sd": curve.log.residual_sd, "p_rising": curve.p}
        runs = {"synthetic_only": len(curve.x), "with_human": sum(len(w.equivalents) for w in self.valuation.by_human)}
        told: dict[str, Any] = {"name": self.name, "metric": self.metric, "protocol": self.protocol or None, "runs": runs, "fit": fit}
        told |= _worth_as_json(self.headline)
        if len(self.valuation.by_human) > 1:
            told["by_human"] = [_worth_as_json(worth) | {"warnings": list(worth.warnings)} for worth in self.valuation.by_human]
        told["models"] = [_model_as_json(model) for model in curve.models]
        if self.verdict is not None:
            told["prices"] = {"human": self.human_price, "synthetic": self.synthetic_price, "ratio": self.paid}
            told |= {"verdict": self.verdict[0], "verdict_because": self.verdict[1]}
        return told | {"warnings": self.warnings, "note": PAPER_NOTE}

    def text(self) -> str:
        """The same for reading: a short block."""
        from littlehuman.worth import words

        return words.block(self)


def of(scored: Scored, human_price: float | None = None, synthetic_price: float | None = None) -> Price:
    """Value the human points of a series; with both prices, per point and in one currency, a verdict.

    Raises:
        ConfigError: for a price that is not above 0, or one price without the other.
        DataError: for runs without a curve.
    """
    prices.check(human_price, synthetic_price)
    from littlehuman.worth import valuation  # scipy takes its time: not for --help

    return Price(scored.name, scored.metric, valuation.of(scored), human_price, synthetic_price, scored.protocol)


def _worth_as_json(worth: Worth | None) -> dict[str, Any]:
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
    return blank | {"aicc": model.aicc, "weight": model.weight, "parameters": dict(model.parameters), "residual_sd": model.residual_sd}
