"""Warnings about machine labels: what a reader must know before a model is trained on them.

In: what an annotator returned, how much of it was rejected, its agreement with people. Out: sentences. A warning is
given where more than `REJECTED` of the answers were rejected; where a class is returned more often than twice its
expected rate, or never; where the interval of kappa is not above 0.

Rates are expected as in the human labels that the cell may know: those it trains on and those its prompts showed, not
those of the points that the machine labels. Where these are fewer than `KNOWN` a class, all classes count as equally
frequent, and the sentence says so. Counts must differ from the expected ones at `LEVEL` (exact binomial, Bonferroni
over the classes), so that a few answers raise no alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from littlehuman.formatting import first_of, percent

REJECTED = 0.1
KNOWN = 10
LEVEL = 0.01
OFTEN = 2.0
_NAMED = 5  # classes in a sentence


def expected_rates(known: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """The rates at which labels are expected, as an entry of a result: `{"from": "human labels"|"none", "rates": ...}`.

    Rates of human labels have half a point added to each class: one that a small sample lacks can exist.
    """
    if len(known) < KNOWN * len(classes):
        return {"from": "none", "rates": {name: round(1 / len(classes), 6) for name in classes}}
    counts, whole = Counter(known), len(known) + len(classes) / 2
    return {"from": "human labels", "rates": {name: round((counts[name] + 0.5) / whole, 6) for name in classes}}


def sentences(entry: Mapping[str, Any]) -> list[str]:
    """The warnings about an entry `agreement` of a result, the heaviest first."""
    return [*_rejections(entry), *_kappa(entry), *_rates(entry)]


def _rejections(entry: Mapping[str, Any]) -> Iterator[str]:
    asked, out = int(entry.get("asked", 0)), int(entry.get("rejected", 0))
    if asked and out > REJECTED * asked:
        parts = [f"{count} {label}" for label, count in list(entry.get("rejected_by_label", {}).items())[:_NAMED]]
        which = f": {', '.join(parts)}" if parts else ""
        yield f"{out} of {asked} machine labels ({percent(out / asked)} %) were rejected{which}"


def _kappa(entry: Mapping[str, Any]) -> Iterator[str]:
    kappa = entry.get("kappa")
    if not kappa:
        return
    value, low, high = (kappa[key] for key in ("value", "low", "high"))
    if value is None:
        yield "people and machine gave one class to all points, so agreement beyond chance cannot be told"
    elif low is None:
        yield f"agreement with people has no interval (kappa {value:.2f}, too few points)"
    elif low <= 0:
        what = "is below chance, as if classes were exchanged" if high < 0 else "is not shown to differ from chance"
        yield f"agreement with people {what}: kappa {value:.2f} (95 % interval {low:.2f} to {high:.2f})"


def _rates(entry: Mapping[str, Any]) -> Iterator[str]:
    returned, expected = entry.get("returned"), entry.get("expected")
    if not returned or not expected:
        return
    answers, rates = sum(returned.values()), expected["rates"]
    level = LEVEL / len(rates)
    source = "as in the human labels of this cell" if expected["from"] != "none" else "all classes alike"
    often = [name for name, rate in rates.items() if _is_often(returned.get(name, 0), answers, rate, level)]
    often.sort(key=lambda name: -returned[name])
    if often:
        often = [f"{n} {percent(returned[n] / answers)} % (expected {percent(rates[n])} %)" for n in often]
        yield f"labels that come at over twice the expected rate ({source}): {first_of(often, _NAMED)}"
    if never := [name for name, rate in rates.items() if not returned.get(name) and (1 - rate) ** answers < level]:
        yield f"labels that never come in {answers} answers: {first_of(never, _NAMED)}"


def _is_often(count: int, answers: int, rate: float, level: float) -> bool:
    from scipy import special

    return count > OFTEN * rate * answers and float(special.bdtrc(count - 1, answers, rate)) < level
