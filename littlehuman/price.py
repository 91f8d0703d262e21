"""What human data is worth, in synthetic points and at the user's prices.

    python -m littlehuman.price scores.csv --human-price 0.8 --synthetic-price 0.002
    python -m littlehuman.price multirun/STUDY --json

In: scores by numbers of human and synthetic points (a CSV, or a study). Out: the curve, the
synthetic points that human ones stand for, the price ratio from which synthetic data is the
cheaper way to the same score, and what follows at two prices; as text or as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import console
from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.study.scored import Scored, read_scores
from littlehuman.worth import verdict

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
    _check_prices(human_price, synthetic_price)
    from littlehuman.worth import valuation  # scipy takes its time: not for --help

    return Price(scored.name, scored.metric, valuation.of(scored), human_price, synthetic_price, scored.protocol)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = _parser()
    asked = parser.parse_args(argv)
    if (asked.human_price is None) != (asked.synthetic_price is None):
        parser.error("--human-price and --synthetic-price go together: give both, or none")
    return console.say(lambda: [_answer(asked)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m littlehuman.price", description="What human data is worth, in synthetic points.")
    parser.add_argument("scores", help="a CSV with columns n_synthetic, n_human, score (one row per run), or a folder multirun/STUDY")
    parser.add_argument("--human-price", type=float, metavar="PRICE", help="what one human point costs, in any currency")
    parser.add_argument("--synthetic-price", type=float, metavar="PRICE", help="what one synthetic point costs, in the same currency")
    parser.add_argument("--series", metavar="NAME", help="of a study with several series, this one only")
    parser.add_argument("--json", action="store_true", help="strict JSON instead of text (for a study: a list under the key series)")
    return parser


def _answer(asked: argparse.Namespace) -> str:
    """All series of the input, as text or JSON; a series without a curve says so, unless it is the only one."""
    _check_prices(asked.human_price, asked.synthetic_price)
    found = read_scores(asked.scores, asked.series)
    told: list[Price | tuple[str, DataError]] = []
    for scored in found:
        try:
            told.append(of(scored, asked.human_price, asked.synthetic_price))
        except DataError as error:
            told.append((scored.name, error))
    if all(isinstance(one, tuple) for one in told):
        raise DataError("\n".join(str(one[1]) for one in told if isinstance(one, tuple)))
    if not asked.json:
        return "\n\n".join([*(one.text() if isinstance(one, Price) else f"{one[1]}" for one in told), f"Note: {PAPER_NOTE}"])
    entries = [one.as_json() if isinstance(one, Price) else {"name": one[0], "error": str(one[1])} for one in told]
    whole = {"series": entries} if Path(asked.scores).expanduser().is_dir() else entries[0]
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


def _check_prices(human: float | None, synthetic: float | None) -> None:
    given = {"human price": human, "synthetic price": synthetic}
    if (human is None) != (synthetic is None):
        missing = next(name for name, price in given.items() if price is None)
        raise ConfigError([Problem(missing, "is missing: give both prices, or none")])
    wrong = [(name, price) for name, price in given.items() if price is not None and not (price > 0 and math.isfinite(price))]
    if wrong:
        raise ConfigError([Problem(f"{name} {price:g}", "must be a number above 0: what one point costs") for name, price in wrong])


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


if __name__ == "__main__":
    sys.exit(main())
