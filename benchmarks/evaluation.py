"""(c) Evaluation: test rows per second, compared with the same model row by row.

One comparison for generated answers and one per classifier, with the share of equal predictions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import baselines, ours
from benchmarks.harness import WARM_UP, Comparison, interleave
from benchmarks.jobs import CLAIMS, QUESTIONS, Job, job
from benchmarks.parts import Part
from benchmarks.sizes import Sizes
from littlehuman.records import Example

OURS, ONE_BY_ONE = "littlehuman", "row by row"
NOTES = [
    "Both sides predict with the same trained adapter: littlehuman's cell, and the adapter that it saved, "
    "loaded by PEFT into its own base and asked one row at a time (`generate`, greedy, with the cache of keys "
    "and values). Tokenising is outside the clock.",
    "Equal predictions: exact, as texts. In bfloat16 a batch rounds differently from a single row, so near "
    "ties may fall to the other side.",
]


def measure(sizes: Sizes, device: str) -> Part:
    times = sizes.on_gpu if device == "cuda" else 1
    comparisons = [
        compare(each, train_rows, test_rows * times, sizes) for each, train_rows, test_rows in _jobs(sizes, device)
    ]
    return Part(question="Evaluation, test rows a second", comparisons=comparisons, notes=NOTES)


def compare(each: Job, train_rows: int, test_rows: int, sizes: Sizes) -> Comparison:
    """One model on one kind of rows."""
    print(f"{each.title}: {test_rows} test rows", flush=True)
    baseline = baselines.Baseline(each)
    same: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder, texts = Path(name), [""]

        def rows(turn: int) -> tuple[Example, ...]:
            return each.test_rows(min(test_rows, 4) if turn == WARM_UP else test_rows, turn)

        def cell(turn: int) -> float:
            outcome = ours.train_and_evaluate(each, folder, each.train_rows(train_rows), rows(turn))
            texts[:] = [prediction.text for prediction in outcome.predictions]
            return len(texts) / outcome.seconds["predict"]

        def one_by_one(turn: int) -> float:
            seconds, singly = baseline.predict_one_by_one(folder / "adapter", rows(turn))
            same.append(sum(a == b for a, b in zip(texts, singly, strict=True)) / len(texts))
            return len(texts) / seconds

        values, _ = interleave({OURS: cell, ONE_BY_ONE: one_by_one}, sizes.rounds)
    facts = {
        **each.facts(),
        "rows learnt before": train_rows,
        "test rows": test_rows,
        "equal predictions (fewest of a round)": round(min(same[1:]), 4),
    }
    goal = "at least 3 times as fast" if each.is_generation else ""
    return Comparison(title=each.title, unit="rows/s", ours=OURS, goal=goal, values=values, facts=facts)


def _jobs(sizes: Sizes, device: str) -> Iterator[tuple[Job, int, int]]:
    encoder, decoder = ("tiny-encoder", "tiny-decoder") if sizes.tiny else ("minilm", "smollm2")
    yield job(QUESTIONS, decoder, device), sizes.eval_train_rows, sizes.generated_rows
    yield job(CLAIMS, decoder, device), 8, sizes.classified_rows
    yield job(CLAIMS, encoder, device), 8, sizes.classified_rows
