"""Power of a design before it is run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulate.items import Setting, studies
from littlehuman.errors import LittlehumanError
from littlehuman.stats import analyse
from littlehuman.stats.power import Design, Variation, power, smallest_detectable, variation

USUAL = Variation(seed_sd=0.01, stable_sd=0.2, noise_sd=0.2, icc=0.05)
SIX = Design(arms=6, seeds=3, items=1_000, clusters=200)


def test_power_rises_with_everything_that_one_can_buy() -> None:
    least = power(0.04, SIX, USUAL)
    assert 0.05 < least < 0.95
    for better in (Design(6, 5, 1_000, 200), Design(6, 3, 4_000, 800), Design(3, 3, 1_000, 200), Design(6, 3, 1_000)):
        assert power(0.04, better, USUAL) > least
    assert power(0.06, SIX, USUAL) > least > power(0.04, SIX, USUAL, alpha=0.01)


def test_the_smallest_detectable_difference_has_the_power_that_was_asked_for() -> None:
    for chance in (0.5, 0.8, 0.95):
        found = smallest_detectable(SIX, USUAL, chance)
        assert power(found, SIX, USUAL) == pytest.approx(chance, abs=1e-6)
        assert power(-found, SIX, USUAL) == pytest.approx(chance, abs=1e-6)


def test_no_difference_is_found_as_often_as_the_level_of_one_comparison_allows() -> None:
    assert power(0, SIX, USUAL) < 0.0125


def test_a_pilot_says_how_its_own_design_fares() -> None:
    """Detectable differences that studies state of themselves lie around the one that their truth gives."""
    setting = Setting(clusters=150, sizes=(4, 4), icc=0.1, between_arms=0.6, seed_sd=0.02, seeds=4, arms=4, shared=0.0)
    batch, labels = next(studies(setting, 12, np.random.default_rng(1)))
    curves = [analyse(table, labels) for table in batch]
    stated = [d.detectable for curve in curves for d in curve.differences if d and d.detectable]
    planned = [smallest_detectable(Design(4, 4, 600, 150), variation(curve)) for curve in curves]
    assert np.mean(planned) == pytest.approx(np.mean(stated), rel=0.15)


def test_a_pilot_with_one_seed_is_refused() -> None:
    with pytest.raises(LittlehumanError, match="the pilot has one seed"):
        variation(analyse(np.random.default_rng(0).random((3, 1, 50))))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Design(1, 3, 100), "arms=1 +must be at least 2"),
        (lambda: Design(3, 1, 100), "seeds=1 +must be at least 2"),
        (lambda: Design(3, 3, 100, 101), "clusters=101 +must lie between 2 and the 100 items"),
        (lambda: Variation(-0.1, 0.1, 0.1), "seed_sd=-0.1"),
        (lambda: Variation(0.1, 0.1, 0.1, 2), "icc=2"),
        (lambda: smallest_detectable(SIX, USUAL, 1.0), "chance=1.0"),
    ],
)
def test_designs_that_cannot_be_are_refused(make: object, text: str) -> None:
    with pytest.raises(LittlehumanError, match=text):
        make()  # type: ignore[operator]


def test_where_nothing_varies_what_the_test_set_can_show_still_limits() -> None:
    assert smallest_detectable(Design(3, 2, 100), Variation(0, 0, 0)) > 0.01
