"""What a training set is made of: copies and contamination are counted, nothing is removed (all else: `audit`).

In: a mixture, the human points behind its twins, and the test split. Out: counts of twins that copy their human point
or an example of their prompt, of training points that stand in the test split, of shared evidence; which labels came
back for which, and why answers were rejected. Twins are removed by `filters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from littlehuman.mixture.text_matching import jaccard, normal, words
from littlehuman.records import Example, Mixture, Origin, Rejected, Synthetic
from littlehuman.schema import Demonstration

NEAR = 0.8  # Jaccard similarity of the word sets


@dataclass(frozen=True, slots=True)
class OriginCounts:
    """Counts of points; each kind makes a score look better than it is."""

    twins_equal_to_their_human_point: int
    twins_near_their_human_point: int  # similarity of `NEAR` or more
    training_points_in_test: int  # same evidence and same text
    training_points_on_test_evidence: int
    distinct_twins: int
    twins_equal_to_a_shown_example: int = 0  # a few-shot example of their own prompt


def count_origins(
    mixture: Mixture,
    human: Mapping[str, Example],
    test: Sequence[Example],
    *,
    new_texts: bool = True,
    copies: Collection[str] = (),
) -> OriginCounts:
    """Measure contamination and copying; texts are compared by their words (see `text_matching`).

    Args:
        mixture: the training set.
        human: example id -> the human point whose twin may be in the set.
        test: the points that scores are computed on.
        new_texts: the twins have texts of their own; an annotated twin keeps its human text by design.
        copies: ids of twins that copy an example of their own prompt (see `copies_of_shots`).
    """
    test_points = {_identity(e) for e in test}
    test_evidence = {e.evidence_key for e in test}
    twins = [p.example for p in mixture.points if p.origin is Origin.SYNTHETIC]
    pairs = [(twin.text, human[twin.id].text) for twin in twins] if new_texts else []
    return OriginCounts(
        twins_equal_to_their_human_point=sum(normal(twin) == normal(original) for twin, original in pairs),
        twins_near_their_human_point=sum(
            jaccard(set(words(twin)), set(words(original))) >= NEAR for twin, original in pairs
        ),
        training_points_in_test=sum(_identity(p.example) in test_points for p in mixture.points),
        training_points_on_test_evidence=sum(p.example.evidence_key in test_evidence for p in mixture.points),
        distinct_twins=len({_identity(twin) for twin in twins}),
        twins_equal_to_a_shown_example=sum(twin.id in copies for twin in twins) if new_texts else 0,
    )


def items_in_training(mixture: Mixture, test: Sequence[Example]) -> list[str]:
    """Ids of the test points with the evidence and text of a training point, in the order of the test split."""
    training_points = {_identity(p.example) for p in mixture.points}
    return [example.id for example in test if _identity(example) in training_points]


def copies_of_shots(
    twins: Iterable[Synthetic],
    shown_to: Mapping[str, Collection[str]],
    human: Mapping[str, Example],
    demonstrations: Iterable[Demonstration] = (),
) -> frozenset[str]:
    """Ids of the twins whose text is that of a few-shot example in their own prompt, whatever case and punctuation.

    Args:
        twins: the twins.
        shown_to: example id -> ids of the human points that its prompt showed.
        human: the human points.
        demonstrations: examples of the strategy's own.
    """
    own = {normal(demonstration.text) for demonstration in demonstrations}
    return frozenset(
        t.example_id
        for t in twins
        if normal(t.text) in own.union(normal(human[i].text) for i in shown_to[t.example_id])
    )


def count_labels(
    twins: Iterable[Synthetic], rejected: Iterable[Rejected], human: Mapping[str, Example]
) -> dict[str, dict[str, int]]:
    """Confusion counts of the answers, rejected ones included: requested class -> returned class -> answers.

    Where a strategy requests no label, the class of the human point counts as requested.
    """
    pairs = Counter((human[twin.example_id].target, twin.target) for twin in twins)
    pairs.update((r.labels[0], r.labels[1]) for r in rejected if r.labels)
    counts: dict[str, dict[str, int]] = {}
    for (requested, returned), count in sorted(pairs.items()):
        counts.setdefault(requested, {})[returned] = count
    return counts


def count_reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Reason, without quotes of the answer -> rejected answers, the most frequent first."""
    return dict(Counter(answer.cause.summary for answer in rejected).most_common())


def _identity(example: Example) -> tuple[str, str]:
    return example.evidence_key, normal(example.text)
