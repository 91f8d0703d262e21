"""Metrics of a single free answer: exact match, inclusion, BLEU, ROUGE-1, SQuAD, BERTScore.

Each returns a score in 0..1, the best over the accepted answers, or None where there is none. Those of the paper
(arXiv 2410.13098, as in its released code) compare lower-cased, stripped text, and cut the prediction at its first
"|". The `squad_` ones are the official SQuAD definitions (Rajpurkar et al. 2016), without that separator.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from littlehuman.errors import ConfigError, Problem

ItemMetric = Callable[[tuple[str, ...], str], float | None]

BLEU_ORDER = 4
BERT_BATCH = 64
BERT_DECIMALS = 6  # the rest is noise: the package batches in the order of a set, which differs between processes
BERT_TOKENS = 512  # maximal length that every common encoder supports; longer answers are cut
ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(targets: tuple[str, ...], prediction: str) -> float | None:
    """1 when the prediction equals an accepted answer, after the paper's normalisation."""
    return _best(targets, prediction, lambda gold, answer: float(gold == answer))


def inclusion(targets: tuple[str, ...], prediction: str) -> float | None:
    """1 when the prediction contains an accepted answer."""
    return _best(targets, prediction, lambda gold, answer: float(gold in answer))


def reverse_inclusion(targets: tuple[str, ...], prediction: str) -> float | None:
    """1 when an accepted answer contains the prediction."""
    return _best(targets, prediction, lambda gold, answer: float(answer in gold))


def sentence_bleu(targets: tuple[str, ...], prediction: str) -> float | None:
    """The paper's BLEU of one answer: n-grams up to min(4, words of the accepted answer).

    Words are sacreBLEU's 13a tokens ("u.s. army." has 3). Without smoothing, and without a lower order for a short
    prediction: three correct words of a four-word answer score 0. The paper's BLEU is the mean over items, not corpus
    BLEU.
    """
    return _best(targets, prediction, _sentence_bleu)


def rouge1(targets: tuple[str, ...], prediction: str) -> float | None:
    """ROUGE-1 F1 (package rouge-score, no stemming); its tokenizer knows a-z and 0-9 only, other scripts score 0."""
    return _best(targets, prediction, lambda gold, answer: float(_rouge().score(gold, answer)["rouge1"].fmeasure))


def squad_em(targets: tuple[str, ...], prediction: str) -> float | None:
    """Official SQuAD exact match: 1 when the normalised words are equal."""
    words = _squad_words(prediction)
    return max((float(_squad_words(target) == words) for target in targets), default=None)


def squad_f1(targets: tuple[str, ...], prediction: str) -> float | None:
    """Official SQuAD F1 of normalised words; where a side is empty after normalisation, 1 if both are (as in v2.0)."""
    words = _squad_words(prediction)
    return max((_overlap(_squad_words(target), words) for target in targets), default=None)


ANSWER_METRICS: dict[str, ItemMetric] = {
    metric.__name__: metric
    for metric in (exact_match, inclusion, reverse_inclusion, sentence_bleu, rouge1, squad_em, squad_f1)
}


def bert_score(pairs: Sequence[tuple[tuple[str, ...], str]], model: str, layer: int | None) -> list[float | None]:
    """BERTScore F1 of all pairs in one call (Zhang et al. 2020; no idf, no baseline rescaling), cut to 0..1.

    `model` is a folder or a hub id, `layer` the encoder layer that is used. Empty texts are not passed on: the package
    crashes on them. Values of different models are not comparable; those of different processes agree to about 1e-6.

    Raises:
        ConfigError: when the model cannot be loaded or has no such layer.
    """
    cleaned = [(_golds(targets), _answer(prediction)) for targets, prediction in pairs]
    asked = [(i, gold, answer) for i, (golds, answer) in enumerate(cleaned) if answer for gold in golds]
    best: list[float | None] = [0.0 if golds else None for golds, _ in cleaned]
    if asked:
        scorer = _bert(model, layer)
        _, _, f = scorer.score([answer for *_, answer in asked], [gold for _, gold, _ in asked], batch_size=BERT_BATCH)
        for (i, _, _), value in zip(asked, f.tolist(), strict=True):
            best[i] = max(best[i] or 0.0, min(round(value, BERT_DECIMALS), 1.0))
    return best


def _golds(targets: tuple[str, ...]) -> list[str]:
    return [gold for target in targets if (gold := target.lower().strip())]


def _answer(prediction: str) -> str:
    return prediction.split("|", 1)[0].lower().strip()


def _best(targets: tuple[str, ...], prediction: str, compare: Callable[[str, str], float]) -> float | None:
    answer = _answer(prediction)
    return max((compare(gold, answer) if answer else 0.0 for gold in _golds(targets)), default=None)


def _sentence_bleu(gold: str, answer: str) -> float:
    words = len(_bleu(BLEU_ORDER).tokenizer(gold).split())
    scorer = _bleu(max(1, min(BLEU_ORDER, words)))
    # corpus_score of one pair equals sentence_score, which logs a warning at every call.
    return min(float(scorer.corpus_score([answer], [[gold]]).score) / 100, 1.0)


def _squad_words(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(NO_PUNCTUATION)).split()


def _overlap(gold: list[str], answer: list[str]) -> float:
    if not gold or not answer:
        return float(gold == answer)
    return 2 * (Counter(gold) & Counter(answer)).total() / (len(gold) + len(answer))


@cache
def _bleu(order: int) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=order, smooth_method="none", effective_order=False, force=True)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1"])


@lru_cache(maxsize=1)
def _bert(model: str, layer: int | None) -> Any:
    from bert_score import BERTScorer

    try:
        scorer = BERTScorer(model_type=model, num_layers=layer, idf=False, batch_size=BERT_BATCH)
    except (OSError, ValueError) as error:
        raise ConfigError([Problem(f"metrics.bert_score_model={model}", f"can not be loaded: {error}")]) from error
    except (KeyError, AssertionError) as error:
        what = str(error) if layer is not None else "must be set: bert-score knows no layer for this model"
        raise ConfigError([Problem(f"metrics.bert_score_layer={layer}", what)]) from error
    # A tokenizer without a length limit has a huge number instead, with which the package overflows.
    scorer._tokenizer.model_max_length = min(scorer._tokenizer.model_max_length, BERT_TOKENS)
    return scorer
