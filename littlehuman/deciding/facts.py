"""What was seen in the data, in words: points, labels, language, lengths, texts that several points share.

In: `Inspected`. Out: name -> sentence, for the screen and `decide.yaml`. Nothing here is a choice.
"""

from __future__ import annotations

from collections import Counter
from statistics import median

from littlehuman.deciding.inspecting import CHARACTERS_PER_TOKEN, Inspected
from littlehuman.formatting import count, listed
from littlehuman.languages.detection import language_of_points

_SHOWN = 5  # classes that are named


def facts(found: Inspected) -> dict[str, str]:
    """Each as a clause."""
    dataset, points = found.dataset, found.points
    split = f", {count(len(dataset.test))} of them in its own test split" if found.own_test else ""
    dropped = sum(dataset.dropped.values())
    left_out = f"; {dropped} rows left out ({', '.join(dataset.dropped)})" if dropped else ""
    lengths = [(len(point.evidence) + len(point.text)) / CHARACTERS_PER_TOKEN for point in points]
    middle, most = median(lengths), max(lengths)
    return {
        "points": f"{count(len(points))} that can be used{split}{left_out}",
        "targets": _targets(found),
        "language": _language(found),
        "lengths": f"about {middle:.0f} tokens in the middle, {most:.0f} at most",
        "shared texts": _shared(found),
    }


def _targets(found: Inspected) -> str:
    counts = Counter(point.target for point in found.points)
    if not found.dataset.classes:
        return f"{count(len(counts))} different answers"
    named = [f"{name} {number}" for name, number in counts.most_common(_SHOWN)]
    more = len(counts) - _SHOWN
    return f"{len(found.dataset.classes)} classes: {', '.join(named)}" + (f" and {more} more" if more > 0 else "")


def _language(found: Inspected) -> str:
    rules, said = language_of_points(found.config.dataset.language, found.dataset.train)
    return said or f"{rules.code}, as far as frequent words show it"


def _shared(found: Inspected) -> str:
    """Evidence and documents that several points have in common: such points are not independent."""
    points = found.points
    evidence = len({point.evidence_key for point in points})
    parts = [f"{count(evidence)} different texts" if any(p.evidence for p in points) else "each point its own text"]
    if groups := {point.group for point in points} - {""}:
        parts.append(f"{count(len(groups))} documents")
    return f"{listed(parts)}; intervals count points on one text together"
