"""Sizes of the benchmarks: full (about 30 minutes on 2 cores), quick, and tiny (to test the benchmarks themselves).

On a GPU, rounds have `on_gpu` times as many rows: they would be too short to measure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Counts of one size. Steps are optimiser steps of a round."""

    name: str
    rounds: int
    encoder_steps: int
    decoder_steps: int
    question_steps: int
    cells: int
    encoder_rows: int  # training points of a cell of the sweep
    decoder_rows: int
    command_rounds: int  # of whole sweeps from the command line
    eval_train_rows: int  # training rows before an evaluation
    generated_rows: int
    classified_rows: int
    predictions: int
    predictions_per_row: int  # predictions that are scored with one call each
    start_rounds: int
    further_cells: int
    report_rounds: int
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
    command_rounds=2,
    eval_train_rows=80,
    generated_rows=48,
    classified_rows=128,
    predictions=1000,
    predictions_per_row=100,
    start_rounds=7,
    further_cells=8,
    report_rounds=3,
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
    command_rounds=1,
    eval_train_rows=16,
    generated_rows=16,
    classified_rows=64,
    predictions_per_row=20,
    start_rounds=3,
    further_cells=3,
    report_rounds=1,
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
    eval_train_rows=8,
    generated_rows=4,
    classified_rows=4,
    predictions=20,
    predictions_per_row=2,
    start_rounds=1,
    further_cells=1,
    report_seeds=1,
    tiny=True,
)
ALL = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
