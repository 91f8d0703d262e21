"""Studies with a known truth, or with something wrong in them: each verdict says what is there, or is withheld."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_factory import write_study

from littlehuman import results, stats
from littlehuman.study.answers import as_json
from littlehuman.study.curve_warnings import CurveWarning, WarningKind
from littlehuman.study.floors import FloorKind
from littlehuman.study.replacement import ReplacementCurve, curves_of_study

SHARES = (0.0, 0.5, 0.9, 1.0)
EXACT = {"items": 4000, "seeds": range(5), "scatter": 0.2, "seed_sd": 0.002}  # small differences are found
USUAL = {"items": 1000, "seeds": range(3), "scatter": 0.3, "seed_sd": 0.01}


def _drop(points: float) -> Callable[[int, int], float]:
    """A score that falls by so much where no human point is left."""
    return lambda human, synthetic: 0.75 - (0 if human else points)


def _curve(study: Path, metric: str | None = None, **planted: Any) -> ReplacementCurve:
    write_study(study, **{"fractions": SHARES, "truth": _drop(0), **planted})
    (curve,) = curves_of_study(results.load(study), metric, 0.02)
    _check_agreement(curve)
    return curve


def _check_agreement(curve: ReplacementCurve) -> None:
    """Verdict, interval, p values and detectable difference of each row say the same."""
    for row in curve.table.iloc[1:].itertuples():
        low, high = float(str(row.change_low)), float(str(row.change_high))
        if low != low:
            continue
        assert (row.p_holm < 0.05) == (low > 0 or high < 0)
        assert row.at_most >= 0 and (row.at_most < 0.05) == (low > -0.02)
        sure = {"worse": high < 0, "better": low > 0, "equal": low > -0.02 and high < 0.02}
        assert sure.get(str(row.verdict), True)
        assert (row.verdict == "withheld") == isinstance(row.withheld_because, str)


def _verdicts(curve: ReplacementCurve) -> list[str]:
    return list(curve.table["verdict"].iloc[1:])


def _warning(curve: ReplacementCurve, kind: WarningKind, share: float | None) -> CurveWarning:
    (found,) = [warning for warning in curve.warnings if warning.kind is kind and warning.share == share]
    return found


def test_where_nothing_differs_all_shares_are_equal(tmp_path: Path) -> None:
    curve = _curve(tmp_path, **EXACT)
    assert _verdicts(curve) == ["equal", "equal", "equal"] and curve.warnings == ()
    assert curve.within_delta_up_to == 1.0 and curve.learnt


@pytest.mark.parametrize("points", [0.02, pytest.param(0.05, marks=pytest.mark.slow), 0.1])
def test_a_drop_is_worse_and_its_interval_holds_the_truth(tmp_path: Path, points: float) -> None:
    curve = _curve(tmp_path, truth=_drop(points), **EXACT)
    assert _verdicts(curve) == ["equal", "equal", "worse"]
    last = curve.table.iloc[-1]
    assert last["change_low"] <= -points <= last["change_high"] and curve.within_delta_up_to == 0.9


def test_a_drop_of_8_points_is_found_with_3_seeds_that_scatter(tmp_path: Path) -> None:
    assert _verdicts(_curve(tmp_path, truth=_drop(0.08), **USUAL))[-1] == "worse"


def test_a_small_study_knows_nothing_of_a_small_drop(tmp_path: Path) -> None:
    curve = _curve(tmp_path, truth=_drop(0.01), items=60, seeds=range(3))
    assert set(_verdicts(curve)) == {"unknown"} and curve.table["smallest_detectable"].iloc[1:].min() > 0.05


def test_a_leak_of_half_the_test_items_is_no_gain(tmp_path: Path) -> None:
    curve = _curve(tmp_path, leaked={0.5: 0.5}, **USUAL)
    assert _verdicts(curve)[0] == "withheld" and "withheld" not in _verdicts(curve)[1:]
    leak = _warning(curve, WarningKind.LEAK, 0.5)
    assert leak.parts["share"] == 0.5 and leak.seeds == (0, 1, 2) and leak.withholds
    assert curve.withheld_because(0.5) == (leak,)


def test_a_leak_with_known_items_comes_with_the_score_without_them(tmp_path: Path) -> None:
    curve = _curve(tmp_path, leaked={0.5: 0.5}, name_leaks=True, **USUAL)
    without = _warning(curve, WarningKind.LEAK, 0.5).parts["score_without"]
    assert isinstance(without, float) and without == pytest.approx(curve.table["mean"].iloc[0], abs=0.05)
    assert curve.table["mean"].iloc[1] > without + 0.05


def test_a_leak_into_the_smallest_share_leaves_no_verdict(tmp_path: Path) -> None:
    assert set(_verdicts(_curve(tmp_path, leaked={0.0: 0.5}, **USUAL))) == {"withheld"}


def test_a_leak_below_delta_is_told_and_hides_nothing(tmp_path: Path) -> None:
    curve = _curve(tmp_path, leaked={0.5: 0.005}, **EXACT)
    assert not _warning(curve, WarningKind.LEAK, 0.5).withholds and _verdicts(curve)[0] == "equal"


def test_a_cell_without_many_of_its_twins_is_no_loss(tmp_path: Path) -> None:
    truth = lambda human, synthetic: 0.75 if human + synthetic == 5000 else 0.6  # noqa: E731
    curve = _curve(tmp_path, truth=truth, short={(1.0, 1): 2000}, **USUAL)
    assert _verdicts(curve)[-1] == "withheld"
    short = _warning(curve, WarningKind.SHORTFALL, 1.0)
    assert short.seeds == (1,) and short.parts["share"] == 0.4
    few = _curve(tmp_path / "few", short={(1.0, 1): 5}, **USUAL)
    assert not _warning(few, WarningKind.SHORTFALL, 1.0).withholds and "withheld" not in _verdicts(few)


def test_empty_answers_everywhere_are_no_proof_of_equality(tmp_path: Path) -> None:
    every = [(share, seed) for share in SHARES for seed in range(3)]
    curve = _curve(tmp_path, qa=True, empty=every, items=500)
    assert set(_verdicts(curve)) == {"withheld"} and not curve.learnt and curve.within_delta_up_to is None
    assert {warning.kind for warning in curve.warnings} == {WarningKind.NOTHING_LEARNT, WarningKind.MOSTLY_EMPTY}


def test_one_constant_answer_everywhere_is_no_proof_of_equality(tmp_path: Path) -> None:
    every = [(share, seed) for share in SHARES for seed in range(3)]
    for qa in (True, False):
        curve = _curve(tmp_path / str(qa), qa=qa, constant=every, items=500)
        assert set(_verdicts(curve)) == {"withheld"} and not curve.learnt
        assert _warning(curve, WarningKind.CONSTANT, 0.5).parts["share"] == 1.0
        assert curve.floors[0].value == pytest.approx(curve.table["mean"].iloc[0])


def test_a_share_at_which_every_seed_says_one_thing_has_no_verdict(tmp_path: Path) -> None:
    curve = _curve(tmp_path, constant=[(1.0, seed) for seed in range(3)], **USUAL)
    assert _verdicts(curve)[-1] == "withheld" and "withheld" not in _verdicts(curve)[:-1] and curve.learnt


def test_a_collapsed_seed_is_named_and_is_no_loss(tmp_path: Path) -> None:
    curve = _curve(tmp_path, constant=[(1.0, 2)], **USUAL)
    assert _verdicts(curve)[-1] == "withheld" and not {"worse", "better"} & set(_verdicts(curve))
    collapsed = _warning(curve, WarningKind.COLLAPSED, 1.0)
    assert collapsed.seeds == (2,) and collapsed.parts["score"] < collapsed.parts["others"]
    assert {warning.kind for warning in curve.warnings} == {WarningKind.COLLAPSED, WarningKind.CONSTANT}


def test_a_collapsed_seed_does_not_blur_the_other_shares(tmp_path: Path) -> None:
    truth = lambda human, synthetic: 0.75 if human == 5000 or human == 0 else 0.6  # noqa: E731
    curve = _curve(tmp_path, constant=[(1.0, 2)], **{**USUAL, "truth": truth})
    assert _verdicts(curve) == ["worse", "worse", "withheld"]
    assert curve.table["smallest_detectable"].iloc[1] < 0.08 < curve.table["smallest_detectable"].iloc[3]
    assert curve.table["mean"].iloc[3] < 0.65 and curve.analysis is not None and curve.analysis.parts.seed_sd < 0.05


def test_a_seed_far_from_the_others_is_named_and_does_not_blur_the_other_shares(tmp_path: Path) -> None:
    curve = _curve(tmp_path, leaked={}, **{**EXACT, "truth": _drop(0.1), "outlying": {(0.9, 1): -0.25}})
    warning = _warning(curve, WarningKind.OUTLYING, 0.9)
    assert warning.seeds == (1,) and _verdicts(curve)[-1] == "worse"
    detectable = curve.table["smallest_detectable"]
    assert detectable.iloc[3] < 0.05 < detectable.iloc[2]


def test_a_verdict_that_rests_on_a_seed_far_from_the_others_is_withheld(tmp_path: Path) -> None:
    far = {"outlying": {(0.9, 1): -0.25}}
    with_it = _curve(tmp_path / "exact", leaked={}, **{**EXACT, **far})
    assert _warning(with_it, WarningKind.OUTLYING, 0.9).withholds and _verdicts(with_it) == [
        "equal",
        "withheld",
        "equal",
    ]
    unknown = _curve(tmp_path / "usual", leaked={}, **{**USUAL, **far})
    assert not _warning(unknown, WarningKind.OUTLYING, 0.9).withholds and "withheld" not in _verdicts(unknown)


def test_missing_cells_leave_the_verdicts_of_what_is_there(tmp_path: Path) -> None:
    curve = _curve(tmp_path, truth=_drop(0.1), absent=[(0.9, 1), (1.0, 2)], **EXACT)
    assert _verdicts(curve) == ["equal", "equal", "worse"]
    assert list(curve.table["pairs"].iloc[1:]) == [5, 4, 4]
    assert curve.analysis is not None and stats.Caveat.MISSING_CELLS in curve.analysis.caveats


def test_shares_without_a_common_seed_have_no_verdict(tmp_path: Path) -> None:
    absent = [(0.0, 0), (0.0, 1), (0.5, 2), (0.9, 2)]
    curve = _curve(tmp_path, absent=absent, **{**USUAL, "truth": _drop(0.1)})
    assert _verdicts(curve)[:2] == ["unknown", "unknown"] and curve.table["change"].iloc[1:3].isna().all()


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    curve = _curve(tmp_path, truth=_drop(0.1), items=2000, seeds=(0,))
    assert set(_verdicts(curve)) == {"unknown"} and curve.table["p"].isna().all()
    assert curve.table["p_items"].iloc[-1] < 0.001
    assert curve.analysis is not None and stats.Caveat.ONE_SEED in curve.analysis.caveats


def test_the_untrained_model_is_a_floor(tmp_path: Path) -> None:
    write_study(tmp_path, fractions=(0.0,), sizes=(0,), truth=lambda human, synthetic: 0.5, items=400)
    curve = _curve(tmp_path, items=400, truth=lambda human, synthetic: 0.5)
    assert [floor.kind for floor in curve.floors] == [FloorKind.UNTRAINED, FloorKind.COMMONEST_LABEL]
    assert curve.floors[1].value == 0.25 and curve.floors[0].value == pytest.approx(0.5, abs=0.1)
    assert not curve.learnt and set(_verdicts(curve)) == {"withheld"}


def test_macro_f1_has_intervals_and_verdicts_too(tmp_path: Path) -> None:
    curve = _curve(tmp_path, "macro_f1", macro_f1=True, truth=_drop(0.1), **USUAL)
    assert curve.metric == "macro_f1" and _verdicts(curve)[-1] == "worse"
    accuracy = _curve(tmp_path, truth=_drop(0.1), **USUAL)
    assert curve.table["change"].to_list()[1:] == pytest.approx(accuracy.table["change"].to_list()[1:], abs=0.02)
    widths = [one.table["change_high"].iloc[-1] - one.table["change_low"].iloc[-1] for one in (curve, accuracy)]
    assert widths[0] == pytest.approx(widths[1], rel=0.3)


def test_all_that_is_said_of_a_curve_is_plain_json(tmp_path: Path) -> None:
    curve = _curve(tmp_path, truth=_drop(0.1), absent=[(0.5, seed) for seed in (0, 1)], leaked={0.9: 0.5}, **USUAL)
    told = as_json(curve)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [share["verdict"] for share in told["shares"]] == [None, *_verdicts(curve)]
    assert told["shares"][2]["withheld_because"] == ["LEAK"] and told["shares"][3]["withheld_because"] == []
    assert told["variance"]["items"] == 1000 and told["floors"][0]["kind"] == "COMMONEST_LABEL"
    assert told["shares"][0]["change"] is None and told["shares"][3]["change"]["value"] < -0.05
