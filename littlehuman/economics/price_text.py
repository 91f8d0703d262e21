"""What human data is worth, for reading and as JSON.

In: a `Price`. Out: a block of text: the worth of a human point with its interval, how it changes over N, the verdict at
the user's prices, the paper's own number beside it, and what must be said; or plain values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman.economics.human_worth import HumanWorth
from littlehuman.economics.paper_equivalent import NOTE, PaperEquivalent
from littlehuman.economics.price_verdict import Buy, PriceVerdict
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.reasons import Kind
from littlehuman.formatting import size
from littlehuman.stats.interval import Interval

if TYPE_CHECKING:
    from littlehuman.economics.price import Price
    from littlehuman.economics.study_model import StudyModel


def text(price: Price) -> str:
    """One series in a few lines."""
    runs = _runs(price.model)
    seeds = f"; {runs['seeds']} seed{'s' * (runs['seeds'] != 1)}" if runs["seeds"] else ""
    under = f", protocol {price.protocol}" if price.protocol else ""
    lines = [
        f"{price.name}: {runs['synthetic_only']} runs on synthetic points alone, "
        f"{runs['with_human']} with human points{seeds}{under}"
    ]
    lines += [line for worth in price.by_human for line in _worth(worth, price.metric)]
    if len(price.curve) > 1:
        lines += [f"{f'at other N, +{size(price.headline.human_points)}':<17}worth of a human point"]
        lines += [f"{f'  {size(n)}':<17}{worth_range(worth)}" for n, worth in price.curve]
    lines += _verdict(price)
    if price.paper is not None:
        lines.append(f"{'paper, Table 3':<17}{_paper(price.paper)}")
    return "\n".join([*lines, "", *(f"! {warning}" for warning in dict.fromkeys(price.warnings))]).rstrip()


def as_json(price: Price) -> dict[str, Any]:
    """Plain values for strict JSON: None where a number is infinite or cannot be said."""
    verdict, headline = price.verdict, price.headline
    values: dict[str, Any] = {
        "name": price.name,
        "metric": price.metric,
        "protocol": price.protocol or None,
        "runs": _runs(price.model),
        "at": headline.n,
        **_worth_as_json(headline),
        "worth_by_size": [{"n": n, **worth.as_json()} for n, worth in price.curve],
    }
    if len(price.by_human) > 1:
        values["by_human"] = [_worth_as_json(worth) for worth in price.by_human]
    response = price.model.response
    values["models"] = [
        {"name": f.name, "weight": float(w)} for f, w in zip(response.families, response.weights, strict=True)
    ]
    values["residual_sd"] = response.residual_sd
    values["paper"] = None if price.paper is None else price.paper.as_json()
    if verdict is not None and price.prices is not None:
        human, synthetic = price.prices
        values["prices"] = {
            "human": human,
            "synthetic": synthetic,
            "ratio": verdict.paid,
            "break_even": verdict.break_even.as_json(),
        }
        values |= {"verdict": verdict.buy.value, "verdict_because": because(verdict, headline)}
    return values | {"warnings": price.warnings, "note": NOTE}


def because(verdict: PriceVerdict, worth: HumanWorth) -> str:
    """Why this is the verdict."""
    if verdict.buy is Buy.HUMAN:
        matched = "a human point costs less than the synthetic points that it replaces"
        return "no number of synthetic points scores as high" if worth.unmatched else matched
    if verdict.buy is Buy.SYNTHETIC:
        harm = worth.worth.high <= 0
        paid = "a human point costs more than the synthetic points that it replaces"
        return "human points are not worth any synthetic ones here" if harm else paid
    return next(sentence(reason) for reason in verdict.reasons if reason.kind is Kind.PRICE_IN_INTERVAL)


def worth_range(of: Interval) -> str:
    """`41.2 [33, 52]`; in words where there is no number or no end."""
    value = size(of.value) if math.isfinite(of.value) else "no finite number"
    low = size(of.low) if math.isfinite(of.low) else "no lower end"
    return f"{value} [{low}, {size(of.high) if math.isfinite(of.high) else 'no upper end'}]"


def worth_sentence(worth: HumanWorth) -> str:
    """What one human point replaces at N, in a clause."""
    beside, found = f"beside {size(worth.n)} synthetic points", worth.worth
    if worth.unmatched:
        return f"no number of synthetic points replaces {size(worth.human_points)} human ones {beside}"
    one = f"one of {size(worth.human_points)} human points replaces"
    if math.isfinite(found.value):
        return f"{one} {worth_range(found)} synthetic ones {beside}"
    if not math.isfinite(found.low) or found.low <= 0:
        return f"no number can be named for what {one} {beside}"
    return f"{one} at least {size(found.low)} synthetic ones {beside}, but no finite number that can be named"


def _worth(worth: HumanWorth, metric: str) -> Iterator[str]:
    yield f"{f'+{size(worth.human_points)} human':<17}{worth_sentence(worth)}"
    lift = worth.lift
    yield f"{'':<17}{metric} {lift.value:+.3g} [{lift.low:+.3g}, {lift.high:+.3g}] by them"


def _verdict(price: Price) -> Iterator[str]:
    verdict = price.verdict
    if verdict is None or price.prices is None:
        return
    human, synthetic = price.prices
    yield f"{'your prices':<17}one human point costs {human:g} / {synthetic:g} = {size(verdict.paid)} synthetic ones"
    yield f"{f'verdict at {size(price.headline.n)}':<17} {verdict.buy.value}: {because(verdict, price.headline)}"
    even = verdict.break_even
    if 0 < even.value < math.inf:
        ends = " to ".join(f"{max(x, 0):.3g}" if math.isfinite(x) else "no end" for x in (even.low, even.high))
        yield f"{'break-even':<17}at a human price of {even.value:.3g} ({ends})"


def _paper(paper: PaperEquivalent) -> str:
    """The paper's definition, named as the paper's.

    Equivalent sizes by the fitted logarithm, over runs, no seeds and no interval.
    """
    if paper.a1 <= 0:
        return "not defined: the fitted logarithm does not rise"
    mean, median, p25, p75 = (size(x) for x in (paper.mean, paper.median, paper.p25, paper.p75))
    ratio = "" if paper.price_ratio is None else f" = {size(paper.price_ratio)} for each"
    return (
        f"{size(paper.human_points)} human points need {mean} more synthetic ones{ratio} "
        f"(mean over {paper.runs} runs; median {median}, middle half {p25} to {p75})"
    )


def _worth_as_json(worth: HumanWorth) -> dict[str, Any]:
    return {
        "human_points_added": worth.human_points,
        "price_ratio": worth.worth.as_json(),
        "lift": worth.lift.as_json(),
        "unmatched": worth.unmatched,
        "beyond": worth.beyond,
        "reasons": [reason.as_json() | {"text": sentence(reason)} for reason in worth.reasons],
    }


def _runs(model: StudyModel) -> dict[str, int | None]:
    """How many runs are on synthetic points alone and how many have human points; seeds, None where not known."""
    seeds = None if model.seed is None else len(np.unique(model.seed))
    return {
        "synthetic_only": int(np.sum(model.n_human == 0)),
        "with_human": int(np.sum(model.n_human > 0)),
        "seeds": seeds,
    }
