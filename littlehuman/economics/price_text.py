"""What human data is worth, for reading.

In: a `Price`. Out: a block of text: the curve, what the human points are worth, the price ratio from
which synthetic data is cheaper, the verdict at the user's prices, and what must be said beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from littlehuman.economics.curves import Failed, Fitted
from littlehuman.economics.size_curve import Range, SizeCurve
from littlehuman.economics.valuation import HumanValue, PointsNeeded
from littlehuman.formatting import size

if TYPE_CHECKING:
    from littlehuman.economics.price import Price


def price_text(price: Price) -> str:
    """One series in a few lines."""
    curve, by_human = price.valuation.curve, price.valuation.by_human
    runs = (
        f"{len(curve.x)} runs on synthetic points alone, {sum(len(w.equivalents) for w in by_human)} with human points"
    )
    under = f", protocol {price.protocol}" if price.protocol else ""
    lines = [f"{price.name}: {runs}{under}", *_curve(curve, price.metric)]
    for worth in by_human:
        lines += ["", *_worth(worth, price.metric, curve)]
    if price.paid is not None and price.verdict is not None:
        verdict, because = price.verdict
        paid = f"{price.human_price:g} / {price.synthetic_price:g} = {size(price.paid)}"
        lines += [
            "",
            f"your prices      one human point costs {paid} synthetic ones",
            f"verdict          {verdict}: {because}",
        ]
    warnings = [*price.warnings, *(warning for worth in by_human[1:] for warning in worth.warnings)]
    return "\n".join([*lines, "", *(f"! {warning}" for warning in dict.fromkeys(warnings))]).rstrip()


def _curve(curve: SizeCurve, metric: str) -> list[str]:
    a0, a1, sd = curve.log.parameters["a0"], curve.log.parameters["a1"], curve.log.residual_sd
    scatter = "" if sd is None else f", a run scatters by {sd:.3g}"
    said = f"curve            {metric} = {a0:.4g} {'-' if a1 < 0 else '+'} {abs(a1):.3g} ln(synthetic points){scatter}"
    return [said, "models           " + "; ".join(_model(model) for model in curve.models)]


def _model(model: Fitted | Failed) -> str:
    if isinstance(model, Failed):
        return f"{model.name} not fitted ({model.reason})"
    weight = "too few runs to compare" if model.weight is None else f"weight {model.weight:.2f}"
    return f"{model.name} {weight}" + ("" if model.ceiling is None else f", levels off at {model.ceiling:.3g}")


def _worth(worth: HumanValue, metric: str, curve: SizeCurve) -> list[str]:
    head = f"{f'+{worth.human_points:,} human':<17}"
    lines = [
        f"{head}{metric} {worth.lift.value:+.3g}{_interval(worth.lift)} above the curve at the same number of synthetic points"
    ]
    needed, ratio = worth.points_needed, worth.price_ratio
    if needed is None or ratio is None:
        none = "can be named for them" if curve.may_rise else "is equivalent to them"
        return [*lines, f"{'':<17}no number of synthetic points {none}"]
    return [*lines, f"{'':<17}{_equivalent(needed)}", f"{'price ratio':<17}{_ratio(ratio)}"]


def _equivalent(needed: PointsNeeded) -> str:
    if needed.mean is None and needed.p25 is None:  # and so the median, and the upper quartile
        return "as good as infinitely many more synthetic points (mean, median and middle half of the runs)"
    quartiles = f"median {size(needed.median)}, middle half {size(needed.p25)} to {size(needed.p75)}"
    fewer = needed.mean is not None and needed.mean < 0
    many = f"{size(abs(needed.mean or 0))} fewer" if fewer else f"{size(needed.mean)} more"
    return f"as good as {many} synthetic points (mean over runs; {quartiles})"


def _ratio(ratio: Range) -> str:
    """The break-even ratio; a threshold below 0 is none."""
    if ratio.value is None:
        return f"the human points are out of reach: no finite ratio can be named{_interval(ratio)}"
    value = f"{size(ratio.value)}{_interval(ratio)}"
    if ratio.high is not None and ratio.high <= 0:
        return f"synthetic data wins at any price: the human points made the sets worse (ratio {value})"
    if ratio.value <= 0:
        return f"no worth of the human points can be shown: {value} synthetic points for each"
    return f"synthetic data wins where a human label costs more than {value} times a synthetic point"


def _interval(of: Range) -> str:
    if of.low is None:
        return ""
    return f" [{size(of.low)}, {'no upper end' if of.high is None else size(of.high)}]"
