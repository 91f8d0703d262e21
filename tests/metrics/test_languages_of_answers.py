"""Scores of free answers in other languages than English; those of English are pinned in `test_metrics.py`."""

from __future__ import annotations

import pytest

from littlehuman.errors import ConfigError
from littlehuman.languages import rules_of
from littlehuman.metrics import check_metrics, score
from littlehuman.metrics.answers import ANSWER_METRICS, rouge1, squad_em, squad_f1
from littlehuman.metrics.corpus import corpus_bleu
from littlehuman.records import Prediction
from littlehuman.schema import MetricsConfig

SENTENCES = {
    "zh": "北京市是中国的首都",
    "ja": "東京は日本の首都です",
    "ar": "القاهرة عاصمة مصر اليوم",
    "hi": "भारत की राजधानी दिल्ली है",
    "th": "กรุงเทพเป็นเมืองหลวง",
    "ru": "Москва столица большой России",
    "de": "Köln liegt am schönen Rhein",
    "ko": "서울은 한국의 큰 수도",
}


@pytest.mark.parametrize("name", ANSWER_METRICS)
@pytest.mark.parametrize("code", SENTENCES)
def test_the_same_text_scores_1_by_every_metric_in_every_script(code: str, name: str) -> None:
    text = SENTENCES[code]
    assert ANSWER_METRICS[name]((text,), text, rules_of(code)) == pytest.approx(1)


@pytest.mark.parametrize("code", SENTENCES)
def test_the_same_text_scores_1_by_corpus_bleu_whose_note_names_the_tokenizer(code: str) -> None:
    found = corpus_bleu([((SENTENCES[code],), SENTENCES[code])], (), rules_of(code))
    assert found.value(found.rows)[0] == pytest.approx(1)
    assert f"tok:{rules_of(code).bleu}" in found.note


@pytest.mark.parametrize(
    ("code", "gold", "said"),
    [
        ("zh", "北京市", "北京市。"),
        ("de", "Rhein", "der Rhein"),
        ("de", "Rhein", "„Rhein“"),
        ("ar", "القاهرة", "القاهرة؟"),
        ("hi", "दिल्ली", "दिल्ली।"),
        ("ja", "\uff11\uff19\uff19\uff18年", "1998年"),
        ("fr", "l'eau", "eau"),
        ("es", "Cafe\u0301", "¡café!"),  # composed and decomposed letters
    ],
)
def test_answers_that_differ_in_punctuation_articles_and_forms_of_letters_are_the_same(
    code: str, gold: str, said: str
) -> None:
    assert squad_em((gold,), said, rules_of(code)) == squad_f1((gold,), said, rules_of(code)) == 1


def test_chinese_answers_share_characters_as_in_the_script_of_mlqa() -> None:
    assert squad_f1(("北京市",), "北京", rules_of("zh")) == pytest.approx(2 * 2 / (3 + 2))
    assert rouge1(("北京市",), "北京", rules_of("zh")) == pytest.approx(2 * 2 / (3 + 2))
    assert squad_f1(("北京",), "上海", rules_of("zh")) == 0


@pytest.mark.parametrize("name", ANSWER_METRICS)
@pytest.mark.parametrize("gold", ["a|b", "cats | dogs", "|x", "x||y z w"])
def test_an_answer_that_holds_a_bar_scores_1_against_itself(gold: str, name: str) -> None:
    assert ANSWER_METRICS[name]((gold,), gold) == pytest.approx(1)


def test_what_follows_as_many_bars_as_the_accepted_answer_has_is_cut() -> None:
    assert ANSWER_METRICS["exact_match"](("a|b",), "a|b | and more") == 1
    assert ANSWER_METRICS["exact_match"](("a", "x|y"), "a | and more") == 1


def test_a_score_takes_the_rules_of_its_language() -> None:
    answers = [Prediction("a", ("北京市",), "北京市。")]
    names, options = ["squad_em", "rouge1"], MetricsConfig(bootstrap=100)
    assert score(answers, names, (), options).items == [{"squad_em": 0.0, "rouge1": 0.0}]
    assert score(answers, names, (), options, rules_of("zh")).items == [{"squad_em": 1.0, "rouge1": 1.0}]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flores200", "nothing is downloaded"),
        ("spm", "nothing is downloaded"),
        ("ja-mecab", "sacrebleu.ja."),
        ("mecab", "is no tokenizer"),
    ],
)
def test_a_tokenizer_that_would_need_a_download_is_one_error(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", "/nowhere")
    monkeypatch.setattr("littlehuman.metrics.tokenizers.find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=f"metrics.bleu_tokenizer={name} .*{said}"):
        check_metrics(["corpus_bleu"], (), MetricsConfig(bleu_tokenizer=name))


def test_tokenizers_without_a_model_are_taken() -> None:
    for name in ("13a", "intl", "zh", "char"):
        check_metrics(["corpus_bleu"], (), MetricsConfig(bleu_tokenizer=name))
