"""What is said about a curve, and that its parts never contradict each other."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.simulate.items import Setting, studies
from littlehuman.errors import DataError, LittlehumanError
from littlehuman.stats import Caveat, Curve, Verdict, analyse
from littlehuman.stats.curve import detectable, verdict
from littlehuman.stats.interval import Interval


def _scores(seed: int = 1, drop: float = 0.0, **kwargs: object) -> tuple[np.ndarray, np.ndarray]:
    setting = Setting(**({"clusters": 100, "sizes": (1, 9), "icc": 0.1, "between_arms": 0.8, "seed_sd": 0.01} | kwargs))  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    table, labels = next(studies(setting, 1, rng))
    table = table[0]
    table[-1] *= rng.random(table[-1].shape) >= drop / setting.mean
    return table, labels


def _one(curve: Curve, arm: int = -1) -> object:
    return curve.differences[arm]


def test_a_large_drop_is_found_and_the_others_are_not() -> None:
    curve = analyse(*_scores(drop=0.15))
    assert [d.verdict if d else None for d in curve.differences] == [None, *[Verdict.UNKNOWN] * 4, Verdict.WORSE]
    worst = curve.differences[-1]
    assert worst is not None and worst.interval.holds(-0.15) and worst.p is not None and worst.p < 0.01
    assert curve.caveats == ()


def test_arms_that_do_not_differ_are_equal_where_the_study_can_see_it() -> None:
    table, labels = _scores(2, clusters=2_000, sizes=(2, 2), between_arms=0.9, seed_sd=0.001, arms=3)
    curve = analyse(table, labels, delta=0.03)
    assert [d.verdict for d in curve.differences if d] == [Verdict.EQUAL] * 2
    assert all(d.loss_below_delta and not d.differs for d in curve.differences if d)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.05, -0.01, Verdict.WORSE),
        (0.001, 0.04, Verdict.BETTER),
        (-0.019, 0.019, Verdict.EQUAL),
        (-0.015, -0.005, Verdict.EQUAL),
        (-0.03, 0.01, Verdict.UNKNOWN),
    ],
)
def test_one_interval_gives_one_of_four_verdicts(low: float, high: float, said: Verdict) -> None:
    assert verdict(Interval((low + high) / 2, low, high), 0.02) is said


def test_interval_p_value_and_relative_change_never_contradict_each_other() -> None:
    shown = 0
    for seed in range(60):
        curve = analyse(*_scores(seed, drop=0.06, clusters=60, seeds=2 + seed % 3))
        for told in curve.differences:
            if told is None:
                continue
            assert told.p is not None
            assert (told.p < curve.alpha) == told.differs == (not told.relative.holds(0))
            assert (told.verdict in (Verdict.WORSE, Verdict.BETTER)) <= told.differs
            shown += told.differs
    assert 5 < shown < 295


def test_another_level_gives_other_intervals_and_the_same_p() -> None:
    usual, strict = (analyse(*_scores(3, drop=0.1), alpha=alpha) for alpha in (0.05, 0.01))
    for one, other in zip(usual.differences[1:], strict.differences[1:], strict=True):
        assert one is not None and other is not None
        assert one.p == other.p and one.interval.half_width < other.interval.half_width
        assert other.interval.level == pytest.approx(0.99)


def test_any_arm_can_be_the_base() -> None:
    table, labels = _scores(4, drop=0.2)
    first, last = analyse(table, labels), analyse(table, labels, base=5)
    one, other = first.differences[5], last.differences[0]
    assert last.differences[5] is None and one is not None and other is not None
    assert one.interval.value == pytest.approx(-other.interval.value)


def test_one_seed_speaks_of_items_only_and_decides_nothing() -> None:
    table, labels = _scores(5, drop=0.3)
    curve = analyse(table[:, :1], labels)
    worst = curve.differences[-1]
    assert worst is not None and worst.interval.high < 0 and worst.p is not None and worst.p < 0.01
    assert worst.verdict is Verdict.UNKNOWN and not worst.of_seeds and not worst.differs and not worst.loss_below_delta
    assert np.isnan(curve.parts.seed_sd) and Caveat.ONE_SEED in curve.caveats


def test_two_seeds_find_a_large_drop_and_say_what_they_cannot_see() -> None:
    table, labels = _scores(6, drop=0.15, clusters=300)
    curve = analyse(table[:, :2], labels)
    worst = curve.differences[-1]
    assert worst is not None and worst.verdict is Verdict.WORSE
    assert curve.caveats == (Caveat.TWO_SEEDS,)


def test_a_second_seed_does_not_turn_a_loss_into_no_difference() -> None:
    """With one seed nothing was decided, so nothing is taken back; the drop is found from the second seed on."""
    table, labels = _scores(7, drop=0.2, clusters=300)
    said = [analyse(table[:, :seeds], labels).differences[-1] for seeds in (1, 2, 3)]
    assert [d.verdict for d in said if d] == [Verdict.UNKNOWN, Verdict.WORSE, Verdict.WORSE]


def test_missing_cells_go_through_the_same_model() -> None:
    table, labels = _scores(8, seeds=4, drop=0.15, clusters=300)
    whole = analyse(table, labels)
    table[2, 2:], table[3, 1:], table[5, 0] = np.nan, np.nan, np.nan
    curve = analyse(table, labels)
    assert [score.seeds for score in curve.scores] == [4, 4, 2, 1, 4, 3]
    assert [d.interval.seeds for d in curve.differences if d] == [4, 2, 1, 4, 3]
    assert all(d.of_seeds for d in curve.differences if d) and Caveat.MISSING_CELLS in curve.caveats
    lone, full = curve.differences[3], whole.differences[3]
    assert lone is not None and full is not None and lone.interval.half_width > full.interval.half_width
    assert curve.differences[5] is not None and curve.differences[5].verdict is Verdict.WORSE


def test_an_arm_without_a_seed_of_the_base_is_not_compared() -> None:
    table, labels = _scores(9, arms=3)
    table[0, 2:], table[1, :2] = np.nan, np.nan
    curve = analyse(table, labels)
    lone, other = curve.differences[1], curve.differences[2]
    assert lone is not None and lone.p is None and not lone.interval.known and lone.verdict is Verdict.UNKNOWN
    assert other is not None and other.p is not None and Caveat.NO_SHARED_SEED in curve.caveats
    assert curve.local_level == pytest.approx(0.05)


def test_all_zero_scores_are_no_proof_that_nothing_can_differ() -> None:
    curve = analyse(np.zeros((3, 3, 200)))
    told = curve.differences[1]
    assert told is not None and told.p == 1 and told.interval.high > 0.015
    assert curve.scores[0].high > 0.015 and curve.scores[0].low == 0


def test_arms_with_the_same_answers_are_no_proof_that_nothing_can_differ() -> None:
    """What rounding leaves of their variance, 1e-18 and more, is no variance."""
    rng = np.random.default_rng(0)
    for items in (150, 301, 2_000):
        told = analyse(np.repeat(rng.random((1, 3, items)), 4, 0), np.arange(items) // 4).differences[1]
        assert told is not None and told.interval.half_width > 1 / items


def test_a_perfect_score_has_a_standard_error_though_rounding_puts_it_above_1() -> None:
    scores = [analyse(np.ones((2, 3, items))).scores[0] for items in range(20, 120)]
    assert max(score.value for score in scores) > 1 and np.isfinite([score.se for score in scores]).all()


def test_a_wild_arm_gets_a_wider_interval_than_its_neighbours() -> None:
    table, labels = _scores(10, clusters=400, seeds=5, seed_sd=0.005, wild=3, arms=6)
    rng = np.random.default_rng(1)
    table[3] *= rng.random((5, table.shape[-1])) >= np.linspace(0, 0.3, 5)[:, None]
    curve = analyse(table, labels)
    widths = [d.interval.half_width if d else 0 for d in curve.differences]
    assert widths[3] > 2 * max(widths[1], widths[2], widths[4])
    assert curve.parts.by_arm[3] > 3 * curve.parts.by_arm[1]


def test_parts_of_the_variance_are_found() -> None:
    found = [
        analyse(
            *_scores(seed, clusters=150, sizes=(6, 6), icc=0.2, seeds=5, seed_sd=0.03, arms=5, between_arms=0.5)
        ).parts
        for seed in range(40)
    ]
    assert np.mean([p.icc for p in found]) == pytest.approx(0.2, abs=0.02)
    assert np.sqrt(np.mean([p.seed_sd**2 for p in found])) == pytest.approx(0.03 * np.sqrt(0.5), rel=0.15)
    assert np.sqrt(np.mean([p.shared_seed_sd**2 for p in found])) == pytest.approx(0.03 * np.sqrt(0.5), rel=0.3)
    assert all(p.clusters == 150 and p.items == 900 and 350 < p.effective_items < 600 for p in found)
    # 0/1 items of mean 0.7: of the variance .42 of a difference .25 x 2 x .21 differ by seed
    assert np.mean([p.noise_sd**2 for p in found]) == pytest.approx(0.105, rel=0.25)
    assert np.mean([p.stable_sd**2 for p in found]) == pytest.approx(0.105, rel=0.25)


def test_few_clusters_and_one_cluster_are_named() -> None:
    table, labels = _scores(11)
    assert Caveat.FEW_CLUSTERS in analyse(table, labels % 12).caveats
    lone = analyse(table, np.zeros(len(labels)))
    assert Caveat.ONE_CLUSTER in lone.caveats and not lone.scores[0].known and lone.differences[1] is not None
    assert lone.differences[1].verdict is Verdict.UNKNOWN and lone.differences[1].p is None


def test_a_lone_arm_has_a_score_and_no_comparison() -> None:
    table, labels = _scores(12)
    curve = analyse(table[:1], labels)
    assert curve.differences == (None,) and curve.scores[0].low < 0.7 < curve.scores[0].high


def test_the_detectable_difference_is_found_in_80_percent_of_draws() -> None:
    rng = np.random.default_rng(3)
    effect = detectable(1.0, 8.0, 0.01)
    z = (effect + rng.standard_normal(40_000)) / np.sqrt(rng.chisquare(8, 40_000) / 8)
    from scipy import stats

    assert (np.abs(z) > stats.t.ppf(0.995, 8)).mean() == pytest.approx(0.80, abs=0.01)


def test_mixed_model_of_statsmodels_gives_nearly_the_same_standard_errors() -> None:
    """MixedLM with crossed seeds and items, by restricted likelihood, on two arms; ours is the wider one on purpose."""
    import pandas as pd
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(5)
    seeds, items = 4, 25
    arm_seed, arm_item = rng.normal(0, 0.05, (2, seeds, 1)), rng.normal(0, 0.1, (2, 1, items))
    table = 0.5 + rng.normal(0, 0.1, items) + arm_seed + arm_item + rng.normal(0, 0.1, (2, seeds, items))
    gaps = np.clip(table, 0, 1)
    long = pd.DataFrame(
        [(s, i, gaps[1, s, i] - gaps[0, s, i]) for s in range(seeds) for i in range(items)],
        columns=["seed", "item", "gap"],
    )
    parts = {"seed": "0 + C(seed)", "item": "0 + C(item)"}
    fitted = smf.mixedlm("gap ~ 1", long, groups=np.ones(len(long)), vc_formula=parts).fit(reml=True)
    told = analyse(gaps).differences[1]
    assert told is not None
    assert told.interval.value == pytest.approx(fitted.params["Intercept"], abs=1e-6)
    assert told.interval.se == pytest.approx(fitted.bse["Intercept"], rel=0.1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t[0], r"shape is \(3, \d+\); expected \[arms, seeds, items\]"),
        (lambda t: t + 1, "outside 0..1"),
        (lambda t: np.where(np.arange(t.shape[-1]) == 3, np.nan, t), "arm 0, seed 0 .* lacks some items"),
        (lambda t: np.where((np.arange(6) == 2)[:, None, None], np.nan, t), "arm 2 .* has no cell"),
    ],
)
def test_what_is_no_study_is_named(change: object, text: str) -> None:
    with pytest.raises(DataError, match=text):
        analyse(change(_scores()[0]))  # type: ignore[operator]


def test_settings_that_make_no_sense_are_refused() -> None:
    table, labels = _scores()
    with pytest.raises(LittlehumanError, match="delta=0"):
        analyse(table, labels, delta=0)
    with pytest.raises(LittlehumanError, match="alpha=1"):
        analyse(table, labels, alpha=1)
    with pytest.raises(LittlehumanError, match="base=7 +must be one of the arms 0 to 5"):
        analyse(table, labels, base=7)


def test_fifty_curves_of_forty_cells_take_seconds() -> None:
    table = np.random.default_rng(0).random((8, 5, 500))
    analyse(table)
    start = time.process_time()
    for _ in range(5):
        analyse(table, np.arange(500) // 5)
    assert time.process_time() - start < 5
