"""How much is run: sized for about 30 minutes on 2 cores, for a quick look, or for a test of the benchmarks.

In: a name. Out: counts. On a GPU rounds hold `on_gpu` times as many rows: it would be done before the clock has ticked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Counts of one kind of run. Steps are optimiser steps of a round."""

    name: str
    rounds: int
    encoder_steps: int
    decoder_steps: int
    question_steps: int
    cells: int
    encoder_rows: int  # training points of a cell of the sweep
    decoder_rows: int
    commands: int  # rounds of whole sweeps from the command line
    taught: int  # rows that a model learns before it is evaluated
    answers: int
    classified: int
    predictions: int
    one_by_one: int  # predictions that are scored in a call each
    starts: int
    further_cells: int
    reports: int
    report_seeds: int
    on_gpu: int = 8
    tiny: bool = False  # random models of two layers


FULL = Sizes(
    name="full",
    rounds=3,
    encoder_steps=30,
    decoder_steps=8,
    question_steps=3,
    cells=8,
    encoder_rows=64,
    decoder_rows=16,
    commands=2,
    taught=80,
    answers=48,
    classified=128,
    predictions=1000,
    one_by_one=100,
    starts=7,
    further_cells=8,
    reports=3,
    report_seeds=10,
)
QUICK = replace(
    FULL,
    name="quick",
    rounds=1,
    encoder_steps=15,
    decoder_steps=3,
    question_steps=1,
    cells=4,
    decoder_rows=8,
    commands=1,
    taught=16,
    answers=16,
    classified=64,
    one_by_one=20,
    starts=3,
    further_cells=3,
    reports=1,
    report_seeds=2,
)
TINY = replace(
    QUICK,
    name="tiny",
    encoder_steps=2,
    decoder_steps=2,
    question_steps=2,
    cells=2,
    encoder_rows=8,
    decoder_rows=8,
    taught=8,
    answers=4,
    classified=4,
    predictions=20,
    one_by_one=2,
    starts=1,
    further_cells=1,
    report_seeds=1,
    tiny=True,
)
ALL = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
