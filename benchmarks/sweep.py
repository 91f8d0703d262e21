"""(b) A sweep of eight cells: trained together, one after another on the held base, and in one process each.

Per model a comparison of the training, and one of whole commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from benchmarks import baselines, commands, flops, ours, shapes
from benchmarks.harness import SECONDS, WARM_UP, Comparison, Way, interleave
from benchmarks.jobs import CLAIMS, MODELS, Job, job, overrides, precision_of, rows_of
from benchmarks.parts import Part
from benchmarks.sizes import Sizes
from littlehuman.records import Example

FUSED, WARM, PROCESSES = "fused", "one after another, warm base", "one process per cell"
TRAINER, AUTOCAST = "Trainer, one after another", "Trainer, one after another, bf16 autocast"
FUSED_COMMAND, WARM_COMMAND = "one command, hydra/launcher=fused", "one command, Hydra's own launcher"
TESTED = 32
NOTES = [
    "Cells differ in their seed. Training alone: from rows to trained adapters, the base loaded before, no evaluation; "
    "transformers.Trainer pads each batch to its longest row, with the same batch size, and keeps its base too.",
    f"Commands: everything from the start of Python to the table of the study, with {TESTED} test points a cell.",
]


def measure(sizes: Sizes, device: str) -> Part:
    times = sizes.on_gpu if device == "cuda" else 1
    comparisons = [compare(each, rows * times, sizes) for rows, each in _jobs(sizes, device)]
    absent = []
    with shapes.llama(sizes, device) as (weights, reason):
        if weights:
            comparisons.append(compare(job(CLAIMS, "llama-8b", device, weights), sizes.encoder_rows * times, sizes))
        else:
            absent.append(f"Llama-3.1-8B's shapes: {reason}")
    comparisons.append(
        of_commands("tiny-encoder" if sizes.tiny else "minilm", device, sizes.encoder_rows * times, sizes)
    )
    return Part(question=f"A sweep of {sizes.cells} cells", comparisons=comparisons, notes=NOTES, absent=absent)


def compare(each: Job, rows: int, sizes: Sizes) -> Comparison:
    """Training, without commands around it."""
    print(f"{each.title}: {sizes.cells} cells of {rows} rows", flush=True)
    baseline = baselines.Baseline(each)
    model = baseline.with_adapter()
    encoded = baseline.train_rows(each.train_rows(rows, 0))
    work = flops.training_flops(model, encoded, each.causal) * sizes.cells
    model.unload()

    def timed(train: Callable[[tuple[Example, ...], int], None]) -> Way:
        def way(turn: int) -> float:
            examples = each.train_rows(each.batch_size if turn == WARM_UP else rows, turn)
            started = baseline.now()
            train(examples, sizes.cells)
            return baseline.now() - started

        return way

    ways = {
        FUSED: timed(lambda rows, cells: ours.train_cells(each, rows, cells, together=True)),
        WARM: timed(lambda rows, cells: ours.train_cells(each, rows, cells, together=False)),
        TRAINER: timed(lambda rows, cells: _trainer(baseline, rows, cells, autocast=False)),
    }
    if baseline.is_half:
        ways[AUTOCAST] = timed(lambda rows, cells: _trainer(baseline, rows, cells, autocast=True))
    values, failed = interleave(ways, sizes.rounds, may_fail=(TRAINER, AUTOCAST))
    return Comparison(
        title=f"{each.title}: training alone",
        unit=SECONDS,
        ours=FUSED,
        goal="at least 5 times as fast as one job after another with transformers.Trainer"
        if baseline.device.type == "cuda"
        else "",
        values=values,
        work=work,
        peak=flops.peak(baseline.device, getattr(torch, precision_of(each))),
        failed=failed,
        facts={
            **each.facts(),
            "cells": sizes.cells,
            "rows a cell": rows,
            "real tokens a cell": sum(len(row.input_ids) for row in encoded),
        },
    )


def of_commands(model: str, device: str, rows: int, sizes: Sizes) -> Comparison:
    """Whole commands, from the start of Python to the table."""
    print(f"{model}: commands, {sizes.cells} cells of {rows} rows", flush=True)
    shared = [
        *overrides(CLAIMS, model, device),
        f"n_train={rows}",
        f"n_test={TESTED}",
        "launch.progress=false",
        "study=benchmark",
    ]
    seeds = range(sizes.cells)
    sweep = ["-m", *shared, f"seed={','.join(map(str, seeds))}"]
    ways: dict[str, Way] = {
        FUSED_COMMAND: lambda _: (
            commands.littlehuman(*sweep, "hydra/launcher=fused", f"launch.cells={sizes.cells}").seconds
        ),
        WARM_COMMAND: lambda _: commands.littlehuman(*sweep).seconds,
        PROCESSES: lambda _: sum(commands.littlehuman(*shared, f"seed={seed}").seconds for seed in seeds),
    }
    values, _ = interleave(ways, sizes.command_rounds, warm_up=False)
    return Comparison(
        title=f"{MODELS[model][0]}, {rows_of(CLAIMS)}: whole commands",
        unit=SECONDS,
        ours=FUSED_COMMAND,
        values=values,
        facts={"cells": sizes.cells, "rows a cell": rows, "test points a cell": TESTED},
    )


def _jobs(sizes: Sizes, device: str) -> Iterator[tuple[int, Job]]:
    yield sizes.encoder_rows, job(CLAIMS, "tiny-encoder" if sizes.tiny else "minilm", device)
    yield sizes.decoder_rows, job(CLAIMS, "tiny-decoder" if sizes.tiny else "smollm2", device)


def _trainer(baseline: baselines.Baseline, rows: tuple[Example, ...], cells: int, *, autocast: bool) -> None:
    encoded = baseline.train_rows(rows)
    for _ in range(cells):
        model = baseline.with_adapter()
        baseline.train_seconds(model, encoded, baselines.DYNAMIC, autocast=autocast)
        model.unload()
