"""Metrics of a single free answer: exact match, inclusion, BLEU, ROUGE-1, SQuAD, BERTScore.

Each returns a score in 0..1, the best over the accepted answers, or None where there is none. Those of the paper
(arXiv 2410.13098, as in its released code) compare lower-cased, stripped text, and cut the prediction at its first
"|", or after as many as the accepted answer has. The `squad_` ones are the official SQuAD definitions (Rajpurkar et
al. 2016), without that separator. What a word is, and which articles do not count, depends on the language
(`languages/rules.py`): for English as in those scripts, for others as in MLQA's.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from littlehuman.errors import ConfigError, Problem
from littlehuman.languages import ENGLISH, Language
from littlehuman.languages.words import words

ItemMetric = Callable[..., float | None]  # (accepted answers, prediction); those of `ANSWER_METRICS`: (..., language)

BLEU_ORDER = 4
BERT_BATCH = 64
BERT_DECIMALS = 6  # the rest is noise: the package batches in the order of a set, which differs between processes
BERT_TOKENS = 512  # maximal length that every common encoder supports; longer answers are cut
ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """1 when the prediction equals an accepted answer, after the paper's normalisation."""
    return _best(targets, prediction, language, lambda gold, answer: float(gold == answer))


def inclusion(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """1 when the prediction contains an accepted answer."""
    return _best(targets, prediction, language, lambda gold, answer: float(gold in answer))


def reverse_inclusion(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """1 when an accepted answer contains the prediction."""
    return _best(targets, prediction, language, lambda gold, answer: float(answer in gold))


def sentence_bleu(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """The paper's BLEU of one answer: n-grams up to min(4, words of the accepted answer).

    Words are sacreBLEU's 13a tokens ("u.s. army." has 3), or those of the language's tokenizer. Without smoothing, and
    without a lower order for a short prediction: three correct words of a four-word answer score 0. The paper's BLEU is
    the mean over items, not corpus BLEU.
    """
    return _best(targets, prediction, language, lambda gold, answer: _sentence_bleu(gold, answer, language.bleu))


def right_by_bleu(
    targets: tuple[str, ...], prediction: str, language: Language = ENGLISH, threshold: float = 0.5
) -> float | None:
    """1 when `sentence_bleu` is at least the threshold (arXiv 2312.14423 counts an answer as right from 0.5 on)."""
    value = sentence_bleu(targets, prediction, language)
    return None if value is None else float(value >= threshold)


def rouge1(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """ROUGE-1 F1 (package rouge-score, no stemming).

    Its own tokenizer, for English, knows a-z and 0-9 only; other languages have the words of `languages/words.py`.
    """
    scorer = _rouge(language.is_english)

    def score(gold: str, said: str) -> float:
        if gold == said and not language.is_english:
            return 1.0  # also for texts without words, as signs are
        return float(scorer.score(gold, said)["rouge1"].fmeasure)

    return _best(targets, prediction, language, score)


def squad_em(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """Official SQuAD exact match: 1 when the normalised words are equal."""
    said = _squad_words(prediction, language)
    return max((float(_squad_words(target, language) == said) for target in targets), default=None)


def squad_f1(targets: tuple[str, ...], prediction: str, language: Language = ENGLISH) -> float | None:
    """Official SQuAD F1 of normalised words; where a side is empty after normalisation, 1 if both are (as in v2.0)."""
    said = _squad_words(prediction, language)
    return max((_overlap(_squad_words(target, language), said) for target in targets), default=None)


ANSWER_METRICS: dict[str, ItemMetric] = {
    metric.__name__: metric
    for metric in (exact_match, inclusion, reverse_inclusion, sentence_bleu, right_by_bleu, rouge1, squad_em, squad_f1)
}


def bert_score(pairs: Sequence[tuple[tuple[str, ...], str]], model: str, layer: int | None) -> list[float | None]:
    """BERTScore F1 of all pairs in one call (Zhang et al. 2020; no idf, no baseline rescaling), cut to 0..1.

    `model` is a folder or a hub id, `layer` the encoder layer that is used. Empty texts are not passed on: the package
    crashes on them. Values of different models are not comparable; those of different processes agree to about 1e-6.

    Raises:
        ConfigError: when the model cannot be loaded or has no such layer.
    """
    compared = [list(_compared(targets, prediction, ENGLISH)) for targets, prediction in pairs]
    asked = [(i, gold, answer) for i, of_item in enumerate(compared) for gold, answer in of_item if answer]
    best: list[float | None] = [0.0 if of_item else None for of_item in compared]
    if asked:
        scorer = _bert(model, layer)
        _, _, f = scorer.score([answer for *_, answer in asked], [gold for _, gold, _ in asked], batch_size=BERT_BATCH)
        for (i, _, _), value in zip(asked, f.tolist(), strict=True):
            best[i] = max(best[i] or 0.0, min(round(value, BERT_DECIMALS), 1.0))
    return best


def _compared(targets: tuple[str, ...], prediction: str, language: Language) -> Iterator[tuple[str, str]]:
    """Each accepted answer that is not blank, with the part of the prediction that it is compared with."""
    for target in targets:
        if gold := language.normal(target):
            parts = prediction.split("|", target.count("|") + 1)
            yield gold, language.normal("|".join(parts[: target.count("|") + 1]))


def _best(
    targets: tuple[str, ...], prediction: str, language: Language, compare: Callable[[str, str], float]
) -> float | None:
    pairs = _compared(targets, prediction, language)
    return max((compare(gold, answer) if answer else 0.0 for gold, answer in pairs), default=None)


def _sentence_bleu(gold: str, answer: str, tokenizer: str) -> float:
    length = len(_bleu(BLEU_ORDER, tokenizer).tokenizer(gold).split())
    scorer = _bleu(max(1, min(BLEU_ORDER, length)), tokenizer)
    # corpus_score of one pair equals sentence_score, which logs a warning at every call.
    return min(float(scorer.corpus_score([answer], [[gold]]).score) / 100, 1.0)


def _squad_words(text: str, language: Language) -> list[str]:
    if not language.is_english:
        return language.answer_words(text)
    return ARTICLES.sub(" ", text.lower().translate(NO_PUNCTUATION)).split()


def _overlap(gold: list[str], answer: list[str]) -> float:
    if not gold or not answer:
        return float(gold == answer)
    return 2 * (Counter(gold) & Counter(answer)).total() / (len(gold) + len(answer))


@cache
def _bleu(order: int, tokenizer: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=order, smooth_method="none", effective_order=False, force=True, tokenize=tokenizer)


class _Words:
    """Tokenizer of rouge-score for any script."""

    def tokenize(self, text: str) -> list[str]:
        return list(words(text))


@cache
def _rouge(english: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1"], tokenizer=None if english else _Words())


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
