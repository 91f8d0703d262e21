"""What is wrong with a training set, measured and reported, never silently deleted.

In: a mixture, the human points behind its twins, and the test split. Out: counts of twins that
copy their human point or an example of their prompt, of training points that stand in the test
split, of shared evidence; which labels came back for which, and why answers were dropped. Twins
are dropped by `filters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from littlehuman.mixture.text_matching import normal, words
from littlehuman.records import Example, Mixture, Origin, Rejected, Synthetic
from littlehuman.schema import Demonstration

NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Audit:
    """Counts of points; each of these makes a score look better than it is."""

    twins_equal_to_their_human_point: int
    twins_near_their_human_point: int  # at least 80 % of all words in common (Jaccard)
    training_points_in_test: int  # same evidence and same text
    training_points_on_test_evidence: int
    distinct_twins: int
    twins_equal_to_a_shown_example: int = 0  # one that their own prompt showed


def audit_mixture(
    mixture: Mixture,
    human: Mapping[str, Example],
    test: Sequence[Example],
    *,
    written_anew: bool = True,
    copies: Collection[str] = (),
) -> Audit:
    """Measure contamination and copying (Jaccard similarity of word sets; words as in `same_words.py`).

    Args:
        mixture: the training set.
        human: example id -> the human point whose twin may be in the set.
        test: the points that scores are computed on.
        written_anew: the twins have texts of their own; an annotated twin keeps its human text by design.
        copies: ids of twins that copy an example of their own prompt (see `copying`).
    """
    test_points = {_identity(e) for e in test}
    test_evidence = {e.evidence_key for e in test}
    twins = [p.example for p in mixture.points if p.origin is Origin.SYNTHETIC]
    pairs = [(twin.text, human[twin.id].text) for twin in twins] if written_anew else []
    return Audit(
        twins_equal_to_their_human_point=sum(normal(twin) == normal(original) for twin, original in pairs),
        twins_near_their_human_point=sum(_overlap(twin, original) >= NEAR for twin, original in pairs),
        training_points_in_test=sum(_identity(p.example) in test_points for p in mixture.points),
        training_points_on_test_evidence=sum(p.example.evidence_key in test_evidence for p in mixture.points),
        distinct_twins=len({_identity(twin) for twin in twins}),
        twins_equal_to_a_shown_example=sum(twin.id in copies for twin in twins) if written_anew else 0,
    )


def copying(
    twins: Iterable[Synthetic],
    shown_to: Mapping[str, Collection[str]],
    human: Mapping[str, Example],
    own: Iterable[Demonstration] = (),
) -> frozenset[str]:
    """Ids of the twins whose text is that of an example in their own prompt, whatever its case and punctuation.

    Args:
        twins: the twins.
        shown_to: example id -> ids of the human points that its prompt showed.
        human: the human points.
        own: examples that the strategy brings itself.
    """
    brought = {normal(demonstration.text) for demonstration in own}
    return frozenset(
        t.example_id
        for t in twins
        if normal(t.text) in brought.union(normal(human[i].text) for i in shown_to[t.example_id])
    )


def labels(
    twins: Iterable[Synthetic], rejected: Iterable[Rejected], human: Mapping[str, Example]
) -> dict[str, dict[str, int]]:
    """Answers by requested class and the class that came back, those that were dropped included.

    Where a strategy asks for no label, the class of the human point counts as requested.
    """
    pairs = Counter((human[twin.example_id].target, twin.target) for twin in twins)
    pairs.update((r.labels[0], r.labels[1]) for r in rejected if r.labels)
    counts: dict[str, dict[str, int]] = {}
    for (requested, returned), count in sorted(pairs.items()):
        counts.setdefault(requested, {})[returned] = count
    return counts


def reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Why answers were dropped: reason, without quotes of the answer -> answers, the most frequent first."""
    return dict(Counter(answer.cause.summary for answer in rejected).most_common())


def _identity(example: Example) -> tuple[str, str]:
    return example.evidence_key, normal(example.text)


def _overlap(left: str, right: str) -> float:
    a, b = set(words(left)), set(words(right))
    return len(a & b) / len(a | b) if a | b else 1.0
