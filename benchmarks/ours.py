"""littlehuman's side of a comparison: cells trained and evaluated by `training.fit`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.jobs import Job
from littlehuman.records import Example, Mixture, Origin, Point
from littlehuman.schema import LaunchConfig
from littlehuman.training.fit import Cell, Outcome, Settings, fit


def cell(job: Job, folder: Path, train: Sequence[Example], test: Sequence[Example] = (), seed: int = 0) -> Cell:
    """A cell of human points."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        model=job.config.model,
        task=job.config.task,
        tuning=job.config.fine_tuning,
        classes=job.classes,
        max_tokens=job.config.dataset.max_tokens,
        test_max_tokens=job.config.dataset.max_tokens,
        answer_tokens=job.config.answer_tokens_for(job.config.dataset),
    )
    return Cell(
        Mixture(tuple(Point(example, Origin.HUMAN) for example in train), len(train)),
        tuple(test),
        seed,
        folder,
        settings,
    )


def outcomes(cells: Sequence[Cell], launch: LaunchConfig) -> list[Outcome]:
    """Outcomes of the cells; raises the first error."""
    done = []
    for outcome in fit(cells, launch):
        if isinstance(outcome, Exception):
            raise outcome
        done.append(outcome)
    return done


def train_seconds(job: Job, rows: Sequence[Example]) -> float:
    """Seconds of training one cell on these rows, without loading and encoding."""
    with tempfile.TemporaryDirectory() as folder:
        return outcomes([cell(job, Path(folder), rows)], job.launch)[0].seconds["train"]


def train_cells(job: Job, rows: Sequence[Example], count: int, *, together: bool) -> None:
    """Train `count` cells that differ in their seed: in one call, or in one call each on the held base."""
    with tempfile.TemporaryDirectory() as folder:
        cells = [cell(job, Path(folder) / str(seed), rows, seed=seed) for seed in range(count)]
        for group in [cells] if together else [[each] for each in cells]:
            outcomes(group, replace(job.launch, cells=len(group)))


def train_and_evaluate(job: Job, folder: Path, train: Sequence[Example], test: Sequence[Example]) -> Outcome:
    """A cell's outcome; its adapter is saved in `folder`."""
    return outcomes([cell(job, folder, train, test)], replace(job.launch, keep_adapter=True))[0]
