"""The sentences of `reasons.Kind`: the only place where a reason gets words.

In: a `Reason`. Out: a clause without capital and full stop, for reports and the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from littlehuman.economics.reasons import Kind, Reason
from littlehuman.formatting import size

Parts = Mapping[str, float]


def sentence(reason: Reason) -> str:
    """A reason in words, with its numbers."""
    return _WORDS[reason.kind](reason.parts)


def _runs(parts: Parts) -> str:
    runs = parts["runs"]
    return f"there {'is 1 run' if runs == 1 else f'are {runs:g} runs'}, at least {parts['needed']:g} are needed"


def _one_total(parts: Parts) -> str:
    return (
        f"every run has {size(parts['total'])} points in all, so more of one kind is always less of the other: "
        "what each kind adds cannot be told"
    )


def _change(parts: Parts, name: str) -> str:
    return f"{parts[name]:+.3g} [{parts['low']:+.3g}, {parts['high']:+.3g}]"


def _in_interval(parts: Parts) -> str:
    low, high = (
        f"{size(parts[end])}" if end in parts else f"no {name} end"
        for end, name in (("low", "lower"), ("high", "upper"))
    )
    paid = f"a human point costs {size(parts['paid'])} synthetic ones"
    return f"{paid}, which lies inside the interval of its worth [{low}, {high}]"


def _unaffordable(parts: Parts) -> str:
    least = f": the cheapest that these runs can speak of costs {parts['cheapest']:,.2f}" if "cheapest" in parts else ""
    return f"{parts['budget']:,.2f} buys no design within reach{least}"


_WORDS: Mapping[Kind, Callable[[Parts], str]] = {
    Kind.TOO_FEW_RUNS: _runs,
    Kind.ALL_ON_ONE_TOTAL: _one_total,
    Kind.ALL_ON_ONE_LINE: lambda _: (
        "all runs lie on one line over synthetic and human points, so that what each kind adds cannot be told"
    ),
    Kind.ONLY_SYNTHETIC: lambda _: "no run has human points",
    Kind.ONLY_HUMAN: lambda _: "no run has synthetic points",
    Kind.MISFITS: lambda _: "the scores follow none of the curves (power law, logarithm, exponential)",
    Kind.NO_MIXED_RUNS: lambda _: (
        "no run has both human and synthetic points: how they add up is an assumption of the model"
    ),
    Kind.ONE_SEED: lambda _: (
        "there is one seed: how much draws of human points differ is an assumption of the interval; add two more seeds"
    ),
    Kind.TWO_SEEDS: lambda _: "two seeds say little about how much draws of human points differ; add a third",
    Kind.NO_SEEDS: lambda _: (
        "the seeds are not known, so that every run counts as a draw of its own; "
        "add a column `seed` if runs share human points"
    ),
    Kind.LEVELS_OFF: lambda p: (
        f"the curve of synthetic points levels off, at about {p['ceiling']:.4g}: in {p['share']:.0%} of the draws "
        "no number of them scores as high as the human points do"
    ),
    Kind.DOES_NOT_RISE: lambda p: (
        "more synthetic points are not shown to raise the score: "
        f"over the tried sizes it changes by {_change(p, 'rise')}"
    ),
    Kind.BEYOND_REACH: lambda p: (
        f"the synthetic points with the same score are more than {p['factor']:g} times "
        f"the most that were tried ({size(p['largest'])})"
    ),
    Kind.HUMAN_POINTS_HARM: lambda p: f"the human points lower the score, by {_change(p, 'lift')}",
    Kind.NO_LIFT_SHOWN: lambda p: f"the human points are not shown to raise the score: {_change(p, 'lift')}",
    Kind.NEITHER_SHOWN: lambda p: (
        f"neither kind of points is shown to raise the score: in {p['share']:.0%} of the draws neither does"
    ),
    Kind.PRICE_IN_INTERVAL: _in_interval,
    Kind.NOTHING_AFFORDABLE: _unaffordable,
    Kind.EXTRAPOLATED: lambda p: (
        f"no run had so many points: the score is read off the curve, up to {p['factor']:g} times beyond what was tried"
    ),
    Kind.EVIDENCE_BINDS: lambda p: (
        f"the {size(p['evidence'])} evidence texts at hand limit the design: more would be worth having"
    ),
    Kind.RUNNER_UP_AS_GOOD: lambda p: (
        f"the runner-up is as good as can be told: {p['share']:.0%} of the draws prefer the plan"
    ),
}
