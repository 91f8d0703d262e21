"""Synthetic against human texts over a study: pairs, groups, and what became of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, Cli, compose
from scipy import stats

from littlehuman.config.identity import identity_values
from littlehuman.errors import DataError
from littlehuman.mixture.text_features import profile
from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Example, Mixture, Origin, Point, Rejected
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.runs.artifacts import RESULT, TEXTS, write_mixture, write_result
from littlehuman.store import read_json, write_json, write_text
from littlehuman.study.text_comparison import as_frame, compare
from littlehuman.study.twin_tests import measure, shares

EVIDENCE = "Ferry one leaves the harbour at six. It is late on Sundays."


def _pair(
    i: int, more: int = 1, target: str = "supported", human: str = "supported", evidence: str = EVIDENCE
) -> tuple[Example, Example]:
    """A human text of 2 + i words, and a twin that is `more` words longer."""
    texts = ("Ferry one" + " sails" * (i + more), "Ferry one" + " sails" * i)
    return Example(f"p{i}", evidence, texts[0], (target,)), Example(f"p{i}", evidence, texts[1], (human,))


def _cell(
    study: Path,
    name: str,
    pairs: Sequence[tuple[Example, Example]],
    *options: str,
    rejected: Sequence[Rejected] = (),
    fv: bool = True,
) -> Path:
    """A complete run folder, as far as this analysis reads it."""
    config = compose("dataset=fieldnotes_fv" if fv else "dataset=fieldnotes_qa", "n_train=4", *options)
    points = [Point(twin, Origin.SYNTHETIC) for twin, _ in pairs] + [
        Point(Example("h", "e", "t", ("supported",)), Origin.HUMAN)
    ]
    folder = study / name
    write_mixture(folder, Mixture(tuple(points), len(points)), rejected)
    write_json(folder / TEXTS, profile(pairs, has_classes=fv))
    scores = {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}
    whole = {"id": folder.name, "headline": "accuracy", "scores": scores}
    write_result(folder, whole | {"knobs": identity_values(config)})
    return folder


def test_means_and_differences_are_those_of_the_pairs(tmp_path: Path) -> None:
    more = [1, 2, 3, 6]
    _cell(tmp_path, "a", [_pair(i, m) for i, m in enumerate(more)])
    (found,) = compare(tmp_path)
    length = found.rows[0]
    assert (length.name, length.unit, length.n, found.n) == ("text length", "words", 4, 4)
    assert (length.human, length.synthetic) == (3.5, 6.5)
    expected = stats.ttest_rel([m + i for i, m in enumerate(more)], range(4)).confidence_interval()
    assert length.difference == pytest.approx((3.0, expected.low, expected.high))
    assert found.values["text length"] == ([2, 3, 4, 5], [3, 5, 7, 11])


def test_measures_that_a_task_does_not_have_are_absent(tmp_path: Path) -> None:
    _cell(tmp_path / "claims", "a", [_pair(i) for i in range(3)])
    _cell(tmp_path / "questions", "a", [_pair(i, evidence="") for i in range(3)], fv=False)
    (claims,), (questions,) = compare(tmp_path / "claims"), compare(tmp_path / "questions")
    assert [row.name for row in claims.rows] == [
        "text length",
        "likeness to the evidence",
        "place of the most similar sentence",
    ]
    assert [row.name for row in questions.rows] == ["text length", "answer length"] == list(questions.values)
    assert claims.openings is None and claims.labels is not None
    assert (
        questions.labels is None
        and questions.openings is not None
        and questions.openings.shares == {"other": (1.0, 1.0)}
    )


def test_a_place_counts_only_where_both_sides_have_one(tmp_path: Path) -> None:
    twin, human = _pair(1)
    stranger = Example("x", EVIDENCE, "Cats purr", ("supported",))
    _cell(tmp_path, "a", [(twin, human), (stranger, Example("x", EVIDENCE, human.text, ("supported",)))])
    rows = {row.name: row for row in compare(tmp_path)[0].rows}
    assert rows["likeness to the evidence"].n == 2
    place = rows["place of the most similar sentence"]
    assert place.n == 1 and place.difference is None  # one pair has no interval


def test_the_interval_of_the_difference_holds_the_truth_in_95_of_100_studies() -> None:
    draw = np.random.default_rng(1)
    human = draw.normal(10, 3, (1500, 12))
    twins = human + draw.normal(0.7, 1, human.shape)  # paired: the spread between points cancels
    made = [measure("x", "words", h, t).difference for h, t in zip(human.tolist(), twins.tolist(), strict=True)]
    low, high = np.array([d[1:] for d in made if d]).T
    assert 0.935 < ((low <= 0.7) & (high >= 0.7)).mean() < 0.965
    assert (high - low).mean() < 1.5


def test_pairs_of_equal_difference_have_an_interval_without_width() -> None:
    assert measure("x", "words", [1, 5], [2, 6]).difference == (1.0, 1.0, 1.0)


def test_shares_are_of_each_side_and_the_commonest_human_word_is_first() -> None:
    found = shares(["who", "what", "what", "how"], ["what", "what", "what", "why"])
    assert dict(found.shares) == {"what": (0.5, 0.75), "how": (0.25, 0.0), "who": (0.25, 0.0), "why": (0.0, 0.25)}
    assert list(found.shares)[0] == "what" and found.n == 4
    assert sum(h for h, _ in found.shares.values()) == sum(s for _, s in found.shares.values()) == 1


def test_independent_sides_have_the_p_of_the_chi_square_test() -> None:
    draw = np.random.default_rng(2)
    for tilt in (0.0, 0.03, 0.05):
        human = draw.choice(list("abc"), 800, p=[0.5, 0.3, 0.2])
        twins = draw.choice(list("abc"), 800, p=[0.5 - tilt, 0.3 + tilt, 0.2])
        table = [[(side == word).sum() for word in "abc"] for side in (human, twins)]
        expected = stats.chi2_contingency(table).pvalue
        assert shares(human.tolist(), twins.tolist()).p == pytest.approx(expected, abs=0.05)


def test_sides_that_go_together_are_not_called_different_more_often_than_1_in_20_and_a_difference_is_seen() -> None:
    draw = np.random.default_rng(3)
    false_alarms, seen = 0, 0
    for _ in range(150):
        human = draw.choice(list("abcd"), 60, p=[0.55, 0.3, 0.1, 0.05])
        anew = draw.choice(list("abcd"), 60, p=[0.55, 0.3, 0.1, 0.05])
        alike = np.where(draw.random(60) < 0.6, human, anew)  # most twins ask what the human asked
        tilted = np.where((alike == "b") & (draw.random(60) < 0.5), "a", alike)
        false_alarms += (shares(human.tolist(), alike.tolist()).p or 0) < 0.05
        seen += (shares(human.tolist(), tilted.tolist()).p or 0) < 0.05
    assert 1 <= false_alarms <= 15  # 7.5 expected, and not 0: the test is not blunt
    assert seen > 75


def test_one_pair_that_differs_is_no_evidence_of_a_difference() -> None:
    assert shares(["A"] * 50, ["A"] * 49 + ["B"]).p == 1.0
    assert shares(["A", "B"], ["A", "C"]).p == 1.0


def test_equal_shares_have_p_1_and_a_single_word_has_none() -> None:
    assert shares(["a", "b"], ["a", "b"]).p == 1.0
    assert shares(["a", "a"], ["a", "a"]).p is None


def test_a_twin_of_several_cells_and_seeds_counts_once(tmp_path: Path) -> None:
    _cell(
        tmp_path,
        "a",
        [_pair(i) for i in (1, 2)],
        "seed=0",
        rejected=[Rejected("r", RejectionCause(RejectionKind.EMPTY_ANSWER), "")],
    )
    _cell(
        tmp_path,
        "b",
        [_pair(i) for i in (2, 3)],
        "seed=1",
        "synth_frac=0.5",
        rejected=[Rejected("r", RejectionCause(RejectionKind.EMPTY_ANSWER), "")],
    )
    (found,) = compare(tmp_path)
    assert (found.n, found.asked, found.usable) == (3, 4, 3)
    assert found.rejected == {"empty answer": 1} and found.usable_share == 0.75
    assert not any("differ between cells" in note for note in found.notes)


def test_twins_that_differ_between_cells_are_said_and_the_first_cell_counts(tmp_path: Path) -> None:
    _cell(tmp_path, "a", [_pair(1, more=1), _pair(2)], "human_budget=9", "seed=0")
    _cell(tmp_path, "b", [_pair(1, more=5), _pair(2)], "human_budget=9", "seed=1")
    (found,) = compare(tmp_path)
    assert found.values["text length"][1] == [4, 5]
    assert found.notes[0].startswith("twins that differ between cells, whose prompts showed other human points: 1 ")


def test_groups_are_what_decides_a_twin_and_their_names_tell_them_apart(tmp_path: Path) -> None:
    _cell(tmp_path, "a", [_pair(1)])
    _cell(
        tmp_path,
        "b",
        [_pair(2)],
        "model=tiny",
        "dataset.max_tokens=99",
        "protocol=paper",
        "protocol.shots_with_replacement=false",
    )
    _cell(tmp_path, "c", [_pair(3)], "strategy.shots=2")
    _cell(tmp_path, "d", [_pair(4)], "human_budget=50")
    _cell(tmp_path, "e", [_pair(5)], "strategy=zero_shot")
    found = compare(tmp_path)
    assert sorted(c.n for c in found) == [1, 1, 1, 2]  # b only trains and is tested in another way
    assert len({c.name for c in found}) == 4 and [c.name for c in found] == sorted(c.name for c in found)
    told = " ".join(c.name for c in found)
    assert "strategy.shots=2" in told and "human_budget=50" in told
    assert found[-1].name == "fieldnotes_fv / qwen-1.5b / zero_shot / none"


def test_cells_without_texts_without_twins_or_without_result_are_passed_over(tmp_path: Path) -> None:
    assert compare(tmp_path) == compare(tmp_path / "nowhere") == []
    assert as_frame([]).empty
    (_cell(tmp_path, "older", [_pair(1)]) / TEXTS).unlink()
    (_cell(tmp_path, "running", [_pair(2)]) / RESULT).unlink()
    write_text(_cell(tmp_path, "torn", [_pair(3)]) / TEXTS, '{"ids": ["p')
    _cell(tmp_path, "all-human", [], "synth_frac=0")
    assert compare(tmp_path) == []


def test_texts_of_another_version_are_refused_with_file_and_mend(tmp_path: Path) -> None:
    path = _cell(tmp_path, "a", [_pair(1)]) / TEXTS
    whole = read_json(path)
    missing = {**whole, "human": {k: v for k, v in whole["human"].items() if k != "bleu"}}
    short = {**whole, "human": {**whole["human"], "words": []}}
    cases: list[dict[str, Any]] = [missing, short, {"ids": ["p1"]}, {"rows": []}]
    for broken in cases:
        write_json(path, broken)
        with pytest.raises(
            DataError, match=r"a/texts\.json: a column is missing or too short.*\nTry: remove a and run its cell again"
        ):
            compare(tmp_path)


def _answer(text: str, example: Example, finish: str = "stop") -> Rejected:
    config = compose("dataset=fieldnotes_fv", "n_train=4")
    read = parse(
        Completion("k", text, finish, 1, 1), example, config.strategy.tasks["fv"], ["supported", "unsupported"]
    )
    assert isinstance(read, Rejected)
    return read


def test_answers_that_came_back_otherwise_are_counted_by_what_was_wrong(tmp_path: Path) -> None:
    wanted = {
        label: [Example(f"{label}{i}", EVIDENCE, "t", (label,)) for i in range(9)]
        for label in ("supported", "unsupported")
    }
    rejected = [_answer("Claim: It left. || Label: True", e) for e in wanted["unsupported"][:3]]
    rejected += [_answer("Claim: It left. || Label: False", e) for e in wanted["supported"][:1]]
    rejected += [
        _answer(f"Claim: It left. || Label: {word}", e)
        for word, e in zip(("Maybe", "Both"), wanted["supported"][1:3], strict=True)
    ]
    rejected += [
        _answer("Claim: It left.", wanted["supported"][3]),
        _answer("Claim: It", wanted["supported"][4], "length"),
    ]
    _cell(tmp_path, "a", [_pair(i) for i in range(8)], rejected=rejected)
    (found,) = compare(tmp_path)
    assert found.label_shift == {("unsupported", "supported"): 3, ("supported", "unsupported"): 1}
    assert found.rejected == {
        "another label than requested": 4,
        "unknown label": 2,
        "no Label": 1,
        "finish reason: length": 1,
    }
    assert (found.asked, found.usable, found.usable_share) == (16, 8, 0.5)


def test_labels_that_moved_are_shares_and_labels_that_cannot_move_are_said(tmp_path: Path) -> None:
    moved = [_pair(i, 0, target="supported", human="supported" if i < 5 else "unsupported") for i in range(20)]
    _cell(tmp_path, "annotated", moved, "strategy=annotate")
    _cell(tmp_path, "written", [_pair(i) for i in range(5)])
    annotated, written = compare(tmp_path)
    assert annotated.labels and dict(annotated.labels.shares) == {"unsupported": (0.75, 0.0), "supported": (0.25, 1.0)}
    assert annotated.labels.p is not None and annotated.labels.p < 0.01
    assert annotated.notes == ("the strategy keeps the human texts: only labels or answers are the prompt model's",)
    assert annotated.rows[0].difference == (0.0, 0.0, 0.0)
    assert len(written.notes) == 1 and written.notes[0].startswith("every twin has the label of its human original")


def test_a_frame_has_one_row_per_group_and_measure(tmp_path: Path) -> None:
    _cell(tmp_path, "a", [_pair(i, 1 + i % 2) for i in range(4)])
    _cell(tmp_path, "b", [_pair(0)], "strategy=zero_shot")
    frame = as_frame(compare(tmp_path))
    assert list(frame.columns) == ["group", "measure", "human", "synthetic", "difference", "low", "high", "n", "unit"]
    assert frame["n"].to_list() == [4, 4, 4, 1, 1, 1]
    row = frame.iloc[0]
    assert row["difference"] == row["synthetic"] - row["human"] == 1.5 and row["low"] < 1.5 < row["high"]
    assert frame.iloc[3:][["difference", "low", "high"]].isna().all(axis=None)


def test_a_real_run_is_compared_from_its_folder_alone(cli: Cli, multirun: Path) -> None:
    ended = cli("dataset=fieldnotes_qa", "n_train=20", "synth_frac=0.9", *TINY, "study=texts")
    assert ended.code == 0, ended.text
    (folder,) = (path.parent for path in (multirun / "texts").glob(f"*/{RESULT}"))
    (found,) = compare(multirun / "texts")
    assert found.name == "fieldnotes_qa / qwen-1.5b / few_shot / none"
    assert found.n == found.usable == read_json(folder / RESULT)["counts"]["synthetic"] == 18
    assert {row.name for row in found.rows} >= {"text length", "answer length", "likeness to the evidence"}
    assert all(0 < row.human < 40 and 0 < row.synthetic < 40 for row in found.rows)
    assert found.openings and found.openings.shares["what"][1] > 0
