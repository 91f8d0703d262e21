"""SQuAD 2.0: no answer is the right answer to a question without one, and a wrong one elsewhere."""

from __future__ import annotations

import pytest

from littlehuman import metrics
from littlehuman.metrics.no_answer import with_no_answer
from littlehuman.records import NO_ANSWER, Prediction
from littlehuman.schema import MetricsConfig

CASES = [  # gold answers, prediction, exact match, F1: as the official script of SQuAD 2.0 gives them
    ((NO_ANSWER,), "", 1.0, 1.0),
    ((NO_ANSWER,), "  ", 1.0, 1.0),
    ((NO_ANSWER,), "unanswerable", 1.0, 1.0),
    ((NO_ANSWER,), "No answer.", 1.0, 1.0),
    ((NO_ANSWER,), "Paris", 0.0, 0.0),
    ((NO_ANSWER,), "It is unanswerable by far", 0.0, 0.0),
    (("Paris",), "", 0.0, 0.0),
    (("no",), "no answer", 0.0, 0.0),
    (("Paris", "in Paris"), "in Paris", 1.0, 1.0),
    (("the city of Paris",), "Paris", 0.0, 0.5),
]


@pytest.mark.parametrize(("targets", "text", "exact", "f1"), CASES)
def test_a_prediction_scores_as_in_squad_2(targets: tuple[str, ...], text: str, exact: float, f1: float) -> None:
    made = with_no_answer([Prediction("1", targets, text)])
    scored = metrics.score(made, ["squad_em", "squad_f1"], [], MetricsConfig())
    assert scored.items == [{"squad_em": exact, "squad_f1": pytest.approx(f1)}]


def test_saying_that_there_is_no_answer_is_no_failed_prediction() -> None:
    made = with_no_answer([Prediction("1", (NO_ANSWER,), ""), Prediction("2", ("Paris",), "Paris")])
    score = metrics.score(made, ["squad_f1"], [], MetricsConfig()).scores["squad_f1"]
    assert (score.value, score.n_failed) == (1.0, 0)


def test_without_the_setting_an_empty_prediction_is_wrong_as_before() -> None:
    scored = metrics.score([Prediction("1", ("no answer",), "")], ["squad_f1"], [], MetricsConfig())
    assert scored.scores["squad_f1"].value == 0.0


def test_an_annotators_answer_that_could_not_be_read_does_not_say_that_there_is_none() -> None:
    unread = Prediction("q", (NO_ANSWER,), "")
    assert with_no_answer([unread], empty_is_none=False) == [unread]
    assert with_no_answer([Prediction("q", (NO_ANSWER,), "No answer.")], empty_is_none=False)[0].text == NO_ANSWER
