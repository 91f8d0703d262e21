"""Levels for a study that is looked at repeatedly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from littlehuman.errors import LittlehumanError
from littlehuman.stats.looks import SPENDING, Looks


def test_one_look_has_the_whole_level() -> None:
    assert Looks((3,)).levels == pytest.approx((0.05,), rel=1e-6)


@pytest.mark.parametrize("spending", SPENDING)
@pytest.mark.parametrize("seeds", [(2, 3, 4, 5), (3, 5), (4, 6, 8)])
def test_all_looks_together_have_the_level(spending: str, seeds: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((400_000, seeds[-1])).cumsum(1)
    z = np.abs(steps[:, np.array(seeds) - 1] / np.sqrt(seeds))
    limits = stats.norm.isf(np.array(Looks(seeds, spending=spending).levels) / 2)
    assert (z > limits).any(1).mean() == pytest.approx(0.05, abs=0.0012)


def test_even_looks_agree_with_published_boundaries() -> None:
    """Four equally spaced looks of the O'Brien-Fleming-like function: 4.333, 2.963, 2.359, 2.014 (Lan and DeMets
    1983)."""
    levels = Looks((2, 4, 6, 8), spending="obrien-fleming").levels
    assert stats.norm.isf(np.array(levels) / 2) == pytest.approx([4.333, 2.963, 2.359, 2.014], abs=0.002)


def test_each_look_is_stricter_than_a_single_one_and_between_looks_nothing_is_decided() -> None:
    looks = Looks((2, 3, 5))
    assert all(0 < level < 0.05 for level in looks.levels)
    assert looks.level(3) == looks.levels[1] and looks.level(4) == 0.0


@pytest.mark.parametrize(
    ("seeds", "more", "text"),
    [
        ((2, 3, 4, 5, 6), {}, "5 looks; plan 1 to 4"),
        ((1, 2), {}, "after at least 2 seeds"),
        ((3, 3), {}, "must ascend"),
        ((2, 3), {"alpha": 0}, "alpha=0"),
        ((2, 3), {"spending": "even"}, "there is: obrien-fleming, pocock"),
    ],
)
def test_plans_that_cannot_be_are_refused(seeds: tuple[int, ...], more: dict[str, object], text: str) -> None:
    with pytest.raises(LittlehumanError, match=text):
        Looks(seeds, **more)  # type: ignore[arg-type]
