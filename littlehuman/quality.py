"""What is wrong with a training set, measured and reported, never silently deleted.

In: a mixture, the human points behind its twins, and the test split. Out: counts of twins that
copy their human point, of training points that stand in the test split, of shared evidence.
Filters that drop twins plug in here too; there is none yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from littlehuman.records import Example, Mixture, Origin

_WORD = re.compile(r"\w+")
NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Audit:
    """Counts of points; each of these makes a score look better than it is."""

    twins_equal_to_their_human_point: int
    twins_near_their_human_point: int  # at least 80 % of all words in common (Jaccard)
    training_points_in_test: int  # same evidence and same text
    training_points_on_test_evidence: int
    distinct_twins: int


def audit(mixture: Mixture, human: Mapping[str, Example], test: Sequence[Example], *, written_anew: bool = True) -> Audit:
    """Measure contamination and copying (Jaccard similarity of word sets, case folded).

    Args:
        mixture: the training set.
        human: example id -> the human point whose twin may be in the set.
        test: the points that scores are computed on.
        written_anew: the twins have texts of their own; an annotated twin keeps its human text by design.
    """
    test_points = {_identity(e) for e in test}
    test_evidence = {e.evidence_key for e in test}
    twins = [p.example for p in mixture.points if p.origin is Origin.SYNTHETIC]
    pairs = [(twin.text, human[twin.id].text) for twin in twins] if written_anew else []
    return Audit(
        twins_equal_to_their_human_point=sum(_norm(twin) == _norm(original) for twin, original in pairs),
        twins_near_their_human_point=sum(_overlap(twin, original) >= NEAR for twin, original in pairs),
        training_points_in_test=sum(_identity(p.example) in test_points for p in mixture.points),
        training_points_on_test_evidence=sum(p.example.evidence_key in test_evidence for p in mixture.points),
        distinct_twins=len({_identity(twin) for twin in twins}),
    )


def _identity(example: Example) -> tuple[str, str]:
    return example.evidence_key, _norm(example.text)


def _norm(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _overlap(left: str, right: str) -> float:
    a, b = set(_WORD.findall(left.casefold())), set(_WORD.findall(right.casefold()))
    return len(a & b) / len(a | b) if a | b else 1.0
