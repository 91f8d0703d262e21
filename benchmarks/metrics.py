"""(d) All metrics on 1,000 predicted answers, compared with one call per row; with and without BERTScore."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import WARM_UP, Comparison, Way, interleave
from benchmarks.jobs import QUESTIONS, Job, job, rows_of
from benchmarks.parts import Part
from benchmarks.sizes import Sizes
from littlehuman import metrics, seeding
from littlehuman.models.devices import silence_libraries
from littlehuman.models.weights import resolve
from littlehuman.records import Prediction
from littlehuman.schema import MetricsConfig

OURS, EACH = "littlehuman, all rows in one call", "littlehuman, one call per row"
LIBRARIES = "the libraries' own calls, one per row (BERTScore, BLEU and ROUGE where asked; no intervals)"
BERT_SCORE = "bert_score"
NOTES = [
    "Predictions are made from the accepted answers: kept, cut, lengthened or another row's, so that every "
    "metric has work to do.",
    "One call per row of littlehuman keeps its scorers in memory, as all ways but the last do. The libraries' "
    "own calls are `bert_score.score`, `sacrebleu.sentence_bleu` and a `RougeScorer` for each row, as in "
    "scripts: the first loads its model each time. Ways that go row by row are timed on fewer rows; the "
    "numbers are rates.",
    "Each call of littlehuman gives intervals too, which the libraries' calls do not (corpus BLEU: 1,000 "
    "resamples, of a single row where it is called per row). Where no model is loaded the libraries' calls do "
    "a fraction of the work.",
]


def measure(sizes: Sizes, device: str) -> Part:
    """On the CPU, or on the device that bert-score chooses."""
    silence_libraries()
    each = job(QUESTIONS, "tiny-decoder", "cpu")
    predictions = synthetic_predictions(each, sizes.predictions)
    encoder = MetricsConfig(bert_score_model=resolve("random:bert"), bert_score_layer=2)
    if not sizes.tiny:
        encoder = MetricsConfig(bert_score_model=resolve("package:minilm-l6-v2"), bert_score_layer=6)
    comparisons = [compare(each, predictions, config, sizes) for config in (encoder, MetricsConfig())]
    return Part(question="Metrics, predicted answers a second", comparisons=comparisons, notes=NOTES)


def compare(each: Job, predictions: Sequence[Prediction], config: MetricsConfig, sizes: Sizes) -> Comparison:
    """All metrics of the task, with BERTScore if the config has a model."""
    names = [name for name in each.config.task.metrics if name != BERT_SCORE or config.bert_score_model]
    few = predictions[: sizes.predictions_per_row]
    ways = {
        OURS: _rate(predictions, lambda rows: metrics.score(rows, names, (), config)),
        EACH: _rate(few, lambda rows: [metrics.score([row], names, (), config) for row in rows]),
        LIBRARIES: _rate(few, lambda rows: _libraries(rows, config)),
    }
    values, _ = interleave(ways, sizes.rounds)
    facts: dict[str, Any] = {
        "rows": rows_of(QUESTIONS),
        "predictions": len(predictions),
        "rows of the ways row by row": len(few),
        "metrics": ", ".join(names),
    }
    if config.bert_score_model:
        facts["BERTScore model"] = Path(config.bert_score_model).name
    title = "with BERTScore" if config.bert_score_model else "without BERTScore"
    return Comparison(
        title=title, unit="rows/s", ours=OURS, goal="at least 30 times as fast", values=values, facts=facts
    )


def synthetic_predictions(each: Job, count: int) -> list[Prediction]:
    """Predictions that are right, nearly right and wrong; the same in each call."""
    points = each.test_rows(count)
    changes: tuple[Callable[[str, str], str], ...] = (
        lambda answer, other: answer,
        lambda answer, other: f"the {answer}",
        lambda answer, other: answer.split(" ")[0],
        lambda answer, other: f"{answer} and {other}",
        lambda answer, other: other,
    )
    texts = []
    for i, point in enumerate(points):
        draw = seeding.rng(0, "benchmark of metrics", i)
        texts.append(draw.choice(changes)(point.target, draw.choice(points).target))
    return [
        Prediction(f"{i}", p.targets, text, p.evidence, p.text)
        for i, (p, text) in enumerate(zip(points, texts, strict=True))
    ]


def _rate(predictions: Sequence[Prediction], score: Callable[[Sequence[Prediction]], Any]) -> Way:
    def way(turn: int) -> float:
        rows = predictions[:2] if turn == WARM_UP else predictions
        started = time.perf_counter()
        score(rows)
        return len(rows) / (time.perf_counter() - started)

    return way


def _libraries(predictions: Sequence[Prediction], config: MetricsConfig) -> None:
    import sacrebleu
    from bert_score import score
    from rouge_score.rouge_scorer import RougeScorer

    for prediction in predictions:
        targets, text = list(prediction.targets), prediction.text
        sacrebleu.sentence_bleu(text, targets)
        RougeScorer(["rouge1"]).score(targets[0], text)
        if config.bert_score_model:
            score([text], [targets], model_type=config.bert_score_model, num_layers=config.bert_score_layer)
