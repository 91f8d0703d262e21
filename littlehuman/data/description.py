"""What a run says of its data before anything is paid: points, classes, rows left out, and what may be wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from littlehuman.data.label_checks import class_counts
from littlehuman.formatting import first_of
from littlehuman.records import Dataset

log = logging.getLogger(__name__)

MAX_CLASSES = 100  # in a line


def log_dataset(dataset: Dataset) -> None:
    """Log the points of each split, the classes with their counts, the dropped rows, and the warnings."""
    for line in description(dataset):
        log.info(line)
    for warning in dataset.warnings:
        log.warning("%s: %s", dataset.name, warning)


def description(dataset: Dataset) -> Iterator[str]:
    """One line on the splits, one on the classes of the training split, one for each reason why rows are left out."""
    sizes = {"training": dataset.train, "validation": dataset.valid, "test": dataset.test}
    shown = {name: len(points) for name, points in sizes.items() if points or name != "validation"}
    yield f"{dataset.name}: {', '.join(f'{count} {name} points' for name, count in shown.items())}"
    if dataset.classes:
        counts = class_counts(dataset.classes, dataset.train)
        listed = [f"{name} {count}" for name, count in counts.items()]
        yield f"{len(listed)} classes, with their training points: {first_of(listed, MAX_CLASSES)}"
    for reason, count in dataset.dropped.items():
        yield f"{count} rows are left out ({reason})"


def test_shortage(dataset: Dataset, n_test: int | None) -> str:
    """The sentence for a test split with fewer points than `n_test`; empty where it has enough."""
    if n_test is None or n_test <= len(dataset.test):
        return ""
    return f"n_test={n_test}: the test split of {dataset.name} has {len(dataset.test)} points, and all are tested"
