"""Evaluation metrics by name, each in 0..1 with a 95 % interval.

For every metric: an item may have several accepted targets, of which the best counts. A failed prediction (empty, or
no class of the task) scores 0, stays in n and is counted in n_failed. Only an item that cannot be scored (the metric
returns None, or there is no target) is excluded from n; it is counted in n_failed too.

A new metric is one function `(targets, prediction, language) -> float | None` in `answers.py`, and its line in
`ANSWER_METRICS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from littlehuman import stats
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.languages import ENGLISH, Language
from littlehuman.metrics import tokenizers
from littlehuman.metrics.answers import ANSWER_METRICS, ItemMetric, bert_score, right_by_bleu
from littlehuman.metrics.corpus import CORPUS_METRICS, Pair, Score, bootstrap_score
from littlehuman.records import Prediction
from littlehuman.schema import MetricsConfig
from littlehuman.store import read_json

BERT_SCORE = "bert_score"
CLASS_METRICS = ("macro_f1", "majority")  # need a list of classes


def accuracy(targets: tuple[str, ...], prediction: str) -> float | None:
    """1 when the predicted class is the target."""
    return float(prediction in targets)


ITEM_METRICS: dict[str, ItemMetric] = {"accuracy": accuracy, **ANSWER_METRICS}


@dataclass(frozen=True, slots=True)
class MetricScores:
    """`scores` by metric; `items` has the scores of each prediction, without metrics that could not score it."""

    scores: dict[str, Score]
    items: list[dict[str, float]]


def score(
    predictions: Sequence[Prediction],
    names: Sequence[str],
    classes: Sequence[str],
    config: MetricsConfig,
    language: Language = ENGLISH,
) -> MetricScores:
    """Score the predictions by every named metric.

    Without `config.bert_score_model`, `bert_score` is not computed. Intervals are over items: Wilson's or Student's for
    means of item scores (`stats.of_items`), percentile bootstrap for corpus metrics (`corpus.bootstrap_score`). Values
    are the same on every call (BERTScore: to about 1e-6).

    Args:
        predictions: those of a test split.
        names: names of metrics.
        classes: the classes of the task; empty for free answers.
        config: options.
        language: of the accepted answers: what their words are, and which articles do not count.

    Raises:
        ConfigError: for unknown metrics and models (see `check_metrics`).
        DataError: when there is nothing to score, or a target is not one of the classes.
    """
    check_metrics(names, classes, config)
    pairs = _pairs(predictions, classes)
    scores: dict[str, Score] = {}
    items: list[dict[str, float]] = [{} for _ in pairs]
    for name in dict.fromkeys(names):
        if name in CORPUS_METRICS:
            statistics = CORPUS_METRICS[name]([pair for pair in pairs if pair[0]], classes, language)
            scores[name] = bootstrap_score(name, statistics, len(pairs), config.bootstrap)
        elif name == BERT_SCORE and config.bert_score_model is None:
            continue
        else:
            values = _item_scores(name, pairs, config, language)
            scores[name] = _mean(name, values, pairs)
            for item, value in zip(items, values, strict=True):
                item.update({} if value is None else {name: value})
    return MetricScores(scores, items)


def check_metrics(names: Sequence[str], classes: Sequence[str], config: MetricsConfig) -> None:
    """Refuse metrics that cannot be computed; called before any training.

    Raises:
        ConfigError: for unknown metrics, metrics that need classes where there are none, and a BERTScore model without
            its layer.
    """
    problems = list(_problems(names, classes, config))
    if problems:
        raise ConfigError(problems)


def _problems(names: Sequence[str], classes: Sequence[str], config: MetricsConfig) -> Iterator[Problem]:
    known = [*ITEM_METRICS, *CORPUS_METRICS, BERT_SCORE]
    for name in dict.fromkeys(names):
        if name not in known:
            yield Problem(f"task.metrics={name}", f"is no metric; {did_you_mean(name, known)}")
        if name in CLASS_METRICS and not classes:
            yield Problem(f"task.metrics={name}", "needs task.classes; free answers have none")
    if config.bleu_tokenizer is not None:
        yield from tokenizers.problems(config.bleu_tokenizer)
    folder = Path(config.bert_score_model or "")
    if BERT_SCORE not in names or config.bert_score_model is None or not folder.is_dir():
        return
    if "auto_map" in read_json(folder / "config.json"):
        yield Problem(f"metrics.bert_score_model={folder}", "has code of its own, which is not run; try another model")
    if config.bert_score_layer is None:
        yield Problem("metrics.bert_score_layer=null", "must name the layer of a local model (usually its last)")
    if "t5" in str(folder) and "t5" not in str(read_json(folder / "config.json").get("model_type")):
        yield Problem(
            f"metrics.bert_score_model={folder}",
            "bert-score takes any path with 't5' in it for a T5: rename or link the folder",
        )


def _pairs(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[Pair]:
    """Of each prediction the targets that are not blank, and the text, which is empty if it failed."""
    if not any(target.strip() for p in predictions for target in p.targets):
        raise DataError(
            f"nothing to score: {len(predictions)} predictions, none with a target. "
            "Is the test split empty (n_test, test_path)?"
        )
    for p in predictions:
        if classes and (unknown := [target for target in p.targets if target not in classes]):
            raise DataError(
                f"test point {p.id!r}: the target {unknown[0]!r} is none of the classes {', '.join(classes)}; "
                "correct dataset.labels"
            )
    return [
        (tuple(t for t in p.targets if t.strip()), "" if _is_failed(p.text, classes) else p.text) for p in predictions
    ]


def _is_failed(text: str, classes: Sequence[str]) -> bool:
    return text not in classes if classes else not text.strip()


def _item_scores(name: str, pairs: Sequence[Pair], config: MetricsConfig, language: Language) -> list[float | None]:
    if name == BERT_SCORE:
        assert config.bert_score_model is not None
        return bert_score(pairs, config.bert_score_model, config.bert_score_layer)
    metric = ITEM_METRICS[name]
    if name in ANSWER_METRICS and not language.is_default:
        metric = partial(metric, language=language)
    if name == right_by_bleu.__name__:
        metric = partial(metric, threshold=config.bleu_threshold)
    return [_item_score(name, metric, targets, text) for targets, text in pairs]


def _item_score(name: str, metric: ItemMetric, targets: tuple[str, ...], text: str) -> float | None:
    if not targets:
        return None
    value = metric(targets, text) if text else 0.0
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"the metric {name} must return 0..1 or None; it returned {value} for {text!r}")
    return value


def _mean(name: str, values: Sequence[float | None], pairs: Sequence[Pair]) -> Score:
    """The mean of the item scores, with its interval."""
    scored = [value for value in values if value is not None]
    if not scored:
        raise DataError(f"{name} could score none of {len(pairs)} predictions: every item came back unscored (None)")
    found = stats.of_items(scored)
    low, high = (found.low, found.high) if found.low == found.low else (0.0, 1.0)  # nan: one item has no variance
    n_failed = sum(value is None or not text for value, (_, text) in zip(values, pairs, strict=True))
    return Score(found.value, low, high, found.se, found.df, items=len(scored), n_failed=n_failed)
