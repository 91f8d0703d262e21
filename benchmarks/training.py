"""(a) Training: real tokens per second, compared with transformers.Trainer and TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks import baselines, flops, ours, shapes
from benchmarks.harness import WARM_UP, Comparison, Way, interleave
from benchmarks.jobs import CLAIMS, QUESTIONS, Job, job, precision_of
from benchmarks.parts import Part
from benchmarks.sizes import Sizes
from littlehuman.records import Example
from littlehuman.training.encoding import EncodedRow

OURS, TRL = "littlehuman", "TRL SFTTrainer"
MAXIMUM, DYNAMIC, AUTOCAST = (
    "Trainer, padded to the maximum",
    "Trainer, dynamic padding",
    "Trainer, dynamic padding, bf16 autocast",
)
NOTES = [
    "Tokens are real ones: padding does not count. Loading and tokenising are outside the clock; a warm-up "
    "round is dropped.",
    "The bound is padded tokens / real tokens of the same batches in the same order: what removing all "
    "padding allows at most. More can only come from elsewhere (for answers: logits are computed where a "
    "token is predicted, not over the evidence).",
    "On a bfloat16 base all keep adapters in float32. PEFT also computes them so, unless Trainer runs under "
    "bf16 autocast; littlehuman computes them in bfloat16, as autocast does, and TRL runs under autocast by "
    "default.",
    "Use of the peak: useful operations (frozen layers 4 per weight and token: forward, and the gradient of "
    "the inputs; adapters 6; attention; the output layer where a token is predicted), as a share of a matrix "
    "product's rate in the same precision and run.",
]


def measure(sizes: Sizes, device: str) -> Part:
    times = sizes.on_gpu if device == "cuda" else 1
    comparisons = [compare(each, steps * times, sizes) for steps, each in _jobs(sizes, device)]
    absent = []
    with shapes.llama(sizes, device) as (weights, reason):
        if weights:
            for task in (CLAIMS, QUESTIONS):
                comparisons.append(compare(job(task, "llama-8b", device, weights), sizes.question_steps * times, sizes))
        else:
            absent.append(f"Llama-3.1-8B's shapes: {reason}")
    return Part(question="Training, real tokens a second", comparisons=comparisons, notes=NOTES, absent=absent)


def compare(each: Job, steps: int, sizes: Sizes) -> Comparison:
    """One model on one kind of rows."""
    print(f"{each.title}: {steps} steps a round", flush=True)
    baseline = baselines.Baseline(each)
    model = baseline.with_adapter()
    count = steps * each.batch_size
    rows = [row for turn in range(sizes.rounds) for row in baseline.train_rows(each.train_rows(count, turn))]
    tokens = sum(len(row.input_ids) for row in rows)
    work = flops.training_flops(model, rows, each.causal) / tokens
    peak = flops.peak(baseline.device, getattr(torch, precision_of(each)))
    values, failed = interleave(
        _ways(each, baseline, model, count), sizes.rounds, may_fail=(MAXIMUM, DYNAMIC, AUTOCAST, TRL)
    )
    dynamic = baselines.padded_tokens(rows, each.batch_size) / tokens
    bounds = {
        MAXIMUM: baselines.padded_tokens(rows, each.batch_size, each.max_length) / tokens,
        DYNAMIC: dynamic,
        AUTOCAST: dynamic,
        TRL: dynamic,
    }
    lengths = {"real tokens a row": round(tokens / len(rows), 1), "padded to the maximum": each.max_length}
    return Comparison(
        title=each.title,
        unit="tokens/s",
        ours=OURS,
        goal="" if each.is_generation else "at least 90 % of what removing all padding allows",
        values=values,
        bounds={name: bound for name, bound in bounds.items() if name in values},
        work=work,
        peak=peak,
        failed=failed,
        facts={**each.facts(), "rows a round": count, **lengths},
    )


def _jobs(sizes: Sizes, device: str) -> Iterator[tuple[int, Job]]:
    encoder, decoder = ("tiny-encoder", "tiny-decoder") if sizes.tiny else ("minilm", "smollm2")
    yield sizes.encoder_steps, job(CLAIMS, encoder, device)
    yield sizes.decoder_steps, job(CLAIMS, decoder, device)
    yield sizes.question_steps, job(QUESTIONS, decoder, device)


def _ways(each: Job, baseline: baselines.Baseline, model: Any, count: int) -> dict[str, Way]:
    def rate(seconds: Callable[[list[EncodedRow]], float]) -> Way:
        def way(turn: int) -> float:
            rows = baseline.train_rows(examples(turn))
            return sum(len(row.input_ids) for row in rows) / seconds(rows)

        return way

    def examples(turn: int) -> tuple[Example, ...]:
        return each.train_rows(each.batch_size if turn == WARM_UP else count, turn)

    def ours_way(turn: int) -> float:
        rows = examples(turn)
        return sum(len(row.input_ids) for row in baseline.train_rows(rows)) / ours.train_seconds(each, rows)

    ways: dict[str, Way] = {OURS: ours_way}
    ways[MAXIMUM] = rate(lambda rows: baseline.train_seconds(model, rows, baselines.MAXIMUM))
    ways[DYNAMIC] = rate(lambda rows: baseline.train_seconds(model, rows, baselines.DYNAMIC))
    if baseline.is_half:
        ways[AUTOCAST] = rate(lambda rows: baseline.train_seconds(model, rows, baselines.DYNAMIC, autocast=True))
    if each.is_generation:
        ways[TRL] = rate(lambda rows: baseline.sft_seconds(rows))
    return ways
