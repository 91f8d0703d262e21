"""How good the predictions are: metrics by name, each with its interval.

In: the predictions of a test split, the names of metrics, the classes (none for free answers) and
`MetricsConfig`. Out: `Scored`: one `Score` per metric, all in 0..1, and the scores of each item.

For every metric: an item may have several accepted targets, the best counts. A failed prediction
(empty; for classes: none of them) scores 0, stays in n and is counted in n_failed. Only an item
that can not be scored (the metric returns None, or there is no target) leaves n; it is counted in
n_failed too.

A new metric is one function `(targets, prediction) -> float | None` and its entry in `PER_ITEM`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from littlehuman import stats
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.metrics.answers import ANSWER_METRICS, ItemMetric, bert_score
from littlehuman.metrics.corpus import CORPUS_METRICS, Pair, summarise
from littlehuman.records import Prediction, Score
from littlehuman.schema import MetricsConfig
from littlehuman.store import read_json

BERT_SCORE = "bert_score"
OF_CLASSES = ("macro_f1", "majority")


def accuracy(targets: tuple[str, ...], prediction: str) -> float | None:
    """1 when the predicted class is the target."""
    return float(prediction in targets)


PER_ITEM: dict[str, ItemMetric] = {"accuracy": accuracy, **ANSWER_METRICS}


@dataclass(frozen=True, slots=True)
class MetricScores:
    """`scores` by metric; `items` in the order of the predictions, without metrics that left the item out."""

    scores: dict[str, Score]
    items: list[dict[str, float]]


def score(
    predictions: Sequence[Prediction], names: Sequence[str], classes: Sequence[str], config: MetricsConfig
) -> MetricScores:
    """Score the predictions by every named metric.

    `bert_score` is left out of the result when `config.bert_score_model` is None. Intervals are over
    items: Wilson's or Student's for means of item scores (`stats.of_items`), percentile bootstraps for
    metrics of the whole split (`corpus.summarise`); the same on every call (BERTScore: to about 1e-6).

    Raises:
        ConfigError: for names and models that do not exist (see `check`).
        DataError: when there is nothing to score, or a target is none of the classes.
    """
    check(names, classes, config)
    pairs = _pairs(predictions, classes)
    scores: dict[str, Score] = {}
    items: list[dict[str, float]] = [{} for _ in pairs]
    for name in dict.fromkeys(names):
        if name in CORPUS_METRICS:
            tally = CORPUS_METRICS[name]([pair for pair in pairs if pair[0]], classes)
            scores[name] = summarise(name, tally, len(pairs), config.bootstrap)
        elif name == BERT_SCORE and config.bert_score_model is None:
            continue
        else:
            values = _item_scores(name, pairs, config)
            scores[name] = _mean(name, values, pairs)
            for item, value in zip(items, values, strict=True):
                item.update({} if value is None else {name: value})
    return MetricScores(scores, items)


def check(names: Sequence[str], classes: Sequence[str], config: MetricsConfig) -> None:
    """Refuse metrics that can not be computed; callable before any training.

    Raises:
        ConfigError: naming every unknown metric, every metric that needs classes where there are
            none, and a BERTScore model without its layer.
    """
    problems = list(_problems(names, classes, config))
    if problems:
        raise ConfigError(problems)


def _problems(names: Sequence[str], classes: Sequence[str], config: MetricsConfig) -> Iterator[Problem]:
    known = [*PER_ITEM, *CORPUS_METRICS, BERT_SCORE]
    for name in dict.fromkeys(names):
        if name not in known:
            yield Problem(f"task.metrics={name}", f"is no metric; {did_you_mean(name, known)}")
        if name in OF_CLASSES and not classes:
            yield Problem(f"task.metrics={name}", "needs task.classes; free answers have none")
    folder = Path(config.bert_score_model or "")
    if BERT_SCORE not in names or config.bert_score_model is None or not folder.is_dir():
        return
    if config.bert_score_layer is None:
        yield Problem("metrics.bert_score_layer=null", "must name the layer of a local model (usually its last)")
    if "t5" in str(folder) and "t5" not in str(read_json(folder / "config.json").get("model_type")):
        yield Problem(
            f"metrics.bert_score_model={folder}",
            "bert-score takes any path with 't5' in it for a T5: rename or link the folder",
        )


def _pairs(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[Pair]:
    """Targets that are not blank, and the text, empty where the prediction failed."""
    if not any(target.strip() for p in predictions for target in p.targets):
        raise DataError(
            f"nothing to score: {len(predictions)} predictions, none with a target. Is the test split empty (n_test, test_path)?"
        )
    for p in predictions:
        if classes and (strange := [target for target in p.targets if target not in classes]):
            raise DataError(
                f"test point {p.id!r}: the target {strange[0]!r} is none of the classes {', '.join(classes)}; mend dataset.labels"
            )
    return [
        (tuple(t for t in p.targets if t.strip()), "" if _is_failed(p.text, classes) else p.text) for p in predictions
    ]


def _is_failed(text: str, classes: Sequence[str]) -> bool:
    return text not in classes if classes else not text.strip()


def _item_scores(name: str, pairs: Sequence[Pair], config: MetricsConfig) -> list[float | None]:
    if name == BERT_SCORE:
        assert config.bert_score_model is not None
        return bert_score(pairs, config.bert_score_model, config.bert_score_layer)
    return [_item_score(name, targets, text) for targets, text in pairs]


def _item_score(name: str, targets: tuple[str, ...], text: str) -> float | None:
    if not targets:
        return None
    value = PER_ITEM[name](targets, text) if text else 0.0
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"the metric {name} must return 0..1 or None; it returned {value} for {text!r}")
    return value


def _mean(name: str, values: Sequence[float | None], pairs: Sequence[Pair]) -> Score:
    """The mean of the items' own scores, with its interval over items."""
    scored = [value for value in values if value is not None]
    if not scored:
        raise DataError(f"{name} could score none of {len(pairs)} predictions: every item came back unscored (None)")
    found = stats.of_items(scored)
    low, high = (found.low, found.high) if found.low == found.low else (0.0, 1.0)  # one item tells nothing
    n_failed = sum(value is None or not text for value, (_, text) in zip(values, pairs, strict=True))
    return Score(found.value, low, high, len(scored), n_failed)
