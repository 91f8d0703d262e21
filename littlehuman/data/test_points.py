"""The points of a test split that a cell is tested on."""

from __future__ import annotations

from littlehuman.errors import DataError
from littlehuman.records import Dataset, Example
from littlehuman.seeding import ordering


def select_test_points(dataset: Dataset, n_test: int | None) -> tuple[Example, ...]:
    """The test points: all, or a random subset of `n_test`, which is the same for every seed and fraction.

    Raises:
        DataError: when there are none.
    """
    if not dataset.test:
        raise DataError(f"{dataset.name}: there are no test points\nTry: dataset.test_share=0.2, or test_dataset=NAME")
    if n_test is None or n_test >= len(dataset.test):
        return dataset.test
    by_id = {example.id: example for example in dataset.test}
    return tuple(by_id[i] for i in ordering(by_id, 0, "who is tested")[:n_test])
