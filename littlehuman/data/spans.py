"""Extractive question answering: training points whose answer stands in their evidence.

In: the points of a split. Out: those with a span to be found, and what to say of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from littlehuman.errors import DataError
from littlehuman.formatting import first_of
from littlehuman.languages.spans import find_answer
from littlehuman.records import Example

SHOWN = 5  # ids that a note names
DROPPED = "answer not in its evidence"


def without_span(examples: Sequence[Example]) -> list[Example]:
    """The points none of whose answers stands in their evidence."""
    return [example for example in examples if not find_answer(example.targets, example.evidence)]


def training_points(
    examples: Sequence[Example], split: str, name: str
) -> tuple[tuple[Example, ...], dict[str, int], list[str]]:
    """The points to train on, the number of those left out by reason, and a note that names them.

    Raises:
        DataError: when no answer stands in its evidence.
    """
    absent = without_span(examples)
    if not absent:
        return tuple(examples), {}, []
    if len(absent) == len(examples):
        first = absent[0]
        raise DataError(
            f"{name}: none of the {len(examples)} {split} answers stands in its evidence "
            f"(first: {first.id}: '{first.target[:60]}'), so no span can be marked\nTry: task=qa, which writes answers"
        )
    left_out = {example.id for example in absent}
    kept = tuple(example for example in examples if example.id not in left_out)
    what = f"{len(absent)} of {len(examples)} answers are not in their evidence; these rows are left out"
    return kept, {f"{split}: {DROPPED}": len(absent)}, [f"{split}: {what}: {_ids(absent)}"]


def test_note(examples: Sequence[Example]) -> list[str]:
    """What to say of test points whose answer no span can be; they stay, and count as wrong."""
    absent = without_span(examples)
    what = f"test: {len(absent)} of {len(examples)} questions have no answer in their evidence: no span can be right"
    return [f"{what}: {_ids(absent)}"] if absent else []


def _ids(examples: Sequence[Example]) -> str:
    return first_of([example.id for example in examples], SHOWN)
